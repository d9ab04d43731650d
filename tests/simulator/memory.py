"""A network in memory for tests of one server: listeners, connects, resets, no time of its own."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import trio
from trio.testing import memory_stream_pair

from simulator.serving.transport import Bound, Stream
from tests.simulator.client import Client
from wire.address import parse_address


class MemoryListener(trio.abc.Listener[Stream]):
    def __init__(self) -> None:
        self.failure: OSError | None = None
        """What the next accept raises instead."""
        self._send, self._receive = trio.open_memory_channel[Stream](1000)
        self.closed = False

    def deliver(self, stream: Stream) -> None:
        if self.closed:
            raise OSError("connection refused")
        self._send.send_nowait(stream)

    async def accept(self) -> Stream:
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise trio.ClosedResourceError from None

    async def aclose(self) -> None:
        self.closed = True
        self._send.close()
        with suppress(trio.EndOfChannel):
            while True:  # pending connections are reset, as by an operating system
                reset(self._receive.receive_nowait())
        await trio.lowlevel.checkpoint()


@dataclass
class MemoryNetwork:
    """Where a simulator can listen; ``connect`` makes a stream to a port of it."""

    listeners: dict[int, MemoryListener] = field(default_factory=dict)
    taken: bool = False
    """Whether every port is in use."""
    pair: Callable[[], tuple[Stream, Stream]] = memory_stream_pair
    """Makes the two ends of a connection; their buffers are unlimited by default."""

    async def listen(self, _host: str, port: int) -> Bound:
        if self.taken:
            raise OSError("address already in use")
        listener = MemoryListener()
        port = port or 50_000 + len(self.listeners)
        self.listeners[port] = listener
        await trio.lowlevel.checkpoint()
        return Bound([listener], port, reset)

    def connect(self, address: str) -> Stream:
        ours, theirs = self.pair()
        self.listeners[parse_address(address).port].deliver(theirs)
        return ours


def reset(stream: Stream) -> None:
    """As near to a reset as memory streams come: both directions end at once."""
    assert isinstance(stream, trio.StapledStream)
    stream.send_stream.close()
    stream.receive_stream.close()


async def dial(network: MemoryNetwork, address: str, client_id: str = "test") -> Client:
    """Connect to a server of the network and greet it."""
    return await Client(network.connect(address), client_id).hello()
