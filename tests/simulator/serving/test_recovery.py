"""A started SPU listens before it serves, partition by partition."""

import pytest
import trio
from trio.testing import MockClock

from simulator.events import LeaderMoved, PartitionServed, SpuStarted, SpuStopped
from simulator.faults.kinds.drop import Drop
from simulator.faults.model import Match
from simulator.serving.server import Simulator
from tests.simulator.admin import simulated, update, watch
from tests.simulator.client import Client, batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from wire.api import PRODUCE, WATCH
from wire.api.envelope import PARTITION, SPU
from wire.api.objects import PartitionUpdate, SpuUpdate
from wire.api.partition import PartitionResolution
from wire.api.spu import SpuResolution
from wire.error_code import Code

RECOVERY = "uniform(100ms,2s)"
PARTITIONS = 6


async def code_of(client: Client, partition: int) -> object:
    response = await client.call(PRODUCE, produce_request(("t", partition, batch(b"x"))))
    (topic,) = response.topics
    return topic.partitions[0].error_code


def served(sim: Simulator, topic: str = "t") -> dict[int, float]:
    """By partition, how long after the latest start of its SPU it was served."""
    found: dict[int, float] = {}
    started = 0.0
    for event in sim.events:
        if isinstance(event, SpuStarted):
            found, started = {}, event.t
        elif isinstance(event, PartitionServed) and event.topic == topic:
            found[event.partition] = event.t - started
    return found


async def test_a_started_spu_leads_no_partition_until_the_time_of_that_is_over(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, topics={"t": PARTITIONS}, recovery=RECOVERY, seed=7) as sim:
        await sim.stop_spu(0)
        await sim.start_spu(0)
        started = trio.current_time()
        client = await dial(network, sim.spu_addresses[0])
        assert [await code_of(client, p) for p in range(PARTITIONS)] == [
            Code.NOT_LEADER_FOR_PARTITION
        ] * PARTITIONS
        await trio.sleep(2.1)
        times = served(sim)
        assert [await code_of(client, p) for p in range(PARTITIONS)] == [Code.NONE] * PARTITIONS
        assert trio.current_time() == pytest.approx(started + 2.1)
    assert len(set(times.values())) == PARTITIONS
    assert all(0.1 <= seconds <= 2 for seconds in times.values())


async def test_each_partition_is_served_at_its_time(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, topics={"t": 2}, recovery=RECOVERY, seed=7) as sim:
        await sim.stop_spu(0)
        await sim.start_spu(0)
        client = await dial(network, sim.spu_addresses[0])
        codes = []
        for _ in range(21):
            codes.append([await code_of(client, partition) for partition in range(2)])
            await trio.sleep(0.1)
        times = served(sim)
    first = min(times, key=lambda partition: times[partition])
    refusals = [sum(c[p] is Code.NOT_LEADER_FOR_PARTITION for c in codes) for p in (0, 1)]
    assert refusals == [int(times[p] * 10) + 1 for p in (0, 1)]
    assert refusals[first] < refusals[1 - first]


