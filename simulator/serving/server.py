"""The simulator as a whole: listeners, connections, and control from outside.

This module has the only nursery of the simulator. The nursery runs a task for each listener, for
each connection, for each delay line that holds frames, and for each window in which a fault keeps a
listener closed.
"""

import logging
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Unpack

import trio

from simulator.cluster.cluster import topic_of
from simulator.config import SPU_PORT_STEP, Config, configure, new_cluster
from simulator.events import (
    AddressChanged,
    ClosedBy,
    CloseReason,
    ConnectionsCut,
    ConnectRefused,
    DialRefused,
    Healed,
    Journal,
    LeaderMoved,
    ListenerClosed,
    ListenerReopened,
    Sink,
    SpuStopped,
)
from simulator.faults.model import Refusal
from simulator.faults.plan import FaultPlan
from simulator.options import Options, SimulatorError
from simulator.reporting.kept_events import KeptEvents
from simulator.reporting.summary import Summary, summarize
from simulator.serving.accepting import Acceptor
from simulator.serving.connection import ConnectionTask
from simulator.serving.exchange import SimulatorState
from simulator.serving.node import Node, turn_away
from simulator.serving.recovery import Recovery
from simulator.serving.replicating import replicate
from simulator.serving.timers import calls_at
from simulator.serving.topic_events import TopicEvents
from simulator.serving.transit import Transit
from simulator.serving.transport import Bound, Listen, Stream, listen_on_tcp
from wire.address import Address, bracketed
from wire.batch import Record

CONNECTIONS_MAX = 4096
"""The maximum number of open connections; one more is reset. Each costs a task and a few kilobytes,
and only a defective client opens so many."""

REOPEN_S = 1.0
"""The interval, in seconds, between attempts to reopen a listener whose port is in use."""

logger = logging.getLogger("simulator")


