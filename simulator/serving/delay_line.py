"""A delay line: carries frames in one direction of a connection, in order and with delays.

The naive approach gives every connection three tasks (read, apply, write) with queues between them,
and pays for a task switch at each hop: half of the cost of a request. But most frames are not
delayed. So the task that puts a frame without a delay on an empty line also delivers it. Only a
frame with a delay, or one after such a frame, is held, and a separate task delivers held frames.
Bytes on one connection keep their order: a delayed frame holds back the frames after it, while the
delays of consecutive frames overlap, as on a real network.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import trio

from simulator.serving.timers import ChangeSignal

HELD_MAX = 10_000
"""The maximum number of held frames; beyond it the reader waits, and TCP makes the peer wait."""

HELD_BYTES_MAX = 64 * 1024 * 1024
"""The maximum number of held bytes, for the same reason; one frame may have this size."""

T = TypeVar("T")


class DelayLineFullError(Exception):
    """The delay line cannot hold another frame: the peer does not read its answers."""


class DelayLine(Generic[T]):
    """One direction of one connection.

    Args:
        deliver: receives each item when it is due; calls never overlap.
        start_soon: starts a task that outlives the caller, like the method of a nursery.
    """

    def __init__(
        self,
        deliver: Callable[[T], Awaitable[None]],
        start_soon: Callable[[Callable[[], Awaitable[None]]], object],
    ) -> None:
        self._deliver = deliver
        self._start_soon = start_soon
        self._held: deque[tuple[float, T, int]] = deque()
        self._held_bytes = 0
        self._busy = False
        self._moved = ChangeSignal()
        self._pumping: trio.CancelScope | None = None

    async def put(self, item: T, size: int, delay_s: float = 0.0) -> None:
        """Deliver an item after a delay and after all earlier items.

        Returns after the delivery if the item is due at once, and otherwise when it is held.

        Args:
            item: the item.
            size: its size in bytes.
            delay_s: the delay in seconds.
        """
        if not delay_s and not self._busy:
            self._busy = True
            try:
                await self._deliver(item)
            finally:
                # Even if the caller was cancelled: items of other tasks must not be stuck.
                self._busy = False
                if self._held:
                    self._start()
            return
        while self._full(size):
            await self._moved.wait()
        self._hold(item, size, delay_s)

    def put_soon(self, item: T, size: int, delay_s: float = 0.0) -> None:
        """Hold an item for delivery, without waiting for room.

        Raises:
            DelayLineFullError: the delay line is full.
        """
        if self._full(size):
            raise DelayLineFullError
        self._hold(item, size, delay_s)

    @property
    def idle(self) -> bool:
        """Whether nothing is held or being delivered."""
        return not (self._busy or self._held)

    async def drained(self) -> None:
        """Wait until nothing is held or being delivered."""
        while not self.idle:
            await self._moved.wait()

    def abort(self) -> None:
        """Discard what is held, and end a delivery that waits."""
        self._held.clear()
        self._held_bytes = 0
        if self._pumping is not None:
            self._pumping.cancel()

    def _full(self, size: int) -> bool:
        held = len(self._held)
        return held >= HELD_MAX or (held > 0 and self._held_bytes + size > HELD_BYTES_MAX)

    def _hold(self, item: T, size: int, delay_s: float) -> None:
        self._held.append((trio.current_time() + delay_s, item, size))
        self._held_bytes += size
        if not self._busy:
            self._start()

    def _start(self) -> None:
        self._busy = True
        self._start_soon(self._pump)

    async def _pump(self) -> None:
        try:
            with trio.CancelScope() as self._pumping:
                while self._held:
                    due, item, size = self._held[0]
                    if due > trio.current_time():
                        await trio.sleep_until(due)
                    else:
                        await trio.lowlevel.checkpoint()  # as sleeping does, at less cost
                    self._held.popleft()
                    self._held_bytes -= size
                    await self._deliver(item)
                    self._moved.send()
        finally:
            self._busy = False
            self._moved.send()
