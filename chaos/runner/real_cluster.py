"""A real cluster as the cluster of a run, behind the proxy.

The topic of the scenario has a name of its own there: a prefix, the seed and a run number, so that
runs never share a topic and what a killed run left is recognised. What is stored is read from the
cluster itself after healing. What the cluster appends is known from its answers to the proxy; if
one of them is missing, the checks that need appends are not applicable.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import trio

from chaos.history import History, Need
from chaos.runner.cluster_client import ClusterClient
from chaos.spec.scenario import ClusterOptions, Scenario
from chaos.spec.step import every_step
from chaos.spec.steps.consume import Consume
from chaos.world.world import World
from simulator.events import PartitionsAdded, TopicCreated, TopicDeleted
from simulator.faults.armed import FaultCount
from simulator.faults.model import Placed
from simulator.proxying.config import configure_proxy, upstream_of
from simulator.proxying.proxy import Proxy, open_proxy
from wire.batch import Record

PREFIX = "spu-chaos-"
"""What the names of all topics of this tool begin with."""

NAME_CHARS_MAX = 63
"""The longest name of a topic."""

READ_S = 30.0
"""How long the logs may take until their ends stand still, in seconds."""

NEWS_S = 10.0
"""How long new partitions may take to be online, in seconds."""

LOOK_S = 0.1
"""The interval of looking whether they are, in seconds."""

CLEANUP_S = 10.0
"""How long the deletion of the topic may take after a run, in seconds."""


def not_possible(scenario: Scenario) -> str | None:
    """Return why a scenario cannot run in a real cluster; None if it can."""
    if scenario.cluster != ClusterOptions():
        keys = ", ".join(sorted(scenario.cluster.model_fields_set))
        return f"a real cluster decides the keys of cluster: {keys}"
    for step in every_step(scenario.workload):
        if step.simulator_only:
            return f"its step {step.kind} needs the simulator"
        if isinstance(step, Consume) and step.consumer_id is not None:
            return "a real cluster keeps the offsets of a consumer_id when the topic is deleted"
    return None


class RealCluster:
    """A real cluster behind the proxy; ``RunCluster`` says what each method does.

    Args:
        proxy: the proxy.
        client: the harness's own client of the cluster.
        topic: the name of the topic there.
        history: receives the logs that a deletion removes, and batches that do not decode.
    """

    def __init__(self, proxy: Proxy, client: ClusterClient, topic: str, history: History) -> None:
        self._proxy = proxy
        self._client = client
        self._topic = topic
        self._history = history
        self.partitions: int | None = None
        self.elapsed: Callable[[], float] = proxy.elapsed
        self.begin_faults: Callable[[], None] = proxy.begin_faults
        self.heal = proxy.heal
        self.cut: Callable[[str], None] = proxy.cut

    @property
    def address(self) -> str:
        """The address of the SC for the client under test."""
        return self._proxy.address

    @property
    def fault_counts(self) -> Mapping[str, FaultCount]:
        """By name, how often each fault fired so far."""
        return self._proxy.fault_counts

    def dialled(self, port: int, *, refused: bool, client_id: str | None = None) -> None:
        """Record a connect of a client."""
        self._proxy.dialled(port, refused=refused, client_id=client_id)

    async def drained(self) -> None:
        """Wait until all connections have ended."""
        await self._proxy.drained()
        if self._proxy.untold:
            text = f"the cluster left {self._proxy.untold} produce requests without an answer"
            self._history.lacks = {**self._history.lacks, Need.APPENDS: text}

    async def read_logs(self) -> dict[int, Sequence[Record]]:
        """Return the records of each partition.

        Raises:
            TimeoutError: the logs grew for too long.
        """
        if self.partitions is None:
            return {}
        with trio.move_on_after(READ_S):
            await self._leaders(
                self.partitions
            )  # a partition that is offline has none to read from
            incarnation = len(self._history.removed)
            logs, unreadable = await self._client.read(self._topic, incarnation)
            self._history.unreadable += unreadable
            return logs
        text = "a partition was offline, or the ends of the logs did not stand still"
        raise TimeoutError(f"{text}, for {READ_S:g} s")

    async def create_topic(self, partitions: int) -> None:
        """Create the topic, unless it exists."""
        if self.partitions is None:
            await self._client.create(self._topic, partitions)
            await self.created(partitions)

    async def created(self, partitions: int) -> None:
        """Wait until a topic that was created is online, and record it."""
        leaders = await self._online(partitions)
        self._proxy.note(TopicCreated(topic=self._topic, leaders=leaders))

    async def delete_topic(self) -> None:
        """Delete the topic, if it exists, and keep its logs."""
        if self.partitions is not None:
            self._history.removed.append(await self.read_logs())
            await self._client.delete(self._topic)
            self._proxy.note(TopicDeleted(topic=self._topic))
            self.partitions = None

    async def add_partitions(self, count: int) -> None:
        """Add partitions to the topic, if it exists."""
        if (first := self.partitions) is not None:
            await self._client.add_partitions(self._topic, count)
            leaders = (await self._online(first + count))[first:]
            self._proxy.note(PartitionsAdded(topic=self._topic, first=first, leaders=leaders))

    async def _online(self, partitions: int) -> tuple[int, ...]:
        """Wait until so many partitions are online, and return their leaders."""
        with trio.fail_after(NEWS_S):
            leaders = await self._leaders(partitions)
        self.partitions = partitions
        return tuple(self._proxy.index_of(each) or 0 for each in leaders.values())

    async def _leaders(self, partitions: int) -> Mapping[int, int]:
        """Wait until so many partitions are online, and return the ids of their leaders."""
        while len(leaders := await self._client.leaders(self._topic)) < partitions:  # noqa: ASYNC110
            await trio.sleep(LOOK_S)
        return leaders


@asynccontextmanager
async def open_real(
    scenario: Scenario, address: str, world: World, history: History
) -> AsyncIterator[RealCluster]:
    """Run a proxy before a cluster, with the topic of a scenario, for the duration of the block.

    The topic is deleted at the end. The scenario of the history is the one that is run: its topic
    has the name that it has in the cluster.

    Raises:
        ClusterRefusedError: the cluster refuses the topic.
        SimulatorError: the cluster cannot be reached.
    """
    upstream = upstream_of(address, None)
    client = ClusterClient(upstream)
    for topic in _names(scenario):
        if await client.create(topic, scenario.topic.partitions):
            break
    try:
        history.scenario = scenario = renamed(scenario, topic)
        config = configure_proxy(upstream, faults=scenario.faults, seed=scenario.seed)
        sinks = [history.events.append]
        async with open_proxy(config, sinks=sinks, listen=world.listen, faults_wait=True) as proxy:
            cluster = RealCluster(proxy, client, topic, history)
            await cluster.created(scenario.topic.partitions)
            yield cluster
    finally:
        with trio.move_on_after(CLEANUP_S, shield=True):
            if await client.topics(topic):
                await client.delete(topic)


async def clean_up(address: str) -> list[str]:
    """Delete the topics of this tool in a cluster, and return their names.

    Raises:
        ClusterRefusedError: the cluster refuses.
        SimulatorError: the address is not one.
    """
    client = ClusterClient(upstream_of(address, None))
    left = await client.topics(PREFIX)
    for topic in left:
        await client.delete(topic)
    return left


def _names(scenario: Scenario) -> Iterator[str]:
    """Yield names for the topic, one for each run number."""
    for number in count(1):
        yield f"{PREFIX}{scenario.seed}-{number}-{scenario.topic.name}"[:NAME_CHARS_MAX].rstrip("-")


def renamed(scenario: Scenario, topic: str) -> Scenario:
    """Return a scenario whose topic has another name, in the matches of its faults too."""
    faults = []
    for fault in scenario.faults:
        if isinstance(fault, Placed) and fault.match.topic == scenario.topic.name:
            changed: Any = fault.match.model_copy(update={"topic": topic})
            fault = fault.model_copy(update={"match": changed})
        faults.append(fault)
    changed = scenario.topic.model_copy(update={"name": topic})
    return scenario.model_copy(update={"topic": changed, "faults": faults})