async def test_the_times_depend_on_the_seed_the_partition_and_the_number_of_the_start(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async def restarted(seed: int, times: int, spus: int = 1) -> dict[int, float]:
        async with simulated(
            network, topics={"t": PARTITIONS}, recovery=RECOVERY, seed=seed, spus=spus
        ) as sim:
            for _ in range(times):
                await sim.stop_spu(0)
                await sim.start_spu(0)
                await trio.sleep(3)
            return served(sim)

    once = await restarted(1, 1)
    assert await restarted(1, 1) == once
    assert await restarted(1, 1, spus=2) == {p: once[p] for p in (0, 2, 4)}
    others = [await restarted(2, 1), await restarted(1, 2)]
    assert all(other.keys() == once.keys() and other != once for other in others)


async def test_an_spu_that_stops_while_it_recovers_serves_nothing_of_that_start(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, topics={"t": 1}, recovery="1s") as sim:
        await sim.stop_spu(0)
        await sim.start_spu(0)
        await trio.sleep(0.5)
        await sim.stop_spu(0)
        await trio.sleep(0.1)
        await sim.start_spu(0)
        await trio.sleep(5)
        found = [(e.t, type(e)) for e in sim.events if isinstance(e, PartitionServed | SpuStopped)]
    assert found == [(0, SpuStopped), (0.5, SpuStopped), *[(1.6, PartitionServed)] * 2]


async def test_a_partition_that_moves_is_served_by_its_new_leader_at_once(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, topics={"t": 2}, spus=2, recovery="1s") as sim:
        await sim.stop_spu(0)
        await sim.start_spu(0)
        sim.move_leader("t", 0, to=1)
        sim.move_leader("t", 1, to=0)
        old, new = [await dial(network, address) for address in sim.spu_addresses]
        assert await code_of(new, 0) is Code.NONE
        assert await code_of(old, 1) is Code.NONE
        sim.delete_topic("t")
        await trio.sleep(2)
        assert len([e for e in sim.events if isinstance(e, LeaderMoved)]) == 2
        assert served(sim) == {}


async def test_an_spu_that_runs_does_not_recover_when_it_is_started(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, topics={"t": 1}, recovery="1s") as sim:
        client = await dial(network, sim.spu_addresses[0])
        await sim.start_spu(0)
        assert await code_of(client, 0) is Code.NONE


async def test_without_a_recovery_time_a_started_spu_serves_at_once(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, topics={"t": 1}) as sim:
        await sim.stop_spu(0)
        await sim.start_spu(0)
        client = await dial(network, sim.spu_addresses[0])
        assert await code_of(client, 0) is Code.NONE
        assert served(sim) == {0: 0.0}


async def test_healing_ends_when_every_spu_serves(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, topics={"t": 2}, spus=2, recovery=RECOVERY) as sim:
        await sim.stop_spu(1)
        await sim.stop_spu(0)
        await sim.start_spu(0)
        await sim.heal()
        clients = [await dial(network, address) for address in sim.spu_addresses]
        codes = [await code_of(client, partition) for partition, client in enumerate(clients)]
        took = trio.current_time()
        await sim.heal()
        assert trio.current_time() == took
    assert codes == [Code.NONE] * 2


# --- the news

Heard = tuple[float, str, object]
"""When a watch heard of an object, its name, and its state."""


async def heard(client: Client, update_of: type, frames: int) -> list[Heard]:
    found = []
    for _ in range(frames):
        changes = (await update(client, update_of)).changes
        found += [
            (trio.current_time(), c.content.name, c.content.status.resolution) for c in changes
        ]
    return found


async def test_the_news_of_a_restart_are_the_spu_and_then_each_partition_when_it_is_served(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, topics={"t": 2}, recovery=RECOVERY) as sim:
        spus, partitions = [await dial(network, sim.address) for _ in range(2)]
        await spus.send(WATCH, watch(SPU))
        await update(spus, SpuUpdate)
        await partitions.send(WATCH, watch(PARTITION))
        await update(partitions, PartitionUpdate)
        await sim.stop_spu(0)
        (gone,) = await heard(spus, SpuUpdate, 1)
        offline = await heard(partitions, PartitionUpdate, 3)
        await sim.start_spu(0)
        start = trio.current_time()
        (back,) = await heard(spus, SpuUpdate, 1)
        online = await heard(partitions, PartitionUpdate, 3)
        times = {f"t-{p}": seconds for p, seconds in served(sim).items()}
    name, out = "custom-spu-5001", PartitionResolution.LEADER_OFFLINE
    assert [gone[1:], back[1:]] == [(name, SpuResolution.OFFLINE), (name, SpuResolution.ONLINE)]
    assert back[0] == start
    assert [each[1:] for each in offline] == [
        ("consumer-offset-0", out),
        ("t-0", out),
        ("t-1", out),
    ]
    assert {name: t - start for t, name, _ in online if name in times} == pytest.approx(times)
    assert {state for _, _, state in online} == {PartitionResolution.ONLINE}


async def test_a_probability_strikes_each_of_the_news_by_itself(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    fault = Drop(at="response", match=Match(api="watch"), probability=0.5)
    async with simulated(network, topics={"t": 40}, faults=[fault], seed=3) as sim:
        client = await dial(network, sim.address)
        await client.send(WATCH, watch(PARTITION))
        await trio.sleep(1)
        await sim.stop_spu(0)
        arrived = await client.answers_within(1)
        assert sim.summary().faults["drop-1"].fired == 42 - len(arrived)
    assert 10 <= len(arrived) <= 31


async def test_news_come_late_by_a_delay_of_their_own_and_in_order(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    late = {
        "delay": {"at": "response", "by": {"uniform": ["0ms", "1s"]}, "match": {"api": "watch"}}
    }
    async with simulated(network, topics={"t": 5}, faults=[late], seed=3) as sim:
        client = await dial(network, sim.address)
        await client.send(WATCH, watch(PARTITION))
        await update(client, PartitionUpdate)
        await sim.stop_spu(0)
        found = await heard(client, PartitionUpdate, 6)
    assert [name for _, name, _ in found] == ["consumer-offset-0", *(f"t-{n}" for n in range(5))]
    assert len({t for t, _, _ in found}) > 1
