"""What retention removes from the logs of a run.

The judge looks at everything that was stored. Records that are evicted were stored, in their order
and at their offsets, so a history has them as it has the others; the ``Evicted`` events tell when
they went. If a history had only what is left, each check would have to let off what it cannot see,
and a partition that evicts would hide its mistakes.
"""

from collections.abc import Sequence

from simulator.cluster.cluster import Cluster, Partition, Thing
from simulator.cluster.log import StoredBatch


class EvictedBatches:
    """Keeps the batches that are evicted.

    Args:
        cluster: the cluster of the run.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._evicted: dict[Partition, list[StoredBatch]] = {}
        cluster.subscribe(self._hear)
        self._hear([*cluster.partitions()], gone=False)

    def _hear(self, things: list[Thing], gone: bool) -> None:
        for thing in things:
            if isinstance(thing, Partition) and thing not in self._evicted:
                kept: list[StoredBatch] = []
                self._evicted[thing] = kept
                thing.log.on_evict = kept.extend

    def and_what_is_left(self, partition: Partition) -> Sequence[StoredBatch]:
        """Return all batches of a partition: the evicted ones, and those of its log."""
        return [*self._evicted[partition], *partition.log.batches]
