"""StreamFetch (SPU key 1003) and UpdateOffsets (SPU key 1005): follow a partition.

Source: ``crates/fluvio-spu-schema/src/server/stream_fetch.rs`` and ``update_offset.rs``. A stream
has many responses under the correlation id of its request. After each one with records the SPU
waits for UpdateOffsets with the ``stream_id``.
"""

from wire.api.api import Api
from wire.api.fetch import FetchedPartition
from wire.api.smartmodule import SmartModuleInvocation
from wire.codec.message import message, since
from wire.codec.types import i32, i64, u8, u32
from wire.error_code import Code, ErrorCode

STREAM_BYTES_DEFAULT = 1024 * 1024 + 314
"""The ``max_bytes`` that official consumers send by default."""


@message
class StreamFetchRequest:
    """Follow one partition from an offset on.

    Versions before 19 have fields for single SmartModules, which no served version has.
    """

    topic: str
    partition: u32 = 0
    fetch_offset: i64
    max_bytes: i32 = STREAM_BYTES_DEFAULT
    isolation: u8 = 0  # 0 ReadUncommitted, 1 ReadCommitted
    smartmodules: list[SmartModuleInvocation] = since(18, default_factory=list)
    consumer_id: str | None = since(23, default=None)


@message
class StreamFetchResponse:
    """One part of a stream: stored batches, or the error that ends the stream."""

    topic: str
    stream_id: u32
    """Counts from 1 on each connection; 0 if there is no stream."""
    partition: FetchedPartition


@message
class OffsetUpdate:
    """The offset from which a consumer wants to read on."""

    offset: i64
    session_id: u32
    """The ``stream_id`` of the stream."""


@message
class UpdateOffsetsRequest:
    """Continue streams."""

    offsets: list[OffsetUpdate]


@message
class OffsetUpdateStatus:
    """Whether a stream exists."""

    session_id: u32
    error_code: ErrorCode = Code.NONE


@message
class UpdateOffsetsResponse:
    """One status for each stream of the request, in its order."""

    status: list[OffsetUpdateStatus]


STREAM_FETCH = Api(
    "stream-fetch",
    1003,
    19,
    25,
    StreamFetchRequest,
    StreamFetchResponse,
    server="spu",
    names_partitions=True,
    known_from=19,
    has_code=True,
)
UPDATE_OFFSETS = Api(
    "update-offsets", 1005, 0, 0, UpdateOffsetsRequest, UpdateOffsetsResponse, server="spu"
)