class Simulator:
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
        self.config = config
        self.cluster = new_cluster(config)
        kept = KeptEvents()
        self.events = kept.events
        """All events, unless other sinks receive them; with the bytes of applied requests only."""
        self._plan = FaultPlan(config.faults, config.seed)
        self._plan.active = False
        self._time = trio.lowlevel.current_clock().current_time
        """Called often: ``trio.current_time`` takes two additional calls for the same result."""
        self._ready_at = self._faults_since = self._time()
        self.cluster.consumer_offsets.epoch_s = config.started_s - self._time()
        self._journal = Journal(self.elapsed, [kept] if sinks is None else [*sinks])
        self._state = SimulatorState(
            self.cluster,
            self._plan,
            self._journal,
            self._faults_elapsed,
            self._time,
            calls_at(nursery),
        )
        self._transit = Transit(self.cluster.memory.transit_max)
        self._nursery = nursery
        self._recovery = Recovery(self.cluster, self._journal, config, nursery.start_soon)
        self._listen = listen
        self._acceptor = Acceptor(self._time)
        self._connected = 0
        self._left = trio.Event()
        self.defect: Exception | None = None
        """An unexpected error on a connection, a defect of ours; ``open_simulator`` raises it."""
        spu_port = config.spu_port
        self._sc = Node(None, config.host, config.port)
        self._spus = [
            Node(spu, config.host, spu_port and spu_port + SPU_PORT_STEP * spu.index)
            for spu in self.cluster.spus
        ]

    async def start(self) -> None:
        """Open all listeners; faults are not active yet.

        Raises:
            SimulatorError: a port cannot be had.
        """
        for node in (*self._spus, self._sc):
            await self._open(node)
            if node.spu is not None:
                node.spu.host = bracketed(self._advertised)
                node.spu.port = node.port
        self._ready_at = trio.current_time()
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

    def elapsed(self) -> float:
        """Return the seconds since the simulator was ready, which is the time of events."""
        return self._time() - self._ready_at

    def _faults_elapsed(self) -> float:
        return self._time() - self._faults_since

    # --- control

    def begin_faults(self) -> None:
        """Activate the faults; their clock and their ordinals start now."""
        self._faults_since = trio.current_time()
        self._plan.active = True
        for fault in self._plan.faults:
            if isinstance(fault, Refusal) and fault.how == "refuse":
                self._nursery.start_soon(self._refuse, fault)

    async def heal(self) -> None:
        """Heal the cluster: deactivate all faults, start all SPUs and open all listeners.

        Returns when the SPUs serve what they lead. Delayed frames still arrive. Connections that a
        fault left hanging or stalled are reset. Leaders stay where they are.

        Raises:
            SimulatorError: another process uses the port of a closed listener.
        """
        self._plan.active = False
        self._journal.record(Healed())
        for node in (self._sc, *self._spus):
            for stream, task in tuple(node.connections.items()):
                if task is None:
                    node.reset_hanging(stream)
                elif task.held_open:
                    task.cut(ClosedBy.SIMULATOR, CloseReason.HEALED)
            node.stopped = False
            node.refused_by.clear()
            if not node.listening:
                await self._open(node)
        for spu in self.cluster.spus:
            if not spu.online:
                self._recovery.start(spu)
        await self._recovery.ended()

    def move_leader(self, topic: str, partition: int, to: int) -> None:
        """Make SPU ``to`` the leader of a partition, with the whole log.

        Raises:
            ClusterError: there is no such partition or SPU.
        """
        self.cluster.move_leader(topic, partition, to)
        self._journal.record(LeaderMoved(topic=topic, partition=partition, spu=to))

    def create_topic(self, topic: str, partitions: int = 1) -> None:
        """Create a topic; raises as ``Cluster.create_topic``."""
        self.cluster.create_topic(topic, topic_of(partitions, replicas=self.config.replicas))

    def delete_topic(self, topic: str) -> None:
        """Delete a topic with its logs; raises as ``Cluster.delete_topic``."""
        self.cluster.delete_topic(topic)

    def add_partitions(self, topic: str, count: int = 1) -> None:
        """Add partitions to a topic; raises as ``Cluster.add_partitions``."""
        self.cluster.add_partitions(topic, count)

    async def stop_spu(self, spu: int) -> None:
        """Stop an SPU: close its listener and reset its connections, but keep its logs.

        Raises:
            SimulatorError: there is no such SPU.
        """
        node = self._spu(spu)
        assert node.spu is not None
        self.cluster.set_online(node.spu, online=False)
        self._journal.record(SpuStopped(spu=spu))
        node.stopped = True
        await self._close(node)
        node.reset_connections(CloseReason.SPU_STOPPED)

    async def start_spu(self, spu: int) -> None:
        """Open the listener of an SPU again, on its old port.

        It serves each partition that it leads when the recovery time of that is over.

        Raises:
            SimulatorError: the SPU does not exist, or another process uses its port.
        """
        node = self._spu(spu)
        assert node.spu is not None
        node.stopped = False
        await self._open_again(node)
        self._recovery.start(node.spu)

    def dialled(self, port: int, *, refused: bool) -> None:
        """Record a connect of a client, which only its dialler can report if it was refused."""
        self._plan.expect_dials()
        node = next((node for node in (self._sc, *self._spus) if node.port == port), None)
        if refused and node is not None:
            self._journal.record(DialRefused(server=node.name))
            self._plan.count_refused(node.refused_by)

    async def change_address(self, spu: int) -> None:
        """Make an SPU listen on another port, which is picked; its connections are reset.

        An SPU whose listener is closed listens there when it opens again.

        Raises:
            SimulatorError: there is no such SPU.
        """
        node = self._spu(spu)
        assert node.spu is not None
        await self._close(node)
        node.reset_connections(CloseReason.ADDRESS_CHANGED)
        node.port = 0
        await self._open(node)
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
        named = [n for n in (self._sc, *self._spus) if server in (n.name, n.name.partition(":")[0])]
        if not named:
            raise SimulatorError(f"no server {server}; there are sc, spu and spu:0 to spu:N")
        for node in named:
            self._journal.record(ConnectionsCut(server=node.name))
            node.reset_connections(CloseReason.CUT)

    async def drained(self) -> None:
        """Wait until every connection has ended and all requests that were read are applied."""
        while self._connected:
            self._left = trio.Event()
            await self._left.wait()

    def _spu(self, index: int) -> Node:
        if not 0 <= index < len(self._spus):
            count = len(self._spus)
            raise SimulatorError(f"no SPU {index}; there are {count}, numbered from 0")
        return self._spus[index]

    # --- listening

    async def _open(self, node: Node) -> None:
        try:
            node.bound = await self._listen(node.host, node.port)
        except OSError as error:
            option = "--port" if node.spu is None else "--spu-port"
            reason = (error.strerror or str(error)).lower()
            raise SimulatorError(
                f"cannot listen on {Address(node.host, node.port)}: {reason}; choose another"
                f" {option} or --host, or 0 for a free port"
            ) from error
        node.port = node.bound.port
        node.listening = True
        for listener in node.bound.listeners:
            self._nursery.start_soon(self._accept, node, node.bound, listener)
        if node.kept_closed:  # closed while the port was being opened
            await self._close(node)

    async def _accept(self, node: Node, bound: Bound, listener: trio.abc.Listener[Stream]) -> None:
        """Accept connections until the listener is closed."""
        try:
            while True:
                stream = await self._acceptor.accept(node.name, listener)
                self._nursery.start_soon(self._accepted, node, bound, stream)
        except trio.ClosedResourceError:
            pass
        finally:
            await listener.aclose()

    async def _close(self, node: Node) -> None:
        if node.listening and node.bound is not None:
            node.listening = False
            for listener in node.bound.listeners:
                await listener.aclose()

    async def _open_again(self, node: Node) -> None:
        """Open the listener again, unless ``stop_spu`` or another fault keeps it closed."""
        if not node.kept_closed and not node.listening:
            await self._open(node)

    async def _refuse(self, fault: Refusal) -> None:
        """Keep listeners closed for the window of a fault."""
        name = fault.name
        start, end = fault.between or (0.0, math.inf)
        await trio.sleep_until(self._faults_since + start)
        if not self._plan.active:
            return
        nodes = [n for n in (self._sc, *self._spus) if fault.covers(n.index)]
        for node in nodes:
            node.refused_by.add(name)
            await self._close(node)
            self._journal.record(ListenerClosed(server=node.name, fault=name))
        await trio.sleep_until(self._faults_since + end)
        for node in nodes:
            await self._reopen(node, name)

    async def _reopen(self, node: Node, fault: str) -> None:
        """Undo the effect of a fault on a listener as soon as the port is free."""
        while fault in node.refused_by or not (node.listening or node.kept_closed):
            node.refused_by.discard(fault)
            try:
                await self._open_again(node)
            except SimulatorError as error:
                logger.warning("%s stays closed: %s", node.name, error)
                await trio.sleep(REOPEN_S)
            else:
                self._journal.record(ListenerReopened(server=node.name, fault=fault))
                return

    # --- connections

    async def _accepted(self, node: Node, bound: Bound, stream: Stream) -> None:
        if node.kept_closed or not self._has_room():
            bound.reset(stream)
            return
        self._connected += 1
        self._journal.connections += 1
        number = self._journal.connections
        refusal = self._plan.at_accept(node.index, self._faults_elapsed())
        try:
            if refusal is None:
                task = ConnectionTask(
                    self._state,
                    number,
                    stream,
                    bound.reset,
                    node.spu,
                    self._nursery.start_soon,
                    self._transit,
                )
                node.connections[stream] = task
                await task.serve()
            else:
                node.connections[stream] = None
                self._journal.record(
                    ConnectRefused(
                        connection=number, server=node.name, fault=refusal.name, how=refusal.how
                    )
                )
                await turn_away(bound, stream, refusal.how)
        except Exception as error:
            # A cancellation during a forceful close could replace this error.
            self.defect = error
            raise
        finally:
            node.connections.pop(stream, None)
            self._connected -= 1
            self._left.set()
            await trio.aclose_forcefully(stream)

    def _has_room(self) -> bool:
        """Return whether another connection fits; evict the longest stalled one if necessary."""
        tasks = [task for node in (self._sc, *self._spus) for task in node.connections.values()]
        if len(tasks) < CONNECTIONS_MAX:
            return True
        stalled = next((task for task in tasks if task is not None and task.stalled), None)
        if stalled is None:
            return False
        # A stalled connection is not read, so the presence of its client is unknown.
        stalled.cut(ClosedBy.SIMULATOR, CloseReason.EVICTED)
        return True


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
        SimulatorError: an option is not possible, or a port cannot be had.
    """
    config = config or configure(**options)
    failure: Exception | None = None
    simulator: Simulator | None = None
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
    if failure is None and simulator is not None:
        failure = simulator.defect
    if failure is not None:
        raise failure
