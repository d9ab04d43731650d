"""One connection: frames in, verdicts acted on, frames out.

Every request frame goes the same way. It is read and numbered; the fault plan is asked once, at the
cut point *request*; it travels down the request line, is applied by its handler, and the plan is
asked again, at *response*, for each answer; the answer travels down the response line and is
written. What a verdict says is done here and nowhere else.

Requests of one connection are applied one after the other, each to its end, as an SPU does
(``fluvio-spu/src/services/public/mod.rs``). A request that was read is applied even if its client
has gone meanwhile. Input that does not decode ends this connection and no other; what was read
before it is still applied.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import GeneratorType
from typing import Any

import trio

from simulator.cluster.cluster import Cluster, Partition, Spu
from simulator.events import (
    Appended,
    ClosedBy,
    CloseReason,
    ConnectionClosed,
    ConnectionOpened,
    FaultHit,
    FramePartlyRead,
    FrameRead,
    FrameWritten,
    Journal,
)
from simulator.faults.effects import CutPoint, Ending
from simulator.faults.plan import Exchange, FaultPlan, Given, Verdict
from simulator.handlers import Context, Endpoint, served_by
from simulator.handlers.codes import code_of
from simulator.handlers.endpoint import Carried
from simulator.serving.applying import finished, refused
from simulator.serving.delay_line import Line, LineFullError
from wire.codec import WireError
from wire.connection import RequestFrame, ServerConnection
from wire.framing import RequestHeader

RECEIVE_BYTES_MIN = 64 * 1024
"""What one read asks for at least; more only for a large frame under way."""

RECEIVE_BYTES_MAX = 1024 * 1024
"""What one read asks for at most: larger buffers cost more to allocate than they save."""

FIN_DRAIN_S = 0.001
"""How long a ``fin`` waits for each piece of input that has arrived. Closing a socket with unread
input sends a reset instead of the FIN that was asked for."""

FIN_DRAIN_PIECES = 1024
"""How many pieces it reads at most, so that a client that never stops cannot hold it open."""


@dataclass(slots=True)
class World:
    """What all connections of a simulator share."""

    cluster: Cluster
    plan: FaultPlan
    journal: Journal
    elapsed: Callable[[], float]
    """Seconds since the faults' clock started."""
    start_soon: Callable[..., object]
    """Starts a task that lives as long as the simulator."""
    transmissions: int = 0
    """How many request frames were read."""


@dataclass(slots=True)
class _Call:
    """One request frame on its way to being applied."""

    exchange: Exchange
    header: RequestHeader
    endpoint: Endpoint
    request: Any
    transmission: int
    size: int
    """Bytes of the frame on the wire."""
    verdict: Verdict | None = None

    @property
    def carried(self) -> Carried:
        """What the request brings to be stored; nothing of one that did not decode."""
        return () if self.request is None else self.endpoint.carried(self.request)

    @property
    def first_partition(self) -> tuple[str, int] | tuple[None, None]:
        """The first topic and partition that the request names."""
        return self.exchange.partitions[0] if self.exchange.partitions else (None, None)


@dataclass(slots=True)
class _Answer:
    """One response frame on its way to being written."""

    call: _Call
    frame: bytes
    verdict: Verdict | None
    stored: int
    """Records whose storing this frame acknowledges."""


@dataclass(slots=True)
class _Ending:
    """The end of the connection, between frames."""

    how: Ending


