"""A cluster that outlives its simulator: its state as entries of a store, and back.

The entries of a store are applied in their order to a cluster that has nothing but its system
topic. Partitions are placed anew, on the SPUs that there are now: a partition has one log, which
goes to its leader. What was appended is committed after a restart.
"""

from collections.abc import Iterator

from simulator.cluster.cluster import SPU_ID_FIRST, Cluster, ClusterError
from simulator.cluster.consumer_offsets import ConsumerName, ReadOffset
from simulator.cluster.log import PartitionLog
from simulator.cluster.record_set import record_set
from simulator.cluster.smartmodules import SmartModuleKey
from simulator.cluster.topic_specs import SYSTEM_TOPIC_SPEC, replication_factor
from simulator.storage.entries import (
    Entry,
    KeptBatches,
    KeptEnd,
    KeptModule,
    KeptModuleDeletion,
    KeptOffset,
    KeptOffsetDeletion,
    KeptPartitions,
    KeptStart,
    KeptTopic,
    KeptTopicDeletion,
)
from simulator.storage.kept_log import KeptLog
from simulator.storage.store import DataError, Store
from wire.api.topic import Assigned, TopicSpec
from wire.topic_name import SYSTEM_TOPIC

FRAME_BYTES_MAX = 1024 * 1024
"""The bytes of batches in one entry when the state is written anew, at least one batch."""


def keep(cluster: Cluster, store: Store) -> None:
    """Give a new cluster the state that a store has, and keep its changes there from now on.

    Raises:
        DataError: the data is damaged, needs more memory, or needs SPUs that there are not; the
            store is closed then.
    """
    try:
        store.load(_Restoring(cluster).apply)
    except DataError:
        store.close()
        raise
    cluster.store = cluster.consumer_offsets.store = store
    store.state = lambda: entries_of(cluster)
    store.holds(sum(partition.log.bytes for partition in cluster.partitions()))
    for partition in cluster.partitions():
        partition.log.keep = KeptLog(store, partition.topic.name, partition.index)
        partition.log.evict(0.0)
    if SYSTEM_TOPIC not in cluster.topics:
        cluster.create_topic(SYSTEM_TOPIC, SYSTEM_TOPIC_SPEC)


def release(cluster: Cluster) -> None:
    """Close the store of a cluster, if it has one; no later change is kept."""
    if cluster.store is not None:
        cluster.store.close()
        cluster.store = cluster.consumer_offsets.store = None
        for partition in cluster.partitions():
            partition.log.keep = None


def entries_of(cluster: Cluster) -> Iterator[Entry]:
    """Yield entries that make the current state of a cluster."""
    for module in cluster.smartmodules.values():
        yield KeptModule(module=module)
    for topic in cluster.topics.values():
        yield KeptTopic(name=topic.name, spus=len(cluster.spus), spec=topic.spec)
        for partition in topic.partitions:
            if partition.log.keep is not None:
                yield from _log_entries(partition.log, partition.log.keep)
    for name, read in cluster.consumer_offsets.items():
        yield KeptOffset(
            topic=name.topic,
            partition=name.partition,
            consumer_id=name.consumer_id,
            offset=read.offset,
            modified_s=read.modified_s,
        )


def _log_entries(log: PartitionLog, kept: KeptLog) -> Iterator[Entry]:
    if log.start_offset:
        yield kept.start(log.start_offset)
    first, size = 0, 0
    for place, body in enumerate(log.bodies):
        if size and size + len(body) > FRAME_BYTES_MAX:
            yield kept.batches(log.base_offsets[first], log.bodies[first:place])
            first, size = place, 0
        size += len(body)
    if size:
        yield kept.batches(log.base_offsets[first], log.bodies[first:])


class _Restoring:
    """Applies the entries of a store to a cluster.

    Args:
        cluster: a cluster that has nothing but its system topic.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def apply(self, entry: Entry) -> None:
        """Apply one entry.

        Raises:
            ValueError: the entry contradicts those before it.
            DataError: the cluster cannot have this state.
        """
        try:
            match entry:
                case KeptBatches() | KeptStart() | KeptEnd():
                    self._apply_to_log(entry)
                case KeptModule() | KeptModuleDeletion():
                    self._apply_to_modules(entry)
                case KeptOffset() | KeptOffsetDeletion():
                    self._apply_to_offsets(entry)
                case _:
                    self._apply_to_topics(entry)
        except ClusterError as error:
            raise ValueError(str(error)) from error

    def _apply_to_topics(self, entry: KeptTopic | KeptTopicDeletion | KeptPartitions) -> None:
        cluster = self._cluster
        match entry:
            case KeptTopic(name=name, spec=spec):
                self._check_spus(entry)
                if name != SYSTEM_TOPIC or name not in cluster.topics:
                    cluster.create_topic(name, spec)
            case KeptTopicDeletion(name=name):
                cluster.delete_topic(name, force=True)
            case KeptPartitions(topic=name, count=count):
                cluster.add_partitions(name, count)

    def _apply_to_log(self, entry: KeptBatches | KeptStart | KeptEnd) -> None:
        partition = self._cluster.partition(entry.topic, entry.partition)
        if partition is None:
            raise ValueError(f"there is no partition {entry.topic}/{entry.partition}")
        match entry:
            case KeptBatches(base_offset=base_offset, batches=batches):
                if not partition.log.restore(base_offset, record_set(batches)):
                    raise self._too_large
            case KeptStart(offset=offset):
                partition.log.evict_to(offset)
            case KeptEnd(offset=offset):
                partition.log.truncate(offset)

    def _apply_to_modules(self, entry: KeptModule | KeptModuleDeletion) -> None:
        if isinstance(entry, KeptModuleDeletion):
            self._cluster.delete_smartmodule(SmartModuleKey(entry.name))
            return
        try:
            self._cluster.store_smartmodule(entry.module.name, entry.module.spec)
        except ClusterError as error:
            raise self._too_large from error

    def _apply_to_offsets(self, entry: KeptOffset | KeptOffsetDeletion) -> None:
        offsets = self._cluster.consumer_offsets
        name = ConsumerName(entry.topic, entry.partition, entry.consumer_id)
        if isinstance(entry, KeptOffset):
            offsets.restore(name, ReadOffset(entry.offset, entry.modified_s))
        else:
            offsets.remove(name)

    @property
    def _too_large(self) -> DataError:
        return DataError(
            f"the data needs more than the {self._cluster.memory.bytes_max} bytes of memory of this"
            " simulator; start it with a larger --memory"
        )

    def _check_spus(self, entry: KeptTopic) -> None:
        needed = _spus_needed(entry.spec)
        if len(self._cluster.spus) < needed <= entry.spus:
            raise DataError(
                f"topic {entry.name} needs {needed} SPUs; start the simulator with --spus {needed}"
                " or more"
            )


def _spus_needed(spec: TopicSpec) -> int:
    """Return how many SPUs the partitions of a topic need."""
    if isinstance(spec.replicas, Assigned):
        ids = [spu for partition in spec.replicas.partitions for spu in partition.replicas]
        return max(ids) - SPU_ID_FIRST + 1
    return replication_factor(spec)
