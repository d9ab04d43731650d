"""The memory budget for requests and answers in transit.

All connections share the budget, half for requests and half for answers. The halves cannot
deadlock: a request may wait for answers to leave, but an answer waits only for its client, which
can be reset.

- A large request reserves memory when its length is known, and is read only with a reservation.
  Reservations are served in order. A request that makes no progress while others wait is reset.
- A request is applied when the pending answers fit into their half.
- A client that does not read its answers is reset when others need the memory.
- A stream reads its next response from the log when the pending answers fit into their half and few
  of them are its connection's: a response that would wait for its client is not made.

Small frames need no reservation: one read of each of 4096 connections is at most 256 MiB.
"""

from collections import deque
from collections.abc import Callable

import trio

from simulator.serving.timers import ChangeSignal

COPIES = 2
"""The copies of each byte of a request: it is received, and copied into the split batches."""

FREE_BYTES = 64 * 1024
"""The bytes that a connection may hold without a reservation: the usual size of a read."""

FRAME_OVERHEAD_BYTES = 512
"""The memory of an answer in addition to its bytes."""

STREAMED_BYTES_MAX = 4 * 1024 * 1024
"""A connection that holds more bytes of answers makes no response of a stream: a few responses of
the usual size. With ``FRAME_OVERHEAD_BYTES`` they are fewer than a delay line holds."""

IDLE_S = 5.0
"""The time, in seconds, for which a large request may make no progress while another one waits."""

UNREAD_S = 1.0
"""The time, in seconds, for which an answer may be unread while others wait for memory."""


class Transit:
    """What all connections of a simulator share.

    Args:
        bytes_max: for requests and answers together.
    """

    def __init__(self, bytes_max: int) -> None:
        self.half = bytes_max // 2
        self.requests = 0
        """Bytes that requests are charged with."""
        self.answers = 0
        """Bytes that answers are charged with."""
        self._reserved = 0
        """Connections that hold a reservation."""
        self._waiting: deque[tuple[int, bool, trio.Event]] = deque()
        self.unread: dict[TransitShare, float] = {}
        """By connection that is writing an answer, when the write began, the earliest first;
        ``ConnectionTask._answer`` adds and removes the entries."""
        self.left = ChangeSignal()
        """Sent when there is room for answers again."""

    @property
    def contended(self) -> bool:
        """Whether a large request waits for room."""
        return bool(self._waiting)

    async def reserve(self, size: int, *, more: bool) -> None:
        """Reserve memory for a large request, when it fits or no other reservation exists.

        Args:
            size: bytes.
            more: whether the connection has a reservation already.
        """
        if not self._waiting and self._fits(size):
            self._take(size, more)
            return
        granted = trio.Event()
        entry = (size, more, granted)
        self._waiting.append(entry)
        try:
            await granted.wait()
        except trio.Cancelled:
            if granted.is_set():
                self.release(size, last=not more)
            else:
                self._waiting.remove(entry)
                self._grant()
            raise

    def release(self, size: int, *, last: bool) -> None:
        """Give room back.

        Args:
            size: bytes.
            last: whether the connection has no reservation now.
        """
        self.requests -= size
        self._reserved -= last
        self._grant()

    async def answers_fit(self) -> None:
        """Wait until there is room for an answer; clients that read none are reset for it."""
        while self.answers > self.half:
            self._evict()
            with trio.move_on_after(UNREAD_S):
                await self.left.wait()

    def _evict(self) -> None:
        over, now = self.answers - self.half, trio.current_time()
        for share, since in tuple(self.unread.items()):
            if over <= 0 or now < since + UNREAD_S:
                return
            over -= share.answers
            del self.unread[share]
            share.cut()

    def _fits(self, size: int) -> bool:
        return self.requests + size <= self.half or not self._reserved

    def _take(self, size: int, more: bool) -> None:
        self.requests += size
        self._reserved += not more

    def _grant(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size, more, granted = self._waiting.popleft()
            self._take(size, more)
            granted.set()


class TransitShare:
    """What one connection has of it.

    Args:
        transit: what all connections share.
        cut: resets the connection, since it does not read its answers.
    """

    def __init__(self, transit: Transit, cut: Callable[[], None]) -> None:
        self._transit = transit
        self.cut = cut
        self.answers = 0
        """Bytes that its answers are charged with."""
        self.held = 0
        """Bytes that were received, of requests that are not dealt with."""
        self._reserved = 0
        self._left = ChangeSignal()
        self._closed = False

    def is_large(self, missing: int) -> bool:
        """Return whether a read must be reserved: more than ``FREE_BYTES`` would be held, or the
        connection has a reservation.

        Args:
            missing: how many bytes it has.
        """
        return self._reserved > 0 or self.held + missing > FREE_BYTES

    def must_reserve(self, missing: int) -> bool:
        """Whether the rest of a request may only be read after ``reserve``.

        Args:
            missing: how many bytes it has.
        """
        wanted = self.held + missing
        return wanted > FREE_BYTES and wanted * COPIES > self._reserved

    async def reserve(self, missing: int) -> None:
        """Wait for the room that the rest of a request needs."""
        needed = max((self.held + missing) * COPIES - self._reserved, FREE_BYTES)
        await self._transit.reserve(needed, more=self._reserved > 0)
        self._reserved += needed

    def dealt_with(self, size: int) -> None:
        """So many bytes were applied, or never will be."""
        self.held -= size
        if self._reserved:
            self._shrink(self.held * COPIES if self.held > FREE_BYTES else 0)

    def answer_made(self, size: int) -> None:
        """An answer of so many bytes is on its way."""
        charge = size + FRAME_OVERHEAD_BYTES
        self.answers += charge
        self._transit.answers += charge

    async def answers_fit(self) -> None:
        """Wait until there is room for a response of a stream."""
        while self.answers > STREAMED_BYTES_MAX or self._transit.answers > self._transit.half:
            if self.answers > STREAMED_BYTES_MAX:
                await self._left.wait()
            else:
                await self._transit.answers_fit()

    def answer_left(self, size: int) -> None:
        """It was written, or never will be."""
        if not self._closed:
            self._answers_left(size + FRAME_OVERHEAD_BYTES)

    def _answers_left(self, charge: int) -> None:
        transit, own, all_of_them = self._transit, self.answers, self._transit.answers
        self.answers = own - charge
        transit.answers = all_of_them - charge
        if own - charge <= STREAMED_BYTES_MAX < own:
            self._left.send()
        if all_of_them - charge <= transit.half < all_of_them:
            transit.left.send()

    @property
    def overdue(self) -> bool:
        """Whether it must not get one more answer that it did not ask for."""
        transit = self._transit
        return transit.answers > transit.half and self in transit.unread

    def close(self) -> None:
        """The connection has ended."""
        self._closed = True  # an answer may be under way until its task is cancelled
        self._shrink(0)
        self._answers_left(self.answers)
        self._transit.unread.pop(self, None)

    def _shrink(self, to: int) -> None:
        if to < self._reserved:
            given, self._reserved = self._reserved - to, to
            self._transit.release(given, last=not to)
