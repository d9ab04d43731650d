"""One server connection without IO: frames and verdicts in, actions out.

Every request frame goes through the same steps. It is read and numbered; the fault plan gives a
verdict at the cut point *request*; after its delay the request is applied by its handler; the fault
plan gives a verdict at the cut point *response* for each answer; after its delay the answer is
written. Only this module acts on verdicts: ``connection.py`` waits, carries out actions, and
reports their results.

Each of the two directions has a state (``states.py``). Requests of one connection are applied one
after the other, each to its end, as in an SPU (``fluvio-spu/src/services/public/mod.rs``). A
request that was read is applied even if its client is gone. Input that does not decode ends only
this connection; earlier requests are still applied, later input is not.

The caller carries out each action before it takes the next one from the iterator, because the
action after a write depends on the success of the write.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from simulator.cluster.cluster import Spu
from simulator.events import ClosedBy, CloseReason
from simulator.faults.armed import Exchange
from simulator.faults.effects import CutPoint, Ending
from simulator.faults.plan import FaultPlan, FrameVerdict
from simulator.handlers import ServedApi
from simulator.handlers.bits import with_bit_flipped
from simulator.handlers.codes import code_of
from simulator.journal import Journal
from simulator.serving.connection_events import ConnectionEvents
from simulator.serving.pending import Application, PendingAnswer, PendingEnd, PendingRequest
from simulator.serving.states import READING, WRITING, Cause, ReadingState, WritingState
from wire.codec import WireError
from wire.connection import RequestFrame, ServerConnection, UnknownApiError
from wire.framing import FrameReader, RequestHeader

FOREIGN_ID_BIT = 1 << 30
"""Flipped in a correlation id, it gives one that no request of the connection uses: clients count
from 1, and none sends a thousand million requests on one connection."""

RESPONSE_HEADER_BYTES = 8
"""The size of the length and the correlation id before the body of an answer."""


@dataclass(slots=True)
class SharedState:
    """The state that all connections share."""

    plan: FaultPlan
    journal: Journal
    elapsed: Callable[[], float]
    """Seconds since the faults' clock started."""
    transmissions: int = field(default=0, init=False)
    """The number of request frames read so far."""


class StreamAction(Enum):
    """An action on the stream of a connection."""

    INTERRUPT = "interrupt"
    """Interrupt the reader, which waits for input, and let it end."""
    SEND_FIN = "send-fin"
    """Close the writing direction; if that fails, no further action follows."""
    RESET = "reset"
    """Close both directions at once, so that the peer sees a reset."""


# Used for every request; an attribute look-up on an enum costs more than the comparison.
_RECEIVING, _APPLYING, _FAILED = ReadingState.RECEIVING, ReadingState.APPLYING, ReadingState.FAILED
_OPEN = WritingState.OPEN
_INPUT, _APPLIED = READING[Cause.INPUT], READING[Cause.APPLIED]


