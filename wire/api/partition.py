"""Partitions as the SC describes them.

Source: ``crates/fluvio-controlplane-metadata/src/partition/spec.rs`` and ``status.rs``. "Since" is
the version of the SC message that carries the object.
"""

from enum import IntEnum

from wire.api.storage import CleanupPolicy, Deduplication, TopicCompression, TopicStorage
from wire.codec.message import message, since
from wire.codec.types import i32, i64, u32


@message(tag=0)
class RemotePartition:
    """This partition mirrors one of a home cluster."""

    home_cluster: str
    home_spu_key: str
    home_spu_id: i32
    home_spu_endpoint: str
    target: bool = since(18, default=False)


@message(tag=1)
class HomePartition:
    """This partition is mirrored from a remote cluster."""

    remote_cluster: str
    remote_replica: str
    source: bool = since(18, default=False)


@message
class PartitionSpec:
    """The replicas and the storage settings of a partition."""

    leader: i32
    replicas: list[i32]
    cleanup_policy: CleanupPolicy | None = since(4, default=None)
    storage: TopicStorage | None = since(4, default=None)
    compression: TopicCompression = since(6, default=TopicCompression.ANY)
    deduplication: Deduplication | None = since(12, default=None)
    system: bool = since(13, default=False)
    mirror: RemotePartition | HomePartition | None = since(14, default=None)


class PartitionResolution(IntEnum):
    """The state of a partition; producers distribute keyless records over ONLINE partitions."""

    OFFLINE = 0
    ONLINE = 1
    LEADER_OFFLINE = 2
    ELECTION_LEADER_FOUND = 3
    OUT_OF_STORAGE = 4  # clients below SC version 19 cannot decode it


@message
class ReplicaStatus:
    """The high watermark and the log end offset of one replica."""

    spu: i32
    high_watermark: i64
    log_end_offset: i64


@message
class PartitionStatus:
    """The status of a partition."""

    resolution: PartitionResolution
    leader: ReplicaStatus
    live_replicas: u32 = 0
    replicas: list[ReplicaStatus] = since(default_factory=list)
    size: i64 = since(5, default=-2)  # bytes; -1 is an error, -2 not supported
    is_being_deleted: bool = False
    base_offset: i64 = since(16, default=0)
