"""One TCP connection in memory, on trio's clock: two streams that are each other's peer.

The naive way gives each connection a task that takes what was sent, sleeps for the latency, and
puts it before the reader. That costs two switches and a timer more per message than the message
itself, and it goes wrong where TCP is interesting: a reset that overtakes what it drops has to
catch a task in its sleep, and every end has to end a task.

Here nothing runs on behalf of a connection. Whoever sends works out at once *when* it arrives and
leaves it, with that time, at the receiving stream: data in a queue, a FIN and a reset as one time
each. Whoever calls a stream looks at what is due by now. If that is nothing, it waits at a place
(``clock.py``) for the next arrival, and a sender that comes by only brings that time forward. So a
message costs one switch, and none if nobody waits for it.

What an end looks like follows Linux, as measured on loopback (``test_network_against_tcp.py`` holds
the two side by side):

- A FIN comes behind all data. Closing with input that has arrived and is unread is a reset.
- A reset drops what is under way. What had arrived can still be read; then *one* call, reading or
  writing, reports ECONNRESET. From then on writing fails with EPIPE, and reading gives the end.
- A reset behind a FIN is no error to a reader: it reads on to the end. Writing fails with EPIPE.
- Bytes that arrive at a closed stream are answered with a reset, so that a write after the peer's
  close succeeds, and the next one does until a round trip has passed.

Left out: loss, congestion, segments, acknowledgements. What is read opens the window at once.
"""

import errno
import operator
import os
from collections import deque
from math import inf

import trio

from chaos.world.clock import Place, VirtualClock

WINDOW_BYTES = 256 * 1024
"""What may be unread in one direction before ``send_all`` blocks: in the order of what Linux keeps
by default. It counts at closed streams too: virtual time stands still while a task keeps writing,
and a reset on its way needs time to arrive."""

WINDOW_LOW_BYTES = WINDOW_BYTES // 2
"""A blocked sender goes on below this, so that a large frame does not cost a switch per read."""

RECEIVE_BYTES = 64 * 1024
"""What ``receive_some`` returns at most unless told otherwise, as trio's socket streams do."""


def _broken(code: int) -> trio.BrokenResourceError:
    """The error of a broken connection, caused by the one that a socket would give."""
    cause = OSError(code, os.strerror(code))
    error = trio.BrokenResourceError(f"virtual connection broken: {cause}")
    error.__cause__ = cause
    return error


class _Side:
    """What is under way to one stream, and what its peer has to know about it."""

    __slots__ = ("closed", "eof_at", "offset", "queue", "reader", "reset_at", "unread", "writer")

    def __init__(self, clock: VirtualClock) -> None:
        self.queue: deque[tuple[float, bytes]] = deque()
        """The data, with the times at which it arrives."""
        self.offset = 0
        """How much of the first chunk was read."""
        self.unread = 0
        """How many bytes were sent and not read, arrived or not."""
        self.eof_at = inf
        self.reset_at = inf
        self.closed = False
        self.reader = Place(clock)
        self.writer = Place(clock)

    def next_arrival(self) -> float:
        """When the next thing arrives that a reader would notice."""
        first = self.queue[0][0] if self.queue else inf
        return min(first, self.eof_at, self.reset_at)

    def cut(self, limit: int, now: float) -> bytes:
        """Take what has arrived out of the queue, up to a limit."""
        queue = self.queue
        if len(queue) == 1 and not self.offset and len(queue[0][1]) <= limit:
            return queue.popleft()[1]
        parts = []
        while limit and queue and queue[0][0] <= now:
            chunk = queue[0][1]
            part = chunk[self.offset : self.offset + limit]
            limit -= len(part)
            self.offset += len(part)
            if self.offset == len(chunk):
                queue.popleft()
                self.offset = 0
            parts.append(part)
        return b"".join(parts)

    def reset_arrives(self, at: float, cut_at: float) -> None:
        """A reset is on its way; what would arrive after ``cut_at`` never does."""
        if at >= self.reset_at:
            return
        self.reset_at = at
        while self.queue and self.queue[-1][0] > cut_at:
            self.queue.pop()
        if self.eof_at > cut_at:
            self.eof_at = inf
        self.reader.wake_at(at)
        self.writer.wake_at(at)

    def shut(self) -> None:
        """Nothing is received any more; who waits is told."""
        self.closed = True
        self.queue.clear()
        self.reader.wake()
        self.writer.wake()


