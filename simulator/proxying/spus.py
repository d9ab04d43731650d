"""The SPUs of the upstream, each with a listener of the proxy.

A listener belongs to the id of an SPU. The proxy's own watch of the SC decides where an SPU listens
and whether it exists. An answer to a client that describes an SPU before the watch does gives it a
listener, so that no client is ever told an address behind the proxy.
"""

import logging
from collections.abc import Collection, Sequence

import trio

from simulator.cluster.cluster import Spu
from simulator.config import SPU_PORT_STEP
from simulator.events import CloseReason
from simulator.options import SimulatorError
from simulator.proxying.rewriting import FoundSpu
from simulator.proxying.upstream import UnreachableError
from simulator.serving.listeners import Listeners
from simulator.serving.node import Node
from wire.address import PORT_MAX, Address

SPUS_MAX = 1_000
"""The maximum number of SPUs, with those that were removed: each is a listener."""

logger = logging.getLogger("simulator")


class ProxiedSpus:
    """The SPUs of the upstream.

    Args:
        nodes: the servers of the proxy; each new SPU is added.
        host: the host to listen on.
        port: the port of the first SPU, each further one 10 above; 0 picks free ones.
        advertised: the host that clients are told.
        local_addresses: whether SPUs are connected to at their local addresses.
    """

    def __init__(
        self, nodes: list[Node], host: str, port: int, advertised: str, *, local_addresses: bool
    ) -> None:
        self._nodes = nodes
        self._host = host
        self._port = port
        self._advertised = advertised
        self._local_addresses = local_addresses
        self._by_id: dict[int, Node] = {}
        self._found: dict[int, FoundSpu] = {}
        self._changing = trio.Lock()
        self.listeners: Listeners
        """Opens and closes listeners; set before the first SPU is known."""

    @property
    def addresses(self) -> list[str]:
        """The addresses for clients of the SPUs that exist, in the order of their numbers."""
        return [
            str(Address(self._advertised, n.port)) for n in self._by_id.values() if not n.stopped
        ]

    def address_of(self, spu_id: int) -> Address | None:
        """Return the address for clients of an SPU; None if it never had a listener."""
        node = self._by_id.get(spu_id)
        return None if node is None else Address(self._advertised, node.port)

    def index_of(self, spu_id: int) -> int | None:
        """Return the number by which faults and events name an SPU; None if it is not known."""
        node = self._by_id.get(spu_id)
        return None if node is None else node.index

    def behind(self, node: Node) -> tuple[Address, str]:
        """Return where the SPU of a listener listens, and its name.

        Raises:
            UnreachableError: the cluster tells no address.
        """
        found = next(self._found[each] for each, its in self._by_id.items() if its is node)
        address = (self._local_addresses and found.local) or found.public
        if not address:
            raise UnreachableError(f"SPU {found.id} has no address for clients")
        return address, found.name

    async def know(self, found: Sequence[FoundSpu]) -> None:
        """Give each SPU that is not known a listener.

        Raises:
            SimulatorError: a port is not free, or there are too many SPUs.
        """
        if all(each.id in self._by_id for each in found):
            return
        async with self._changing:
            for each in sorted(found):
                if each.id not in self._by_id:
                    await self._add(each)

    async def update(self, found: Sequence[FoundSpu]) -> None:
        """Take what the watch of the SC tells of some SPUs.

        Raises:
            SimulatorError: as ``know``.
        """
        async with self._changing:
            for each in sorted(found):
                if each.id not in self._by_id:
                    await self._add(each)
                    continue
                self._found[each.id] = each
                node = self._by_id[each.id]
                if node.stopped:
                    node.stopped = False
                    await self.listeners.open_again(node)

    async def remove(self, ids: Collection[int]) -> None:
        """Close the listeners of SPUs that do not exist any more, and reset their connections."""
        async with self._changing:
            for each in ids:
                node = self._by_id.get(each)
                if node is not None and not node.stopped:
                    node.stopped = True
                    await self.listeners.close(node)
                    node.reset_connections(CloseReason.SPU_REMOVED)

    async def keep_only(self, found: Sequence[FoundSpu]) -> None:
        """Take what the watch tells of all SPUs; raises as ``update``."""
        await self.update(found)
        await self.remove(self._by_id.keys() - {each.id for each in found})

    async def _add(self, found: FoundSpu) -> None:
        index = len(self._by_id)
        port = self._port and self._port + SPU_PORT_STEP * index
        if index >= SPUS_MAX or port > PORT_MAX:
            raise SimulatorError(f"SPU {found.id} is one too many; choose a lower --spu-port, or 0")
        node = Node(Spu(index), self._host, port)
        await self.listeners.open(node)
        self._found[found.id] = found
        self._by_id[found.id] = node
        self._nodes.append(node)
