"""Random changes at once, under load: no change fails, and after ``reset`` nothing is left."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from simulator import open_simulator
from simulator.cluster.replication import ReplicationTerms
from simulator.config import Config
from simulator.faults.distributions import Constant
from simulator.serving.server import Simulator
from simulator.serving.transport import Bound
from tests.simulator.client import batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from wire.api import PRODUCE

FAULTS: list[dict[str, Any]] = [
    {"drop": {"probability": 0.3}},
    {"delay": {"by": {"uniform": ["1ms", "400ms"]}}},
    {"duplicate": {"probability": 0.3}},
    {"stall": {"probability": 0.05}},
    {"disconnect": {"probability": 0.1, "how": "half-close"}},
    {"refuse": {"server": "spu", "how": "refuse"}},
    {"refuse": {"server": "sc", "how": "refuse", "between": ["100ms", "500ms"]}},
    {"refuse": {"server": "spu:1", "how": "hang"}},
]
GONE = (OSError, EOFError, trio.BrokenResourceError, trio.ClosedResourceError)


class Changes:
    """Changes of a simulator, drawn from a seed."""

    def __init__(self, sim: Simulator, random: Random) -> None:
        self.sim = sim
        self.random = random

    async def waits(self) -> None:
        """Make a change that takes several turns."""
        name = self.random.choice(["reset", "heal", "stop_spu", "start_spu", "change_address"])
        arguments = [] if name in ("reset", "heal") else [self.random.randrange(3)]
        with trio.fail_after(30):
            await getattr(self.sim, name)(*arguments)

    def at_once(self) -> None:
        """Make a change that takes no time."""
        sim, random = self.sim, self.random
        topic, names = f"t{random.randrange(3)}", [fault.name for fault in sim.list_faults()]
        match random.randrange(5):
            case 0:
                sim.cut(random.choice(["sc", "spu"]))
            case 1 if names:
                sim.remove_fault(random.choice(names))
            case 2 if names:
                sim.change_fault(random.choice(names), random.choice(FAULTS))
            case 3 if topic in sim.cluster.topics:
                sim.delete_topic(topic)
            case 3:
                sim.create_topic(topic, 2)
            case _:
                sim.add_faults(random.choice(FAULTS))

    async def load(self, network: MemoryNetwork) -> None:
        """Connect and produce, again and again."""
        while True:
            try:
                address = self.random.choice(self.sim.spu_addresses)
                with trio.move_on_after(2):
                    client = await dial(network, address)
                    for partition in range(3):
                        entry = ("greetings", partition, batch(b"x" * 100))
                        await client.send(PRODUCE, produce_request(entry))
                    await client.answers_within(0.3)
            except GONE:
                pass
            await trio.sleep(self.random.uniform(0.01, 0.05))


@pytest.mark.parametrize("seed", range(12))
async def test_no_change_hinders_another_one(
    seed: int, network: MemoryNetwork, autojump_clock: MockClock, tmp_path: Path
) -> None:
    random = Random(seed)

    async def listen(host: str, port: int) -> Bound:
        for _ in range(random.randrange(4)):
            await trio.lowlevel.checkpoint()
        if port in network.listeners and not network.listeners[port].closed:
            raise OSError("address already in use")
        return await network.listen(host, port)

    config = Config(
        spus=3,
        topics={"greetings": 3},
        replication=ReplicationTerms(lag=Constant("50ms")) if seed % 3 == 0 else None,
        data=tmp_path / "data" if seed % 2 == 0 else None,
        retain_bytes=2000 if seed % 5 == 0 else None,
        recovery=Constant(random.choice(["0ms", "100ms", "1s"])),
    )
    async with open_simulator(config, listen=listen) as sim:
        changes = Changes(sim, random)
        async with trio.open_nursery() as load:
            for _ in range(3):
                load.start_soon(changes.load, network)
            async with trio.open_nursery() as nursery:
                for _ in range(100):
                    if random.random() < 0.35:
                        nursery.start_soon(changes.waits)
                    else:
                        changes.at_once()
                    await trio.sleep(random.choice([0, 0, 0.01, 0.1]))
            load.cancel_scope.cancel()
        await sim.heal()
        await trio.sleep(2)
        assert all(node.listening for node in sim._nodes)
        assert all(partition.served for partition in sim.partitions())
        await sim.reset()
        await trio.sleep(2)
        assert sim.connections() == []
        assert [(p.topic, p.stored) for p in sim.partitions()] == [("greetings", 0)] * 3
        assert (sim.cluster.memory.stored, sim._transit.requests, sim._transit.answers) == (0, 0, 0)
