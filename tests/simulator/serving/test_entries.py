"""Faults that concern one entry of a request."""

import pytest
from trio.testing import MockClock

from simulator import open_simulator
from simulator.events import Appended, FaultHit
from simulator.faults.kinds.error import Error
from simulator.faults.model import Match
from tests.simulator.client import batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from tests.simulator.scene import values
from wire.api import PRODUCE
from wire.error_code import Code

THREE = [("greetings", 0, batch(value)) for value in (b"a", b"b", b"c")]


@pytest.mark.parametrize(
    ("code", "at", "expected", "stored"),
    [
        ("MessageTooLarge", "request", Code.MESSAGE_TOO_LARGE, [b"a", b"c"]),
        ("StorageError", "response", Code.STORAGE_ERROR, [b"a", b"b", b"c"]),
    ],
)
async def test_an_error_of_one_entry_leaves_the_others_as_they_are(
    network: MemoryNetwork,
    autojump_clock: MockClock,
    code: str,
    at: str,
    expected: Code,
    stored: list[bytes],
) -> None:
    fault = {"error": {"code": code, "at": at, "match": {"entry": 1}}}
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        client = await dial(network, sim.spu_addresses[0])
        answer = await client.call(PRODUCE, produce_request(*THREE))
        assert values(sim) == stored
        (hit,) = [event for event in sim.events if isinstance(event, FaultHit)]
        appends = [event for event in sim.events if isinstance(event, Appended)]
    codes = [p.error_code for topic in answer.topics for p in topic.partitions]
    assert codes == [Code.NONE, expected, Code.NONE]
    assert (hit.entry, hit.concerns(0, 1), hit.concerns(0, 0)) == (1, True, False)
    places = [(append.entry, append.base_offset) for append in appends]
    assert places == ([(0, 0), (2, 1)] if at == "request" else [(0, 0), (1, 1), (2, 2)])


async def test_an_error_without_an_entry_concerns_all_entries_of_its_partition(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    fault = Error(code="StorageError", at="request", match=Match(partition=0))
    async with open_simulator(
        listen=network.listen, topics={"greetings": 2}, faults=[fault]
    ) as sim:
        client = await dial(network, sim.spu_addresses[0])
        request = produce_request(*THREE, ("greetings", 1, batch(b"d")))
        await client.call(PRODUCE, request)
        assert values(sim) + values(sim, partition=1) == [b"d"]
        (hit,) = [event for event in sim.events if isinstance(event, FaultHit)]
        (append,) = [event for event in sim.events if isinstance(event, Appended)]
    assert (hit.entry, hit.concerns(0, 2), hit.concerns(1, 3)) == (None, True, False)
    assert append.entry == 3