class VirtualStream(trio.abc.HalfCloseableStream):
    """One side of a virtual connection; made in pairs by ``virtual_pair``.

    Each call raises ``ClosedResourceError`` after this side was closed or reset, and
    ``BusyResourceError`` while another task does the same thing.

    Args:
        clock: of the run.
        here: what comes in.
        there: what goes out, which is what comes in at the peer.
        latency_s: how long a byte is under way, in seconds.
        bandwidth: how many bytes per second leave this side; None for any number.
    """

    __slots__ = (
        "_bandwidth",
        "_clock",
        "_eof_sent",
        "_here",
        "_latency_s",
        "_line_free_at",
        "_receiving",
        "_reported",
        "_sending",
        "_there",
    )

    def __init__(
        self,
        clock: VirtualClock,
        here: _Side,
        there: _Side,
        latency_s: float,
        bandwidth: float | None,
    ) -> None:
        self._clock = clock
        self._here = here
        self._there = there
        self._latency_s = latency_s
        self._bandwidth = bandwidth
        self._line_free_at = 0.0
        self._eof_sent = False
        self._reported = False  # a caller was told of the reset
        self._receiving = False
        self._sending = False

    # --- receiving

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive what is there, waiting until there is something; ``b""`` at the end.

        Raises:
            trio.BrokenResourceError: the connection was reset; the cause is
                ``ConnectionResetError``.
        """
        limit = RECEIVE_BYTES if max_bytes is None else operator.index(max_bytes)
        if limit < 1:
            raise ValueError("max_bytes must be >= 1")
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving from this stream")
        self._receiving = True
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            data = self._take(limit)
            if data is not None:
                await trio.lowlevel.cancel_shielded_checkpoint()
                return data
            here = self._here
            while data is None:
                await here.reader.wait_until(here.next_arrival())
                data = self._take(limit)
            return data
        finally:
            self._receiving = False

    def _take(self, limit: int) -> bytes | None:
        """What a read finds now; None if it has to wait."""
        here = self._here
        if here.closed:
            raise trio.ClosedResourceError("this stream was closed")
        now = self._clock.now
        if here.queue and here.queue[0][0] <= now:
            data = here.cut(limit, now)
            here.unread -= len(data)
            if here.unread <= WINDOW_LOW_BYTES:
                self._there.writer.wake()
            return data
        if here.eof_at <= now:
            return b""
        if here.reset_at <= now:
            if self._reported:
                return b""
            self._reported = True
            raise _broken(errno.ECONNRESET)
        return None

    # --- sending

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes, waiting while ``WINDOW_BYTES`` of them are unread.

        Raises:
            trio.BrokenResourceError: the connection was reset; the cause is what a socket gives,
                ``ConnectionResetError`` or ``BrokenPipeError``.
        """
        self._begin_sending()
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            self._check_open()
            if data:
                # Sockets never learn of an empty write, so that it cannot fail for a reset either.
                self._check_whole()
            if len(data) > WINDOW_BYTES - self._there.unread:
                await self._send_in_parts(data)
                return
            if data:
                self._put(bytes(data))
            await trio.lowlevel.cancel_shielded_checkpoint()
        finally:
            self._sending = False

    async def _send_in_parts(self, data: bytes | bytearray | memoryview) -> None:
        """Send more than the window takes, which means to wait at least once."""
        there, sent = self._there, 0
        with memoryview(data) as view:
            while sent < len(view):
                room = WINDOW_BYTES - there.unread
                if room > 0:
                    self._put(bytes(view[sent : sent + room]))
                    sent += room
                else:
                    await self._wait_for_window()
                    self._check_open()
                    self._check_whole()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room in the window, or the connection was reset."""
        self._begin_sending()
        try:
            await trio.lowlevel.checkpoint()
            here = self._here
            while (
                not here.closed
                and self._there.unread >= WINDOW_BYTES
                and here.reset_at > self._clock.now
            ):
                await self._wait_for_window()
            if here.closed:
                raise trio.ClosedResourceError("this stream was closed")
        finally:
            self._sending = False

    async def send_eof(self) -> None:
        """Send the end, behind all data; receiving goes on.

        Raises:
            trio.BrokenResourceError: the connection was reset.
        """
        self._begin_sending()
        try:
            await trio.lowlevel.checkpoint()
            if self._here.closed:
                raise trio.ClosedResourceError("this stream was closed")
            if self._eof_sent:
                return
            if self._here.reset_at <= self._clock.now:
                raise _broken(errno.ENOTCONN)
            self._send_fin()
        finally:
            self._sending = False

    def _begin_sending(self) -> None:
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this stream")
        self._sending = True

    def _check_open(self) -> None:
        if self._here.closed:
            raise trio.ClosedResourceError("this stream was closed")
        if self._eof_sent:
            raise trio.ClosedResourceError("the end was sent on this stream")

    def _check_whole(self) -> None:
        here = self._here
        if here.reset_at < inf and here.reset_at <= self._clock.now:
            is_news = not self._reported and here.eof_at == inf
            self._reported = True
            raise _broken(errno.ECONNRESET if is_news else errno.EPIPE)

    async def _wait_for_window(self) -> None:
        await self._here.writer.wait_until(self._here.reset_at)

    def _put(self, data: bytes) -> None:
        there = self._there
        there.unread += len(data)
        at = self._arrival(len(data))
        if there.closed:
            answer = at + self._latency_s
            self._here.reset_arrives(answer, answer)
        else:
            there.queue.append((at, data))
            there.reader.wake_at(at)

    def _send_fin(self) -> None:
        self._eof_sent = True
        self._there.eof_at = at = self._arrival(0)
        self._there.reader.wake_at(at)

    def _arrival(self, size: int) -> float:
        """When that many bytes arrive which are handed over now."""
        now = self._clock.now
        if self._bandwidth is None:
            return now + self._latency_s
        self._line_free_at = max(now, self._line_free_at) + size / self._bandwidth
        return self._line_free_at + self._latency_s

    # --- ends

    async def aclose(self) -> None:
        """Close: a FIN behind all data, or a reset if input that has arrived is unread."""
        self._close()
        await trio.lowlevel.checkpoint()

    def _close(self) -> None:
        here = self._here
        if here.closed:
            return
        first = here.queue[0][0] if here.queue else inf
        if first <= self._clock.now:
            self.reset()
            return
        if not self._eof_sent:
            self._send_fin()
        if first < inf:
            answer = first + self._latency_s
            self._there.reset_arrives(answer, answer)
        here.shut()

    def reset(self) -> None:
        """Close, so that the peer sees a reset; what is under way, both ways, is lost."""
        if not self._here.closed:
            now = self._clock.now
            self._there.reset_arrives(now + self._latency_s, now)
            self._here.shut()


def virtual_pair(
    clock: VirtualClock, latency_s: float = 0.0, bandwidth: float | None = None
) -> tuple[VirtualStream, VirtualStream]:
    """Make the two sides of a connection.

    Args:
        clock: of the run.
        latency_s: how long a byte is under way, in seconds.
        bandwidth: bytes per second in each direction; None for any number.
    """
    a, b = _Side(clock), _Side(clock)
    return (
        VirtualStream(clock, a, b, latency_s, bandwidth),
        VirtualStream(clock, b, a, latency_s, bandwidth),
    )