class Link:
    """Serves one connection.

    Args:
        world: what the connection shares with the others.
        number: its number, from 1 in the order of accepting.
        stream: what carries the bytes.
        reset: closes a stream at once, so that the peer sees a reset.
        spu: the SPU that it was made to, or None for the SC.
    """

    def __init__(
        self,
        world: World,
        number: int,
        stream: trio.abc.HalfCloseableStream,
        reset: Callable[[trio.abc.HalfCloseableStream], None],
        spu: Spu | None,
    ) -> None:
        self._world = world
        self._number = number
        self._stream = stream
        self._reset = reset
        self._spu = spu
        self._endpoints = served_by("sc" if spu is None else "spu")
        self._wire = ServerConnection({key: each.api for key, each in self._endpoints.items()})
        self._requests: Line[_Call] = Line(self._deliver, world.start_soon)
        self._answers: Line[_Answer | _Ending] = Line(self._write, world.start_soon)
        self._at_close: list[Callable[[], None]] = []
        self._reading = trio.CancelScope()
        self._receiving = False
        """The reader waits for input, and does nothing else."""
        self._deaf = False
        """Nothing more is read."""
        self._mute = False
        """Nothing more is written."""
        self.stalled = False
        """Kept open, though nothing more is read from it."""
        self.silent = False
        """Kept open, though nothing more is written to it."""
        self._undecodable = False
        """Nothing more is applied."""
        self._cut = trio.Event()
        """Ended from outside or by a reset, stalled or not."""
        self._finish = False
        """Closed once the input that has arrived is read."""
        self._closed = (ClosedBy.SIMULATOR, CloseReason.SHUTDOWN)
        self._error: str | None = None
        """What does not decode."""

    async def serve(self) -> None:
        """Serve the connection to its end; the caller closes the stream."""
        journal = self._world.journal
        if journal.active:
            journal.record(ConnectionOpened(connection=self._number, server=self._server))
        try:
            with self._reading:
                await self._read()
            await self._finish_up()
            await self._requests.drained()
            await self._answers.drained()
            await self._finish_up()  # for an end that had to wait its turn
            if self.stalled:
                await self._cut.wait()
        finally:
            for call in self._at_close:
                call()
            self._world.plan.forget(self._number)
            if journal.active:
                by, reason = self._closed
                journal.record(
                    ConnectionClosed(
                        connection=self._number,
                        server=self._server,
                        by=by,
                        reason=reason,
                        error=self._error,
                    )
                )

    def cut(self, by: ClosedBy, reason: CloseReason) -> None:
        """Reset the connection; what was read is still applied."""
        self._mute = True
        self._cut.set()
        self._stop_reading(by, reason)
        self._reset(self._stream)

    # --- reading

    async def _read(self) -> None:
        wire = self._wire
        try:
            while True:
                size = max(RECEIVE_BYTES_MIN, min(wire.missing, RECEIVE_BYTES_MAX))
                self._receiving = True
                data = await self._stream.receive_some(size)
                self._receiving = False
                if self._is_deaf():
                    return
                if not data:
                    self._closed = (ClosedBy.CLIENT, CloseReason.FIN)
                    return
                for frame in wire.receive(bytes(data)):
                    await self._received(frame)
                    if self._is_deaf():
                        return
        except WireError as error:
            self._closed = (ClosedBy.SIMULATOR, CloseReason.UNDECODABLE)
            self._error = str(error)
        except trio.BrokenResourceError:
            self._closed = (ClosedBy.CLIENT, CloseReason.RESET)
        except trio.ClosedResourceError:
            pass  # one of our own endings closed it and said why
        finally:
            if wire.held and self._world.journal.active:
                self._world.journal.record(
                    FramePartlyRead(connection=self._number, server=self._server, size=wire.held)
                )

    def _is_deaf(self) -> bool:
        return self._deaf

    async def _received(self, frame: RequestFrame) -> None:
        header, api = frame.header, frame.api
        endpoint = self._endpoints[api.key]
        world = self._world
        world.transmissions += 1
        world.journal.frames += 1
        exchange = Exchange(
            connection=self._number,
            spu=None if self._spu is None else self._spu.index,
            api=api.name,
            client_id=header.client_id,
            partitions=(),
            carries_partitions=api.names_partitions,
        )
        size = frame.size
        call = _Call(exchange, header, endpoint, None, world.transmissions, size)
        try:
            call.request = frame.decode()
            exchange.partitions = endpoint.partitions(call.request)
        finally:
            # A frame was read, whether its body means something or not.
            if world.journal.active:
                self._note_request(call)
        world.plan.begin(exchange)
        verdict = call.verdict = self._ask(call, CutPoint.REQUEST)
        if verdict is None:
            await self._requests.put(call, size)
            return
        if not verdict.terminal.reads_on:
            # What stands behind this frame never reaches the server.
            self._deaf = True
            self.stalled = verdict.terminal.silence
        await self._requests.put(call, size, verdict.delay_s)

    # --- applying

    async def _deliver(self, call: _Call) -> None:
        """Act on the verdict at the request, then apply the request."""
        if self._undecodable:
            return
        verdict, code = call.verdict, None
        if verdict is not None:
            action = verdict.terminal
            if action.swallow or action.silence:
                return
            if action.ending is not None:
                await self._answers.put(_Ending(action.ending), size=0)
                if not action.reads_on:
                    return
            code = action.code
        try:
            await self._apply(call, code)
            for fault in verdict.duplicated_by if verdict else ():
                await self._apply(call, None, copied_by=fault)
        except WireError as error:
            self._undecodable = True
            self._error = str(error)
            self._stop_reading(ClosedBy.SIMULATOR, CloseReason.UNDECODABLE)

    async def _apply(self, call: _Call, code: str | None, copied_by: str | None = None) -> None:
        """Apply a request once, or refuse it with a code, and send its answer on its way."""
        stored = 0

        def appended(partition: Partition, base_offset: int, records: int) -> None:
            nonlocal stored
            stored += records
            self._world.journal.unanswered_records += records
            self._note_append(call, partition, base_offset, records, copied_by)

        context = Context(
            cluster=self._world.cluster,
            spu=self._spu,
            version=call.header.api_version,
            now=trio.current_time(),
            appended=appended,
            push=lambda response: self._push(call, response),
            at_close=self._at_close,
        )
        if code is None:
            response = call.endpoint.handle(call.request, context)
            if response.__class__ is GeneratorType:
                response = await finished(response)
        else:
            target = call.verdict.target if call.verdict else None
            response = await refused(call.endpoint, call.request, context, code, target)
        answer, delay_s = self._answer(call, response, stored)
        await self._answers.put(answer, len(answer.frame), delay_s)

    def _push(self, call: _Call, response: Any) -> None:
        """Send one more answer to a request whose first one has left."""
        answer, delay_s = self._answer(call, response, stored=0)
        try:
            self._answers.put_soon(answer, len(answer.frame), delay_s)
        except LineFullError:
            self.cut(ClosedBy.SIMULATOR, CloseReason.ANSWERS_UNREAD)

    def _answer(self, call: _Call, response: Any, stored: int) -> tuple[_Answer, float]:
        verdict = self._ask(call, CutPoint.RESPONSE)
        codes = call.endpoint.codes
        if verdict is not None and verdict.terminal.code is not None and codes is not None:
            code = code_of(verdict.terminal.code, call.request, verdict.target)
            response = codes.with_code(response, verdict.target, code)
        frame = self._wire.response(call.header, response)
        return _Answer(call, frame, verdict, stored), verdict.delay_s if verdict else 0.0

    # --- writing

    async def _write(self, item: _Answer | _Ending) -> None:
        """Act on the verdict at the response and write the answer."""
        if isinstance(item, _Ending):
            await self._end(item.how)
            return
        verdict = item.verdict
        if verdict is None:
            await self._send(item, item.frame)
            return
        action = verdict.terminal
        if action.silence:
            self._mute = self.silent = True
            self._closed = (ClosedBy.FAULT, CloseReason.STALL)
        if self._mute or action.swallow:
            return
        if action.ending is not None:
            await self._send(item, item.frame[: action.after_bytes])
            await self._end(action.ending)
            return
        for _ in range(verdict.copies):
            await self._send(item, item.frame)

    async def _send(self, answer: _Answer, data: bytes) -> None:
        if not data or self._mute:
            return
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._mute = True
            return
        if len(data) < len(answer.frame):
            self._note_response(answer, len(data))
            return
        self._world.journal.frames += 1
        self._world.journal.unanswered_records -= answer.stored
        answer.stored = 0  # a second copy of the answer acknowledges nothing new
        self._note_response(answer, len(data))

    # --- ending

    async def _end(self, how: Ending) -> None:
        """End the connection the way a fault says."""
        if how == "rst":
            self.cut(ClosedBy.FAULT, CloseReason.RESET)
            return
        self._mute = True
        try:
            await self._stream.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        if how == "fin":
            self._finish = True
            self._stop_reading(ClosedBy.FAULT, CloseReason.FIN)
        else:
            self._closed = (ClosedBy.FAULT, CloseReason.HALF_CLOSE)

    def _stop_reading(self, by: ClosedBy, reason: CloseReason) -> None:
        self._deaf = True
        self._closed = (by, reason)
        # A reader that is applying a request notices by itself, when that is applied to its end.
        if self._receiving:
            self._reading.cancel()

    async def _finish_up(self) -> None:
        """Close for a FIN: when the input that has arrived is read, so that it is no reset."""
        if not self._finish:
            return
        self._finish = False
        await self._drain_input()
        await self._stream.aclose()

    async def _drain_input(self) -> None:
        for _ in range(FIN_DRAIN_PIECES):
            with trio.move_on_after(FIN_DRAIN_S) as scope:
                try:
                    if not await self._stream.receive_some(RECEIVE_BYTES_MAX):
                        return
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return
            if scope.cancelled_caught:
                return

    # --- telling

    def _ask(self, call: _Call, at: CutPoint) -> Verdict | None:
        """Ask the fault plan for its verdict and record what struck."""
        if not call.exchange.marks:
            return None
        verdict = self._world.plan.verdict(call.exchange, at, self._world.elapsed())
        if verdict is not None:
            for given in verdict.given:
                self._note_hit(call, at, given)
        return verdict

    def _note_hit(self, call: _Call, at: CutPoint, given: Given) -> None:
        if not self._world.journal.active:
            return
        topic, partition = given.partition or call.first_partition
        self._world.journal.record(
            FaultHit(
                connection=self._number,
                server=self._server,
                api=call.endpoint.api.name,
                correlation_id=call.header.correlation_id,
                transmission=call.transmission,
                topic=topic,
                partition=partition,
                fault=given.fault,
                kind=given.kind,
                at=at,
                ordinal=given.ordinal,
                shadowed=given.shadowed,
                delay_s=given.delay_s,
                code=given.code,
                how=given.how,
                after_bytes=given.after_bytes,
                effects=given.effects,
            )
        )

    def _note_request(self, call: _Call) -> None:
        topic, partition = call.first_partition
        self._world.journal.record(
            FrameRead(
                connection=self._number,
                server=self._server,
                api=call.endpoint.api.name,
                api_version=call.header.api_version,
                correlation_id=call.header.correlation_id,
                client_id=call.header.client_id,
                transmission=call.transmission,
                topic=topic,
                partition=partition,
                size=call.size,
                carried=call.carried,
            )
        )

    def _note_response(self, answer: _Answer, size: int) -> None:
        if not self._world.journal.active:
            return
        call = answer.call
        topic, partition = call.first_partition
        self._world.journal.record(
            FrameWritten(
                connection=self._number,
                server=self._server,
                api=call.endpoint.api.name,
                correlation_id=call.header.correlation_id,
                transmission=call.transmission,
                topic=topic,
                partition=partition,
                size=size,
                frame_size=len(answer.frame),
            )
        )

    def _note_append(
        self, call: _Call, partition: Partition, base_offset: int, records: int, fault: str | None
    ) -> None:
        if self._world.journal.active:
            self._world.journal.record(
                Appended(
                    connection=self._number,
                    server=self._server,
                    api=call.endpoint.api.name,
                    correlation_id=call.header.correlation_id,
                    topic=partition.topic.name,
                    partition=partition.index,
                    base_offset=base_offset,
                    records=records,
                    transmission=call.transmission,
                    copied_by=fault,
                )
            )

    @property
    def _server(self) -> str:
        return "sc" if self._spu is None else f"spu:{self._spu.index}"
