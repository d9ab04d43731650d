"""The simulator as a whole: listeners, connections, and what reaches in from outside.

The one nursery of the simulator is here. It holds a task for each listener, one for each
connection, one for each delay line that holds frames, and one for each window in which a fault
keeps a listener closed.
"""

import errno
import logging
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Unpack

import trio

from simulator.cluster.cluster import Cluster, ClusterError, Spu, Thing, Topic, topic_of
from simulator.cluster.memory import Memory
from simulator.config import SPU_PORT_STEP, Config, configure
from simulator.events import (
    ClosedBy,
    CloseReason,
    ConnectRefused,
    Healed,
    Journal,
    LeaderMoved,
    ListenerClosed,
    ListenerReopened,
    Sink,
    SpuStarted,
    SpuStopped,
    TopicCreated,
    TopicDeleted,
)
from simulator.faults.model import Refusal
from simulator.faults.plan import FaultPlan
from simulator.kept_events import KeptEvents
from simulator.options import Options, SimulatorError
from simulator.serving.connection import ConnectionTask
from simulator.serving.exchange import SimulatorState
from simulator.serving.transit import Transit
from simulator.serving.transport import Bound, Listen, Stream, listen_on_tcp
from simulator.summary import Summary, summarize
from wire.address import Address, bracketed
from wire.batch import Record

CONNECTIONS_MAX = 4096
"""Connections at once; one more is reset. Each costs a task and a few kilobytes, and a client that
opens so many is out of control."""

REOPEN_S = 1.0
"""How often a listener is tried again whose port somebody else took while it was closed."""

ACCEPT_AGAIN_S = 0.1
"""After how long a listener tries again that could not accept for want of files or memory."""

WARN_AGAIN_S = 1.0
"""How often it says so, all listeners together."""

_OVERLOADED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
"""What ``accept`` gives then; a connection that waits is not lost by it."""

logger = logging.getLogger("simulator")


class _Node:
    """One server of the cluster, the SC or an SPU: where it listens and who is connected."""

    def __init__(self, spu: Spu | None, host: str, port: int) -> None:
        self.spu = spu
        self.host = host
        self.port = port
        self.stopped = False
        """Whether ``stop_spu`` keeps its listener closed."""
        self.refused_by: set[str] = set()
        """The names of the faults that keep its listener closed."""
        self.connections: dict[Stream, ConnectionTask | None] = {}
        """The connections; None where one is left hanging by a fault."""
        self.bound: Bound | None = None
        self.listening = False

    @property
    def index(self) -> int | None:
        """The index of the SPU, None for the SC."""
        return None if self.spu is None else self.spu.index

    @property
    def kept_closed(self) -> bool:
        """Whether something keeps its listener closed."""
        return self.stopped or bool(self.refused_by)

    @property
    def name(self) -> str:
        """``sc``, or ``spu:0`` and so on."""
        return "sc" if self.spu is None else f"spu:{self.spu.index}"


