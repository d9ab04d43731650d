"""The task of one server connection: trio around ``exchange.py``.

Requests pass through one delay line and answers through another. Most frames are not delayed, so
the task of the reader usually applies a request and writes its answer itself.
"""

from collections import deque
from collections.abc import Callable, Iterable
from types import GeneratorType
from typing import Any

import trio

from simulator.cluster.cluster import Spu
from simulator.events import ClosedBy, CloseReason
from simulator.handlers import CommitWait, Pause, WaitUntil
from simulator.serving.applying import AppliedExchanges, SimulatorState
from simulator.serving.delay_line import DelayLine, DelayLineFullError
from simulator.serving.exchange import Exchanges, StreamAction
from simulator.serving.pending import PendingAnswer, PendingEnd, PendingRequest
from simulator.serving.states import ReadingState, WritingState
from simulator.serving.transit import IDLE_S, Transit, TransitShare
from simulator.serving.transport import Stream
from wire.codec import WireError

RECEIVE_BYTES_MIN = 64 * 1024
"""The minimum size of one read; only a large incomplete frame needs more."""

RECEIVE_BYTES_MAX = 1024 * 1024
"""The maximum size of one read: larger buffers cost more to allocate than they save."""

FIN_DRAIN_S = 0.001
"""The time, in seconds, for which a ``fin`` waits for each chunk of input that has arrived. Closing
a socket with unread input sends a reset instead of a FIN."""

FIN_REST_S = 0.05
"""The same for the rest of a request of which a part has arrived: the operating system, or a client
on a busy machine, may take longer to send it on."""

FIN_DRAIN_PIECES = 1024
"""The maximum number of such chunks, so that a client that never stops cannot prevent the end."""

_RECEIVING = ReadingState.RECEIVING

_GONE = (trio.BrokenResourceError, trio.ClosedResourceError)


