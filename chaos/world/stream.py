"""One TCP connection in memory, in virtual time: two streams that are each other's peer.

The obvious solution gives each connection a task that takes what was sent, sleeps for the latency,
and hands it to the reader. This costs two task switches and one timer per message more than the
message itself. It also fails where TCP is interesting: a reset that overtakes the data that it
drops has to interrupt a sleeping task, and each end of a connection has to end a task.

Here no task runs on behalf of a connection. The sender computes *when* something arrives and stores
it with this time at the receiving stream: data in a queue, a FIN and a reset as one time each. A
call on a stream looks at what has arrived by now. If nothing has arrived, the caller waits on a
``Waiter`` (``clock.py``) for the next arrival, and a later sender only brings that deadline
forward. A message costs one task switch, and none if no task waits for it.

The ends of a connection follow Linux, as measured on loopback (``test_network_against_tcp.py``
compares the two):

- A FIN arrives after all data. Closing with unread input that has arrived sends a reset.
- A reset drops what is under way. Data that has arrived can still be read; then *one* call, a read
  or a write, reports ECONNRESET. After that writes fail with EPIPE, and reads return the end.
- A reset after a FIN is no error for a reader, which reads on to the end. Writes fail with EPIPE.
- Bytes that arrive at a closed stream are answered with a reset. So a write after the peer's close
  succeeds, and so do further writes until one round trip has passed.

Left out: loss, congestion, segments, acknowledgements. Reading opens the window at once.
"""

import errno
import operator
import os
from collections import deque
from collections.abc import Awaitable
from math import inf
from typing import Any

import trio

from chaos.world.clock import VirtualClock, Waiter

WINDOW_BYTES = 256 * 1024
"""The most unread bytes in one direction before ``send_all`` blocks: the order of magnitude of
Linux's default. The limit also holds for closed streams: virtual time stands still while a task
keeps writing, and a reset under way needs time to arrive."""

WINDOW_LOW_BYTES = WINDOW_BYTES // 2
"""A blocked sender resumes below this, so that a large frame does not cost a task switch per
read."""

RECEIVE_BYTES = 64 * 1024
"""The default limit of ``receive_some``: that of trio's socket streams."""


def _broken(code: int) -> trio.BrokenResourceError:
    """Return the error of a broken connection, with the error of a real socket as its cause."""
    cause = OSError(code, os.strerror(code))
    error = trio.BrokenResourceError(f"virtual connection broken: {cause}")
    error.__cause__ = cause
    return error


class _ReceiveSide:
    """What is under way to one stream, and the state that its peer looks at."""

    __slots__ = ("closed", "eof_at", "offset", "queue", "reader", "reset_at", "unread", "writer")

    def __init__(self, clock: VirtualClock) -> None:
        self.queue: deque[tuple[float, bytes]] = deque()
        """The data, with the time at which each chunk arrives."""
        self.offset = 0
        """How many bytes of the first chunk were read."""
        self.unread = 0
        """How many bytes were sent and not read, arrived or not."""
        self.eof_at = inf
        self.reset_at = inf
        self.closed = False
        self.reader = Waiter(clock)
        self.writer: Waiter | None = None
        """The task that waits for the peer's window; few streams ever have one."""

    def cut(self, limit: int, now: float) -> bytes:
        """Take arrived data out of the queue, up to ``limit`` bytes."""
        queue = self.queue
        if len(queue) == 1 and not self.offset and len(queue[0][1]) <= limit:
            data = queue.popleft()[1]
            self.unread -= len(data)
            return data
        parts = []
        while limit and queue and queue[0][0] <= now:
            chunk = queue[0][1]
            part = chunk[self.offset : self.offset + limit]
            limit -= len(part)
            self.unread -= len(part)
            self.offset += len(part)
            if self.offset == len(chunk):
                queue.popleft()
                self.offset = 0
            parts.append(part)
        return b"".join(parts)

    def reset_arrives(self, at: float, cut_at: float) -> None:
        """Schedule a reset, and drop what would arrive after ``cut_at``."""
        if at >= self.reset_at:
            return
        self.reset_at = at
        while self.queue and self.queue[-1][0] > cut_at:
            self.queue.pop()
        if self.eof_at > cut_at:
            self.eof_at = inf
        self.reader.wake_at(at)
        if self.writer is not None:
            self.writer.wake_at(at)

    def close(self) -> None:
        """Receive nothing more, and wake waiting tasks."""
        self.closed = True
        self.queue.clear()
        self.reader.wake()
        if self.writer is not None:
            self.writer.wake()


