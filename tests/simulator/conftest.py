from collections.abc import AsyncIterator

import pytest
import trio

from tests.simulator.client import Client, Connect
from tests.simulator.memory import MemoryNetwork
from wire.address import parse_address


@pytest.fixture
def network() -> MemoryNetwork:
    """A network in memory; a test in virtual time asks for ``autojump_clock`` too."""
    return MemoryNetwork()


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connects over TCP; what it opened is closed at the end of the test."""
    opened: list[trio.SocketStream] = []

    async def to(address: str) -> Client:
        host, port = parse_address(address)
        stream = await trio.open_tcp_stream(host, port)
        opened.append(stream)
        return await Client(stream).hello()

    yield to
    for stream in opened:
        await stream.aclose()
