"""Fetch, on the SPU: reads a log.

Served: versions 0 to 25. Emulated, after ``fluvio-spu/src/services/public/fetch_handler.rs``: one
result for each partition of the request, by position, without waiting; only the top-level
``max_bytes`` and the isolation are obeyed; NotLeaderForPartition for partitions that this SPU does
not lead; Other for an offset beyond the end. Different on purpose: ``max_bytes`` applies to all
partitions together, and a batch is never cut; the real SPU cuts batches, and official consumers
lose records by that. Left out: StreamFetch, so official consumers cannot consume.
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
from wire.error_code import Code, Other

RESPONSE_BYTES_MAX = 16 * 1024 * 1024
"""The maximum size of the batches after the first one in a response, whatever the client requests:
a short request could name one partition a hundred times, and a frame holds at most 64 MiB."""

READ_COMMITTED = 1
"""The isolation for committed records only."""


def handle(request: FetchRequest, context: Context) -> Generator[Pause, object, FetchResponse]:
    """Read every partition of the request while the response has room."""
    room = min(max(request.max_bytes, 1), RESPONSE_BYTES_MAX)  # one batch at least
    topics, dealt_with = [], 0
    for topic in request.topics:
        fetched = FetchedTopic(name=topic.name, partitions=[])
        for asked in topic.partitions:
            answer = _fetch(topic.name, asked, request.isolation, room, context)
            room -= len(answer.records)
            fetched.partitions.append(answer)
            dealt_with += 1
            if not dealt_with % ENTRIES_PER_TURN:
                yield PAUSE
        topics.append(fetched)
    return FetchResponse(topics=topics)


def _fetch(
    topic: str, asked: FetchPartition, isolation: int, room: int, context: Context
) -> FetchedPartition:
    assert context.spu is not None
    answer = FetchedPartition(partition_index=asked.partition_index)
    partition = context.cluster.led_by(context.spu, topic, asked.partition_index)
    if partition is None:
        answer.error_code = Code.NOT_LEADER_FOR_PARTITION
        return answer
    log = partition.log
    answer.high_watermark = log.high_watermark(context.now)
    end = answer.high_watermark if isolation == READ_COMMITTED else log.end_offset
    offset = asked.fetch_offset
    if offset < 0:
        answer.error_code = Code.OFFSET_OUT_OF_RANGE
    elif offset > log.end_offset:
        answer.error_code = Other(
            text=f"start offset: {offset} is greater than leo: {log.end_offset}"
        )
    elif room > 0:
        answer.records = log.read(offset, end, room)
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
