"""One connection to an SC or an SPU: requests pipelined, answers paired by correlation id.

The naive way lets each caller write its own frame under a lock. A caller whose time is over then
leaves half a frame behind and has to break the connection for everybody, and all others lose
requests that were perfectly well. So callers never write. They put their frame into a line, a
task of the connection's own writes one after the other and is never interrupted by a caller, and
another one reads. A caller can turn away from its ``PendingCall`` at any time without harm to the
others.

A connection whose answer is *overdue* is retired, and so is one on which a write failed. Nothing
new goes out on it, so frames that still stand in line are given back as *displaced*, at no cost to
their owners. Answers to what was transmitted still count until their owners lose patience too, and
then it closes. An answer without a waiter is ignored: its attempt is over. But the server still
owes it: once it is overdue the connection takes no new requests, until it comes.

The moment that decides between "not stored" and "perhaps stored" is when the first byte of a frame
is handed to the stream; ``PendingCall.begun`` is set right before it, without a checkpoint between.
"""

from collections import deque
from collections.abc import Callable
from typing import TypeVar

import trio

from producer.errors import ConnectionLostError
from producer.signal import Signal
from wire.api import Api
from wire.codec import WireError
from wire.connection import ClientConnection

RECEIVE_BYTES = 64 * 1024
"""What one read asks for: hundreds of answers, and most metadata updates."""

CLOSE_S = 0.5
"""How long a TLS connection may take to say goodbye; TCP takes no time for it."""

NOT_THE_PROTOCOL = "sent what is not the protocol"

R = TypeVar("R")
Q = TypeVar("Q")


class PendingCall:
    """One request on its way, in the hands of its caller.

    Args:
        frame: what will be written.
        correlation_id: what the answer will carry.
        version: at which the request was encoded.
        begun: called right before the first byte leaves.
        answered: called with each answer's body; None to keep the first one for ``answer``.
    """

    __slots__ = (
        "_begun_hook",
        "_body",
        "_done",
        "_failure",
        "_hook",
        "_is_written",
        "_written",
        "begun",
        "correlation_id",
        "displaced",
        "frame",
        "version",
    )

    def __init__(
        self,
        frame: bytes,
        correlation_id: int,
        version: int,
        begun: Callable[[], None] | None,
        answered: Callable[[bytes], None] | None,
    ) -> None:
        self.frame = frame
        self.correlation_id = correlation_id
        self.version = version
        self.begun = False
        """Its first byte was handed to the stream."""
        self.displaced = False
        """It was taken out of the line, untouched, because the connection was retired."""
        self._begun_hook = begun
        self._hook = answered
        self._body: bytes | None = None
        self._failure: Exception | None = None
        self._is_written = False
        self._written = Signal()
        self._done = Signal()

    async def written(self) -> None:
        """Wait until all of its bytes were handed over.

        Raises:
            ConnectionLostError: they were not, and will not be.
        """
        if self._is_written:
            await trio.lowlevel.checkpoint()
        else:
            await self._written.wait()
        if self._failure is not None and self._body is None:
            raise self._failure

    async def answer(self) -> bytes:
        """Wait for the body of the answer.

        Raises:
            ConnectionLostError: none will come.
        """
        if self._body is not None or self._failure is not None:
            await trio.lowlevel.checkpoint()
        else:
            await self._done.wait()
        if self._body is None:
            assert self._failure is not None
            raise self._failure
        return self._body

    # --- for the connection

    def begin(self) -> None:
        """The next thing that happens is that its first byte leaves."""
        self.begun = True
        if self._begun_hook is not None:
            self._begun_hook()

    def write_ended(self) -> None:
        """The connection is done with the frame: it was handed over, or never will be."""
        self.frame = b""
        self._is_written = True
        self._written.send()

    def take_answer(self, body: bytes) -> bool:
        """Take an answer in; returns whether more of them may come."""
        if self._hook is not None:
            self._hook(body)
            return True
        self._body = body
        self.write_ended()
        self._done.send()
        return False

    def fail(self, error: Exception) -> None:
        """There will be no answer."""
        if self._body is None and self._failure is None:
            self._failure = error
            self.write_ended()
            self._done.send()


