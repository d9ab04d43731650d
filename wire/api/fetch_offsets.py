"""FetchOffsets (SPU key 1002): the first and the end offset of partitions.

Source: ``crates/fluvio-spu-schema/src/server/fetch_offset.rs``. A consumer sends it before a
stream, to find the beginning or the end of a partition. An SPU offers version 25 alone and serves
all: an older client finds no common version, and sends its own.
"""

from wire.api.api import Api
from wire.codec.message import message, since
from wire.codec.types import i64, u32
from wire.error_code import Code, ErrorCode


@message
class FetchOffsetsPartition:
    """One partition."""

    partition_index: u32


@message
class FetchOffsetsTopic:
    """The partitions of one topic."""

    name: str
    partitions: list[FetchOffsetsPartition]


@message
class FetchOffsetsRequest:
    """Ask for the offsets of several partitions."""

    topics: list[FetchOffsetsTopic]
    consumer_id: str | None = since(23, until=23, default=None)


@message
class PartitionOffsets:
    """The offsets of one partition. Unlike elsewhere, the code is before the index."""

    error_code: ErrorCode = Code.NONE
    partition_index: u32
    start_offset: i64 = 0
    last_stable_offset: i64 = 0
    """The high watermark."""


@message
class TopicOffsets:
    """The partitions of one topic, in the order of the request."""

    name: str
    partitions: list[PartitionOffsets]


@message
class FetchOffsetsResponse:
    """One result for each partition of the request."""

    topics: list[TopicOffsets]


FETCH_OFFSETS = Api(
    "fetch-offsets",
    1002,
    25,
    25,
    FetchOffsetsRequest,
    FetchOffsetsResponse,
    server="spu",
    names_partitions=True,
    has_code=True,
)
