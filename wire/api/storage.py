"""What topics and partitions share: how records are stored.

Source: ``crates/fluvio-controlplane-metadata/src/topic/spec.rs`` and ``deduplication.rs``.
"""

from enum import IntEnum
from typing import Annotated, TypeAlias

from wire.api.smartmodule import ElapsedTime
from wire.codec.message import message
from wire.codec.types import Fixed, u32, u64


class TopicCompression(IntEnum):
    """What a topic allows in its batches. Not the numbers of the batch codec: there zstd is 4."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ANY = 4
    ZSTD = 5


@message(tag=0)
class SegmentCleanup:
    """Segments older than this many seconds are removed."""

    time_in_seconds: u32


CleanupPolicy: TypeAlias = Annotated[SegmentCleanup, Fixed("B")]
"""An enumeration with a single variant today."""


@message
class TopicStorage:
    """Limits on the files of a partition, in bytes."""

    segment_size: u32 | None = None
    max_partition_size: u64 | None = None


@message
class DeduplicationBounds:
    """How far back duplicates are looked for."""

    count: u64
    age: ElapsedTime | None


@message
class Transform:
    """The SmartModule that filters, and its parameters."""

    uses: str
    parameters: dict[str, str]


@message
class DeduplicationFilter:
    """What tells duplicates."""

    transform: Transform


@message
class Deduplication:
    """Deduplication by content, over a window."""

    bounds: DeduplicationBounds
    filter: DeduplicationFilter