class Connection:
    """A connection that was greeted; made by ``dialing.open_connection``, run by ``run``.

    Args:
        stream: what carries the bytes.
        wire: the protocol's side of it, greeted.
        name: the server, for errors.
        answered: called with each answer that a request waited for.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        wire: ClientConnection,
        name: str,
        answered: Callable[[], None],
    ) -> None:
        self.name = name
        self._answered = answered
        self._stream = stream
        self._wire = wire
        self._line: deque[PendingCall] = deque()
        self._calls: dict[int, PendingCall] = {}
        self._owed: dict[int, float] = {}
        """When the answer is due to each request whose owner turned away before that."""
        self._wake = Signal()
        """For the writer: there is something in line, or nothing more will come."""
        self._tasks: trio.Nursery | None = None
        self._stopped = False
        self._failure: ConnectionLostError | None = None
        self._finishing = False
        self.retired = False
        """Nothing new may go out on it."""
        self.ended = trio.Event()
        """Set when it is closed."""

    @property
    def usable(self) -> bool:
        """Whether requests may be put on it."""
        if self.retired or self._failure is not None:
            return False
        return not self._owed or trio.current_time() < min(self._owed.values())

    async def discard(self) -> None:
        """Close a connection that was never used and never run."""
        await trio.aclose_forcefully(self._stream)

    def version_of(self, api: Api[Q, R]) -> int:
        """The version to speak.

        Raises:
            WireError: there is none in common.
        """
        return self._wire.version_of(api)

    def submit(
        self,
        api: Api[Q, R],
        body: Q,
        *,
        begun: Callable[[], None] | None = None,
        answered: Callable[[bytes], None] | None = None,
    ) -> PendingCall:
        """Put a request in line; never waits.

        Args:
            api: the API to ask.
            body: the request.
            begun: called right before its first byte leaves.
            answered: for requests with many answers: called with the body of each.

        Raises:
            ConnectionLostError: the connection is not usable any more.
            WireError: no version in common, or the request does not encode.
        """
        if not self.usable:
            raise self._failure or ConnectionLostError(f"{self.name}: the connection was given up")
        version = self._wire.version_of(api)
        correlation_id, frame = self._wire.request(api, body, version)
        call = PendingCall(frame, correlation_id, version, begun, answered)
        self._line.append(call)
        self._calls[correlation_id] = call
        self._wake.send()
        return call

    def forget(self, call: PendingCall, *, overdue: bool = False, due: float | None = None) -> None:
        """Turn away from a request; if its answer is overdue, retire the connection.

        Args:
            call: the request.
            overdue: whether its answer is overdue now.
            due: when its answer will be overdue, in trio's time; None if that shows nothing. The
                server owes the answer although its owner does not wait for it any more.
        """
        if self._calls.pop(call.correlation_id, None) and call.begun and due is not None:
            self._owed[call.correlation_id] = due
        if not call.begun and call in self._line:
            self._line.remove(call)
        if overdue:
            self.retire()
        elif self.retired and not self._calls:
            self._stop()

    def retire(self) -> None:
        """Put nothing new on it; close it when no request waits for an answer on it."""
        self._retire(None)

    def _retire(self, reason: ConnectionLostError | None) -> None:
        """Give back what stands in line: it was certainly not transmitted.

        Args:
            reason: why; None for an overdue answer.
        """
        self.retired = True
        if self._line:
            text = f"{self.name}: the connection was given up as overdue"
            reason = reason or ConnectionLostError(text)
            for call in self._line:
                self._calls.pop(call.correlation_id, None)
                call.displaced = True
                call.fail(reason)
            self._line.clear()
        if not self._calls:
            self._stop()

    def end(self) -> None:
        """Close it now; whatever is open on it has failed."""
        self.retired = True
        self._stop()

    def break_off(self, error: WireError) -> ConnectionLostError:
        """Close it now, because an answer is not what it should be; returns why.

        What else is open on it has failed for that reason: the answers of such a peer mean
        nothing.
        """
        lost = self._lost(NOT_THE_PROTOCOL, error)
        self._end(lost)
        self.end()
        return lost

    def finish(self) -> None:
        """Say that no more requests will come, read the answers that do, then close."""
        self._finishing = self.retired = True
        self._wake.send()
        if not self._calls:
            self._stop()

    async def run(self) -> None:
        """Write and read until the connection ends; whatever is open then has failed."""
        try:
            async with trio.open_nursery() as self._tasks:
                if self._stopped:
                    self._stop()
                self._tasks.start_soon(self._write)
                await self._read()
        finally:
            text = f"{self.name}: the connection was closed"
            self._end(self._failure or ConnectionLostError(text))
            try:
                await self._close_stream()
            finally:
                self.ended.set()

    def _stop(self) -> None:
        """Interrupt the reader and the writer, now or as soon as they begin."""
        self._stopped = True
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()

    async def _close_stream(self) -> None:
        if isinstance(self._stream, trio.abc.HalfCloseableStream):
            await self._stream.aclose()
        else:
            with trio.move_on_after(CLOSE_S):
                await self._stream.aclose()

    # --- writing and reading

    async def _write(self) -> None:
        try:
            while True:
                while self._line:
                    call = self._line.popleft()
                    call.begin()
                    await self._stream.send_all(call.frame)
                    call.write_ended()
                if self._finishing:
                    await self._send_eof()
                    return
                await self._wake.wait()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            # The reader may still find answers that arrived before the end; it sees it as well,
            # perhaps much later. Those in line need not wait for that: another connection will do.
            self._failure = self._lost("broke while writing", error)
            self._retire(self._failure)

    async def _send_eof(self) -> None:
        if isinstance(self._stream, trio.abc.HalfCloseableStream):  # TLS cannot
            await self._stream.send_eof()

    async def _read(self) -> None:
        try:
            while True:
                data = await self._stream.receive_some(RECEIVE_BYTES)
                if not data:
                    self._end(ConnectionLostError(f"{self.name}: the server closed the connection"))
                    break
                for correlation_id, body in self._wire.receive(bytes(data)):
                    self._answer(correlation_id, body)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._end(self._lost("the connection broke", error))
        except WireError as error:
            self._end(self._lost(NOT_THE_PROTOCOL, error))
        self._stop()

    def _answer(self, correlation_id: int, body: bytes) -> None:
        self._owed.pop(correlation_id, None)
        call = self._calls.get(correlation_id)
        if call is None or not call.begun:
            return  # its owner turned away, or the server repeats itself
        self._answered()
        if not call.take_answer(body):
            del self._calls[correlation_id]
            if self.retired and not self._calls:
                self._stop()

    def _lost(self, what: str, cause: Exception) -> ConnectionLostError:
        reason = str(cause.__cause__ or cause)
        lost = ConnectionLostError(f"{self.name}: {what}{f': {reason}' if reason else ''}")
        lost.__cause__ = cause
        return lost

    def _end(self, error: ConnectionLostError) -> None:
        self._failure = self._failure or error
        calls, self._calls = self._calls, {}
        self._line.clear()
        for call in calls.values():
            call.fail(self._failure)
