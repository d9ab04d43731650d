"""The real simulator on a network in memory, and producers that are connected to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from producer import Fluvio, TopicProducer, TopicProducerConfig
from simulator import Simulator, open_simulator
from simulator.events import FrameRead
from tests.simulator.memory import MemoryNetwork

EPOCH_MS = 1_700_000_000_000


def now_ns() -> int:
    """A time of day that goes with trio's clock, virtual or not."""
    return EPOCH_MS * 1_000_000 + int(trio.current_time() * 1e9)


class Cluster:
    """Opens simulators and producers; counts what was dialled."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.network = network
        self.dialled: list[int] = []
        self.simulator: Simulator

    async def dial(self, _host: str, port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        self.dialled.append(port)
        simulator = getattr(self, "simulator", None)  # a test may have one of its own
        try:
            stream = self.network.connect(f"memory:{port}")
        except OSError:
            if simulator is not None:
                simulator.dialled(port, refused=True)
            raise
        if simulator is not None:
            simulator.dialled(port, refused=False)
        return stream

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Fluvio]:
        """A simulator with these options, and a client that is connected to it."""
        async with (
            open_simulator(listen=self.network.listen, **options) as self.simulator,
            self.connect() as fluvio,
        ):
            yield fluvio

    @asynccontextmanager
    async def connect(self, **options: Any) -> AsyncIterator[Fluvio]:
        options = {"dial": self.dial, "now_ns": now_ns, **options}
        async with Fluvio.connect(self.simulator.address, **options) as fluvio:
            yield fluvio

    @asynccontextmanager
    async def producer(
        self, config: TopicProducerConfig | None = None, **options: Any
    ) -> AsyncIterator[TopicProducer]:
        """A producer for ``greetings`` on a simulator with these options."""
        async with (
            self.client(**options) as fluvio,
            fluvio.topic_producer("greetings", config) as producer,
        ):
            yield producer

    def values(self, partition: int = 0, topic: str = "greetings") -> list[bytes]:
        """What is stored, in order of offsets."""
        return [record.value for record in self.simulator.log(topic, partition)]

    def first_copies(self, partition: int = 0) -> list[bytes]:
        """What is stored, without later copies."""
        return list(dict.fromkeys(self.values(partition)))

    def transmissions(self) -> int:
        """How many produce requests arrived."""
        return sum(
            isinstance(event, FrameRead) and event.api == "produce"
            for event in self.simulator.events
        )
