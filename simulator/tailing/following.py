"""Follow a topic: one connection to each SPU, and one stream for each partition that it leads.

The leaders are those of the start: a stream of a partition whose leader moves is silent afterwards,
as that of an official consumer is. Partitions that are added later are not followed.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Literal

import trio

from simulator.tailing.lines import RememberedRecords, TailTally, record_line
from simulator.tailing.lookup import leaders_of
from simulator.tailing.tail_connection import (
    TailConnection,
    TailDial,
    TailError,
    dial_over_tcp,
    open_tail_connection,
)
from wire.address import Address
from wire.api import FETCH_OFFSETS, STREAM_FETCH, UPDATE_OFFSETS
from wire.api.fetch_offsets import (
    FetchOffsetsPartition,
    FetchOffsetsRequest,
    FetchOffsetsTopic,
    PartitionOffsets,
)
from wire.api.stream_fetch import (
    OffsetUpdate,
    StreamFetchRequest,
    StreamFetchResponse,
    UpdateOffsetsRequest,
)
from wire.batch import HEADER, BatchHeader, decode_batch
from wire.codec import WireError
from wire.codec.types import Buffer
from wire.error_code import Code, ErrorCode, Other, name_of
from wire.record_set import iter_batches

STREAM_BYTES_MAX = 33 * 1024 * 1024
"""The ``max_bytes`` of a stream, behind which an SPU cuts a batch in its middle. The first batch of
a response is never cut, because an SPU stores batches of up to 32 MiB."""


@dataclass(slots=True)
class _PartitionTail:
    """One partition that is followed."""

    index: int
    offset: int
    """The offset to read next."""


def whole_batches(records: Buffer) -> Iterator[tuple[BatchHeader, memoryview]]:
    """Yield the batches of a response as ``iter_batches`` does, but for a last one that is cut."""
    at = 0
    for header, batch in iter_batches(records):
        _, claimed, *_ = HEADER.unpack_from(records, at)
        if claimed != header.batch_len:
            return
        yield header, batch
        at += len(batch)


class TopicTail:
    """Follows the partitions of one topic and prints their records.

    Args:
        sc: the address of the SC.
        topic: the name of the topic.
        say: prints lines; the stream goes on when it returns.
        partitions: the partitions to follow; empty for all.
        start: where to begin in each partition.
        count: the number of records after which to end; None to go on forever.
        remembered: the records by which copies are found.
        dial: makes connections.
    """

    def __init__(
        self,
        sc: Address,
        topic: str,
        say: Callable[[list[str]], Awaitable[None]],
        *,
        partitions: Collection[int] = (),
        start: Literal["beginning", "end"] = "beginning",
        count: int | None = None,
        remembered: RememberedRecords | None = None,
        dial: TailDial = dial_over_tcp,
    ) -> None:
        self.tally = TailTally()
        self._sc = sc
        self._topic = topic
        self._say = say
        self._partitions = partitions
        self._start = start
        self._count = count
        self._remembered = RememberedRecords() if remembered is None else remembered
        self._dial = dial
        self._noted = False
        """Whether the limit of remembered records was told."""

    @property
    def _complete(self) -> bool:
        return self._count is not None and self.tally.records >= self._count

    async def run(self) -> None:
        """Follow the topic until ``count`` records are printed.

        Raises:
            TailError: it cannot be followed, or not any longer.
            OSError: a line cannot be printed.
        """
        async with open_tail_connection(self._dial, self._sc, "the SC") as sc:
            leaders = await leaders_of(sc, self._topic, self._partitions)
        failures: list[TailError | OSError] = []
        async with trio.open_nursery() as nursery:

            async def follow(address: Address, indexes: list[int]) -> None:
                try:
                    await self._follow(address, indexes)
                except (TailError, OSError) as error:  # the latter of what prints
                    failures.append(error)
                nursery.cancel_scope.cancel()

            for address, indexes in leaders.items():
                nursery.start_soon(follow, address, indexes)
        if failures:
            raise failures[0]

    async def _follow(self, address: Address, indexes: list[int]) -> None:
        """Follow partitions of one leader."""
        async with open_tail_connection(self._dial, address, "the SPU") as spu:
            streams: dict[int, _PartitionTail] = {}
            for offsets in await self._offsets(spu, indexes):
                self._check(spu, offsets.partition_index, offsets.error_code)
                beginning = self._start == "beginning"
                offset = offsets.start_offset if beginning else offsets.last_stable_offset
                request = StreamFetchRequest(
                    topic=self._topic,
                    partition=offsets.partition_index,
                    fetch_offset=offset,
                    max_bytes=STREAM_BYTES_MAX,
                )
                correlation_id = await spu.send(STREAM_FETCH, request)
                streams[correlation_id] = _PartitionTail(offsets.partition_index, offset)
            while not self._complete:
                correlation_id, data = await spu.receive()
                if correlation_id in streams:  # others answer UpdateOffsets
                    response = spu.decoded(STREAM_FETCH, data)
                    await self._take(spu, streams[correlation_id], response)

    async def _offsets(self, spu: TailConnection, indexes: list[int]) -> list[PartitionOffsets]:
        asked = [FetchOffsetsPartition(partition_index=index) for index in indexes]
        request = FetchOffsetsRequest(
            topics=[FetchOffsetsTopic(name=self._topic, partitions=asked)]
        )
        response = await spu.call(FETCH_OFFSETS, request)
        found = [each for topic in response.topics for each in topic.partitions]
        if [each.partition_index for each in found] != indexes:
            raise TailError(f"{spu.name} answered for other partitions; run tail again")
        return found

    def _check(self, spu: TailConnection, index: int, code: ErrorCode) -> None:
        """Raise TailError for an error of a partition."""
        if code is Code.NONE:
            return
        if code is Code.TOPIC_DELETED:
            raise TailError(f"the topic {self._topic} was deleted; create it, and run tail again")
        what = code.text if isinstance(code, Other) else name_of(code)
        raise TailError(
            f"{self._topic}/{index}: {spu.name} answered with an error: {what};"
            " run tail again once the partition is served"
        )

    async def _take(
        self, spu: TailConnection, tail: _PartitionTail, response: StreamFetchResponse
    ) -> None:
        """Print the records of a response and let the stream go on behind them."""
        self._check(spu, tail.index, response.partition.error_code)
        before = tail.offset
        batches = list(whole_batches(response.partition.records))
        if not batches:
            raise TailError(
                f"{self._topic}/{tail.index}: {spu.name} sent no whole batch at offset {before};"
                " run tail again with --from end"
            )
        for header, batch in batches:
            lines = list(self._lines(tail, header, batch))
            tail.offset = max(tail.offset, header.base_offset + header.record_count)
            if lines:
                await self._say(lines)
            if self._complete:
                return
        if tail.offset == before:
            return  # a fault delivered a response twice; the first one was answered
        update = OffsetUpdate(offset=tail.offset, session_id=response.stream_id)
        await spu.send(UPDATE_OFFSETS, UpdateOffsetsRequest(offsets=[update]))

    def _lines(self, tail: _PartitionTail, header: BatchHeader, batch: memoryview) -> Iterator[str]:
        """Yield the lines of a batch, from the offset to read next on."""
        try:
            _, records = decode_batch(batch)
        except WireError as error:
            yield f"{tail.index}@{header.base_offset}  records that do not decode: {error}"
            return
        for record in records:
            if record.offset < tail.offset or self._complete:
                continue
            if self._remembered.full and not self._noted:
                self._noted = True
                yield "note: the memory for records is full; copies of the oldest are not marked"
            first = self._remembered.first(tail.index, record)
            self.tally.records += 1
            self.tally.resent += first != record.offset
            yield record_line(tail.index, record, first)
