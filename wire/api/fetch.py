"""Fetch (SPU key 1): read stored batches once, without waiting.

Source: ``crates/fluvio-spu-schema/src/fetch/request.rs`` and ``response.rs``. Official consumers
use StreamFetch instead; Fetch is the simplest way to read a log.
"""

from wire.api.api import Api
from wire.codec.message import message, since
from wire.codec.types import i32, i64, u8, u32, view
from wire.error_code import Code, ErrorCode


@message
class FetchPartition:
    """The offset to read from in one partition."""

    partition_index: u32
    current_leader_epoch: i32 = since(9, default=-1)
    fetch_offset: i64
    log_start_offset: i64 = since(5, default=-1)
    max_bytes: i32


@message
class FetchTopic:
    """The partitions of one topic."""

    name: str
    partitions: list[FetchPartition]


@message
class ForgottenTopic:
    """The partitions to remove from an incremental fetch session; Fluvio has no such sessions."""

    name: str = since(7, default="")
    indexes: list[i32] = since(7, default_factory=list)


@message
class FetchRequest:
    """Read several partitions. An SPU obeys only the top-level ``max_bytes``, which it reads as
    unsigned and for each partition, and the isolation."""

    max_wait_ms: i32 = 0
    min_bytes: i32 = 0
    max_bytes: i32 = since(3, default=0)
    isolation: u8 = since(4, default=0)  # 0 ReadUncommitted, 1 ReadCommitted
    topics: list[FetchTopic]
    forgotten: list[ForgottenTopic] = since(7, default_factory=list)


@message
class AbortedTransaction:
    """An aborted transaction; Fluvio never sends one."""

    producer_id: i64
    first_offset: i64


@message
class FetchedPartition:
    """Complete stored batches, beginning with the batch that holds the requested offset."""

    partition_index: u32
    error_code: ErrorCode = Code.NONE
    high_watermark: i64 = 0
    next_filter_offset: i64 = since(11, default=0)
    log_start_offset: i64 = 0
    aborted: list[AbortedTransaction] | None = None
    records: view = b""


@message
class FetchedTopic:
    """The partitions of one topic, in the order of the request."""

    name: str
    partitions: list[FetchedPartition]


@message
class FetchResponse:
    """One result for each partition of the request."""

    throttle_time_ms: i32 = 0
    error_code: ErrorCode = Code.NONE
    session_id: i32 = 0
    topics: list[FetchedTopic]


FETCH = Api(
    "fetch",
    1,
    0,
    25,
    FetchRequest,
    FetchResponse,
    server="spu",
    names_partitions=True,
    has_code=True,
)
