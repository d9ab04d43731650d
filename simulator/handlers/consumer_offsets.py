"""The stored offsets of consumers, on the SPU: UpdateConsumerOffset, DeleteConsumerOffset and
FetchConsumerOffsets.

Served: versions 0 to 25; no SPU lists them in ApiVersions. Emulated, after
``fluvio-spu/src/services/public/consumer_handler.rs``: an update names a stream that was opened
with a consumer id, on any SPU (FetchSessionNotFound or Other for another stream); deletions and
look-ups go to the leader of ``consumer-offset/0`` (PartitionNotLeader elsewhere); deleting what
is not stored succeeds; offsets of partitions that are gone are not listed. Different: the offsets
are not records of ``consumer-offset``, whose log stays empty.
"""

from simulator.handlers.context import Context
from simulator.handlers.served_api import ServedApi, register_api
from wire.api import DELETE_CONSUMER_OFFSET, FETCH_CONSUMER_OFFSETS, UPDATE_CONSUMER_OFFSET
from wire.api.consumer_offsets import (
    ConsumerOffset,
    DeleteConsumerOffsetRequest,
    DeleteConsumerOffsetResponse,
    FetchConsumerOffsetsRequest,
    FetchConsumerOffsetsResponse,
    Replica,
    UpdateConsumerOffsetRequest,
    UpdateConsumerOffsetResponse,
)
from wire.error_code import Code, ErrorCode, Other
from wire.topic_name import SYSTEM_TOPIC


def update(request: UpdateConsumerOffsetRequest, context: Context) -> UpdateConsumerOffsetResponse:
    """Store how far the consumer of a stream has read."""
    code = _updated(request, context)
    offset = request.offset if code is Code.NONE else 0
    return UpdateConsumerOffsetResponse(offset=offset, error_code=code)


def _updated(request: UpdateConsumerOffsetRequest, context: Context) -> ErrorCode:
    stream = context.held.streams.get(request.session_id)
    if stream is None:
        return Code.FETCH_SESSION_NOT_FOUD
    if stream.consumer_id is None:
        return Other(text="stream without consumer id")
    leader = context.cluster.partition(SYSTEM_TOPIC, 0)
    if leader is None or not context.cluster.spus[leader.leader].online:
        return Other(text="update offset in peer")
    partition, offsets = stream.partition, context.cluster.consumer_offsets
    topic, index = partition.topic.name, partition.index
    if not offsets.put(topic, index, stream.consumer_id, request.offset, context.now):
        return Other(text="no room for more offsets in this simulator")
    return Code.NONE


def delete(request: DeleteConsumerOffsetRequest, context: Context) -> DeleteConsumerOffsetResponse:
    """Forget the offset of a consumer in one partition."""
    if not _leads(context):
        return DeleteConsumerOffsetResponse(error_code=Code.PARTITION_NOT_LEADER)
    replica, offsets = request.replica, context.cluster.consumer_offsets
    if not offsets.delete(replica.topic, replica.partition, request.consumer_id):
        return DeleteConsumerOffsetResponse(error_code=Code.STORAGE_ERROR)
    return DeleteConsumerOffsetResponse()


def fetch(request: FetchConsumerOffsetsRequest, context: Context) -> FetchConsumerOffsetsResponse:
    """List the offsets that match the filter."""
    if not _leads(context):
        return FetchConsumerOffsetsResponse(error_code=Code.PARTITION_NOT_LEADER, consumers=[])
    wanted = request.filter
    replica = None if wanted is None else wanted.replica
    consumer_id = None if wanted is None else wanted.consumer_id
    return FetchConsumerOffsetsResponse(
        consumers=[
            ConsumerOffset(
                consumer_id=name.consumer_id,
                replica=Replica(topic=name.topic, partition=name.partition),
                offset=stored.offset,
                modified_time=stored.modified_s,
            )
            for name, stored in context.cluster.consumer_offsets.items()
            if replica in (None, Replica(topic=name.topic, partition=name.partition))
            and consumer_id in (None, name.consumer_id)
            and context.cluster.partition(name.topic, name.partition) is not None
        ]
    )


def _leads(context: Context) -> bool:
    """Return whether this SPU leads the partition of the consumers' offsets."""
    assert context.spu is not None
    return context.cluster.led_by(context.spu, SYSTEM_TOPIC, 0) is not None


register_api(ServedApi(api=UPDATE_CONSUMER_OFFSET, handle=update))
register_api(ServedApi(api=DELETE_CONSUMER_OFFSET, handle=delete))
register_api(ServedApi(api=FETCH_CONSUMER_OFFSETS, handle=fetch))
