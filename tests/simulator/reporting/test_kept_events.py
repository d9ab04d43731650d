import pytest
import trio
from trio.testing import MockClock

from simulator.events import FrameRead
from tests.simulator.admin import simulated
from tests.simulator.client import batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from wire.api import PRODUCE


@pytest.mark.parametrize("fault", ["drop", "disconnect", "error"])
async def test_bytes_are_kept_of_requests_that_were_applied_and_of_no_others(
    network: MemoryNetwork, autojump_clock: MockClock, fault: str
) -> None:
    fields = {"code": "StorageError"} if fault == "error" else {}
    struck = {fault: {"at": "request", "nth": 2, **fields}}
    async with simulated(network, faults=[struck]) as sim:
        client = await dial(network, sim.spu_addresses[0])
        for value in (b"a", b"b"):
            await client.send(PRODUCE, produce_request(("greetings", 0, batch(value))))
        await trio.sleep(1)
        other = await dial(network, sim.spu_addresses[0])
        await other.produce("greetings", 0, b"c")
        carried = [e.carried for e in sim.events if isinstance(e, FrameRead) and e.api == "produce"]
    assert [bool(brought) for brought in carried] == [True, False, True]
    assert bytes(carried[0][0][2]) == batch(b"a")


async def test_a_request_that_is_late_keeps_its_bytes_when_it_is_applied(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, delay=5) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.send(PRODUCE, produce_request(("greetings", 0, batch(b"a"))))
        await client.answer()
        (read,) = [e for e in sim.events if isinstance(e, FrameRead) and e.api == "produce"]
    assert len(read.carried) == 1
