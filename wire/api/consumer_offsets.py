"""The stored offsets of consumers (SPU keys 1006 to 1008): update, delete and fetch.

Source: ``crates/fluvio-spu-schema/src/server/consumer_offset.rs``. An SPU serves these APIs without
offering them in ApiVersions; a client sends the highest version that it knows.
"""

from wire.api.api import Api
from wire.codec.message import message, since
from wire.codec.types import i64, u32, u64
from wire.error_code import Code, ErrorCode


@message
class Replica:
    """A topic and the index of one of its partitions."""

    topic: str
    partition: u32


@message
class UpdateConsumerOffsetRequest:
    """Store how far the consumer of a stream has read."""

    offset: i64
    session_id: u32
    """The ``stream_id`` of a stream that was opened with a consumer id."""


@message
class UpdateConsumerOffsetResponse:
    """The offset that is stored."""

    offset: i64
    error_code: ErrorCode = Code.NONE


@message
class DeleteConsumerOffsetRequest:
    """Forget the offset of a consumer in one partition."""

    replica: Replica
    consumer_id: str


@message
class DeleteConsumerOffsetResponse:
    """Whether the offset was deleted."""

    error_code: ErrorCode = Code.NONE


@message
class ConsumerFilter:
    """Which consumers to list: of one partition, with one id, or both."""

    replica: Replica | None = None
    consumer_id: str | None = None


@message
class FetchConsumerOffsetsRequest:
    """List the stored offsets of consumers."""

    filter: ConsumerFilter | None = since(24, default=None)


@message
class ConsumerOffset:
    """How far one consumer has read in one partition."""

    consumer_id: str
    replica: Replica
    offset: i64
    modified_time: u64
    """Seconds since the epoch."""


@message
class FetchConsumerOffsetsResponse:
    """The offsets that match the filter."""

    error_code: ErrorCode = Code.NONE
    consumers: list[ConsumerOffset]


UPDATE_CONSUMER_OFFSET = Api(
    "update-consumer-offset",
    1006,
    0,
    25,
    UpdateConsumerOffsetRequest,
    UpdateConsumerOffsetResponse,
    server="spu",
    listed=False,
)
DELETE_CONSUMER_OFFSET = Api(
    "delete-consumer-offset",
    1007,
    0,
    25,
    DeleteConsumerOffsetRequest,
    DeleteConsumerOffsetResponse,
    server="spu",
    listed=False,
)
FETCH_CONSUMER_OFFSETS = Api(
    "fetch-consumer-offsets",
    1008,
    0,
    25,
    FetchConsumerOffsetsRequest,
    FetchConsumerOffsetsResponse,
    server="spu",
    listed=False,
)
