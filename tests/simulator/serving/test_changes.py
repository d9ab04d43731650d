"""Changes of a running cluster from outside: topics, addresses, connections."""

import pytest
import trio
from trio.testing import MockClock

from simulator import SimulatorError, open_simulator
from simulator.events import (
    AddressChanged,
    ClosedBy,
    CloseReason,
    ConnectionClosed,
    ConnectionsCut,
    PartitionsAdded,
    TopicCreated,
    TopicDeleted,
)
from tests.simulator.admin import update, watch
from tests.simulator.client import batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from tests.simulator.scene import ended, values
from wire.api import PRODUCE, WATCH
from wire.api.envelope import SPU
from wire.api.objects import SpuUpdate
from wire.error_code import Code


async def test_topics_come_go_and_grow_with_an_event_each(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen, spus=2) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.produce("greetings", 0, b"a")
        sim.delete_topic("greetings")
        gone = await client.produce("greetings", 0, b"b")
        sim.create_topic("greetings", partitions=1)
        sim.add_partitions("greetings", 2)
        await client.produce("greetings", 0, b"c")
        assert values(sim) == [b"c"]
        classes = TopicCreated | TopicDeleted | PartitionsAdded
        changes = [e for e in sim.events if isinstance(e, classes) and e.topic == "greetings"]
    assert gone.error_code is Code.NOT_LEADER_FOR_PARTITION
    assert [type(change) for change in changes] == [
        TopicCreated,
        TopicDeleted,
        TopicCreated,
        PartitionsAdded,
    ]
    added = changes[-1]
    assert isinstance(added, PartitionsAdded)
    assert (added.first, added.leaders) == (1, (1, 0))


@pytest.mark.parametrize("server", ["sc", "spu:1", "spu"])
async def test_the_connections_of_a_server_are_reset_and_new_ones_accepted(
    network: MemoryNetwork, autojump_clock: MockClock, server: str
) -> None:
    async with open_simulator(listen=network.listen, spus=2) as sim:
        addresses = {
            "sc": sim.address,
            "spu:0": sim.spu_addresses[0],
            "spu:1": sim.spu_addresses[1],
        }
        clients = {name: await dial(network, address) for name, address in addresses.items()}
        sim.cut(server)
        struck = {name for name in addresses if server in (name, name.partition(":")[0])}
        assert {name for name, client in clients.items() if await ended(client)} == struck
        for address in addresses.values():
            await dial(network, address)
        closed = [e for e in sim.events if isinstance(e, ConnectionClosed)]
        cuts = [e.server for e in sim.events if isinstance(e, ConnectionsCut)]
    assert {(e.server, e.by, e.reason) for e in closed} == {
        (name, ClosedBy.SIMULATOR, CloseReason.CUT) for name in struck
    }
    assert set(cuts) == struck


async def test_a_connection_that_a_fault_leaves_hanging_is_cut_too(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    fault = {"refuse": {"server": "spu", "how": "hang", "between": ["0s", "1s"]}}
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        stream = network.connect(sim.spu_addresses[0])
        await trio.sleep(0.1)
        sim.cut("spu:0")
        assert await stream.receive_some() == b""


async def test_a_server_that_does_not_exist_is_not_cut(network: MemoryNetwork) -> None:
    async with open_simulator(listen=network.listen) as sim:
        with pytest.raises(SimulatorError, match="no server spu:1"):
            sim.cut("spu:1")


async def test_an_spu_at_another_address_is_told_keeps_its_log_and_has_left_the_old_one(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        before = sim.spu_addresses[0]
        client = await dial(network, before)
        await client.produce("greetings", 0, b"a")
        watcher = await dial(network, sim.address)
        await watcher.call(WATCH, watch(SPU))
        await sim.change_address(0)
        after = sim.spu_addresses[0]
        assert after != before
        assert await ended(client)
        with pytest.raises(OSError, match="refused"):
            await dial(network, before)
        (change,) = (await update(watcher, SpuUpdate)).changes
        assert change.content.spec.public_endpoint.port == int(after.rpartition(":")[2])
        moved = await dial(network, after)
        await moved.call(PRODUCE, produce_request(("greetings", 0, batch(b"b"))))
        assert values(sim) == [b"a", b"b"]
        (event,) = [e for e in sim.events if isinstance(e, AddressChanged)]
    assert (event.spu, event.address) == (0, after)


async def test_a_stopped_spu_listens_at_its_new_address_when_it_starts(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        await sim.stop_spu(0)
        await sim.change_address(0)
        with pytest.raises(OSError, match="refused"):
            await dial(network, sim.spu_addresses[0])
        await sim.start_spu(0)
        await dial(network, sim.spu_addresses[0])
