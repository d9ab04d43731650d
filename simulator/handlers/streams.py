"""The streams of one connection: what each consumer has read, and what it waits for.

A stream sends one response with records and then waits for its consumer, which says with
UpdateOffsets where it wants to read on. While there is nothing to send the stream waits for its
log. So at most one response of a stream is in flight, however fast a producer appends. It is read
from the log when the connection has room for it, so that clients that do not read fill no memory.
"""

from collections.abc import Callable, Iterator

from simulator.cluster.cluster import PARTITIONS_MAX, Partition, Thing, Topic
from simulator.cluster.log import PartitionLog
from simulator.handlers.reading import (
    READ_COMMITTED,
    RESPONSE_BYTES_MAX,
    as_unsigned,
    offset_error,
)
from wire.api.fetch import FetchedPartition
from wire.api.stream_fetch import StreamFetchRequest, StreamFetchResponse
from wire.error_code import Code, ErrorCode, OffsetEvicted

STREAMS_MAX = PARTITIONS_MAX
"""The maximum number of streams on one connection. A consumer of a whole topic opens one for each
partition."""

STREAM_BYTES = 4096
"""Bytes of memory that a stream takes besides its request, until its connection ends."""

OFFSET_UNKNOWN = -1
"""An update of a consumer that has read nothing yet; an SPU ignores it."""

OFFSET_OF_DELETED_TOPIC = -2
"""An update that ends the stream as the deletion of its topic does."""


class PartitionStream:
    """One stream of a connection.

    Args:
        number: its number on the connection, from 1.
        partition: the partition that it reads.
        request: the request that opened it.
        push: sends a response to that request.
        when_room: calls a function soon, once there is room for one more response.
        call_at: calls a function at a time of the simulator's clock, or soon if that has passed.
        clock: the time, in seconds of the simulator's clock.
    """

    def __init__(
        self,
        number: int,
        partition: Partition,
        request: StreamFetchRequest,
        push: Callable[[StreamFetchResponse], None],
        when_room: Callable[[Callable[[], None]], None],
        call_at: Callable[[float, Callable[[], None]], None],
        clock: Callable[[], float],
    ) -> None:
        self.number = number
        self.partition = partition
        self.consumer_id = request.consumer_id
        self._request = request
        self._push = push
        self._when_room = when_room
        self._call_at = call_at
        self._clock = clock
        self._offset: int | None = request.fetch_offset
        """The offset to send from; None while the consumer has a response."""
        self._spu = partition.leader
        """The SPU of the connection; it led the partition when the stream was opened."""
        self._called = False
        """Whether ``_call`` will be called soon."""
        self._due: float | None = None
        """The commit for which ``changed`` will be called."""
        self._ended = False
        self._log.watchers[self.changed] = None

    @property
    def _log(self) -> PartitionLog:
        return self.partition.log

    def first(self) -> StreamFetchResponse | None:
        """Return the first response, or None if there is nothing to read yet."""
        error = offset_error(self._request.fetch_offset, self._log)
        return self._next() if error is None else self._failed(error)

    def changed(self) -> None:
        """Look soon whether there is something to send: the log or its high watermark moved."""
        if self._offset is not None and not self._called and not self._ended:
            self._called = True
            self._when_room(self._call)

    def consumed(self, offset: int) -> None:
        """Send from an offset on, as the consumer asks."""
        if offset == OFFSET_OF_DELETED_TOPIC:
            self.delete()
        elif offset != OFFSET_UNKNOWN and not self._ended:
            self._offset = max(offset, 0)
            self.changed()

    def delete(self) -> None:
        """End the stream because its topic is gone."""
        if not self._ended:
            self._push(self._failed(Code.TOPIC_DELETED))

    def end(self) -> None:
        """Send nothing more."""
        self._ended = True
        self._log.watchers.pop(self.changed, None)

    def _call(self) -> None:
        self._called = False
        leads = self.partition.leader == self._spu
        if self._offset is not None and leads and not self._ended:
            response = self._next()
            if response is not None:
                self._push(response)

    def _next(self) -> StreamFetchResponse | None:
        """Read from the offset; None if there is nothing."""
        log, now, request = self._log, self._clock(), self._request
        assert self._offset is not None
        if self._offset < log.start_offset:
            return self._failed(OffsetEvicted(offset=self._offset, next_available=log.start_offset))
        high_watermark = log.high_watermark(now)
        end = high_watermark if request.isolation == READ_COMMITTED else log.end_offset
        records = log.read(self._offset, end, RESPONSE_BYTES_MAX, as_unsigned(request.max_bytes))
        if not records:
            due = log.next_commit
            if due is not None and due != self._due and request.isolation == READ_COMMITTED:
                self._due = due
                self._call_at(due, self.changed)
            return None
        self._offset = None
        return self._response(
            FetchedPartition(
                partition_index=request.partition,
                high_watermark=high_watermark,
                log_start_offset=log.start_offset,
                records=records,
            )
        )

    def _failed(self, code: ErrorCode) -> StreamFetchResponse:
        """End the stream with an error."""
        self.end()
        return self._response(
            FetchedPartition(partition_index=self._request.partition, error_code=code)
        )

    def _response(self, partition: FetchedPartition) -> StreamFetchResponse:
        return StreamFetchResponse(
            topic=self._request.topic, stream_id=self.number, partition=partition
        )


class Streams:
    """The streams of one connection, by their numbers."""

    def __init__(self) -> None:
        self._streams: dict[int, PartitionStream] = {}
        self.charge = 0
        """Bytes of the simulator's memory that they are charged with."""

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[PartitionStream]:
        return iter([*self._streams.values()])

    @property
    def next_number(self) -> int:
        """The number of the next stream; numbers are not used again."""
        return len(self._streams) + 1

    def add(self, stream: PartitionStream) -> None:
        """Add the next stream."""
        self._streams[stream.number] = stream

    def get(self, number: int) -> PartitionStream | None:
        """Return the stream with a number, or None."""
        return self._streams.get(number)

    def hear(self, things: list[Thing], gone: bool) -> None:
        """End the streams of topics that are gone; a subscriber of the cluster."""
        if gone:
            names = {thing.name for thing in things if isinstance(thing, Topic)}
            for stream in self:
                if stream.partition.topic.name in names:
                    stream.delete()

    def end(self) -> None:
        """End all streams: the connection is closed."""
        for stream in self:
            stream.end()
