"""A simulator with a proxy before it, in a network with ends and windows as TCP has them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from chaos.world.clock import VirtualClock
from chaos.world.network import VirtualNetwork, reset_virtual
from simulator import open_simulator
from simulator.events import ClosedBy, CloseReason, ConnectionClosed
from simulator.faults.model import Fault
from simulator.proxying.config import configure_proxy
from simulator.proxying.proxy import Proxy, open_proxy
from simulator.proxying.upstream import Upstream
from simulator.serving.server import Simulator
from tests.simulator.client import Client
from wire.address import Address, parse_address


@dataclass
class Scene:
    network: VirtualNetwork
    sim: Simulator
    proxy: Proxy

    async def client(self) -> Client:
        address = parse_address(self.proxy.spu_addresses[0])
        stream = await self.network.dial(address.host, address.port)
        return await Client(stream).hello()

    def closed(self, of: Simulator | Proxy) -> tuple[ClosedBy, CloseReason]:
        """How the connection to the SPU ended."""
        events = [e for e in of.events if isinstance(e, ConnectionClosed) and e.server == "spu:0"]
        return events[-1].by, events[-1].reason


@asynccontextmanager
async def scene(
    clock: VirtualClock, *, upstream: list[Fault] | None = None, faults: list[Fault] | None = None
) -> AsyncIterator[Scene]:
    network = VirtualNetwork(clock)

    async def dial(to: Address) -> trio.abc.HalfCloseableStream:
        return await network.dial(to.host, to.port)

    async def reset(stream: trio.abc.HalfCloseableStream) -> None:
        await trio.sleep(2 * network.latency_s)  # what is under way when it resets is lost
        reset_virtual(stream)

    async with open_simulator(listen=network.listen, faults=upstream or []) as sim:
        behind = Upstream(parse_address(sim.address), dial, reset)
        config = configure_proxy(behind, faults=faults or [])
        async with open_proxy(config, listen=network.listen) as proxy:
            yield Scene(network, sim, proxy)
