"""Fetch, on the SPU: reads a log.

Served: versions 0 to 25. Emulated, after ``fluvio-spu/src/services/public/fetch_handler.rs`` and
``fluvio-storage/src/replica.rs``: one result for each partition of the request, by position,
without waiting; only the top-level ``max_bytes`` and the isolation are obeyed. ``max_bytes`` holds
for each partition and cuts in the middle of a batch: official consumers lose the records of a batch
that does not fit. 0 gives nothing, as does a version without the field; less gives everything.
Batches of one segment at a time; NotLeaderForPartition for partitions that this SPU does not lead,
OffsetEvicted for an offset before the first one that the partition has, Other for one beyond the
end, each with a high watermark of 0; an isolation that does not exist closes the connection.
Different on purpose: there is a limit on the whole response.
"""

from collections.abc import Generator

from simulator.handlers.codes import CodeInEntry
from simulator.handlers.context import ENTRIES_PER_TURN, PAUSE, Context, Pause
from simulator.handlers.forging import entries_forged
from simulator.handlers.reading import (
    READ_COMMITTED,
    RESPONSE_BYTES_MAX,
    as_unsigned,
    check_isolation,
    offset_error,
)
from simulator.handlers.served_api import ServedApi, named_by, register_api
from wire.api import FETCH
from wire.api.fetch import (
    FetchedPartition,
    FetchedTopic,
    FetchPartition,
    FetchRequest,
    FetchResponse,
)
from wire.error_code import Code


def handle(request: FetchRequest, context: Context) -> Generator[Pause, object, FetchResponse]:
    """Read every partition of the request while the response has room.

    Raises:
        WireError: there is no such isolation.
    """
    check_isolation(request.isolation)
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
    error = offset_error(offset, log)
    if error is not None:
        answer.error_code = error
        return answer
    answer.high_watermark = log.high_watermark(context.now)
    answer.log_start_offset = log.start_offset
    end = answer.high_watermark if request.isolation == READ_COMMITTED else log.end_offset
    if room > 0:
        answer.records = log.read(offset, end, room, as_unsigned(request.max_bytes))
    return answer


register_api(
    ServedApi(
        api=FETCH,
        handle=handle,
        partitions=named_by,
        forged=entries_forged("high_watermark"),
        codes=CodeInEntry(FetchedPartition, FetchedTopic, FetchResponse),
    )
)
