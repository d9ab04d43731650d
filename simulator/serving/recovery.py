"""The recovery of SPUs that were started: they listen before they serve.

A real SPU that starts does not know its replicas yet. It learns of them from the SC and opens their
logs one after the other, and answers NotLeaderForPartition for a partition until it has come to it:
for 0.1 to 2 s with 168 partitions. The SC tells that the SPU is back, then of each partition when
it is served. Here each partition of an SPU has a time of its own, a draw from the seed that depends
on the topic, the partition and how often the SPU was started.
"""

from collections import Counter
from collections.abc import Callable
from itertools import groupby

import trio

from simulator.cluster.cluster import Cluster, Partition, Spu
from simulator.config import Config
from simulator.events import PartitionServed, SpuStarted
from simulator.faults.draws import Draws
from simulator.journal import Journal
from simulator.serving.timers import ChangeSignal


class Recovery:
    """Starts SPUs, and serves what they lead some time later.

    Args:
        cluster: the cluster.
        journal: receives an event for each SPU that starts and each partition that is served.
        config: has the distribution of the recovery times, and the random seed.
        start_soon: starts a task that may live as long as the simulator.
    """

    def __init__(
        self,
        cluster: Cluster,
        journal: Journal,
        config: Config,
        start_soon: Callable[..., object],
    ) -> None:
        self._cluster = cluster
        self._journal = journal
        self._duration = config.recovery
        self._seed = config.seed
        self._start_soon = start_soon
        self._starts: Counter[int] = Counter()
        """By SPU, how often it was started."""
        self._under_way: dict[int, int] = {}
        """By SPU that recovers, the number of the start; an earlier start is over."""
        self._ended = ChangeSignal()

    def start(self, spu: Spu) -> None:
        """Bring an SPU that listens back into the cluster, unless it is there.

        It serves each partition that it leads after the time of that partition, those whose time is
        zero before this returns.
        """
        was_online = spu.online
        if not was_online:
            self._cluster.set_online(spu, online=True)
        self._journal.record(SpuStarted(spu=spu.index))
        if was_online:
            return
        self._starts[spu.index] += 1
        start, now = self._starts[spu.index], trio.current_time()
        self._under_way[spu.index] = start
        draws = Draws(self._seed, "recovery", "start")
        timed = [(now + self._seconds(each, draws, start), each) for each in self._cluster.led(spu)]
        timed.sort(key=lambda due: due[0])
        self._serve(spu, [partition for due, partition in timed if due <= now])
        if later := [each for each in timed if each[0] > now]:
            self._start_soon(self._recover, spu, start, later)
        else:
            self._end(spu)

    async def ended(self) -> None:
        """Wait until every SPU that is online serves what it leads."""
        while self._under_way:
            await self._ended.wait()

    def _seconds(self, partition: Partition, draws: Draws, start: int) -> float:
        draw, _ = draws.of_partition(partition.topic.name, partition.index, start)
        return self._duration.sample(draw)

    async def _recover(self, spu: Spu, start: int, timed: list[tuple[float, Partition]]) -> None:
        for due, together in groupby(timed, key=lambda each: each[0]):
            await trio.sleep_until(due)
            if self._starts[spu.index] != start:
                return
            if not spu.online:
                break
            served = [partition for _, partition in together if self._waits(partition, spu)]
            self._serve(spu, served)
        self._end(spu)

    def _end(self, spu: Spu) -> None:
        del self._under_way[spu.index]
        self._ended.send()

    def _waits(self, partition: Partition, spu: Spu) -> bool:
        """Return whether a partition exists, is still led by an SPU, and is not served yet."""
        name, index = partition.topic.name, partition.index
        is_there = self._cluster.partition(name, index) is partition
        return is_there and partition.leader == spu.index and not partition.served

    def _serve(self, spu: Spu, partitions: list[Partition]) -> None:
        self._cluster.serve(partitions)
        for each in partitions:
            self._journal.record(
                PartitionServed(topic=each.topic.name, partition=each.index, spu=spu.index)
            )
