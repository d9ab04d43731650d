"""What tests of one server under faults do again and again."""

from typing import Any

import trio

from simulator import open_simulator
from simulator.faults.distributions import parse_distribution
from simulator.faults.model import Fault
from simulator.serving.server import Simulator
from tests.simulator.client import Client, batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from wire.api import PRODUCE


def by(text: str) -> Any:
    return parse_distribution(text)


def values(sim: Simulator, topic: str = "greetings", partition: int = 0) -> list[bytes]:
    return [record.value for record in sim.log(topic, partition)]


def counts(sim: Simulator) -> dict[str, tuple[int | None, int]]:
    return {name: (c.fired, c.shadowed) for name, c in sim.summary().faults.items()}


async def send(client: Client, *contents: bytes) -> None:
    for content in contents:
        await client.send(PRODUCE, produce_request(("greetings", 0, batch(content))))


async def ids_within(client: Client, seconds: float = 5.0) -> list[int]:
    return [correlation_id for correlation_id, _ in await client.answers_within(seconds)]


async def ended(client: Client) -> bool:
    """Whether the connection has ended, from where the client stands."""
    with trio.move_on_after(1):
        try:
            await client.answer()
        except (EOFError, trio.BrokenResourceError):
            return True
    return False


class Case:
    """One client that sends a, b, c at once to an SPU with one fault, and what came of it."""

    def __init__(self, network: MemoryNetwork, *faults: Fault) -> None:
        self.network = network
        self.faults = faults

    async def run(self) -> "Case":
        faults = list(self.faults)
        async with open_simulator(listen=self.network.listen, faults=faults) as sim:
            client = await dial(self.network, sim.spu_addresses[0])
            await send(client, b"a", b"b", b"c")
            self.answered = await ids_within(client)
            self.ended = await ended(client)
            self.stored = values(sim)
            self.counts = counts(sim)
            self.unanswered = sim.summary().unanswered_records
            self.events = sim.events
        return self


def connections(sim: Simulator) -> int:
    """How many connections the simulator holds on to."""
    return sum(len(node.connections) for node in (sim._sc, *sim._spus))
