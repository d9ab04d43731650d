"""``wait_until``: a test waits for records, and not for a time."""

import pytest
import trio
from trio.testing import MockClock

from simulator import open_simulator
from simulator.events import Event
from tests.simulator.memory import MemoryNetwork, dial
from tests.simulator.scene import send


@pytest.mark.parametrize("kept", [True, False])
async def test_it_returns_as_soon_as_the_records_are_stored(
    network: MemoryNetwork, autojump_clock: MockClock, kept: bool
) -> None:
    options = {"topics": {"greetings": 1, "other": 1}, "listen": network.listen}
    async with open_simulator(sinks=None if kept else [], **options) as sim:  # type: ignore[arg-type]
        client = await dial(network, sim.spu_addresses[0])

        async def produce() -> None:
            for _ in range(3):
                await trio.sleep(1)
                await send(client, b"x")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(produce)
            await sim.wait_until(stored=2)
            assert trio.current_time() == pytest.approx(2, abs=0.1)
        await sim.wait_until(stored=3, topic="greetings")
        with pytest.raises(TimeoutError, match="0 records are stored in other after 5 s, not 1"):
            await sim.wait_until(stored=1, topic="other")


async def test_a_subscriber_gets_further_events_until_it_ends(network: MemoryNetwork) -> None:
    async with open_simulator(listen=network.listen, sinks=[]) as sim:
        seen: list[Event] = []
        end = sim.subscribe(seen.append)
        sim.cut("sc")
        end()
        sim.cut("sc")
    assert [(event.n, type(event).__name__) for event in seen] == [(1, "ConnectionsCut")]
