"""Changes that overlap: each has its effect, none fails because of another, all return."""

import pytest
import trio
from trio.testing import MockClock

from simulator import open_simulator
from simulator.config import Config
from simulator.events import ListenerClosed, ListenerReopened
from simulator.faults.distributions import Constant
from simulator.serving.server import Simulator
from tests.simulator.client import Client
from tests.simulator.memory import MemoryNetwork, dial
from tests.simulator.scene import send, values

REFUSE = {"refuse": {"server": "spu", "how": "refuse", "name": "closed"}}


def opens(sim: Simulator) -> list[bool]:
    """Tell of each listener whether it is open."""
    return [node.listening for node in sim._nodes]


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("operation", ["heal", "reset", "start_spu", "change_address"])
async def test_a_fault_refuse_that_was_just_removed_hinders_no_change(
    operation: str, turns: int, autojump_clock: MockClock
) -> None:
    async with open_simulator(spus=2) as sim:
        with sim.faults(REFUSE):
            await trio.sleep(1)
            assert opens(sim) == [True, False, False]
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        arguments = [] if operation in ("heal", "reset") else [0]
        await getattr(sim, operation)(*arguments)
        await trio.sleep(1)
        assert opens(sim) == [True, True, True]


@pytest.mark.parametrize("turns", range(8))
async def test_a_fault_refuse_that_is_changed_in_its_window_keeps_listeners_closed(
    network: MemoryNetwork, autojump_clock: MockClock, turns: int
) -> None:
    async with open_simulator(listen=network.listen, faults=[REFUSE]) as sim:
        await trio.sleep(1)
        for _ in range(20):
            sim.change_fault("closed", {"refuse": {"server": "spu", "how": "refuse"}})
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
        await trio.sleep(1)
        assert opens(sim) == [True, False]
        sim.change_fault("closed", {"refuse": {"server": "sc", "how": "refuse"}})
        await trio.sleep(1)
        assert opens(sim) == [False, True]
        sim.remove_fault("closed")
        await trio.sleep(1)
        assert opens(sim) == [True, True]


async def test_a_port_that_is_free_again_is_used_though_the_fault_was_removed_meanwhile(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        sim.add_faults({"refuse": {"server": "spu", "how": "refuse", "between": ["1s", "2s"]}})
        await trio.sleep(1.5)
        network.taken = True
        await trio.sleep(1)
        sim.clear_faults()
        network.taken = False
        await trio.sleep(2)
        assert opens(sim) == [True, True]
        told = [type(e) for e in sim.events if isinstance(e, ListenerClosed | ListenerReopened)]
        assert told == [ListenerClosed, ListenerReopened]


@pytest.mark.parametrize("operation", ["heal", "reset"])
async def test_several_at_once_all_return(operation: str, autojump_clock: MockClock) -> None:
    config = Config(spus=2, recovery=Constant("3s"), topics={"greetings": 2})
    async with open_simulator(config) as sim:
        await sim.stop_spu(0)
        await sim.stop_spu(1)
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(getattr(sim, operation))
        assert opens(sim) == [True, True, True]
        assert [each.served for each in sim.partitions()] == [True, True]


async def test_a_fault_added_during_a_reset_is_gone_with_its_effect(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        for turns in range(12):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(sim.reset)
                for _ in range(turns):
                    await trio.lowlevel.checkpoint()
                sim.add_faults(REFUSE)
            await trio.sleep(1)
            assert opens(sim) == [True, not sim.list_faults()]
            sim.clear_faults()
            await trio.sleep(1)


async def test_a_connection_that_is_accepted_late_does_not_hold_up_a_reset(
    autojump_clock: MockClock, network: MemoryNetwork
) -> None:
    """The listener closes between ``accept`` and the task of the connection."""
    async with open_simulator(listen=network.listen) as sim:
        for turns in range(6):
            client = Client(network.connect(sim.spu_addresses[0]))
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
            with trio.fail_after(10):
                await sim.reset()
            await client.stream.aclose()
            assert sim.connections() == []


async def test_a_reset_that_fails_leaves_a_simulator_that_can_be_used(
    network: MemoryNetwork, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        with monkeypatch.context() as patched:
            patched.setattr(sim.cluster, "clear", fails)
            with pytest.raises(ZeroDivisionError):
                await sim.reset()
        assert opens(sim) == [True, True]
        await send(await dial(network, sim.spu_addresses[0]), b"x")
        await trio.sleep(1)
        assert values(sim) == [b"x"]


def fails() -> None:
    raise ZeroDivisionError
