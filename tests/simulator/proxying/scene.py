"""A simulator with a proxy before it, in one network in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio

from simulator import open_simulator
from simulator.proxying.config import configure_proxy
from simulator.proxying.proxy import Proxy, open_proxy
from simulator.proxying.upstream import Upstream
from simulator.serving.server import Simulator
from tests.simulator.client import Client
from tests.simulator.memory import MemoryNetwork, dial, reset
from wire.address import Address, parse_address


@dataclass
class Scene:
    """The simulator, the proxy before it, and the network of both."""

    network: MemoryNetwork
    sim: Simulator
    proxy: Proxy

    async def sc(self, client_id: str = "test") -> Client:
        return await dial(self.network, self.proxy.address, client_id)

    async def spu(self, index: int = 0, client_id: str = "test") -> Client:
        return await dial(self.network, self.proxy.spu_addresses[index], client_id)

    def named(self, name: str) -> list[Any]:
        """The events of a class, of the proxy."""
        return [each for each in self.proxy.events if type(each).__name__ == name]


def upstream_in(network: MemoryNetwork, address: str) -> Upstream:
    async def connect(to: Address) -> trio.abc.HalfCloseableStream:
        await trio.lowlevel.checkpoint()
        return network.connect(str(to))

    async def reset_soon(stream: trio.abc.HalfCloseableStream) -> None:
        await trio.lowlevel.checkpoint()
        reset(stream)

    return Upstream(parse_address(address), connect, reset_soon)


@asynccontextmanager
async def proxied(
    network: MemoryNetwork, simulator: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Scene]:
    """Run both; ``options`` are the proxy's."""
    async with open_simulator(listen=network.listen, **(simulator or {})) as sim:
        config = configure_proxy(upstream_in(network, sim.address), **options)
        async with open_proxy(config, listen=network.listen) as proxy:
            yield Scene(network, sim, proxy)
