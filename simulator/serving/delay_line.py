"""A delay line: carries frames one way over a connection, in order, each not before its time.

The naive way gives every connection three tasks (read, apply, write) with queues between them, and
pays a trip through the scheduler for each hop: half of what a request costs. Most frames are not
delayed, though. So a frame that is due at once on an empty line is delivered by the task that
brings it; only a frame with a delay, or one behind it, is held, and a task that exists as long as
something is held delivers it. Bytes on one connection keep their order: a delayed frame holds back
those behind it, while the delays of frames that follow each other overlap, as on a real network.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import trio

HELD_MAX = 10_000
"""Frames that a delay line holds; beyond it the reader waits, and through TCP the peer."""

HELD_BYTES_MAX = 64 * 1024 * 1024
"""Bytes of frames that it holds, for the same reason; the largest frame alone is as much."""

T = TypeVar("T")


class DelayLineFullError(Exception):
    """Too much is held for a peer that does not take what it asked for."""


class DelayLine(Generic[T]):
    """One direction of one connection.

    Args:
        deliver: takes each item when its time has come; never called twice at once.
        start_soon: starts a task that outlives the caller, as a nursery's method does.
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
        self._moved = trio.Event()

    async def put(self, item: T, size: int, delay_s: float = 0.0) -> None:
        """Deliver an item of some bytes after a delay and after everything put before it.

        Returns when it is delivered, if it can be at once; else when it is held.
        """
        if not delay_s and not self._busy:
            self._busy = True
            try:
                await self._deliver(item)
            finally:
                # Even if the caller was cancelled: what others put meanwhile must not be stuck.
                self._busy = False
                if self._held:
                    self._start()
            return
        while self._full(size):
            await self._moved.wait()
        self._hold(item, size, delay_s)

    def put_soon(self, item: T, size: int, delay_s: float = 0.0) -> None:
        """Hold an item for delivery, from a place that cannot wait.

        Raises:
            DelayLineFullError: the delay line holds all it can.
        """
        if self._full(size):
            raise DelayLineFullError
        self._hold(item, size, delay_s)

    async def drained(self) -> None:
        """Wait until nothing is held or being delivered."""
        while self._busy or self._held:
            await self._moved.wait()

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
            while self._held:
                due, item, size = self._held[0]
                await trio.sleep_until(due)
                self._held.popleft()
                self._held_bytes -= size
                await self._deliver(item)
                self._moved.set()
                self._moved = trio.Event()
        finally:
            self._busy = False
            self._moved.set()
            self._moved = trio.Event()
