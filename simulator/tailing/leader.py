"""One connection of ``tail`` to an SPU, with a stream for each partition that the SPU leads."""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import trio

from simulator.tailing.printing import RecordPrinter
from simulator.tailing.tail_connection import TailConnection, TailError
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
from wire.error_code import Code, ErrorCode, Other, name_of
from wire.record_set import whole_batches

STREAM_BYTES_MAX = 33 * 1024 * 1024
"""The ``max_bytes`` of a stream, behind which an SPU cuts a batch in its middle. The first batch of
a response is never cut, because an SPU stores batches of up to 32 MiB."""

RETRY_S_MIN = 1.0
"""The pause before a partition is followed again, in seconds; it doubles with each failure."""

RETRY_S_MAX = 8.0
"""The longest such pause. A partition that was followed for longer has not failed in a row."""


class DeletedError(Exception):
    """The SPU says that the topic was deleted."""


@dataclass(slots=True)
class PartitionTail:
    """One partition that is followed, or will be."""

    index: int
    start: Literal["beginning", "end"]
    """Where to begin when ``offset`` is not known."""
    offset: int | None = None
    """The offset to read next."""
    leader: "LeaderTail | None" = None
    """What follows it now."""
    told: bool = False
    """Whether the person knows that it is not followed."""
    pause_s: float = RETRY_S_MIN
    """The pause after the next failure."""
    not_before: float = 0.0
    """When it may be followed again, in seconds of trio's clock."""
    opened_at: float | None = None
    """When its stream was opened; None if it has none."""

    def failed(self) -> bool:
        """Pause; return whether the person does not know it yet."""
        now = trio.current_time()
        if self.opened_at is not None and now - self.opened_at > RETRY_S_MAX:
            self.recovered()
        news, self.told, self.leader, self.opened_at = not self.told, True, None, None
        self.not_before = now + self.pause_s
        self.pause_s = min(2 * self.pause_s, RETRY_S_MAX)
        return news

    def recovered(self) -> None:
        """End a row of failures."""
        self.told, self.pause_s = False, RETRY_S_MIN