class VirtualStream(trio.abc.HalfCloseableStream):
    """One side of a virtual connection; made in pairs by ``virtual_pair``.

    Each call raises ``ClosedResourceError`` after this side was closed or reset, and
    ``BusyResourceError`` while another task is in the same call.

    Args:
        clock: the clock of the run.
        own: the receive side of this stream.
        peer: the receive side of the peer.
        latency_s: the one-way latency of each byte, in seconds.
        bandwidth: bytes per second that leave this side; None for unlimited.
    """

    __slots__ = (
        "_bandwidth",
        "_clock",
        "_eof_sent",
        "_latency_s",
        "_link_free_at",
        "_own",
        "_peer",
        "_receiving",
        "_reset_reported",
        "_sending",
        "port",
    )

    def __init__(
        self,
        clock: VirtualClock,
        own: _ReceiveSide,
        peer: _ReceiveSide,
        latency_s: float,
        bandwidth: float | None,
    ) -> None:
        self.port = 0
        """The port of the client, for both sides; the network sets it."""
        self._clock = clock
        self._own = own
        self._peer = peer
        self._latency_s = latency_s
        self._bandwidth = bandwidth
        self._link_free_at = 0.0
        self._eof_sent = False
        self._reset_reported = False  # a call has raised ECONNRESET
        self._receiving = False
        self._sending = False

    # --- receiving

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive data, waiting until some has arrived; return ``b""`` at the end.

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
        own, clock, waited = self._own, self._clock, False
        data: bytes | None = None
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            while data is None:
                if own.closed:
                    raise trio.ClosedResourceError("this stream was closed")
                now, eof_at, reset_at = clock.now, own.eof_at, own.reset_at
                first = own.queue[0][0] if own.queue else inf
                if first <= now:
                    data = own.cut(limit, now)
                    writer = self._peer.writer
                    if writer is not None and own.unread <= WINDOW_LOW_BYTES:
                        writer.wake()
                elif eof_at <= now or reset_at <= now:
                    data = self._read_end(is_reset=eof_at > now)
                else:
                    waited = True
                    await own.reader.wait_until(min(first, eof_at, reset_at))
            if not waited:
                await trio.lowlevel.cancel_shielded_checkpoint()
            return data
        finally:
            self._receiving = False

    def _read_end(self, *, is_reset: bool) -> bytes:
        """Return what a read finds at the end of the connection."""
        if is_reset and not self._reset_reported:
            self._reset_reported = True
            raise _broken(errno.ECONNRESET)
        return b""

    # --- sending

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes, waiting while ``WINDOW_BYTES`` of them are unread.

        Raises:
            trio.BrokenResourceError: the connection was reset; the cause is that of a real socket,
                ``ConnectionResetError`` or ``BrokenPipeError``.
        """
        self._begin_sending()
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            if self._own.closed or self._eof_sent:
                raise self._closed_error()
            if data and self._own.reset_at <= self._clock.now:
                # trio makes no system call for an empty write, which therefore cannot fail.
                raise self._reset_error()
            if len(data) > WINDOW_BYTES - self._peer.unread:
                await self._send_in_parts(data)
                return
            if data:
                self._put(bytes(data))
            await trio.lowlevel.cancel_shielded_checkpoint()
        finally:
            self._sending = False

    async def _send_in_parts(self, data: bytes | bytearray | memoryview) -> None:
        """Send more than the window takes, waiting at least once."""
        peer, sent = self._peer, 0
        with memoryview(data) as view:
            while sent < len(view):
                room = WINDOW_BYTES - peer.unread
                if room > 0:
                    self._put(bytes(view[sent : sent + room]))
                    sent += room
                else:
                    await self._wait_for_window()
                    if self._own.closed or self._eof_sent:
                        raise self._closed_error()
                    if self._own.reset_at <= self._clock.now:
                        raise self._reset_error()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the window has room or the connection was reset."""
        self._begin_sending()
        try:
            await trio.lowlevel.checkpoint()
            own = self._own
            while (
                not own.closed
                and self._peer.unread >= WINDOW_BYTES
                and own.reset_at > self._clock.now
            ):
                await self._wait_for_window()
            if own.closed:
                raise trio.ClosedResourceError("this stream was closed")
        finally:
            self._sending = False

    async def send_eof(self) -> None:
        """Send a FIN after all data; receiving goes on.

        Raises:
            trio.BrokenResourceError: the connection was reset.
        """
        self._begin_sending()
        try:
            await trio.lowlevel.checkpoint()
            if self._own.closed:
                raise trio.ClosedResourceError("this stream was closed")
            if self._eof_sent:
                return
            if self._own.reset_at <= self._clock.now:
                raise _broken(errno.ENOTCONN)
            self._send_fin()
        finally:
            self._sending = False

    def _begin_sending(self) -> None:
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this stream")
        self._sending = True

    def _closed_error(self) -> trio.ClosedResourceError:
        """Return the error of a write after this side was closed or has sent its end."""
        if self._own.closed:
            return trio.ClosedResourceError("this stream was closed")
        return trio.ClosedResourceError("the end was sent on this stream")

    def _reset_error(self) -> trio.BrokenResourceError:
        """Return the error of a write after a reset."""
        is_unreported = not self._reset_reported and self._own.eof_at == inf
        self._reset_reported = True
        return _broken(errno.ECONNRESET if is_unreported else errno.EPIPE)

    def _wait_for_window(self) -> Awaitable[Any]:
        own = self._own
        if own.writer is None:
            own.writer = Waiter(self._clock)
        return own.writer.wait_until(own.reset_at)

    def _put(self, data: bytes) -> None:
        peer = self._peer
        peer.unread += len(data)
        if self._bandwidth is None:
            at = self._clock.now + self._latency_s
        else:
            at = self._arrival(len(data))
        if peer.closed:
            answer = at + self._latency_s
            self._own.reset_arrives(answer, answer)
        else:
            peer.queue.append((at, data))
            peer.reader.wake_at(at)

    def _send_fin(self) -> None:
        self._eof_sent = True
        self._peer.eof_at = at = self._arrival(0)
        self._peer.reader.wake_at(at)

    def _arrival(self, size: int) -> float:
        """Return when ``size`` bytes arrive that are sent now."""
        now = self._clock.now
        if self._bandwidth is None:
            return now + self._latency_s
        self._link_free_at = max(now, self._link_free_at) + size / self._bandwidth
        return self._link_free_at + self._latency_s

    # --- ends

    async def aclose(self) -> None:
        """Close with a FIN after all data, or with a reset if input that has arrived is unread."""
        self._close()
        await trio.lowlevel.checkpoint()

    def _close(self) -> None:
        own = self._own
        if own.closed:
            return
        first = own.queue[0][0] if own.queue else inf
        if first <= self._clock.now:
            self.reset()
            return
        if not self._eof_sent:
            self._send_fin()
        if first < inf:
            answer = first + self._latency_s
            self._peer.reset_arrives(answer, answer)
        own.close()

    def reset(self) -> None:
        """Close so that the peer sees a reset; what is under way in both directions is lost."""
        if not self._own.closed:
            now = self._clock.now
            self._peer.reset_arrives(now + self._latency_s, now)
            self._own.close()


def virtual_pair(
    clock: VirtualClock, latency_s: float = 0.0, bandwidth: float | None = None
) -> tuple[VirtualStream, VirtualStream]:
    """Make the two sides of a connection.

    Args:
        clock: the clock of the run.
        latency_s: the one-way latency of each byte, in seconds.
        bandwidth: bytes per second in each direction; None for unlimited.
    """
    a, b = _ReceiveSide(clock), _ReceiveSide(clock)
    return (
        VirtualStream(clock, a, b, latency_s, bandwidth),
        VirtualStream(clock, b, a, latency_s, bandwidth),
    )
