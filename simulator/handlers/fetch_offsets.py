"""FetchOffsets, on the SPU: the first offset and the high watermark of partitions.

Served: versions 0 to 25, of which an SPU offers 25 alone. Emulated, after
``fluvio-spu/src/services/public/offset_request.rs``: one result for each partition of the request,
by position; PartitionNotLeader for a partition that this SPU does not lead; at version 23 with a
consumer id, the offset behind the one that is stored for it, evicted or not.
"""

from simulator.handlers.codes import CodeInEntry
from simulator.handlers.context import Context
from simulator.handlers.forging import entries_forged
from simulator.handlers.served_api import ServedApi, named_by, register_api
from wire.api import FETCH_OFFSETS
from wire.api.fetch_offsets import (
    FetchOffsetsRequest,
    FetchOffsetsResponse,
    PartitionOffsets,
    TopicOffsets,
)
from wire.error_code import Code


def handle(request: FetchOffsetsRequest, context: Context) -> FetchOffsetsResponse:
    """Return the offsets of every partition of the request."""
    return FetchOffsetsResponse(
        topics=[
            TopicOffsets(
                name=topic.name,
                partitions=[
                    _offsets(topic.name, asked.partition_index, request.consumer_id, context)
                    for asked in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def _offsets(topic: str, index: int, consumer: str | None, context: Context) -> PartitionOffsets:
    assert context.spu is not None
    partition = context.cluster.led_by(context.spu, topic, index)
    if partition is None:
        return PartitionOffsets(partition_index=index, error_code=Code.PARTITION_NOT_LEADER)
    stored = None
    if consumer is not None:
        stored = context.cluster.consumer_offsets.get(topic, index, consumer)
    return PartitionOffsets(
        partition_index=index,
        start_offset=partition.log.start_offset if stored is None else stored.offset + 1,
        last_stable_offset=partition.log.high_watermark(context.now),
    )


register_api(
    ServedApi(
        api=FETCH_OFFSETS,
        handle=handle,
        partitions=named_by,
        forged=entries_forged("start_offset"),
        codes=CodeInEntry(PartitionOffsets, TopicOffsets, FetchOffsetsResponse),
    )
)
