"""Topics as the SC describes them.

Source: ``crates/fluvio-controlplane-metadata/src/topic/spec.rs`` and ``status.rs``. "Since" is the
version of the SC message that carries the object.
"""

from enum import IntEnum
from typing import Annotated, TypeAlias

from wire.api.partition import HomePartition, RemotePartition
from wire.api.storage import CleanupPolicy, Deduplication, TopicCompression, TopicStorage
from wire.codec.message import message, since
from wire.codec.types import Fixed, i32, u32


@message
class AssignedPartition:
    """The replicas of one partition, by SPU id; the first replica is the leader."""

    id: u32
    replicas: list[i32]
    mirror: RemotePartition | HomePartition | None = since(14, default=None)


@message(tag=0)
class Assigned:
    """The user assigns partitions to SPUs."""

    partitions: list[AssignedPartition]


@message(tag=1)
class Computed:
    """The SC assigns partitions to SPUs."""

    partitions: u32
    replication_factor: u32
    ignore_rack_assignment: bool = False


@message
class HomeSpu:
    """An SPU of the home cluster."""

    id: i32
    key: str
    served_api: str


@message(tag=0)
class RemoteMirror:
    """The topic mirrors one of a home cluster."""

    home_cluster: str
    home_spus: list[HomeSpu]
    target: bool = since(18, default=False)


@message(tag=1)
class HomeMirror:
    """The topic is mirrored from remote clusters."""

    partitions: list[HomePartition]
    source: bool = since(18, default=False)


@message(tag=2)
class Mirror:
    """The partitions mirror another cluster. Peers below version 14 cannot decode this."""

    config: RemoteMirror | HomeMirror


Replicas: TypeAlias = Annotated[Assigned | Computed | Mirror, Fixed("B")]


@message
class TopicSpec:
    """The specification of a topic."""

    replicas: Replicas
    cleanup_policy: CleanupPolicy | None = since(3, default=None)
    storage: TopicStorage | None = since(4, default=None)
    compression: TopicCompression = since(6, default=TopicCompression.ANY)
    deduplication: Deduplication | None = since(12, default=None)
    system: bool = since(13, default=False)


class TopicResolution(IntEnum):
    """The state of a topic."""

    INIT = 0
    PENDING = 1
    INSUFFICIENT_RESOURCES = 2
    INVALID_CONFIG = 3
    PROVISIONED = 4
    DELETING = 5


@message
class TopicStatus:
    """The status of a topic. ``replica_map``: SPU ids by partition, the leader first."""

    resolution: TopicResolution
    replica_map: dict[u32, list[i32]]
    mirror_map: dict[u32, RemotePartition | HomePartition] = since(14, default_factory=dict)
    reason: str = ""