class Simulator:
    """A running SC with its SPUs; made by ``open_simulator``.

    Args:
        config: what it is made of.
        nursery: what its tasks live in.
        sinks: what takes the events; if None they are kept, in ``events``.
        listen: how its servers listen.
    """

    def __init__(
        self,
        config: Config,
        nursery: trio.Nursery,
        sinks: Sequence[Sink] | None,
        listen: Listen,
    ) -> None:
        self.config = config
        self.cluster = Cluster(config.spus, Memory(config.memory_bytes), config.commit_delay_s)
        for name, partitions in config.topics.items():
            try:
                self.cluster.create_topic(name, topic_of(partitions))
            except ClusterError as error:
                raise SimulatorError(f"topic {name}: {error.text}") from error
        kept = KeptEvents()
        self.events = kept.events
        """Everything that happened, unless it goes to other sinks; bytes of requests only of those
        that were applied."""
        self._plan = FaultPlan(config.faults, config.seed)
        self._plan.active = False
        self._time = trio.lowlevel.current_clock().current_time
        """Asked often: ``trio.current_time`` takes two calls more to ask the same."""
        self._ready_at = self._faults_since = self._time()
        self._journal = Journal(self.elapsed, [kept] if sinks is None else [*sinks])
        self._state = SimulatorState(self.cluster, self._plan, self._journal, self._faults_elapsed)
        self._transit = Transit(self.cluster.memory.transit_max)
        self._nursery = nursery
        self._listen = listen
        self._warned_at = -math.inf
        self._connected = 0
        self._left = trio.Event()
        self.defect: Exception | None = None
        """An error of ours on a connection; ``open_simulator`` raises it."""
        spu_port = config.spu_port
        self._sc = _Node(None, config.host, config.port)
        self._spus = [
            _Node(spu, config.host, spu_port and spu_port + SPU_PORT_STEP * spu.index)
            for spu in self.cluster.spus
        ]

    async def start(self) -> None:
        """Listen everywhere, without faults as yet.

        Raises:
            SimulatorError: a port cannot be had.
        """
        for node in (*self._spus, self._sc):
            await self._open(node)
            if node.spu is not None:
                node.spu.host = bracketed(self._advertised)
                node.spu.port = node.port
        self._ready_at = trio.current_time()
        self._note_topics([*self.cluster.topics.values()], gone=False)
        self.cluster.subscribe(self._note_topics)

    # --- what it tells

    @property
    def address(self) -> str:
        """Where a Fluvio client connects: the SC's ``host:port``, with the advertised host."""
        return str(Address(self._advertised, self._sc.port))

    @property
    def spu_addresses(self) -> list[str]:
        """Where clients reach the SPUs, with the advertised host."""
        return [str(Address(self._advertised, node.port)) for node in self._spus]

    @property
    def _advertised(self) -> str:
        return self.config.advertise or self.config.host

    @property
    def seed(self) -> int:
        """Where all randomness comes from."""
        return self.config.seed

    def log(self, topic: str, partition: int) -> list[Record]:
        """What one partition holds, in order of offsets.

        Raises:
            SimulatorError: there is no such partition.
            WireError: a producer stored a batch that does not decode.
        """
        found = self.cluster.partition(topic, partition)
        if found is None:
            raise SimulatorError(f"no partition {topic}/{partition}")
        return list(found.log)

    def summary(self, hurry: Callable[[], bool] = lambda: False) -> Summary:
        """What it did so far.

        Args:
            hurry: asked now and then; once it says so no more records are told apart.
        """
        return summarize(self.cluster, self._plan.counts, self._journal, hurry)

    def elapsed(self) -> float:
        """Seconds since it was ready, the time of the events."""
        return self._time() - self._ready_at

    def _faults_elapsed(self) -> float:
        return self._time() - self._faults_since

    # --- what can be done to it

    def begin_faults(self) -> None:
        """Let faults strike from now on; their clock starts and exchanges count from here."""
        self._faults_since = trio.current_time()
        self._plan.active = True
        for fault in self._plan.faults:
            if isinstance(fault, Refusal) and fault.how == "refuse":
                self._nursery.start_soon(self._refuse, fault)

    async def heal(self) -> None:
        """End all trouble: faults strike no more, SPUs are back, listeners are open.

        Frames that are delayed still arrive. Connections that a fault left hanging or stalled are
        reset. Leaders stay where they are.

        Raises:
            SimulatorError: somebody else took a port that was closed meanwhile.
        """
        self._plan.active = False
        self._journal.record(Healed())
        for node in (self._sc, *self._spus):
            for stream, task in tuple(node.connections.items()):
                if task is None:
                    assert node.bound is not None
                    node.bound.reset(stream)
                elif task.held_open:
                    task.cut(ClosedBy.SIMULATOR, CloseReason.HEALED)
            node.stopped = False
            node.refused_by.clear()
            if not node.listening:
                await self._open(node)
        for spu in self.cluster.spus:
            if not spu.online:
                self.cluster.set_online(spu, online=True)

    def move_leader(self, topic: str, partition: int, to: int) -> None:
        """Make SPU ``to`` the leader of a partition; the log goes along.

        Raises:
            ClusterError: there is no such partition or SPU.
        """
        self.cluster.move_leader(topic, partition, to)
        self._journal.record(LeaderMoved(topic=topic, partition=partition, spu=to))

    async def stop_spu(self, spu: int) -> None:
        """Make an SPU unreachable: nobody listens, connections are reset, its logs are kept.

        Raises:
            SimulatorError: there is no such SPU.
        """
        node = self._spu(spu)
        assert node.spu is not None
        self.cluster.set_online(node.spu, online=False)
        self._journal.record(SpuStopped(spu=spu))
        node.stopped = True
        await self._close(node)
        assert node.bound is not None
        for stream, task in tuple(node.connections.items()):
            if task is None:
                node.bound.reset(stream)
            else:
                task.cut(ClosedBy.SIMULATOR, CloseReason.SPU_STOPPED)

    async def start_spu(self, spu: int) -> None:
        """Have an SPU listen again, on its old port.

        Raises:
            SimulatorError: there is no such SPU, or somebody else took its port meanwhile.
        """
        node = self._spu(spu)
        assert node.spu is not None
        node.stopped = False
        await self._open_again(node)
        self.cluster.set_online(node.spu, online=True)
        self._journal.record(SpuStarted(spu=spu))

    async def drained(self) -> None:
        """Wait until every connection has ended and all that was read is applied."""
        while self._connected:
            self._left = trio.Event()
            await self._left.wait()

    def _spu(self, index: int) -> _Node:
        if not 0 <= index < len(self._spus):
            count = len(self._spus)
            raise SimulatorError(f"no SPU {index}; there are {count}, numbered from 0")
        return self._spus[index]

    def _note_topics(self, things: list[Thing], gone: bool) -> None:
        """Record which topics came and went; a subscriber of the cluster."""
        for thing in things:
            if isinstance(thing, Topic):
                leaders = tuple(partition.leader for partition in thing.partitions)
                self._journal.record(
                    TopicDeleted(topic=thing.name)
                    if gone
                    else TopicCreated(topic=thing.name, leaders=leaders)
                )

    # --- listening

    async def _open(self, node: _Node) -> None:
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
        if node.kept_closed:  # since a moment at which the port was still being opened
            await self._close(node)

    async def _accept(self, node: _Node, bound: Bound, listener: trio.abc.Listener[Stream]) -> None:
        """Accept connections until the listener is closed."""
        try:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:
                    if error.errno not in _OVERLOADED:
                        raise
                    self._warn_of_overload(node, error)
                    await trio.sleep(ACCEPT_AGAIN_S)
                else:
                    self._nursery.start_soon(self._accepted, node, bound, stream)
        except trio.ClosedResourceError:
            pass
        finally:
            await listener.aclose()

    def _warn_of_overload(self, node: _Node, error: OSError) -> None:
        now = self._time()
        if now >= self._warned_at + WARN_AGAIN_S:
            self._warned_at = now
            logger.warning("%s cannot accept: %s", node.name, error.strerror)

    async def _close(self, node: _Node) -> None:
        if node.listening and node.bound is not None:
            node.listening = False
            for listener in node.bound.listeners:
                await listener.aclose()

    async def _open_again(self, node: _Node) -> None:
        """Listen again, unless something else keeps the listener closed."""
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
            self._plan.count_fired(fault)
            self._journal.record(ListenerClosed(server=node.name, fault=name))
        await trio.sleep_until(self._faults_since + end)
        for node in nodes:
            await self._reopen(node, name)

    async def _reopen(self, node: _Node, fault: str) -> None:
        """End what a fault did to a listener, as soon as the port can be had."""
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

    async def _accepted(self, node: _Node, bound: Bound, stream: Stream) -> None:
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
                await self._turn_away(node, bound, stream, number, refusal)
        except Exception as error:
            # While a stream is closed forcefully a cancellation could take this error's place.
            self.defect = error
            raise
        finally:
            node.connections.pop(stream, None)
            self._connected -= 1
            self._left.set()
            await trio.aclose_forcefully(stream)

    def _has_room(self) -> bool:
        """Whether one more connection may be; the longest stalled one makes room for it."""
        tasks = [task for node in (self._sc, *self._spus) for task in node.connections.values()]
        if len(tasks) < CONNECTIONS_MAX:
            return True
        stalled = next((task for task in tasks if task is not None and task.stalled), None)
        if stalled is None:
            return False
        # Nothing is read from it, so that nobody knows whether its client is still there.
        stalled.cut(ClosedBy.SIMULATOR, CloseReason.EVICTED)
        return True

    async def _turn_away(
        self, node: _Node, bound: Bound, stream: Stream, number: int, refusal: Refusal
    ) -> None:
        self._journal.record(
            ConnectRefused(connection=number, server=node.name, fault=refusal.name, how=refusal.how)
        )
        if refusal.how == "rst":
            bound.reset(stream)
            return
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            # Read on, though nobody listens, so that the end of the client is noticed.
            while await stream.receive_some():
                pass


@asynccontextmanager
async def open_simulator(
    config: Config | None = None,
    *,
    sinks: Sequence[Sink] | None = None,
    listen: Listen = listen_on_tcp,
    faults_wait: bool = False,
    **options: Unpack[Options],
) -> AsyncIterator[Simulator]:
    """Run a simulator inside trio for as long as the block lasts.

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
