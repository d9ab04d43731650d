"""StreamFetch, on the SPU: follow a partition.

Served: versions 19 to 25. Emulated, after ``fluvio-spu/src/services/public/stream_fetch.rs``:
responses with the stored batches from the one that holds the offset, under the correlation id of
the request; one response in flight until the consumer's UpdateOffsets; no response while there is
nothing to read; both isolations; NotLeaderForPartition under stream 0 for a partition that this
SPU does not lead; Other for an offset beyond the end; OffsetEvicted, also later, for one that the
partition no longer has; TopicDeleted at the end of the topic;
``max_bytes`` that cuts a batch in its middle. A stream outlives a leader move, and then sends
nothing more. Different on purpose: a response holds at most 16 MiB, in whole batches. Left out:
SmartModules, which are refused with SmartModuleNotFound if they are not stored, else with Other.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from simulator.faults.effects import StruckEntries
from simulator.handlers.codes import CodeOfAnswer
from simulator.handlers.context import Context
from simulator.handlers.reading import check_isolation
from simulator.handlers.served_api import PartitionName, ServedApi, register_api
from simulator.handlers.smartmodules import no_smartmodule
from simulator.handlers.streams import STREAM_BYTES, STREAMS_MAX, PartitionStream
from wire.api import STREAM_FETCH
from wire.api.fetch import FetchedPartition
from wire.api.stream_fetch import StreamFetchRequest, StreamFetchResponse
from wire.codec import WireError, encode
from wire.error_code import Code, ErrorCode


def handle(request: StreamFetchRequest, context: Context) -> StreamFetchResponse | None:
    """Open a stream; return its first response, or None if it comes later.

    Raises:
        WireError: the isolation is unknown, the connection has too many streams, or the memory of
            the simulator is full.
    """
    check_isolation(request.isolation)
    assert context.spu is not None
    partition = context.cluster.led_by(context.spu, request.topic, request.partition)
    if partition is None:
        return _refusal(request, Code.NOT_LEADER_FOR_PARTITION)
    streams = context.held.streams
    if len(streams) >= STREAMS_MAX:
        raise WireError(f"more than {STREAMS_MAX} streams on one connection")
    _charge(request, context)
    if not streams:
        context.held.at_close += [streams.end, context.cluster.subscribe(streams.hear)]
    stream = PartitionStream(
        streams.next_number,
        partition,
        request,
        context.push,
        context.held.when_room,
        context.held.call_at,
        context.held.clock,
    )
    streams.add(stream)
    if request.smartmodules:
        stream.end()
        refusal = _refusal(request, no_smartmodule(request.smartmodules[0], context.cluster))
        return replace(refusal, stream_id=stream.number)
    return stream.first()


def _charge(request: StreamFetchRequest, context: Context) -> None:
    """Charge the memory with a stream until its connection ends."""
    memory, streams = context.cluster.memory, context.held.streams
    # The request is kept as it came and decoded: a consumer id can be long.
    size = STREAM_BYTES + 2 * len(encode(request, context.version))
    if not memory.store(1, size):
        raise WireError("a stream for which the memory of the simulator has no room")

    def release() -> None:
        memory.stored -= streams.charge

    if not streams:
        context.held.at_close.append(release)
    streams.charge += memory.charge(1, size)


def _refusal(request: StreamFetchRequest, code: ErrorCode) -> StreamFetchResponse:
    """Return the response to a request that opens no stream."""
    partition = FetchedPartition(partition_index=request.partition, error_code=code)
    return StreamFetchResponse(topic=request.topic, stream_id=0, partition=partition)


def _refused(request: StreamFetchRequest, version: int, code: ErrorCode) -> StreamFetchResponse:
    return _refusal(request, code)


def _partitions(request: StreamFetchRequest) -> Sequence[PartitionName]:
    return ((request.topic, request.partition),)


class _CodeInStream(CodeOfAnswer):
    """Puts a code into a response of a stream."""

    def with_code(
        self, response: Any, target: StruckEntries | None, code: ErrorCode
    ) -> StreamFetchResponse:
        """Return the response with the code and without records."""
        partition = replace(response.partition, error_code=code, records=b"")
        changed: StreamFetchResponse = replace(response, partition=partition)
        return changed


register_api(
    ServedApi(
        api=STREAM_FETCH, handle=handle, partitions=_partitions, codes=_CodeInStream(_refused)
    )
)
