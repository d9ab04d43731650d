"""What List and Watch carry: an object's name, what it shall be, and how it is.

Source: ``crates/fluvio-sc-schema/src/objects/metadata.rs`` and ``watch.rs``. The three families
differ in their types alone; written out, each can be read, typed and decoded by itself.
"""

from enum import IntEnum

from wire.api.partition import PartitionSpec, PartitionStatus
from wire.api.spu import SpuSpec, SpuStatus
from wire.api.topic import TopicSpec, TopicStatus
from wire.codec.message import message, since
from wire.codec.types import i64


@message
class Topic:
    """A topic under its name."""

    name: str
    spec: TopicSpec
    status: TopicStatus


@message
class Partition:
    """A partition under the name ``<topic>-<index>``; a reader splits at the last dash."""

    name: str
    spec: PartitionSpec
    status: PartitionStatus


@message
class Spu:
    """An SPU under its name, for example ``custom-spu-5001``."""

    name: str
    spec: SpuSpec
    status: SpuStatus


class ChangeKind(IntEnum):
    """What happened to an object."""

    UPDATE = 0
    DELETE = 1


@message
class TopicChange:
    """One topic that was added, changed or, with its last state, deleted."""

    kind: ChangeKind
    content: Topic


@message
class PartitionChange:
    """One partition that was added, changed or, with its last state, deleted."""

    kind: ChangeKind
    content: Partition


@message
class SpuChange:
    """One SPU that was added, changed or, with its last state, deleted."""

    kind: ChangeKind
    content: Spu


@message
class TopicUpdate:
    """News for a watch: ``all`` replaces what the client knew, else ``changes`` amend it.

    A client ignores an update in which both are empty and does not count as synced by it.
    """

    epoch: i64
    changes: list[TopicChange] = since(default_factory=list)
    all: list[Topic] = since(default_factory=list)


@message
class PartitionUpdate:
    """News of partitions; see ``TopicUpdate``."""

    epoch: i64
    changes: list[PartitionChange] = since(default_factory=list)
    all: list[Partition] = since(default_factory=list)


@message
class SpuUpdate:
    """News of SPUs; see ``TopicUpdate``."""

    epoch: i64
    changes: list[SpuChange] = since(default_factory=list)
    all: list[Spu] = since(default_factory=list)


@message
class Topics:
    """The answer to a List of topics."""

    objects: list[Topic]


@message
class Partitions:
    """The answer to a List of partitions."""

    objects: list[Partition]


@message
class Spus:
    """The answer to a List of SPUs."""

    objects: list[Spu]
