"""The cluster of a run: the simulator, or a real one behind the proxy."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from itertools import count
from typing import Protocol

from chaos.history import History, Unreadable
from chaos.runner.evicted import EvictedBatches
from chaos.spec.scenario import Scenario
from chaos.spec.step import AnyCluster
from chaos.world.world import World
from simulator import Config, Simulator, open_simulator
from simulator.cluster.cluster import Partition, Topic
from simulator.cluster.log import StoredBatch
from simulator.cluster.replication import ReplicationTerms
from simulator.faults.armed import FaultCount
from wire.batch import BASE_OFFSET_BYTES, CODEC_BITS, CRC_START, Record, decode_batch
from wire.codec import WireError

DECODED_BYTES_MAX = 8 * 1024
"""The largest batch whose fields are kept for further runs: 128 of them take a few megabytes. No
compressed batch is kept, since a kilobyte may hold 32 MiB of values."""

_CODEC_AT = CRC_START + 1
"""Where the codec of a batch is: in the lower byte of its attributes."""


class RunCluster(AnyCluster, Protocol):
    """What a run needs of its cluster; all of it concerns the topic of the scenario."""

    @property
    def address(self) -> str:
        """The address of the SC for the client under test."""

    @property
    def fault_counts(self) -> Mapping[str, FaultCount]:
        """By name, how often each fault fired so far."""

    @property
    def partitions(self) -> int | None:
        """The number of partitions of the topic; None if it does not exist."""

    def elapsed(self) -> float:
        """Return the time of events, in seconds."""

    def begin_faults(self) -> None:
        """Activate the faults."""

    def dialled(self, port: int, *, refused: bool, client_id: str | None = None) -> None:
        """Record a connect of a client; None for the producer."""

    async def heal(self) -> None:
        """Lift all faults; return when all servers serve."""

    async def drained(self) -> None:
        """Wait until all connections have ended and all requests that were read are applied."""

    async def read_logs(self) -> dict[int, Sequence[Record]]:
        """Return the records of each partition; note batches that do not decode."""


class SimulatedCluster:
    """The simulator as the cluster of a run; ``RunCluster`` and ``SimulatorAlone`` say what each
    method does.

    Args:
        simulator: the simulator.
        topic: the name of the topic.
        history: receives the logs that a deletion removes, and batches that do not decode.
    """

    def __init__(self, simulator: Simulator, topic: str, history: History) -> None:
        self._simulator = simulator
        self._name = topic
        self._history = history
        self._evicted = EvictedBatches(simulator.cluster)
        self.elapsed: Callable[[], float] = simulator.elapsed
        self.begin_faults: Callable[[], None] = simulator.begin_faults
        self.dialled = simulator.dialled
        self.heal = simulator.heal
        self.drained = simulator.drained
        self.stop_spu = simulator.stop_spu
        self.start_spu = simulator.start_spu
        self.change_address = simulator.change_address
        self.cut: Callable[[str], None] = simulator.cut

    @property
    def address(self) -> str:
        """The address of the SC."""
        return self._simulator.address

    @property
    def fault_counts(self) -> Mapping[str, FaultCount]:
        """By name, how often each fault fired so far."""
        return self._simulator.fault_counts

    @property
    def partitions(self) -> int | None:
        """The number of partitions of the topic."""
        return None if self._topic is None else len(self._topic.partitions)

    async def read_logs(self) -> dict[int, Sequence[Record]]:
        """Return the records of each partition."""
        return self._read_logs()

    async def create_topic(self, partitions: int) -> None:
        """Create the topic, unless it exists."""
        if self._topic is None:
            self._simulator.create_topic(self._name, partitions)

    async def delete_topic(self) -> None:
        """Delete the topic, if it exists."""
        if self._topic is not None:
            self._history.removed.append(self._read_logs())
            self._simulator.delete_topic(self._name)

    async def add_partitions(self, count: int) -> None:
        """Add partitions to the topic, if it exists."""
        if self._topic is not None:
            self._simulator.add_partitions(self._name, count)

    def move_leader(self, partition: int, to: int) -> None:
        """Make an SPU the leader of a partition, if the topic has it."""
        if self._topic is not None and partition < len(self._topic.partitions):
            self._simulator.move_leader(self._name, partition, to)

    async def fail_leader(self, partition: int) -> None:
        """Stop the SPU that leads a partition."""
        if self._topic is not None and partition < len(self._topic.partitions):
            leader = self._simulator.cluster.spus[self._topic.partitions[partition].leader]
            if leader.online:
                await self._simulator.stop_spu(leader.index)

    @property
    def _topic(self) -> Topic | None:
        """The topic, if it exists."""
        return self._simulator.cluster.topics.get(self._name)

    def _read_logs(self) -> dict[int, Sequence[Record]]:
        partitions = [] if self._topic is None else self._topic.partitions
        return {partition.index: self._read_log(partition) for partition in partitions}

    def _read_log(self, partition: Partition) -> list[Record]:
        """Return the records that were stored in a partition, evicted ones among them; note a batch
        that does not decode and go on."""
        records: list[Record] = []
        incarnation = len(self._history.removed)
        for batch in self._evicted.and_what_is_left(partition):
            try:
                records += _decoded(batch)
            except WireError as error:
                self._history.unreadable.append(
                    Unreadable(
                        partition.index, batch.base_offset, batch.records, str(error), incarnation
                    )
                )
        return records


def _decoded(batch: StoredBatch) -> Iterable[Record]:
    """Return the records of a stored batch.

    A search runs one workload again and again, most runs store the same batches, and a batch that
    is sent again is stored twice: the latest small ones are decoded once.
    """
    data = batch.data
    if len(data) > DECODED_BYTES_MAX or data[_CODEC_AT] & CODEC_BITS:
        return decode_batch(data)[1]
    return map(Record, *_columns(data[BASE_OFFSET_BYTES:]), count(batch.base_offset))


@lru_cache(maxsize=128)
def _columns(body: bytes) -> tuple[list[bytes | None], list[bytes], list[int]]:
    """Return the keys, values and timestamps of a batch, of which the base offset is cut off."""
    records = decode_batch(bytes(BASE_OFFSET_BYTES) + body)[1]
    return (
        [record.key for record in records],
        [record.value for record in records],
        [record.timestamp_ms for record in records],
    )


@asynccontextmanager
async def open_simulated(
    scenario: Scenario, world: World, history: History
) -> AsyncIterator[SimulatedCluster]:
    """Run a simulator with the topic of a scenario for the duration of the block."""
    config = Config(
        spus=scenario.cluster.spus,
        topics={scenario.topic.name: scenario.topic.partitions},
        faults=scenario.faults,
        seed=scenario.seed,
        commit_delay_s=scenario.cluster.commit_delay,
        recovery=scenario.cluster.recovery,
        retain_bytes=scenario.cluster.retain,
        replication=_replication(scenario),
    )
    async with open_simulator(
        config, sinks=[history.events.append], listen=world.listen, faults_wait=True
    ) as simulator:
        yield SimulatedCluster(simulator, scenario.topic.name, history)


def _replication(scenario: Scenario) -> ReplicationTerms | None:
    options = scenario.cluster.replication
    if options is None:
        return None
    return ReplicationTerms(options.replicas, options.lag, options.first_fetch)
