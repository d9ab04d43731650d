"""A proxy as a whole: its listeners, its connections, and control from outside.

This module has the only nursery of a proxy. The nursery runs the watch of the upstream's SPUs, a
task for each listener, two for each connection, and those of delay lines and of faults that keep
listeners closed.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

import trio

from simulator.config import misnamed_spus
from simulator.control.faults import FaultControl
from simulator.control.state import ConnectionState, connections_of
from simulator.events import Event, Healed
from simulator.faults.armed import FaultCount
from simulator.journal import Journal, Sink
from simulator.proxying.config import ProxyConfig
from simulator.proxying.connection import ProxiedTask
from simulator.proxying.exchange import ProxiedExchanges, ProxyState
from simulator.proxying.spus import ProxiedSpus
from simulator.proxying.tls import listen_with_tls
from simulator.proxying.upstream import UpstreamStream
from simulator.proxying.watching import SpuWatch
from simulator.reporting.kept_events import KeptEvents
from simulator.reporting.summary import Summary
from simulator.serving.listeners import Listeners
from simulator.serving.node import Connections, Node
from simulator.serving.transit import Transit
from simulator.serving.transport import Bound, Listen, Stream, listen_on_tcp
from wire.address import Address

logger = logging.getLogger("simulator")


class Proxy(FaultControl):
    """A running proxy; created by ``open_proxy``.

    Args:
        config: the configuration.
        nursery: the nursery for all tasks.
        sinks: the sinks that receive the events; None to keep the events in ``events``.
        listen: opens the listeners.
    """

    def __init__(
        self,
        config: ProxyConfig,
        nursery: trio.Nursery,
        sinks: Sequence[Sink] | None,
        listen: Listen,
    ) -> None:
        super().__init__(config, trio.lowlevel.current_clock().current_time)
        self.config = config
        self._kept = KeptEvents()
        self.events: list[Event] = self._kept.events
        """All events, unless other sinks receive them; with the bytes of forwarded requests."""
        self._ready_at = self._time()
        self._journal = Journal(self.elapsed, [self._kept] if sinks is None else [*sinks])
        self._state = ProxyState(self._plan, self._journal, self._faults_elapsed)
        self._transit = Transit(config.memory_bytes)
        self._nursery = nursery
        self._sc = Node(None, config.host, config.port)
        self._nodes = [self._sc]
        self._spus = ProxiedSpus(
            self._nodes,
            config.host,
            config.spu_port,
            config.advertised,
            local_addresses=config.upstream.local_addresses,
        )
        self._connections = Connections(
            self._nodes, self._plan, self._journal, self._faults_elapsed, self._new_task
        )
        self._listeners = Listeners(
            self._nodes,
            listen if config.context is None else listen_with_tls(listen, config.context),
            self._journal,
            nursery.start_soon,
            self._connections.accepted,
        )
        self._spus.listeners = self._listeners

    async def start(self) -> None:
        """Learn the SPUs of the upstream and open all listeners; faults are not active yet.

        Raises:
            SimulatorError: the upstream cannot be watched, or a port is not free.
        """
        watch = SpuWatch(self.config.upstream, self._spus)
        self._nursery.start_soon(watch.run)
        await watch.first()
        await self._listeners.open(self._sc)
        self._ready_at = self._time()
        for line in misnamed_spus(self.config.faults, len(self._nodes) - 1):
            logger.warning("%s", line)

    # --- state

    @property
    def address(self) -> str:
        """The address of the SC for clients, ``host:port`` with the advertised host."""
        return str(Address(self.config.advertised, self._sc.port))

    @property
    def spu_addresses(self) -> list[str]:
        """The addresses of the SPUs for clients, with the advertised host."""
        return self._spus.addresses

    @property
    def seed(self) -> int:
        """The random seed."""
        return self.config.seed

    @property
    def defect(self) -> Exception | None:
        """An unexpected error on a connection, a defect of ours; ``open_proxy`` raises it."""
        return self._connections.defect

    def summary(self, hurry: Callable[[], bool] = lambda: False) -> Summary:
        """Return a summary of the run so far; the cluster alone knows what its partitions hold.

        Args:
            hurry: as for a simulator; this summary is made at once.
        """
        journal = self._journal
        return Summary(
            partitions={},
            faults=self._plan.counts,
            connections=journal.connections,
            frames=journal.frames,
            unanswered_records=journal.unanswered_records,
            not_served=dict(journal.not_served),
        )

    @property
    def fault_counts(self) -> Mapping[str, FaultCount]:
        """By name, how often each fault fired so far."""
        return dict(self._plan.counts)

    @property
    def untold(self) -> int:
        """The number of produce requests that were forwarded and of which the cluster did not say
        whether it stored them, on connections that have ended."""
        return self._state.untold

    def index_of(self, spu_id: int) -> int | None:
        """Return the number by which faults and events name an SPU; None if it is not known."""
        return self._spus.index_of(spu_id)

    def note(self, event: Event) -> None:
        """Record an event of the cluster that the proxy itself does not see."""
        self._journal.record(event)

    def connections(self) -> list[ConnectionState]:
        """Return the open connections."""
        return connections_of(self._nodes)

    def subscribe(self, sink: Sink) -> Callable[[], None]:
        """Give every further event to a sink; return a function that ends that."""
        return self._journal.subscribe(sink)

    def elapsed(self) -> float:
        """Return the seconds since the proxy was ready, which is the time of events."""
        return self._time() - self._ready_at

    # --- control

    async def heal(self) -> None:
        """Remove all faults and open all listeners.

        Delayed frames still arrive. Connections that a fault left hanging or stalled are reset.

        Raises:
            SimulatorError: another process uses the port of a closed listener.
        """
        self._plan.heal()
        self._journal.record(Healed())
        self._listeners.lift_all()
        for node in self._nodes:
            node.reset_held_open()
            await self._listeners.open_again(node)

    def dialled(self, port: int, *, refused: bool, client_id: str | None = None) -> None:
        """Record a connect of a client; as ``Simulator.dialled``."""
        self._connections.dialled(port, refused=refused, client_id=client_id)

    def cut(self, server: str) -> None:
        """Reset the connections of a server; its listener stays open.

        Args:
            server: ``sc``, ``spu`` for all SPUs, or ``spu:N``.

        Raises:
            SimulatorError: there is no such server.
        """
        self._connections.cut(server)

    async def drained(self) -> None:
        """Wait until every connection has ended and all requests that were read are forwarded."""
        await self._connections.drained()

    # --- connections

    def _new_task(self, node: Node, bound: Bound, stream: Stream, number: int) -> ProxiedTask:
        return ProxiedTask(
            ProxiedExchanges(self._state, number, node.spu, self._spus.address_of),
            stream,
            bound.reset,
            self._nursery.start_soon,
            self._transit,
            partial(self._connect, node),
            self._spus.know,
        )

    async def _connect(self, node: Node) -> UpstreamStream:
        """Connect to the server behind a listener; raises UnreachableError."""
        upstream = self.config.upstream
        if node.spu is None:
            return await upstream.connect(upstream.sc)
        return await upstream.connect(*self._spus.behind(node))


@asynccontextmanager
async def open_proxy(
    config: ProxyConfig,
    *,
    sinks: Sequence[Sink] | None = None,
    listen: Listen = listen_on_tcp,
    faults_wait: bool = False,
) -> AsyncIterator[Proxy]:
    """Run a proxy in trio for the duration of the block.

    Args:
        config: the configuration.
        sinks: what takes the events; if None they are kept, in ``events``.
        listen: how its servers listen; real sockets unless told otherwise.
        faults_wait: whether no fault strikes before ``begin_faults`` is called.

    Raises:
        SimulatorError: the upstream cannot be reached, or a port is not free.
    """
    failure: Exception | None = None
    proxy: Proxy | None = None
    async with trio.open_nursery() as nursery:
        try:
            proxy = Proxy(config, nursery, sinks, listen)
            await proxy.start()
            if not faults_wait:
                proxy.begin_faults()
            yield proxy
        except Exception as error:
            failure = error
        nursery.cancel_scope.cancel()
    if failure is None and proxy is not None:
        failure = proxy.defect
    if failure is not None:
        raise failure