class ConnectionTask:
    """Serves one connection, whatever applies its requests.

    Args:
        exchanges: the state of the connection.
        stream: the stream of the connection.
        reset: closes a stream immediately so that the peer sees a reset.
        start_soon: starts a task that may live as long as the simulator.
        transit: the memory budget for requests and answers in transit.
    """

    def __init__(
        self,
        exchanges: Exchanges,
        stream: Stream,
        reset: Callable[[Stream], None],
        start_soon: Callable[..., object],
        transit: Transit,
    ) -> None:
        self._transit = transit
        self._share = TransitShare(transit, self._cut_unread)
        self._exchanges = exchanges
        self._stream = stream
        self._reset = reset
        self._start_soon = start_soon
        self._requests: DelayLine[PendingRequest] = DelayLine(self._deliver, start_soon)
        self._answers: DelayLine[PendingAnswer | PendingEnd] = DelayLine(self._answer, start_soon)
        self._reader = trio.CancelScope()
        self._cut = trio.Event()

    @property
    def held_open(self) -> bool:
        """Whether a fault keeps the connection open although it is no longer read or written."""
        return self.stalled or self._exchanges.writing is WritingState.SILENT

    @property
    def stalled(self) -> bool:
        """Whether a fault keeps the connection open although it is no longer read."""
        return self._exchanges.reading is ReadingState.STALLED

    async def serve(self, port: int) -> None:
        """Serve the connection to its end; the caller closes the stream.

        Args:
            port: the port of the client; 0 if it is not known.
        """
        exchanges = self._exchanges
        exchanges.opened(port)
        try:
            with self._reader:
                await self._read()
            if not self._all_passed:  # usually there is nothing to wait for
                await self._close_when_drained()
                await self._requests.drained()
                await self._answers.drained()
                await self._close_when_drained()  # for an end that was queued after answers
            if self.stalled:
                await self._cut.wait()
        finally:
            self._share.close()
            exchanges.closed()

    @property
    def _all_passed(self) -> bool:
        """Whether neither a frame nor the input behind a FIN of ours is left to deal with."""
        draining = self._exchanges.reading is ReadingState.DRAINING
        return self._requests.idle and self._answers.idle and not draining

    def cut(self, by: ClosedBy, reason: CloseReason) -> None:
        """Reset the connection; requests that were read are still applied."""
        self._carry_out(self._exchanges.cut(by, reason))

    def abort(self, reason: CloseReason) -> None:
        """Reset the connection, and forget what was read and not applied yet."""
        self.cut(ClosedBy.SIMULATOR, reason)
        self._requests.abort()
        self._answers.abort()
        self._reader.cancel()  # also while it applies a request

    def _cut_unread(self) -> None:
        self.cut(ClosedBy.SIMULATOR, CloseReason.ANSWERS_UNREAD)

    # --- reading

    async def _read(self) -> None:
        exchanges, share, frames = self._exchanges, self._share, self._exchanges.frames
        try:
            while exchanges.reading is _RECEIVING:
                if share.is_large(frames.missing):
                    data = await self._receive_large(frames.missing)
                else:
                    data = await self._stream.receive_some(RECEIVE_BYTES_MIN)
                share.held += len(data)
                for request in exchanges.receive(bytes(data)):
                    await self._requests.put(request, request.frame.size, request.delay_s)
        except trio.BrokenResourceError:
            exchanges.client_reset()
        except trio.ClosedResourceError:
            pass  # we closed the stream and recorded the reason
        finally:
            exchanges.reader_ended()
            share.dealt_with(frames.held)

    async def _receive_large(self, missing: int) -> bytes | bytearray:
        """Receive more of a large request, with a reservation; end it if it stalls while others
        wait for memory."""
        if self._share.must_reserve(missing):
            await self._share.reserve(missing)
        size = max(RECEIVE_BYTES_MIN, min(missing, RECEIVE_BYTES_MAX))
        while True:
            with trio.move_on_after(IDLE_S):
                return await self._stream.receive_some(size)
            if self._transit.contended:
                self.cut(ClosedBy.SIMULATOR, CloseReason.EVICTED)
                return b""

    # --- applying

    async def _deliver(self, request: PendingRequest) -> None:
        """Process a request that is due."""
        raise NotImplementedError

    # --- writing

    async def _answer(self, item: PendingAnswer | PendingEnd) -> None:
        """Process an answer that is due, or the end of the connection."""
        exchanges, share = self._exchanges, self._share
        try:
            for action in exchanges.answer_due(item):
                if isinstance(action, bytes):
                    assert isinstance(item, PendingAnswer)
                    unread = self._transit.unread
                    unread[share] = trio.current_time()
                    try:
                        await self._stream.send_all(action)
                    except _GONE:
                        exchanges.write_failed()
                    else:
                        exchanges.written(item, len(action))
                    finally:
                        unread.pop(share, None)
                elif action is StreamAction.SEND_FIN:
                    try:
                        await self._stream.send_eof()
                    except _GONE:
                        return
                else:
                    self._carry_out((action,))
        finally:
            if isinstance(item, PendingAnswer):
                share.answer_left(len(item.frame))

    def _carry_out(self, actions: Iterable[StreamAction]) -> None:
        """Carry out actions that do not wait."""
        for action in actions:
            if action is StreamAction.INTERRUPT:
                self._reader.cancel()
            else:
                assert action is StreamAction.RESET
                self._cut.set()
                self._reset(self._stream)

    # --- ending

    async def _close_when_drained(self) -> None:
        """Close the stream after a FIN, once the input is read: unread input causes a reset."""
        if self._exchanges.reading is ReadingState.DRAINING:
            await self._drain_input()
            await self._stream.aclose()
            self._exchanges.drained()

    async def _drain_input(self) -> None:
        frames = self._exchanges.frames
        rest = frames.missing if frames.held else 0
        for _ in range(FIN_DRAIN_PIECES):
            with trio.move_on_after(FIN_REST_S if rest > 0 else FIN_DRAIN_S) as scope:
                try:
                    data = await self._stream.receive_some(RECEIVE_BYTES_MAX)
                except _GONE:
                    return
            if scope.cancelled_caught or not data:
                return
            rest -= len(data)


