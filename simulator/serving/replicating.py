"""The task that replicates, and its events: trio around ``cluster/replication.py``."""

from math import inf

import trio

from simulator.cluster.cluster import Cluster, Partition
from simulator.cluster.follower import Follower
from simulator.cluster.replication import Replication, ReplicationTerms
from simulator.events import LeaderElected, ReplicaCaughtUp
from simulator.journal import Journal


async def replicate(cluster: Cluster, terms: ReplicationTerms, seed: int, journal: Journal) -> None:
    """Let followers fetch and leaders be elected when they are due, for as long as the task runs.

    Args:
        cluster: the cluster.
        terms: how its partitions are replicated.
        seed: the random seed of the lags.
        journal: the journal that receives the events.
    """

    def elected(partition: Partition, spu: int, kept_to: int) -> None:
        topic, index = partition.topic.name, partition.index
        journal.record(LeaderElected(topic=topic, partition=index, spu=spu, kept_to=kept_to))

    def caught_up(partition: Partition, follower: Follower) -> None:
        journal.record(
            ReplicaCaughtUp(
                topic=partition.topic.name,
                partition=partition.index,
                spu=follower.spu,
                end=follower.end,
                high_watermark=partition.log.high_watermark(inf),
            )
        )

    replication = Replication(cluster, terms, seed, trio.current_time, elected, caught_up)
    while True:
        earlier = trio.Event()
        replication.wake = earlier.set
        with trio.move_on_at(replication.next_due()):
            await earlier.wait()
        replication.act()
