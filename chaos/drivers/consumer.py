"""A small consumer, for what a driver's client cannot read itself.

Each partition has a reader with connections of its own: it looks up the leader, finds where to
begin, and follows a stream. Whatever goes wrong, an answer that does not come included, it begins
again at the offset behind its last record; only errors that another attempt does not repair end it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import trio

from chaos.consumption import Consumption, ConsumptionEnd
from chaos.drivers import ConsumptionRecorder
from chaos.spec.consume_terms import ConsumeTerms
from chaos.world.world import World
from simulator.tailing.leader import STREAM_BYTES_MAX
from simulator.tailing.lookup import leaders_of
from simulator.tailing.tail_connection import TailConnection, TailError, open_tail_connection
from wire.address import Address
from wire.api import (
    FETCH_CONSUMER_OFFSETS,
    FETCH_OFFSETS,
    STREAM_FETCH,
    UPDATE_CONSUMER_OFFSET,
    UPDATE_OFFSETS,
    Api,
)
from wire.api.consumer_offsets import (
    ConsumerFilter,
    FetchConsumerOffsetsRequest,
    Replica,
    UpdateConsumerOffsetRequest,
)
from wire.api.fetch_offsets import FetchOffsetsPartition, FetchOffsetsRequest, FetchOffsetsTopic
from wire.api.stream_fetch import (
    OffsetUpdate,
    StreamFetchRequest,
    StreamFetchResponse,
    UpdateOffsetsRequest,
)
from wire.batch import Record, decode_batch
from wire.codec import WireError
from wire.error_code import Code, ErrorCode, Other, name_of
from wire.record_set import whole_batches
from wire.topic_name import SYSTEM_TOPIC

Q = TypeVar("Q")
R = TypeVar("R")

SILENCE_S = 1.0
"""How long a reader waits for the next answer before it connects again: the stream of an old leader
is silent for ever. The time doubles with each silent attempt that brought nothing, since an answer
takes longer on a slow network."""

PAUSE_S, PAUSE_MAX_S = 0.02, 0.5
"""The pause before a reader connects again, doubled each time until it makes progress."""

ISOLATIONS = ("read-uncommitted", "read-committed")
"""By the number on the wire."""


class _ConsumptionError(Exception):
    """An error that another attempt does not repair."""


@dataclass(slots=True)
class _Wanted:
    """How many records the readers of one step still want."""

    left: int | None
    """None without an end by count."""


async def consume(
    sc: str,
    topic: str,
    terms: ConsumeTerms,
    consumptions: Sequence[Consumption],
    world: World,
    recorder: ConsumptionRecorder,
) -> None:
    """Read partitions of a topic; return when all readers have ended.

    Args:
        sc: the address of the SC.
        topic: the name of the topic.
        terms: what to read.
        consumptions: one for each partition.
        world: makes the connections.
        recorder: receives what is delivered, and each end.
    """
    wanted = _Wanted(terms.count)
    readers = [_Reader(sc, topic, terms, each, world, recorder, wanted) for each in consumptions]

    async def read(reader: "_Reader") -> None:
        await reader.run()
        if wanted.left == 0:
            for other in readers:
                other.stop()

    async with trio.open_nursery() as nursery:
        for reader in readers:
            nursery.start_soon(read, reader)


async def _sent(spu: TailConnection, api: Api[Q, R], body: Q) -> int:
    """Send a request; return its correlation id."""
    correlation_id, frame = spu.request(api, body)
    await spu.send_frame(frame)
    return correlation_id


class _Reader:
    """Reads one partition; the arguments are those of ``consume``."""

    def __init__(
        self,
        sc: str,
        topic: str,
        terms: ConsumeTerms,
        consumption: Consumption,
        world: World,
        recorder: ConsumptionRecorder,
        wanted: _Wanted,
    ) -> None:
        host, _, port = sc.rpartition(":")
        self._sc = Address(host, int(port))
        self._topic = topic
        self._terms = terms
        self._consumption = consumption
        self._world = world
        self._recorder = recorder
        self._wanted = wanted
        self._next: int | None = None
        """The offset to read next; None until it is known."""
        self._goal: int | None = None
        """The offset behind the last record wanted; None until it is known, and with a count."""
        self._bytes_max = terms.max_bytes
        self._silence_s = SILENCE_S
        self._silence = trio.CancelScope()
        """Cancels the attempt that waits for an answer."""
        self._scope = trio.CancelScope()
        """Around everything."""
        self._storing: dict[int, int] = {}
        """By correlation id, the offsets that an SPU was asked to store and has not yet."""

    async def run(self) -> None:
        """Read until an end; the harness cancels it at the bound."""
        with self._scope:
            await self._run()
        if self._scope.cancelled_caught:
            self._recorder.ended(self._consumption, "count")

    def stop(self) -> None:
        """End, because the readers have enough; what is to be stored is stored before."""
        if not self._storing:
            self._scope.cancel()

    async def _run(self) -> None:
        pause = PAUSE_S
        while True:
            before = self._next
            try:
                with trio.CancelScope() as self._silence:
                    self._heard()
                    end = await self._read()
                    self._recorder.ended(self._consumption, end)
                    return
            except _ConsumptionError as error:
                self._recorder.ended(self._consumption, "error", str(error))
                return
            except TailError:
                pass  # the next attempt begins with a look-up
            if self._next != before:
                self._silence_s = SILENCE_S
            elif self._silence.cancelled_caught:
                self._silence_s *= 2
            pause = PAUSE_S if self._next != before else min(2 * pause, PAUSE_MAX_S)
            await trio.sleep(pause)

    def _heard(self) -> None:
        """Wait anew: an answer came."""
        self._silence.deadline = trio.current_time() + self._silence_s

    @property
    def _end(self) -> ConsumptionEnd | None:
        """Why nothing more is to be read."""
        if self._wanted.left == 0:
            return "count"
        if self._goal is not None and self._next is not None and self._next >= self._goal:
            return "end"
        return None

    async def _read(self) -> ConsumptionEnd:
        """Connect once, and read to an end."""
        partition, consumer_id = self._consumption.partition, self._terms.consumer_id
        resumes = consumer_id is not None and self._next is None
        async with self._open(self._sc, "the SC") as sc:
            leader = await self._leader(sc, self._topic, partition)
            keeper = await self._leader(sc, SYSTEM_TOPIC, 0, system=True) if resumes else None
        if keeper is not None:
            async with self._open(keeper, "the SPU") as spu:
                await self._resume(spu)
        async with self._open(leader, "the SPU") as spu:
            if self._next is None or (self._goal is None and self._wanted.left is None):
                await self._find(spu)
            return self._end or await self._follow(spu)

    @asynccontextmanager
    async def _open(self, address: Address, what: str) -> AsyncIterator[TailConnection]:
        async def dial(address: Address) -> trio.abc.Stream:
            stream = await self._world.dial(address.host, address.port)
            self._recorder.dialled(self._consumption, self._world.port_of(stream))
            return stream

        client_id = self._consumption.client_id
        async with open_tail_connection(dial, address, what, client_id) as connection:
            self._heard()
            yield connection

    async def _leader(
        self, sc: TailConnection, topic: str, partition: int, *, system: bool = False
    ) -> Address:
        leader = (await leaders_of(sc, topic, system=system)).get(partition)
        self._heard()
        if leader is None:
            raise TailError("no leader is online")
        return leader

    async def _resume(self, keeper: TailConnection) -> None:
        """Begin behind the offset that is stored for the consumer id, if there is one."""
        replica = Replica(topic=self._topic, partition=self._consumption.partition)
        wanted = ConsumerFilter(replica=replica, consumer_id=self._terms.consumer_id)
        request = FetchConsumerOffsetsRequest(filter=wanted)
        response = await keeper.call(FETCH_CONSUMER_OFFSETS, request)
        self._check(response.error_code)
        for stored in response.consumers:
            self._next = stored.offset + 1
        self._heard()

    async def _find(self, spu: TailConnection) -> None:
        """Find where to begin, and how far the partition is committed."""
        asked = FetchOffsetsPartition(partition_index=self._consumption.partition)
        topic = FetchOffsetsTopic(name=self._topic, partitions=[asked])
        response = await spu.call(FETCH_OFFSETS, FetchOffsetsRequest(topics=[topic]))
        answers = [each for topic in response.topics for each in topic.partitions]
        if [each.partition_index for each in answers] != [asked.partition_index]:
            raise TailError("an answer about something else")
        [found] = answers
        self._check(found.error_code)
        if self._wanted.left is None:
            self._goal = found.last_stable_offset
        if self._next is None:
            match self._terms.start:
                case "beginning":
                    self._next = found.start_offset + self._terms.offset
                case "end":
                    self._next = max(found.last_stable_offset - self._terms.offset, 0)
                case "absolute":
                    self._next = self._terms.offset
        self._heard()

    async def _follow(self, spu: TailConnection) -> ConsumptionEnd:
        """Follow a stream until there is an end, and what was sent to be stored is stored."""
        assert self._next is not None
        request = StreamFetchRequest(
            topic=self._topic,
            partition=self._consumption.partition,
            fetch_offset=self._next,
            max_bytes=self._bytes_max,
            isolation=ISOLATIONS.index(self._terms.isolation),
            consumer_id=self._terms.consumer_id,
        )
        stream = await _sent(spu, STREAM_FETCH, request)
        self._storing.clear()  # what an earlier connection was asked to store is not known
        while (end := self._end) is None or self._storing:
            correlation_id, data = await spu.receive()
            self._heard()
            if correlation_id == stream and end is None:
                response = spu.decoded(STREAM_FETCH, data)
                self._check(response.partition.error_code)
                await self._take(spu, response)
            elif (offset := self._storing.pop(correlation_id, None)) is not None:
                answer = spu.decoded(UPDATE_CONSUMER_OFFSET, data)
                if answer.error_code is Code.NONE:
                    self._recorder.offset_stored(self._consumption, offset)
        return end

    async def _take(self, spu: TailConnection, response: StreamFetchResponse) -> None:
        """Deliver the records of a response, and let the stream go on behind them."""
        records = self._records(response)
        if self._wanted.left is not None:
            del records[self._wanted.left :]
            self._wanted.left -= len(records)
        if not records:
            return  # a fault delivered a response twice; the first one was answered
        self._next = records[-1].offset + 1
        self._recorder.delivered(self._consumption, records)
        if self._terms.consumer_id is not None:
            last = records[-1].offset
            store = UpdateConsumerOffsetRequest(offset=last, session_id=response.stream_id)
            self._recorder.offset_sent(self._consumption, last)
            self._storing[await _sent(spu, UPDATE_CONSUMER_OFFSET, store)] = last
        if self._end is None:
            update = OffsetUpdate(offset=self._next, session_id=response.stream_id)
            await _sent(spu, UPDATE_OFFSETS, UpdateOffsetsRequest(offsets=[update]))

    def _records(self, response: StreamFetchResponse) -> list[Record]:
        """Return the records of the whole batches of a response from the next offset on."""
        assert self._next is not None
        found: list[Record] = []
        try:
            batches = list(whole_batches(response.partition.records))
            for _, batch in batches:
                records = decode_batch(batch)[1]
                found += [record for record in records if record.offset >= self._next]
        except WireError as error:
            raise _ConsumptionError(f"records do not decode: {error}") from error
        if not batches:
            self._bytes_max = STREAM_BYTES_MAX
            raise TailError("no batch fits")
        return found

    def _check(self, code: ErrorCode) -> None:
        """Raise for an error: one to begin again after, or the end of the consumption."""
        if code is Code.NONE:
            return
        what = code.text if isinstance(code, Other) else name_of(code)
        if code.retriable or code is Code.PARTITION_NOT_LEADER:
            raise TailError(what)
        raise _ConsumptionError(what)