class LeaderTail:
    """Follows some partitions of one SPU.

    Args:
        address: the address of the SPU.
        topic: the name of the topic.
        tails: the partitions.
        printer: prints their records.
    """

    def __init__(
        self, address: Address, topic: str, tails: Sequence[PartitionTail], printer: RecordPrinter
    ) -> None:
        self.address = address
        self.tails = {tail.index: tail for tail in tails}
        """The partitions that are still followed."""
        self._topic = topic
        self._printer = printer
        self._streams: dict[int, PartitionTail] = {}
        self._bounds: dict[int, PartitionOffsets] = {}
        """The offsets of each partition when its stream was opened."""
        self._receiving = trio.CancelScope()
        self._to_send: deque[bytes] = deque()
        self._more = trio.Event()
        for tail in tails:
            tail.leader = self

    def leave(self, tail: PartitionTail) -> None:
        """Follow a partition no longer; the last one ends ``run``."""
        tail.leader = tail.opened_at = None
        del self.tails[tail.index]
        if not self.tails:
            self._receiving.cancel()

    async def run(self, spu: TailConnection) -> None:
        """Follow the partitions until none is left.

        Raises:
            DeletedError: the topic was deleted.
            TailError: the connection failed; the partitions in ``tails`` are not followed.
            OSError: a line cannot be printed.
        """
        failure: DeletedError | TailError | OSError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, spu)
            try:
                await self._read(spu)
            except (DeletedError, TailError, OSError) as error:
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _read(self, spu: TailConnection) -> None:
        for offsets in await self._offsets(spu, [*self.tails]):
            tail = self.tails.get(offsets.partition_index)
            if tail is not None and await self._accepted(spu, tail, offsets.error_code):
                await self._open(spu, tail, offsets)
        while self.tails:
            with trio.CancelScope() as self._receiving:
                correlation_id, data = await spu.receive()
            tail = None if self._receiving.cancelled_caught else self._streams.get(correlation_id)
            if tail is not None and tail.leader is self:  # others answer UpdateOffsets
                await self._take(spu, tail, spu.decoded(STREAM_FETCH, data))

    async def _send(self, spu: TailConnection) -> None:
        """Send requests beside reading: an SPU that waits for its client reads no request."""
        # The reader learns of a broken connection too, and of more.
        with suppress(TailError):
            while True:
                while self._to_send:
                    await spu.send_frame(self._to_send.popleft())
                self._more = trio.Event()
                await self._more.wait()

    def _queue(self, frame: bytes) -> None:
        self._to_send.append(frame)  # at most two for each stream
        self._more.set()

    async def _offsets(self, spu: TailConnection, indexes: list[int]) -> list[PartitionOffsets]:
        asked = [FetchOffsetsPartition(partition_index=index) for index in indexes]
        request = FetchOffsetsRequest(
            topics=[FetchOffsetsTopic(name=self._topic, partitions=asked)]
        )
        response = await spu.call(FETCH_OFFSETS, request)
        found = [each for topic in response.topics for each in topic.partitions]
        if [each.partition_index for each in found] != indexes:
            raise TailError(f"{spu.name} answered for other partitions")
        return found

    async def _open(
        self, spu: TailConnection, tail: PartitionTail, offsets: PartitionOffsets
    ) -> None:
        if tail.offset is None and tail.start == "end":
            tail.offset = offsets.last_stable_offset
        # Records may be gone from the start of the log.
        if tail.offset is not None and tail.offset < offsets.start_offset:
            await self._printer.note(
                f"{self._topic}/{tail.index}: the records from {tail.offset} to"
                f" {offsets.start_offset - 1} were evicted before tail read them"
            )
        tail.offset = max(tail.offset or 0, offsets.start_offset)
        request = StreamFetchRequest(
            topic=self._topic,
            partition=tail.index,
            fetch_offset=tail.offset,
            max_bytes=STREAM_BYTES_MAX,
        )
        self._bounds[tail.index] = offsets
        correlation_id, frame = spu.request(STREAM_FETCH, request)
        self._streams[correlation_id] = tail
        self._queue(frame)
        tail.opened_at = trio.current_time()

    async def _accepted(self, spu: TailConnection, tail: PartitionTail, code: ErrorCode) -> bool:
        """Return False after an error of a partition, which is not followed any more."""
        if code is Code.NONE:
            return True
        if code is Code.TOPIC_DELETED:
            raise DeletedError
        what = code.text if isinstance(code, Other) else name_of(code)
        bounds, offset = self._bounds.get(tail.index), tail.offset or 0
        if bounds is not None and offset > bounds.last_stable_offset:
            # The new leader of an election lacks what was not committed.
            tail.offset = bounds.last_stable_offset
            tail.told = False
            self._printer.remembered.forget(tail.index, tail.offset)
            await self._lost(
                tail,
                f"{spu.name} has no offset {offset}; tail goes on from {tail.offset}, where its"
                " log ended",
            )
        else:
            await self._lost(tail, f"{spu.name} answered with an error: {what}; tail tries again")
        return False

    async def _lost(self, tail: PartitionTail, text: str) -> None:
        """Follow a partition no longer, because of an error."""
        news = tail.failed()
        self.leave(tail)
        if news:
            await self._printer.note(f"{self._topic}/{tail.index}: {text}")

    async def _take(
        self, spu: TailConnection, tail: PartitionTail, response: StreamFetchResponse
    ) -> None:
        """Print the records of a response and let the stream go on behind them."""
        if not await self._accepted(spu, tail, response.partition.error_code):
            return
        before = tail.offset or 0
        batches = list(whole_batches(response.partition.records))
        if not batches:
            await self._lost(tail, f"{spu.name} sent no whole batch at offset {before}")
            return
        tail.recovered()
        for header, batch in batches:
            offset = tail.offset or 0
            tail.offset = max(offset, header.base_offset + header.record_count)
            await self._printer.batch(tail.index, offset, header, batch)
            if self._printer.complete or tail.leader is not self:
                return
        if tail.offset == before:
            return  # a fault delivered a response twice; the first one was answered
        update = OffsetUpdate(offset=tail.offset or 0, session_id=response.stream_id)
        _, frame = spu.request(UPDATE_OFFSETS, UpdateOffsetsRequest(offsets=[update]))
        self._queue(frame)
