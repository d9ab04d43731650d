"""One server of the cluster, the SC or an SPU: its listener and its connections."""

from contextlib import suppress
from typing import NamedTuple

import trio

from simulator.cluster.cluster import Spu
from simulator.events import ClosedBy, CloseReason
from simulator.serving.connection import ConnectionTask
from simulator.serving.transport import Bound, Stream


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
