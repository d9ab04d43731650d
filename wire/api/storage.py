"""The storage settings that topics and partitions share.

Source: ``crates/fluvio-controlplane-metadata/src/topic/spec.rs`` and ``deduplication.rs``.
"""

from enum import IntEnum
from typing import Annotated, TypeAlias

from wire.api.smartmodule import ElapsedTime
from wire.codec.message import message
from wire.codec.types import Fixed, u32, u64


class TopicCompression(IntEnum):
    """The compression that a topic permits. The codec of a batch has other numbers: zstd is 4."""

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
"""An enumeration with a single variant."""


@message
class TopicStorage:
    """Limits on the files of a partition, in bytes."""

    segment_size: u32 | None = None
    max_partition_size: u64 | None = None


@message
class DeduplicationBounds:
    """The window in which duplicates are detected."""

    count: u64
    age: ElapsedTime | None


@message
class Transform:
    """The filtering SmartModule and its parameters."""

    uses: str
    parameters: dict[str, str]


@message
class DeduplicationFilter:
    """The filter that detects duplicates."""

    transform: Transform


@message
class Deduplication:
    """Deduplication by content, within a window."""

    bounds: DeduplicationBounds
    filter: DeduplicationFilter