class ApplyingTask(ConnectionTask):
    """Serves one connection with handlers.

    Args:
        shared: the state that all connections share.
        number: the number of the connection, from 1 in the order in which they are accepted.
        stream: as for ``ConnectionTask``.
        reset: as for ``ConnectionTask``.
        spu: the SPU that the client connected to, or None for the SC.
        start_soon: as for ``ConnectionTask``.
        transit: as for ``ConnectionTask``.
    """

    def __init__(
        self,
        shared: SimulatorState,
        number: int,
        stream: Stream,
        reset: Callable[[Stream], None],
        spu: Spu | None,
        start_soon: Callable[..., object],
        transit: Transit,
    ) -> None:
        self._applied = AppliedExchanges(shared, number, spu, self._push, self._when_room)
        self._waiting: deque[Callable[[], None]] = deque()
        """What waits for room for an answer, and the call that is being made."""
        super().__init__(self._applied, stream, reset, start_soon, transit)

    async def _deliver(self, request: PendingRequest) -> None:
        """Process a request that is due."""
        exchanges, transit, share = self._applied, self._transit, self._share
        try:
            for due in exchanges.due(request):
                if isinstance(due, PendingEnd):
                    await self._answers.put(due, size=0)
                    continue
                if transit.answers > transit.half:
                    await transit.answers_fit()
                try:
                    response = exchanges.apply(due, trio.current_time())
                    if response.__class__ is GeneratorType:
                        response = await _finished(response)
                    if response is None:
                        continue  # the answer comes later
                    answer = exchanges.answered(due, response)
                except WireError as error:
                    self._carry_out(exchanges.undecodable(error))
                    return
                size = len(answer.frame)
                share.answer_made(size)
                await self._answers.put(answer, size, answer.delay_s)
        finally:
            share.dealt_with(request.frame.size)

    def _push(self, answer: PendingAnswer) -> None:
        if self._share.overdue:
            self._cut_unread()
            return
        self._share.answer_made(len(answer.frame))
        try:
            self._answers.put_soon(answer, len(answer.frame), answer.delay_s)
        except DelayLineFullError:
            self._share.answer_left(len(answer.frame))
            self._cut_unread()

    def _when_room(self, call: Callable[[], None]) -> None:
        self._waiting.append(call)
        if len(self._waiting) == 1:
            self._start_soon(self._call_waiting)

    async def _call_waiting(self) -> None:
        while self._waiting:
            await self._share.answers_fit()
            self._waiting[0]()
            self._waiting.popleft()


async def _finished(waiting: Any) -> Any:
    """Run a handler that waits; return its response."""
    try:
        wait = next(waiting)
        while True:
            wait = waiting.send(await _in_time(wait))
    except StopIteration as end:
        return end.value


async def _in_time(wait: CommitWait | WaitUntil | Pause) -> bool:
    """Wait for a commit; return False on timeout. A pause lets other tasks run."""
    if isinstance(wait, WaitUntil):
        await trio.sleep_until(wait.time)
        return True
    if isinstance(wait, Pause):
        await trio.lowlevel.checkpoint()
        return True
    if wait.committed_at is None:
        return await _replicated_in_time(wait)
    left = wait.committed_at - trio.current_time()
    if left > 0:
        await trio.sleep(min(left, wait.timeout_s))
    return left <= wait.timeout_s


async def _replicated_in_time(wait: CommitWait) -> bool:
    """Wait until the followers have some records; return False on timeout."""
    log = wait.log
    with trio.move_on_after(wait.timeout_s):
        while log.high_watermark(trio.current_time()) < wait.end:
            committed = trio.Event()
            log.watchers[committed.set] = None
            try:
                await committed.wait()
            finally:
                log.watchers.pop(committed.set, None)
        return True
    return False
