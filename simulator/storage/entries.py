"""What is kept: one message for each change of the cluster that outlives a restart.

The entries of a file, applied in order, make the state of the cluster. A payload is a tag and one
message.
"""

from typing import Final, TypeAlias

from wire.api.objects import SmartModule
from wire.api.topic import TopicSpec
from wire.codec import WireError, decode_from, encode_to, message
from wire.codec.types import Buffer, blob, i32, i64

WIRE_VERSION: Final = 19
"""The version of the protocol in which entries are written. It belongs to the version of the format
of the file: it changes only with that one."""


@message
class KeptTopic:
    """A topic was created."""

    name: str
    spus: i32
    """How many SPUs there were."""
    spec: TopicSpec


@message
class KeptTopicDeletion:
    """A topic was deleted."""

    name: str


@message
class KeptPartitions:
    """Partitions were added to a topic."""

    topic: str
    count: i32
    """How many."""


@message
class KeptBatches:
    """Batches were appended to a log."""

    topic: str
    partition: i32
    base_offset: i64
    """The offset of the first record."""
    batches: blob
    """Whole batches in a row; their base offsets say nothing."""


@message
class KeptStart:
    """The batches of a log before an offset were evicted."""

    topic: str
    partition: i32
    offset: i64


@message
class KeptEnd:
    """The batches of a log from an offset on were removed."""

    topic: str
    partition: i32
    offset: i64


@message
class KeptModule:
    """A SmartModule was stored in place of the one that had its name."""

    module: SmartModule


@message
class KeptModuleDeletion:
    """A SmartModule was deleted."""

    name: str


@message
class KeptOffset:
    """The offset of a consumer was stored."""

    topic: str
    partition: i32
    consumer_id: str
    offset: i64
    """The offset of the last record that the consumer has read."""
    modified_s: i64
    """When it was stored, in seconds since the epoch."""


@message
class KeptOffsetDeletion:
    """The offset of a consumer was deleted."""

    topic: str
    partition: i32
    consumer_id: str


Entry: TypeAlias = (
    KeptTopic
    | KeptTopicDeletion
    | KeptPartitions
    | KeptBatches
    | KeptStart
    | KeptEnd
    | KeptModule
    | KeptModuleDeletion
    | KeptOffset
    | KeptOffsetDeletion
)

_CLASSES: tuple[type[Entry], ...] = (
    KeptTopic,
    KeptTopicDeletion,
    KeptPartitions,
    KeptBatches,
    KeptStart,
    KeptEnd,
    KeptModule,
    KeptModuleDeletion,
    KeptOffset,
    KeptOffsetDeletion,
)
"""The place of a class is its tag."""

_TAGS = {cls: bytes([tag]) for tag, cls in enumerate(_CLASSES)}


def payload_of(entry: Entry) -> list[Buffer]:
    """Return the payload of an entry, in parts."""
    parts: list[Buffer] = [_TAGS[type(entry)]]
    encode_to(parts, entry, WIRE_VERSION)
    return parts


def entry_of(payload: bytes) -> Entry:
    """Return the entry of a payload.

    Raises:
        WireError: it is none.
    """
    if not payload or payload[0] >= len(_CLASSES):
        raise WireError("an unknown entry")
    entry, end = decode_from(_CLASSES[payload[0]], payload, 1, WIRE_VERSION)
    if end != len(payload):
        raise WireError(f"{len(payload) - end} bytes behind an entry")
    return entry
