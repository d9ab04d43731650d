"""Produce (SPU key 0): record batches in, offsets out.

Source: ``crates/fluvio-spu-schema/src/produce/request.rs`` and ``response.rs``. Every produce
request is answered; there is no fire-and-forget. The response mirrors the entries of the request,
including repeated partitions, because clients pair results by position. A request with a topic and
no partitions is valid: clients send one on an explicit flush with nothing queued.
"""

from typing import Annotated

from wire.api.api import Api
from wire.api.smartmodule import SmartModuleInvocation
from wire.codec.message import message, since
from wire.codec.types import Blob, Buffer, i16, i32, i64, u32
from wire.error_code import Code, ErrorCode
from wire.record_set import spu_reads

READ_UNCOMMITTED = 1
"""``acks`` for a response after the append; any value of at least 0 has this meaning."""

READ_COMMITTED = -1
"""``acks`` for a response after the commit; any negative value has this meaning."""


record_set = Annotated[Buffer, Blob(view=True, reads=spu_reads)]
"""Batches in a row, as the official decoder reads them (``record/data.rs``): bytes behind the last
batch are left out, and may shift the fields that follow. See ``wire.record_set``."""


@message
class PartitionRecords:
    """Batches for one partition. The official client puts exactly one batch into each entry."""

    partition_index: u32
    records: record_set


@message
class TopicRecords:
    """The partitions of one topic."""

    name: str
    partitions: list[PartitionRecords]


@message
class ProduceRequest:
    """Batches to append. ``timeout_ms`` limits only the wait for the commit of each entry."""

    # Rust annotates the id as of version 3, but its hand-written codec has every field in every
    # version.
    transactional_id: str | None = None
    acks: i16 = READ_UNCOMMITTED
    timeout_ms: i32 = 1500
    topics: list[TopicRecords]
    smartmodules: list[SmartModuleInvocation] = since(default_factory=list)


@message
class PartitionResult:
    """The result of one entry. ``base_offset`` is the offset of its first record. On error it is 0,
    except with RequestTimedOut, where the records are stored."""

    partition_index: u32
    error_code: ErrorCode = Code.NONE
    base_offset: i64 = 0
    log_append_time_ms: i64 = since(2, default=0)
    log_start_offset: i64 = since(5, default=0)


@message
class TopicResult:
    """The results of one topic, in the order of the request."""

    name: str
    partitions: list[PartitionResult]


@message
class ProduceResponse:
    """One result for each entry of the request, in the order of the request."""

    topics: list[TopicResult]
    throttle_time_ms: i32 = since(1, default=0)


PRODUCE = Api(
    "produce",
    0,
    0,
    25,
    ProduceRequest,
    ProduceResponse,
    server="spu",
    names_partitions=True,
    has_code=True,
)
