"""Fetch, on the SPU: the plain way to read a log back.

Served: versions 0 to 25. Emulated, after ``fluvio-spu/src/services/public/fetch_handler.rs``: one
answer for each partition of the request, by position, at once and without waiting; only the
top-level ``max_bytes`` and the isolation are honoured; NotLeaderForPartition for what this SPU does
not lead; Other for an offset beyond the end. Different on purpose: a batch is never cut, while the
real SPU cuts at ``max_bytes`` (official consumers lose records over that). Left out: StreamFetch,
which official consumers use, and with it consuming by them.
"""

from simulator.handlers.context import Context
from wire.api.fetch import (
    FetchedPartition,
    FetchedTopic,
    FetchPartition,
    FetchRequest,
    FetchResponse,
)
from wire.error_code import Code, Other

READ_COMMITTED = 1
"""The isolation of a reader that wants committed records only."""


def handle(request: FetchRequest, context: Context) -> FetchResponse:
    """Read every partition asked for."""
    return FetchResponse(
        topics=[
            FetchedTopic(
                name=topic.name,
                partitions=[_fetch(topic.name, p, request, context) for p in topic.partitions],
            )
            for topic in request.topics
        ]
    )


def _fetch(
    topic: str, asked: FetchPartition, request: FetchRequest, context: Context
) -> FetchedPartition:
    assert context.spu is not None
    answer = FetchedPartition(partition_index=asked.partition_index)
    partition = context.cluster.led_by(context.spu, topic, asked.partition_index)
    if partition is None:
        answer.error_code = Code.NOT_LEADER_FOR_PARTITION
        return answer
    log = partition.log
    answer.high_watermark = log.high_watermark(context.now)
    end = answer.high_watermark if request.isolation == READ_COMMITTED else log.end_offset
    offset = asked.fetch_offset
    if offset < 0:
        answer.error_code = Code.OFFSET_OUT_OF_RANGE
    elif offset > log.end_offset:
        answer.error_code = Other(
            text=f"start offset: {offset} is greater than leo: {log.end_offset}"
        )
    else:
        answer.records = log.read(offset, end, request.max_bytes)
    return answer
