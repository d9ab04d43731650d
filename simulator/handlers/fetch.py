"""Fetch, on the SPU: reads a log.

Served: versions 0 to 25. Emulated, after ``fluvio-spu/src/services/public/fetch_handler.rs`` and
``fluvio-storage/src/replica.rs``: one result for each partition of the request, by position,
without waiting; only the top-level ``max_bytes`` and the isolation are obeyed. ``max_bytes`` holds
for each partition and cuts in the middle of a batch: official consumers lose the records of a batch
that does not fit. 0 gives nothing, as does a version without the field; less gives everything.
Batches of one segment at a time; NotLeaderForPartition for partitions that this SPU does not lead,
OffsetEvicted for an offset below zero, Other for one beyond the end, each with a high watermark of
0; an isolation that does not exist closes the connection. Different on purpose: there is a limit on
the whole response. Left out: StreamFetch, so official consumers cannot consume.
"""

from collections.abc import Generator

from simulator.handlers.codes import CodeInEntry
from simulator.handlers.context import ENTRIES_PER_TURN, PAUSE, Context, Pause
from simulator.handlers.forging import entries_forged
from simulator.handlers.served_api import ServedApi, named_by, register_api
from wire.api import FETCH
from wire.api.fetch import (
    FetchedPartition,
    FetchedTopic,
    FetchPartition,
    FetchRequest,
    FetchResponse,
)
from wire.codec import WireError
from wire.error_code import Code, OffsetEvicted, Other

RESPONSE_BYTES_MAX = 16 * 1024 * 1024
"""The maximum size of the batches after the first one in a response, whatever the client requests:
a short request could name one partition a hundred times, and a frame holds at most 64 MiB. Unlike
``max_bytes`` this limit cuts no batch."""

READ_UNCOMMITTED = 0
"""The isolation for all records."""

READ_COMMITTED = 1
"""The isolation for committed records only."""


def handle(request: FetchRequest, context: Context) -> Generator[Pause, object, FetchResponse]:
    """Read every partition of the request while the response has room.

    Raises:
        WireError: there is no such isolation.
    """
    if request.isolation not in (READ_UNCOMMITTED, READ_COMMITTED):
        raise WireError(f"{request.isolation} is not an isolation")
    room = RESPONSE_BYTES_MAX
    topics, dealt_with = [], 0
    for topic in request.topics:
        fetched = FetchedTopic(name=topic.name, partitions=[])
        for asked in topic.partitions:
            answer = _fetch(topic.name, asked, request, room, context)
            room -= len(answer.records)
            fetched.partitions.append(answer)
            dealt_with += 1
            if not dealt_with % ENTRIES_PER_TURN:
                yield PAUSE
        topics.append(fetched)
    return FetchResponse(topics=topics)


def _fetch(
    topic: str, asked: FetchPartition, request: FetchRequest, room: int, context: Context
) -> FetchedPartition:
    assert context.spu is not None
    answer = FetchedPartition(partition_index=asked.partition_index)
    partition = context.cluster.led_by(context.spu, topic, asked.partition_index)
    if partition is None:
        answer.error_code = Code.NOT_LEADER_FOR_PARTITION
        return answer
    log, offset = partition.log, asked.fetch_offset
    if offset < 0:
        answer.error_code = OffsetEvicted(offset=offset, next_available=0)
        return answer
    if offset > log.end_offset:
        answer.error_code = Other(
            text=f"start offset: {offset} is greater than leo: {log.end_offset}"
        )
        return answer
    answer.high_watermark = log.high_watermark(context.now)
    end = answer.high_watermark if request.isolation == READ_COMMITTED else log.end_offset
    if room > 0:
        bytes_max = request.max_bytes % (1 << 32)  # the SPU reads the number as unsigned
        answer.records = log.read(offset, end, room, bytes_max)
    return answer


register_api(
    ServedApi(
        api=FETCH,
        handle=handle,
        partitions=named_by,
        forged=entries_forged("high_watermark"),
        codes=CodeInEntry(FetchedPartition),
    )
)
