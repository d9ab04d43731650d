"""``reset``: nothing of one test is left for the next one."""

import pytest
import trio
from trio.testing import MockClock

import simulator
from simulator import open_simulator
from simulator.events import Event, SimulatorReset, TopicCreated, TopicDeleted
from simulator.faults.kinds.drop import Drop
from simulator.serving.server import Simulator
from tests.simulator.client import Client
from tests.simulator.memory import MemoryNetwork, dial
from tests.simulator.scene import connections, counts, ended, ids_within, send, values


async def session(sim: Simulator, network: MemoryNetwork) -> tuple[Client, list[object]]:
    """Use a simulator as one test does, and return what can be told of it."""
    client = await dial(network, sim.spu_addresses[0])
    await send(client, b"a", b"b", b"c")
    answers = await ids_within(client)
    summary = sim.summary().to_json()
    events = [_plain(event) for event in sim.events if not isinstance(event, _OF_RESETS)]
    return client, [answers, values(sim), summary, sim.partitions(), sim.connections(), events]


_OF_RESETS = SimulatorReset | TopicCreated | TopicDeleted


def _plain(event: Event) -> object:
    event.n, event.t = 0, 0.0
    return event


async def test_a_session_after_a_reset_is_as_the_first_one(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults = [Drop(probability=0.5, at="request"), Drop(name="later", nth=2)]
    async with open_simulator(listen=network.listen, spus=2, faults=faults, seed=3) as sim:
        _, first = await session(sim, network)
        for n in range(3):
            sim.add_faults(delay="30m")
            sim.create_topic(f"other-{n}", 3)
            sim.delete_topic("greetings")
            await sim.change_address(0)
            await sim.stop_spu(1)
            await sim.reset()
            client, again = await session(sim, network)
            assert again == first
            assert not await ended(client)


async def test_a_reset_ends_all_connections_and_forgets_what_waits(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        address = sim.spu_addresses[0]
        waiting, stalled, silent = [await dial(network, address) for _ in range(3)]
        for client, fault in (
            (stalled, {"stall": {"at": "request"}}),
            (silent, {"stall": {"at": "response"}}),
            (waiting, {"delay": {"by": "30m"}}),
        ):
            with sim.faults(fault):
                await send(client, b"x")
                await trio.sleep(0.1)
        with sim.faults({"refuse": {"server": "spu", "how": "hang"}}):
            hanging = Client(network.connect(address))
            await trio.sleep(0.1)
        assert [(c.number, c.condition) for c in sim.connections()] == [
            (1, "open"),
            (2, "stalled"),
            (3, "silent"),
            (4, "hanging"),
        ]
        before = trio.current_time()
        await sim.reset()
        assert trio.current_time() - before < 1
        assert connections(sim) == 0
        assert [await ended(client) for client in (waiting, stalled, silent, hanging)] == [True] * 4
        await trio.sleep(3600)
        assert values(sim) == []
        assert counts(sim) == {}


async def test_a_client_that_connects_during_a_reset_finds_the_new_state(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        done = trio.Event()

        async def connect_again_and_again() -> None:
            while not done.is_set():
                try:
                    client = await dial(network, sim.spu_addresses[0])
                    await client.produce("greetings", 0, b"x")
                except (OSError, EOFError, trio.BrokenResourceError, trio.ClosedResourceError):
                    await trio.sleep(0.01)
                await trio.sleep(0.001)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(connect_again_and_again)
            for _ in range(20):
                await trio.sleep(0.02)
                await sim.reset()
            done.set()
        assert sim.events[0].n > 1
        assert isinstance(sim.events[0], SimulatorReset)


def test_a_thread_resets_a_simulator_and_waits_for_records() -> None:
    with simulator.running(topics={"a": 2}) as sim:
        sim.create_topic("b")
        sim.reset()
        assert [(p.topic, p.partition, p.stored) for p in sim.partitions()] == [
            ("a", 0, 0),
            ("a", 1, 0),
        ]
        sim.wait_until(stored=0)
        with pytest.raises(TimeoutError, match=r"0 records are stored in a after 0\.01 s, not 1"):
            sim.wait_until(stored=1, topic="a", timeout=0.01)
