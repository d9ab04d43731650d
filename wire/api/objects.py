"""The messages of List and Watch: the name, the specification and the status of an object.

Source: ``crates/fluvio-sc-schema/src/objects/metadata.rs`` and ``watch.rs``. The families
differ only in their types; explicit classes keep each family typed and easy to read.
"""

from enum import IntEnum

from wire.api.partition import PartitionSpec, PartitionStatus
from wire.api.smartmodule_spec import SmartModuleSpec
from wire.api.spu import CustomSpuSpec, SpuSpec, SpuStatus
from wire.api.topic import TopicSpec, TopicStatus
from wire.codec.message import message, since
from wire.codec.types import i64


@message
class Topic:
    """A topic with its name."""

    name: str
    spec: TopicSpec
    status: TopicStatus


@message
class Partition:
    """A partition with the name ``<topic>-<index>``; a reader splits it at the last dash."""

    name: str
    spec: PartitionSpec
    status: PartitionStatus


@message
class Spu:
    """An SPU with its name, for example ``custom-spu-5001``."""

    name: str
    spec: SpuSpec
    status: SpuStatus


@message
class CustomSpu:
    """A custom SPU with its name."""

    name: str
    spec: CustomSpuSpec
    status: SpuStatus


@message
class SmartModule:
    """A SmartModule with the name under which the SC stores it; its status has no fields."""

    name: str
    spec: SmartModuleSpec


class ChangeKind(IntEnum):
    """The kind of a change to an object."""

    UPDATE = 0
    DELETE = 1


@message
class TopicChange:
    """One topic that was added, changed or deleted; a deleted topic has its last state."""

    kind: ChangeKind
    content: Topic


@message
class PartitionChange:
    """One partition that was added, changed or deleted; a deleted one has its last state."""

    kind: ChangeKind
    content: Partition


@message
class SpuChange:
    """One SPU that was added, changed or deleted; a deleted SPU has its last state."""

    kind: ChangeKind
    content: Spu


@message
class CustomSpuChange:
    """One custom SPU that was added, changed or deleted; a deleted one has its last state."""

    kind: ChangeKind
    content: CustomSpu


@message
class SmartModuleChange:
    """One SmartModule that was added, changed or deleted; a deleted one has its last state."""

    kind: ChangeKind
    content: SmartModule


@message
class TopicUpdate:
    """News of topics: ``all`` replaces the state of the client, ``changes`` amend it.

    A client ignores an update in which both are empty, and such an update does not complete its
    initial synchronization.
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
class CustomSpuUpdate:
    """News of custom SPUs; see ``TopicUpdate``. Today's SC closes a watch of them."""

    epoch: i64
    changes: list[CustomSpuChange] = since(default_factory=list)
    all: list[CustomSpu] = since(default_factory=list)


@message
class SmartModuleUpdate:
    """News of SmartModules; see ``TopicUpdate``."""

    epoch: i64
    changes: list[SmartModuleChange] = since(default_factory=list)
    all: list[SmartModule] = since(default_factory=list)


@message
class Topics:
    """The response to a List of topics."""

    objects: list[Topic]


@message
class Partitions:
    """The response to a List of partitions."""

    objects: list[Partition]


@message
class Spus:
    """The response to a List of SPUs."""

    objects: list[Spu]


@message
class CustomSpus:
    """The response to a List of custom SPUs."""

    objects: list[CustomSpu]


@message
class SmartModules:
    """The response to a List of SmartModules."""

    objects: list[SmartModule]
