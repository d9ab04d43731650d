"""The specs of topics: those that the simulator makes, and what a spec says."""

from wire.api.storage import SegmentCleanup, TopicStorage
from wire.api.topic import Assigned, Computed, TopicSpec

SEGMENT_BYTES_DEFAULT = 1024 * 1024 * 1024
"""The default size of a segment (``fluvio-types/src/defaults.rs``)."""


SYSTEM_TOPIC_SPEC = TopicSpec(
    replicas=Computed(partitions=1, replication_factor=1),
    cleanup_policy=SegmentCleanup(time_in_seconds=7 * 24 * 60 * 60),
    storage=TopicStorage(segment_size=512_000_000, max_partition_size=2_048_000_000),
    system=True,
)
"""The spec of the topic that every cluster has from the start."""


def replication_factor(spec: TopicSpec) -> int:
    """The number of replicas of each partition; the SPUs of a spec that assigns them exist."""
    return spec.replicas.replication_factor if isinstance(spec.replicas, Computed) else 1


def partition_count(spec: TopicSpec) -> int:
    """The number of partitions of a topic that is no mirror topic."""
    if isinstance(spec.replicas, Computed):
        return spec.replicas.partitions
    assert isinstance(spec.replicas, Assigned)
    return len(spec.replicas.partitions)


def placed(spec: TopicSpec, spus: int, first_id: int) -> list[list[int]]:
    """Return by partition the indices of the SPUs that replicate it, the leader first.

    Args:
        spec: the topic.
        spus: how many SPUs there are.
        first_id: the id of SPU 0.
    """
    if isinstance(spec.replicas, Assigned):
        return [
            [spu_id - first_id for spu_id in partition.replicas]
            for partition in spec.replicas.partitions
        ]
    assert isinstance(spec.replicas, Computed)
    factor = spec.replicas.replication_factor
    return [
        [(index + replica) % spus for replica in range(factor)]
        for index in range(spec.replicas.partitions)
    ]
