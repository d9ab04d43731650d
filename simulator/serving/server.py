"""The simulator as a whole: listeners, connections, and control from outside.

This module has the only nursery of the simulator. The nursery runs a task for each listener, for
each connection, for each delay line that holds frames, and for each window in which a fault keeps a
listener closed.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Unpack

import trio

from simulator.cluster.cluster import ClusterError
from simulator.cluster.keeping import release
from simulator.config import SPU_PORT_STEP, Config, configure, create_topics, new_cluster
from simulator.control.faults import FaultControl
from simulator.control.state import (
    ConnectionState,
    PartitionState,
    connections_of,
    partitions_of,
)
from simulator.control.topics import TopicControl
from simulator.control.waiting import TIMEOUT_S, until_stored
from simulator.events import (
    AddressChanged,
    CloseReason,
    Healed,
    SimulatorReset,
    SpuStopped,
)
from simulator.faults.armed import FaultCount
from simulator.journal import Journal, Sink
from simulator.options import Options, SimulatorError
from simulator.reporting.kept_events import KeptEvents
from simulator.reporting.summary import Summary, summarize
from simulator.serving.applying import SimulatorState
from simulator.serving.connection import ApplyingTask
from simulator.serving.listeners import Listeners
from simulator.serving.node import Connections, Node
from simulator.serving.recovery import Recovery
from simulator.serving.replicating import replicate
from simulator.serving.timers import TimeSince, calls_at
from simulator.serving.topic_events import TopicEvents
from simulator.serving.transit import Transit
from simulator.serving.transport import Bound, Listen, Stream, listen_on_tcp
from wire.address import Address, bracketed
from wire.batch import Record


class Simulator(FaultControl, TopicControl):
    """A running SC with its SPUs; created by ``open_simulator``.

    Args:
        config: the configuration.
        nursery: the nursery for all tasks.
        sinks: the sinks that receive the events; None to keep the events in ``events``.
        listen: opens the listeners of the servers.
    """

    def __init__(
        self,
        config: Config,
        nursery: trio.Nursery,
        sinks: Sequence[Sink] | None,
        listen: Listen,
    ) -> None:
        clock = trio.lowlevel.current_clock().current_time
        # Called often: ``trio.current_time`` takes two additional calls for the same result.
        super().__init__(config, clock)
        self.config = config
        self.cluster = new_cluster(config)
        self._kept = KeptEvents()
        self.events = self._kept.events
        """All events, unless other sinks receive them; with the bytes of applied requests only."""
        self._ready = TimeSince(clock)
        self.elapsed = self._ready.seconds
        """Returns the seconds since the simulator was ready, which is the time of events."""
        self.cluster.consumer_offsets.epoch_s = config.started_s - clock()
        self._journal = Journal(self.elapsed, [self._kept] if sinks is None else [*sinks])
        self._state = SimulatorState(
            self._plan,
            self._journal,
            self._faults_elapsed,
            self.cluster,
            self._time,
            calls_at(nursery),
        )
        self._transit = Transit(self.cluster.memory.transit_max)
        self._nursery = nursery
        self._recovery = self._new_recovery()
        self._changing = trio.Lock()
        """Held by a change of the cluster that takes several turns: no two of them overlap."""
        spu_port = config.spu_port
        self._sc = Node(None, config.host, config.port)
        self._spus = [
            Node(spu, config.host, spu_port and spu_port + SPU_PORT_STEP * spu.index)
            for spu in self.cluster.spus
        ]
        self._nodes = (self._sc, *self._spus)
        state, transit, start_soon = self._state, self._transit, nursery.start_soon

        def new_task(node: Node, bound: Bound, stream: Stream, number: int) -> ApplyingTask:
            return ApplyingTask(state, number, stream, bound.reset, node.spu, start_soon, transit)

        self._connections = Connections(
            self._nodes, self._plan, self._journal, self._faults_elapsed, new_task
        )
        self._listeners = Listeners(
            self._nodes, listen, self._journal, start_soon, self._connections.accepted
        )

    async def start(self) -> None:
        """Open all listeners; faults are not active yet.

        Raises:
            SimulatorError: a port is not free.
        """
        for node in (*self._spus, self._sc):
            await self._listeners.open(node)
            node.home_port = node.port
            if node.spu is not None:
                node.spu.host = bracketed(self._advertised)
                node.spu.port = node.port
        self._ready.since = self._time()
        topics = TopicEvents(self._journal)
        topics([*self.cluster.topics.values()], False)
        self.cluster.subscribe(topics)
        if (terms := self.config.replication) is not None:
            self._nursery.start_soon(replicate, self.cluster, terms, self.seed, self._journal)

    # --- state

    @property
    def address(self) -> str:
        """The address of the SC for clients, ``host:port`` with the advertised host."""
        return str(Address(self._advertised, self._sc.port))

    @property
    def spu_addresses(self) -> list[str]:
        """The addresses of the SPUs for clients, with the advertised host."""
        return [str(Address(self._advertised, node.port)) for node in self._spus]

    @property
    def _advertised(self) -> str:
        return self.config.advertise or self.config.host

    @property
    def seed(self) -> int:
        """The random seed."""
        return self.config.seed

    def log(self, topic: str, partition: int) -> list[Record]:
        """Return the records of one partition, in order of offsets.

        Raises:
            SimulatorError: there is no such partition.
            WireError: a producer stored a batch that does not decode.
        """
        found = self.cluster.partition(topic, partition)
        if found is None:
            raise SimulatorError(f"no partition {topic}/{partition}")
        return list(found.log)

    def summary(self, hurry: Callable[[], bool] = lambda: False) -> Summary:
        """Return a summary of the run so far.

        Args:
            hurry: asked now and then; once it says so no more records are told apart.
        """
        return summarize(self.cluster, self._plan.counts, self._journal, hurry)

    def partitions(self) -> list[PartitionState]:
        """Return what each partition holds at the moment."""
        return partitions_of(self.cluster)

    def connections(self) -> list[ConnectionState]:
        """Return the open connections."""
        return connections_of(self._nodes)

    @property
    def connections_defect(self) -> Exception | None:
        """An unexpected error on a connection, a defect of ours; ``open_simulator`` raises it."""
        return self._connections.defect

    def subscribe(self, sink: Sink) -> Callable[[], None]:
        """Give every further event to a sink; return a function that ends that."""
        return self._journal.subscribe(sink)

    async def wait_until(
        self,
        *,
        stored: int,
        topic: str | None = None,
        timeout: float = TIMEOUT_S,  # noqa: ASYNC109  a caller in a thread has no cancel scope
    ) -> None:
        """Wait until the partitions hold a number of records.

        Args:
            stored: the number of records, copies included.
            topic: counts the records of this topic only; None for all topics.
            timeout: the longest wait, in seconds.

        Raises:
            TimeoutError: they hold fewer at the end of it; the text says how many.
        """
        await until_stored(self.subscribe, self.partitions, stored, topic, timeout)

    @property
    def fault_counts(self) -> Mapping[str, FaultCount]:
        """By name, how often each fault fired so far; what ``summary`` says of them."""
        return dict(self._plan.counts)

    # --- control

    async def heal(self) -> None:
        """Heal the cluster: remove all faults, start all SPUs and open all listeners.

        Returns when the SPUs serve what they lead. Delayed frames still arrive. Connections that a
        fault left hanging or stalled are reset. Leaders stay where they are.

        Raises:
            SimulatorError: another process uses the port of a closed listener.
        """
        async with self._changing:
            self._plan.heal()
            self._journal.record(Healed())
            self._listeners.lift_all()
            for node in self._nodes:
                node.reset_held_open()
                node.stopped = False
                await self._listeners.open(node)
            for spu in self.cluster.spus:
                if not spu.online:
                    self._recovery.start(spu)
        await self._recovery.ended()

    async def stop_spu(self, spu: int) -> None:
        """Stop an SPU: close its listener and reset its connections, but keep its logs.

        Raises:
            SimulatorError: there is no such SPU.
        """
        node = self._spu(spu)
        assert node.spu is not None
        async with self._changing:
            self.cluster.set_online(node.spu, online=False)
            self._journal.record(SpuStopped(spu=spu))
            node.stopped = True
            await self._listeners.close(node)
            node.reset_connections(CloseReason.SPU_STOPPED)

    async def start_spu(self, spu: int) -> None:
        """Open the listener of an SPU again, on its old port.

        It serves each partition that it leads when the recovery time of that is over.

        Raises:
            SimulatorError: the SPU does not exist, or another process uses its port.
        """
        node = self._spu(spu)
        assert node.spu is not None
        async with self._changing:
            node.stopped = False
            await self._listeners.open_again(node)
            self._recovery.start(node.spu)

    def dialled(self, port: int, *, refused: bool, client_id: str | None = None) -> None:
        """Record a connect of a client, which only its dialler can report if it was refused.

        Args:
            port: where it dialled.
            refused: whether nothing listens there.
            client_id: the client; None for the producer's.
        """
        self._connections.dialled(port, refused=refused, client_id=client_id)

    async def change_address(self, spu: int) -> None:
        """Make an SPU listen on another port, which is picked; its connections are reset.

        An SPU whose listener is closed listens there when it opens again.

        Raises:
            SimulatorError: there is no such SPU.
        """
        node = self._spu(spu)
        assert node.spu is not None
        async with self._changing:
            await self._listeners.close(node)
            node.reset_connections(CloseReason.ADDRESS_CHANGED)
            node.port = 0
            await self._listeners.open(node)
            self.cluster.change_address(node.spu, node.spu.host, node.port)
            address = str(Address(self._advertised, node.port))
            self._journal.record(AddressChanged(spu=spu, address=address))

    def cut(self, server: str) -> None:
        """Reset the connections of a server; its listener stays open.

        Args:
            server: ``sc``, ``spu`` for all SPUs, or ``spu:N``.

        Raises:
            SimulatorError: there is no such server.
        """
        self._connections.cut(server)

    async def drained(self) -> None:
        """Wait until every connection has ended and all requests that were read are applied."""
        await self._connections.drained()

    async def reset(self) -> None:
        """Return to the state of the start: topics, logs, faults, counters and connections.

        All connections are reset, and what was read from them and not applied yet is forgotten.
        Events that were kept are forgotten; the numbers and times of further events go on.

        The directory of the data is emptied, too.

        Raises:
            SimulatorError: another process uses the port of a closed listener; or that directory
                cannot be written, and the cluster is empty in part.
        """
        async with self._changing:
            for node in self._nodes:
                node.stopped = True
            for node in self._nodes:
                await self._listeners.close(node)
                node.abort_connections()
            await self.drained()
            try:
                self._begin_anew()
            finally:
                for node in self._nodes:
                    node.stopped = False
                    await self._listeners.open(node)

    def ended(self) -> None:
        """Let go of the data directory and of the sinks, when no task runs any more."""
        release(self.cluster)
        self._journal.close()

    def _begin_anew(self) -> None:
        """Return to the state of the start, without connections and with closed listeners."""
        self._kept.clear()
        self._journal.restart()
        self._journal.record(SimulatorReset())
        self._state.transmissions = 0
        self._recovery = self._new_recovery()
        self._listeners.lift_all()
        self._plan.restart(self.config.faults)
        self.begin_faults()
        for node in self._nodes:
            node.port = node.home_port
            if node.spu is not None and node.spu.port != node.port:
                self.cluster.change_address(node.spu, node.spu.host, node.port)
        try:
            self.cluster.clear()
        except ClusterError as error:
            raise SimulatorError(f"not everything was deleted: {error.text}") from error
        create_topics(self.cluster, self.config)

    def _new_recovery(self) -> Recovery:
        start_soon = self._nursery.start_soon
        return Recovery(self.cluster, self._journal, self.config, start_soon)

    def _spu(self, index: int) -> Node:
        if not 0 <= index < len(self._spus):
            count = len(self._spus)
            raise SimulatorError(f"no SPU {index}; there are {count}, numbered from 0")
        return self._spus[index]


@asynccontextmanager
async def open_simulator(
    config: Config | None = None,
    *,
    sinks: Sequence[Sink] | None = None,
    listen: Listen = listen_on_tcp,
    faults_wait: bool = False,
    **options: Unpack[Options],
) -> AsyncIterator[Simulator]:
    """Run a simulator in trio for the duration of the block.

    >>> async def main():
    ...     async with open_simulator(drop=0.1, seed=7) as sim:
    ...         print(sim.address, sim.log("greetings", 0))

    Args:
        config: what it is made of; made of ``options`` if None.
        sinks: what takes the events; if None they are kept, in ``events``.
        listen: how its servers listen; real sockets unless told otherwise.
        faults_wait: whether no fault strikes before ``begin_faults`` is called.
        options: see ``Options``.

    Raises:
        SimulatorError: an option is not possible, or a port is not free.
    """
    config = config or configure(**options)
    failure: Exception | None = None
    simulator: Simulator | None = None
    try:
        async with trio.open_nursery() as nursery:
            try:
                simulator = Simulator(config, nursery, sinks, listen)
                await simulator.start()
                if not faults_wait:
                    simulator.begin_faults()
                yield simulator
            except Exception as error:
                failure = error
            nursery.cancel_scope.cancel()
    finally:
        if simulator is not None:
            simulator.ended()
    if failure is None and simulator is not None:
        failure = simulator.connections_defect
    if failure is not None:
        raise failure