class Exchanges:
    """The exchanges of one connection, whatever applies the requests.

    Args:
        shared: the state that all connections share.
        number: the number of the connection, from 1 in the order in which they are accepted.
        spu: the SPU that the client connected to, or None for the SC.
        served: the APIs that the server knows, by key.
        wire: splits the input into requests for these APIs.
    """

    def __init__(
        self,
        shared: SharedState,
        number: int,
        spu: Spu | None,
        served: Mapping[int, ServedApi],
        wire: ServerConnection,
    ) -> None:
        self._shared = shared
        self._number = number
        self._spu = spu
        self._endpoints = served
        self._wire = wire
        self._server = "sc" if spu is None else f"spu:{spu.index}"
        self._events = ConnectionEvents(shared.journal, number, self._server)
        self._closed = (ClosedBy.SIMULATOR, CloseReason.SHUTDOWN)
        self._error: str | None = None
        self._stopped_reading = False
        """Whether a fault at a request left the input behind it, and what is held, unread."""
        self.reading = ReadingState.RECEIVING
        self.writing = WritingState.OPEN

    def opened(self, port: int = 0) -> None:
        """Record that the connection was accepted, from a port of the client if that is known."""
        self._events.opened(port)

    def closed(self) -> None:
        """Record that the connection has ended and all requests are applied."""
        self._shared.plan.forget(self._number)
        self._events.closed(*self._closed, self._error)

    # --- reading

    @property
    def frames(self) -> FrameReader:
        """What splits the input into frames: how much of the next one arrived, and is missing."""
        return self._wire.frames

    def receive(self, data: bytes) -> Iterator[PendingRequest]:
        """Feed input; yield requests, each to be applied after its ``delay_s``.

        The reader takes the next request when this one is held or applied.

        Args:
            data: the input; empty for the client's FIN.
        """
        if self.reading is not _RECEIVING:  # the state changed after the input arrived
            return
        if not data:
            self._read_on(Cause.CLIENT_CLOSED)
            self._client_left(CloseReason.FIN)
            return
        self.reading = _INPUT[self.reading]
        try:
            frames = self._wire.receive(data)
            for frame in frames:
                yield self._received(frame)
                if self.reading is not _APPLYING:
                    self._stopped_reading = True
                    with suppress(WireError):  # so that ``frames`` knows what the last one lacks
                        deque(frames, maxlen=0)
                    return
        except WireError as error:
            if isinstance(error, UnknownApiError):
                self._not_served(f"the API with key {error.key}")
            self._read_on(Cause.UNDECODABLE_FRAME)
            self._note_undecodable(error)
        else:
            self.reading = _APPLIED[self.reading]

    def client_reset(self) -> None:
        """Record that the client reset the connection."""
        if self.reading is _RECEIVING:
            self._read_on(Cause.CLIENT_RESET)
            self._client_left(CloseReason.RESET)

    def reader_ended(self) -> None:
        """Record that the reader has returned."""
        if self.frames.held and not self._stopped_reading:
            self._events.partly_read(self._wire)

    def _received(self, frame: RequestFrame) -> PendingRequest:
        shared, api = self._shared, frame.api
        shared.transmissions += 1
        shared.journal.frames += 1
        spu = None if self._spu is None else self._spu.index
        exchange = Exchange(
            self._number, spu, api.name, frame.header.client_id, (), api.names_partitions
        )
        served_api = self._endpoints[api.key]
        request = PendingRequest(exchange, frame, served_api, shared.transmissions)
        try:
            self._decode(request)
        except WireError:
            if not frame.offered:
                self._not_served(f"{api.name} in version {frame.header.api_version}")
            raise
        finally:
            # The frame was read, even if its body does not decode.
            self._events.read(request)
        shared.plan.begin(exchange)
        verdict = self._ask(request, CutPoint.REQUEST) if exchange.marks else None
        if verdict is not None:
            request.verdict = verdict
            request.delay_s = verdict.delay_s
            if not verdict.terminal.reads_on:
                # Input after this frame never reaches the server.
                silence = verdict.terminal.silence
                self._read_on(Cause.STALL_READING if silence else Cause.END_READING)
        return request

    def _decode(self, request: PendingRequest) -> None:
        """Decode the body of a request.

        Raises:
            WireError: it does not decode.
        """
        request.body = request.frame.decode()
        if request.frame.api.names_partitions:
            request.exchange.partitions = request.served_api.partitions(request.body)

    # --- applying

    def due(self, request: PendingRequest) -> Sequence[Application | PendingEnd]:
        """Act on the verdict at the request, after its delay.

        Returns:
            The steps in order: apply the request, or queue the end of the connection after the
            pending answers.
        """
        if self.reading is _FAILED:
            return ()
        verdict = request.verdict
        if verdict is None:
            return (Application(request),)
        action = verdict.terminal
        if action.swallow or action.silence:
            return ()
        for target, u in verdict.flips:
            request.body = request.served_api.altered(request.body, target, u)
        first = Application(request, action.code)
        copies = [Application(request, copied_by=fault) for fault in verdict.duplicated_by]
        if action.ending is None:
            return (first, *copies)
        end = PendingEnd(action.ending)
        return (end, first, *copies) if action.reads_on else (end,)

    def _altered(
        self, request: PendingRequest, response: Any, verdict: FrameVerdict
    ) -> tuple[RequestHeader, Any]:
        """Return the header to answer to, and the response, with the code and the forgeries of a
        verdict."""
        codes = request.served_api.codes
        if verdict.terminal.code is not None and codes is not None:
            code = code_of(verdict.terminal.code, request.body, verdict.target)
            response = codes.with_code(response, verdict.target, code)
        header = request.frame.header
        for target, what in verdict.forgeries:
            if what == "correlation-id":
                header = replace(header, correlation_id=header.correlation_id ^ FOREIGN_ID_BIT)
            else:
                response = request.served_api.forged(response, target, what)
        return header, response

    def _pending(
        self, request: PendingRequest, frame: bytes, verdict: FrameVerdict | None, stored: int
    ) -> PendingAnswer:
        """Return the answer to be written, with the flipped bits and the delay of a verdict."""
        if verdict is None:
            return PendingAnswer(request, frame, None, 0.0, stored)
        for _, u in verdict.flips:
            if bits := 8 * (len(frame) - RESPONSE_HEADER_BYTES):
                frame = with_bit_flipped(frame, RESPONSE_HEADER_BYTES, int(u * bits))
        return PendingAnswer(request, frame, verdict, verdict.delay_s, stored)

    def undecodable(self, error: WireError) -> Iterator[StreamAction]:
        """Handle a request or a response that does not decode: nothing more is read or applied."""
        yield from self._stop_reading(Cause.UNDECODABLE_REQUEST)
        self._note_undecodable(error)

    # --- writing

    def answer_due(self, item: PendingAnswer | PendingEnd) -> Iterable[bytes | StreamAction]:
        """Act on the verdict at the response, after its delay, or end the connection.

        Returns:
            The steps in order: write the bytes, or carry out the action.
        """
        if isinstance(item, PendingEnd):
            return self._end(item.how, item.by)
        if self.writing is not _OPEN:
            return ()
        if item.verdict is None:
            return (item.frame,)
        return self._answer_struck(item, item.verdict)

    def _answer_struck(
        self, answer: PendingAnswer, verdict: FrameVerdict
    ) -> Iterator[bytes | StreamAction]:
        action = verdict.terminal
        if action.swallow:
            return
        if action.silence:
            if verdict.healings < self._shared.plan.healings:  # nothing stays silent then
                yield from self.cut(ClosedBy.SIMULATOR, CloseReason.HEALED)
                return
            self._write_on(Cause.STALL_WRITING)
            self._closed = (ClosedBy.FAULT, CloseReason.STALL)
            return
        if action.ending is not None:
            if action.after_bytes:
                yield answer.frame[: action.after_bytes]
            yield from self._end(action.ending)
            return
        for _ in range(verdict.copies):
            if self.writing is WritingState.OPEN:
                yield answer.frame

    def written(self, answer: PendingAnswer, size: int) -> None:
        """Record that ``size`` bytes of an answer were written."""
        if size == len(answer.frame):
            journal = self._shared.journal
            journal.frames += 1
            journal.unanswered_records -= answer.stored
            answer.stored = 0  # a second copy of the answer acknowledges nothing new
        self._events.written(answer, size)

    def write_failed(self) -> None:
        """Record that the stream accepts no more bytes."""
        self._write_on(Cause.WRITE_FAILED)

    # --- ending

    def cut(self, by: ClosedBy, reason: CloseReason) -> Iterator[StreamAction]:
        """Reset the connection; what was read is still applied."""
        self._write_on(Cause.CUT)
        yield from self._stop_reading(Cause.CUT)
        self._closed = (by, reason)
        yield StreamAction.RESET

    def drained(self) -> None:
        """Record that the input was discarded and the stream is closed."""
        self._read_on(Cause.DRAINED)

    def _end(self, how: Ending, by: ClosedBy = ClosedBy.FAULT) -> Iterator[StreamAction]:
        """End the connection as a fault specifies, or as the server behind a proxy did."""
        if how == "rst":
            yield from self.cut(by, CloseReason.RESET)
            return
        self._write_on(Cause.END_WRITING)
        yield StreamAction.SEND_FIN
        if how == "half-close":
            faulty = by is ClosedBy.FAULT
            # A server behind a proxy ends its direction after its client did.
            if faulty or self._closed[0] is not ClosedBy.CLIENT:
                self._closed = (by, CloseReason.HALF_CLOSE if faulty else CloseReason.FIN)
        else:
            yield from self._stop_reading(Cause.DRAIN)
            self._closed = (by, CloseReason.FIN)

    def _stop_reading(self, cause: Cause) -> Iterator[StreamAction]:
        # A reader that applies a request checks the state itself when the request is applied.
        interrupts = self.reading is ReadingState.RECEIVING
        self._read_on(cause)
        if interrupts:
            yield StreamAction.INTERRUPT

    def _client_left(self, reason: CloseReason) -> None:
        # A client usually ends its direction after the server behind a proxy did.
        if self._closed[0] is not ClosedBy.UPSTREAM:
            self._closed = (ClosedBy.CLIENT, reason)

    # --- what they share

    def _read_on(self, cause: Cause) -> None:
        self.reading = READING[cause][self.reading]

    def _write_on(self, cause: Cause) -> None:
        self.writing = WRITING[cause][self.writing]

    def _not_served(self, what: str) -> None:
        self._shared.journal.refused(f"{what}, asked of {self._server},")

    def _note_undecodable(self, error: WireError) -> None:
        self._closed = (ClosedBy.SIMULATOR, CloseReason.UNDECODABLE)
        self._error = str(error)

    def _ask(self, request: PendingRequest, at: CutPoint) -> FrameVerdict | None:
        """Get the verdict of the fault plan, and record the faults that struck."""
        verdict = self._shared.plan.verdict(request.exchange, at, self._shared.elapsed())
        if verdict is not None:
            for decision in verdict.decisions:
                self._events.hit(request, at, decision)
        return verdict
