"""Faults that are added, changed and removed while a simulator runs."""

import pytest
import trio
from trio.testing import MockClock

import simulator
from simulator import SimulatorError, open_simulator
from simulator.events import FaultAdded, FaultChanged, FaultHit, FaultRemoved
from simulator.faults.kinds.drop import Drop
from simulator.faults.model import Match
from simulator.faults.plan import FAULTS_MAX
from tests.simulator.admin import watch
from tests.simulator.client import Client
from tests.simulator.memory import MemoryNetwork, dial
from tests.simulator.scene import counts, ended, ids_within, send, values
from wire.api import WATCH
from wire.api.envelope import TOPIC


async def answered(client: Client, *contents: bytes) -> int:
    """How many of some requests are answered."""
    await send(client, *contents)
    return len(await ids_within(client))


async def test_a_fault_that_is_added_strikes_from_then_on_until_it_is_removed(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        client = await dial(network, sim.spu_addresses[0])
        assert await answered(client, b"a") == 1
        [name] = sim.add_faults(drop=1, at="request")
        assert await answered(client, b"b") == 0
        sim.remove_fault(name)
        assert await answered(client, b"c") == 1
        assert values(sim) == [b"a", b"c"]
        assert (name, sim.list_faults()) == ("drop-1", [])
        assert counts(sim) == {"drop-1": (1, 0)}


async def test_a_guard_lifts_its_faults_even_if_its_block_raises(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        client = await dial(network, sim.spu_addresses[0])

        async def use() -> None:
            with sim.faults({"drop": {"at": "response"}}, duplicate=1) as names:
                assert names == ["duplicate-1", "drop-2"]
                assert await answered(client, b"a") == 0
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await use()
        assert await answered(client, b"b") == 1
        with sim.faults(drop=1):
            sim.clear_faults()
        assert sim.list_faults() == []


@pytest.mark.parametrize("operation", ["heal", "reset"])
async def test_a_guard_whose_faults_are_gone_leaves_others_of_their_names_alone(
    network: MemoryNetwork, operation: str
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        with sim.faults({"drop": {"name": "mine", "nth": 1}}):
            await getattr(sim, operation)()
            sim.add_faults({"stall": {"name": "mine", "nth": 1}})
        assert [fault.kind for fault in sim.list_faults()] == ["stall"]


async def test_guards_may_end_in_any_order(network: MemoryNetwork) -> None:
    async with open_simulator(listen=network.listen) as sim:
        first, second = sim.faults(drop=0.1), sim.faults(drop=0.2)
        with first:
            second.__enter__()
        assert [fault.name for fault in sim.list_faults()] == ["drop-2"]
        second.__exit__(None, None, None)
        assert sim.list_faults() == []


async def test_ordinals_and_windows_count_from_the_adding(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await send(client, b"a", b"b")
        await trio.sleep(10)
        sim.add_faults({"drop": {"nth": 2, "at": "request"}})
        sim.add_faults({"duplicate": {"between": ["0s", "3s"], "at": "request"}})
        await send(client, b"c", b"d")
        await trio.sleep(5)
        await send(client, b"e")
        await trio.sleep(1)
        assert values(sim) == [b"a", b"b", b"c", b"c", b"e"]


async def test_a_changed_fault_counts_anew_under_its_name(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen, faults=[Drop(nth=1, at="request")]) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await send(client, b"a", b"b")
        await trio.sleep(1)
        sim.change_fault("drop-1", {"duplicate": {"nth": 1, "at": "request", "limit": 1}})
        await send(client, b"c", b"d")
        await trio.sleep(1)
        assert values(sim) == [b"b", b"c", b"c", b"d"]
        assert counts(sim) == {"drop-1": (2, 0)}
        assert [fault.kind for fault in sim.list_faults()] == ["duplicate"]


async def test_a_request_that_was_read_before_meets_no_fault_that_is_added_later(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen, delay="1s", at="request") as sim:
        client = await dial(network, sim.spu_addresses[0])
        await send(client, b"a")
        await trio.sleep(0.5)
        sim.add_faults(drop=1, at="response")
        assert len(await ids_within(client)) == 1


async def test_the_news_of_an_open_watch_meet_a_fault_that_is_added_later(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        client = await dial(network, sim.address)
        await client.send(WATCH, watch(TOPIC))
        sim.create_topic("a")
        assert await ids_within(client)
        with sim.faults(Drop(match=Match(api="watch"))):
            sim.create_topic("b")
            assert not await ids_within(client)
        sim.create_topic("c")
        assert await ids_within(client)


async def test_a_listener_opens_again_when_its_refusal_is_removed(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        with sim.faults({"refuse": {"server": "spu:0"}}):
            await trio.sleep(1)
            with pytest.raises(OSError, match="refused"):
                network.connect(sim.spu_addresses[0])
        await trio.sleep(1)
        client = await dial(network, sim.spu_addresses[0])
        sim.add_faults({"refuse": {"server": "spu:0", "between": ["5s", "6s"]}})
        sim.clear_faults()
        await trio.sleep(10)
        assert await answered(client, b"a") == 1
        await dial(network, sim.spu_addresses[0])


async def test_a_stall_lasts_until_the_cluster_heals_and_faults_can_be_added_after_that(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        stalled, late = [await dial(network, sim.spu_addresses[0]) for _ in range(2)]
        with sim.faults({"stall": {"at": "response"}}):
            assert await answered(stalled, b"a") == 0
            with sim.faults({"delay": {"by": "10s", "at": "response"}}):
                assert await answered(late, b"b") == 0
        assert not await ended(stalled)
        await sim.heal()
        assert await ended(stalled)
        sim.add_faults(duplicate=1)
        await trio.sleep(10)
        assert await ended(late)  # its stall was due when the cluster had healed


async def test_every_change_is_an_event_in_the_order_of_all_events(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        client = await dial(network, sim.spu_addresses[0])
        with sim.faults({"drop": {"name": "x", "at": "request"}}):
            await answered(client, b"a")
            sim.change_fault("x", {"delay": {"by": "1s"}})
        changes = [
            e
            for e in sim.events
            if isinstance(e, FaultAdded | FaultChanged | FaultRemoved | FaultHit)
        ]
    assert [type(e) for e in changes] == [FaultAdded, FaultHit, FaultChanged, FaultRemoved]
    assert [e.n for e in changes] == sorted(e.n for e in changes)
    added, _, changed, _ = changes
    assert isinstance(added, FaultAdded)
    assert added.definition == {"drop": {"name": "x", "at": "request"}}
    assert isinstance(changed, FaultChanged)
    assert changed.definition == {"delay": {"name": "x", "by": "1s"}}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"drip": {}}, "did you mean 'drop'"),
        ({"drop": {"probability": 2}}, r"faults\[1\]\.drop\.probability"),
        ({"drop": {"match": {"spu": 3}}}, "there are 1, numbered from 0"),
        ({"drop": {"name": "x"}}, "'x' is taken"),
    ],
)
async def test_a_fault_that_is_not_possible_is_refused_and_changes_nothing(
    network: MemoryNetwork, fault: object, message: str
) -> None:
    async with open_simulator(listen=network.listen, faults=[Drop(name="x", nth=9)]) as sim:
        with pytest.raises(SimulatorError, match=message):
            sim.add_faults({"stall": {}}, fault)  # type: ignore[arg-type]
        assert [each.name for each in sim.list_faults()] == ["x"]
        with pytest.raises(SimulatorError, match="no fault 'y'; there are x"):
            sim.remove_fault("y")
        with pytest.raises(SimulatorError, match="no fault 'y'; there are x"):
            sim.change_fault("y", {"drop": {}})


async def test_the_number_of_faults_is_bounded(network: MemoryNetwork) -> None:
    async with open_simulator(listen=network.listen) as sim:
        sim.add_faults(*[Drop(nth=1)] * FAULTS_MAX)
        with pytest.raises(SimulatorError, match="remove some first"):
            sim.add_faults(drop=1)


async def test_what_removed_faults_counted_is_bounded(
    network: MemoryNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.faults.plan.COUNTS_MAX", 2)
    async with open_simulator(listen=network.listen) as sim:
        for _ in range(5):
            with sim.faults(drop=1):
                pass
        assert [*sim.summary().faults] == ["drop-4", "drop-5"]


async def test_ten_thousand_changes_under_load_lose_no_request_that_no_fault_struck(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    """Each request is answered once, but for those that a fault dropped."""
    async with open_simulator(listen=network.listen, seed=7) as sim:
        clients = [await dial(network, sim.spu_addresses[0]) for _ in range(4)]
        heard: list[int] = []

        async def load(client: Client) -> None:
            for n in range(250):
                await send(client, b"%d" % n)
                await trio.sleep(0.001)
            heard.append(len(await ids_within(client)))

        async def change() -> None:
            for n in range(2_500):
                with sim.faults(drop=0.2, duplicate=0.1, at="request") as [first, _]:
                    sim.change_fault(first, {"drop": {"probability": 0.1, "at": "request"}})
                    if n % 10 == 0:
                        await trio.sleep(0.001)

        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(load, client)
            nursery.start_soon(change)
        hits = [e for e in sim.events if isinstance(e, FaultHit) and not e.shadowed]
        dropped = sum(e.kind == "drop" for e in hits)
        copied = sum(e.kind == "duplicate" for e in hits)
        changes = sum(isinstance(e, FaultAdded | FaultChanged | FaultRemoved) for e in sim.events)
    assert changes >= 10_000
    assert min(dropped, copied) > 0
    assert sum(heard) == len(values(sim)) == 1_000 - dropped + copied


def test_a_thread_changes_faults_too() -> None:
    with simulator.running(seed=7) as sim:
        with sim.faults(drop=0.5) as names:
            sim.add_faults({"stall": {"name": "x"}})
            sim.change_fault("x", {"drop": {"nth": 1}})
            assert [fault.kind for fault in sim.list_faults()] == ["drop", "drop"]
        assert (names, [fault.name for fault in sim.list_faults()]) == (["drop-1"], ["x"])
        sim.remove_fault("x")
        sim.add_faults(delay="1ms")
        sim.clear_faults()
        sim.heal()
        with pytest.raises(SimulatorError, match="probability"):
            sim.add_faults({"drop": {"probability": "x"}})
        assert sim.list_faults() == []
    with pytest.raises(SimulatorError, match="has ended"):
        sim.add_faults(drop=1)
