"""One server of the cluster: its listener and its connections."""

from simulator.cluster.cluster import Spu
from simulator.serving.connection import ConnectionTask
from simulator.serving.transport import Bound, Stream


class Node:
    """The SC or an SPU."""

    def __init__(self, spu: Spu | None, host: str, port: int) -> None:
        self.spu = spu
        self.host = host
        self.port = port
        self.stopped = False
        """Whether ``stop_spu`` keeps its listener closed."""
        self.refused_by: set[str] = set()
        """The names of the faults that keep its listener closed."""
        self.connections: dict[Stream, ConnectionTask | None] = {}
        """The connections; None for a connection that a fault leaves hanging."""
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
