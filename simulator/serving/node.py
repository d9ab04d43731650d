"""The servers of the cluster, the SC and the SPUs, and their connections."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

import trio

from simulator.cluster.cluster import Spu
from simulator.events import ClosedBy, CloseReason, ConnectionsCut, ConnectRefused, DialRefused
from simulator.faults.plan import FaultPlan
from simulator.journal import Journal
from simulator.options import SimulatorError
from simulator.serving.connection import ConnectionTask
from simulator.serving.timers import ChangeSignal
from simulator.serving.transport import Bound, Stream

CONNECTIONS_MAX = 4096
"""The maximum number of open connections; one more is reset. Each costs a task and a few kilobytes,
and only a defective client opens so many."""


class AcceptedConnection(NamedTuple):
    """A connection that was accepted."""

    number: int
    """Its number, from 1 in the order in which connections are accepted."""
    task: ConnectionTask | None
    """None for a connection that a fault leaves hanging."""


class Node:
    """One server: where it listens, what keeps its listener closed, and its connections.

    Args:
        spu: the SPU, or None for the SC.
        host: the host to listen on.
        port: the port to listen on; 0 picks a free one.
    """

    def __init__(self, spu: Spu | None, host: str, port: int) -> None:
        self.spu = spu
        self.host = host
        self.port = port
        self.home_port = port
        """The port at the start of the simulator."""
        self.stopped = False
        """Whether ``stop_spu`` keeps its listener closed."""
        self.refused_by: set[str] = set()
        """The names of the faults that keep its listener closed."""
        self.connections: dict[Stream, AcceptedConnection] = {}
        self.bound: Bound | None = None
        self.listening = False
        self.changing = trio.Lock()
        """Held while its listener is opened or closed, which takes several turns."""

    @property
    def index(self) -> int | None:
        """The index of the SPU, or None for the SC."""
        return None if self.spu is None else self.spu.index

    @property
    def kept_closed(self) -> bool:
        """Whether ``stop_spu`` or a fault keeps the listener closed."""
        return self.stopped or bool(self.refused_by)

    @property
    def name(self) -> str:
        """``sc``, or ``spu:0`` and so on."""
        return "sc" if self.spu is None else f"spu:{self.spu.index}"

    def reset_connections(self, reason: CloseReason) -> None:
        """Reset all connections; requests that were read are still applied."""
        for stream, (_, task) in tuple(self.connections.items()):
            if task is None:
                self.reset_hanging(stream)
            else:
                task.cut(ClosedBy.SIMULATOR, reason)

    def reset_held_open(self) -> None:
        """Reset the connections that a fault keeps open: hanging, stalled or silent."""
        for stream, (_, task) in tuple(self.connections.items()):
            if task is None:
                self.reset_hanging(stream)
            elif task.held_open:
                task.cut(ClosedBy.SIMULATOR, CloseReason.HEALED)

    def abort_connections(self) -> None:
        """Reset all connections; requests that were read and not applied yet are forgotten."""
        for stream, (_, task) in tuple(self.connections.items()):
            if task is None:
                self.reset_hanging(stream)
            else:
                task.abort(CloseReason.SIMULATOR_RESET)

    def reset_hanging(self, stream: Stream) -> None:
        """Reset a connection that a fault leaves hanging."""
        assert self.bound is not None
        self.bound.reset(stream)


class Connections:
    """The connections of all servers: accepted, numbered, or struck by a fault ``refuse``.

    Args:
        nodes: the servers.
        plan: the faults.
        journal: receives the events.
        elapsed: seconds since the faults' clock started.
        new_task: makes the task of a connection from its server, the listener, the stream and its
            number.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        plan: FaultPlan,
        journal: Journal,
        elapsed: Callable[[], float],
        new_task: Callable[[Node, Bound, Stream, int], ConnectionTask],
    ) -> None:
        self._nodes = nodes
        self._plan = plan
        self._journal = journal
        self._elapsed = elapsed
        self._new_task = new_task
        self._connected = 0
        self._left = ChangeSignal()
        self.defect: Exception | None = None
        """An unexpected error on a connection, a defect of ours."""

    async def accepted(self, node: Node, bound: Bound, stream: Stream) -> None:
        """Serve a connection that was accepted, to its end."""
        is_late = bound is not node.bound or not node.listening
        if is_late or not self._has_room():
            bound.reset(stream)
            return
        self._connected += 1
        self._journal.connections += 1
        number = self._journal.connections
        port = bound.client_port(stream)
        refusal = self._plan.at_accept(node.index, self._elapsed())
        try:
            if refusal is None:
                task = self._new_task(node, bound, stream, number)
                node.connections[stream] = AcceptedConnection(number, task)
                await task.serve(port)
            else:
                node.connections[stream] = AcceptedConnection(number, None)
                self._journal.record(
                    ConnectRefused(
                        connection=number,
                        server=node.name,
                        fault=refusal.name,
                        how=refusal.how,
                        port=port,
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
            self._left.send()
            await trio.aclose_forcefully(stream)

    def dialled(self, port: int, *, refused: bool, client_id: str | None) -> None:
        """Record a connect of a client, which only its dialler can report if it was refused."""
        self._plan.expect_dials()
        if not refused:
            return
        node = next((node for node in self._nodes if node.port == port), None)
        if node is not None:
            self._journal.record(DialRefused(server=node.name, client_id=client_id))
            self._plan.count_refused(node.refused_by)

    def cut(self, server: str) -> None:
        """Reset the connections of a server; its listener stays open.

        Args:
            server: ``sc``, ``spu`` for all SPUs, or ``spu:N``.

        Raises:
            SimulatorError: there is no such server.
        """
        named = [n for n in self._nodes if server in (n.name, n.name.partition(":")[0])]
        if not named:
            raise SimulatorError(f"no server {server}; there are sc, spu and spu:0 to spu:N")
        for node in named:
            self._journal.record(ConnectionsCut(server=node.name))
            node.reset_connections(CloseReason.CUT)

    async def drained(self) -> None:
        """Wait until every connection has ended and all requests that were read are applied."""
        while self._connected:
            await self._left.wait()

    def _has_room(self) -> bool:
        """Return whether another connection fits; evict the longest stalled one if necessary."""
        if self._connected < CONNECTIONS_MAX:
            return True
        tasks = [each.task for node in self._nodes for each in node.connections.values()]
        stalled = next((task for task in tasks if task is not None and task.stalled), None)
        if stalled is None:
            return False
        # A stalled connection is not read, so the presence of its client is unknown.
        stalled.cut(ClosedBy.SIMULATOR, CloseReason.EVICTED)
        return True


async def turn_away(bound: Bound, stream: Stream, how: str) -> None:
    """Carry out a fault ``refuse`` on a connection that was just accepted.

    Args:
        bound: the listener that accepted it.
        stream: the connection.
        how: ``rst`` resets it; ``hang`` reads and answers nothing until the client closes it.
    """
    if how == "rst":
        bound.reset(stream)
        return
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        # Read and discard input to detect that the client has closed the connection.
        while await stream.receive_some():
            pass
