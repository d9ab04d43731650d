"""Forged answers: what a client receives in place of the truth."""

from typing import Any

import pytest
from trio.testing import MockClock

from simulator import open_simulator
from simulator.events import FaultHit
from simulator.faults.effects import Effect, Forgery
from simulator.faults.kinds.error import Error
from simulator.faults.kinds.forge import Forge
from simulator.faults.model import Match
from simulator.serving.exchange import FOREIGN_ID_BIT
from tests.simulator.client import batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from tests.simulator.scene import counts, values
from wire.api import FETCH, PRODUCE
from wire.api.fetch import FetchPartition, FetchRequest, FetchTopic
from wire.api.produce import ProduceResponse
from wire.codec import decode
from wire.error_code import Code

TWO_ENTRIES = produce_request(("greetings", 0, batch(b"a")), ("greetings", 1, batch(b"b")))

Results = list[tuple[str, list[tuple[int, int]]]]


def results(response: ProduceResponse) -> Results:
    return [
        (topic.name, [(p.partition_index, p.base_offset) for p in topic.partitions])
        for topic in response.topics
    ]


async def answered(network: MemoryNetwork, *faults: Any) -> tuple[int, Results]:
    """The correlation id of the answer to two entries under faults, and its results."""
    async with open_simulator(listen=network.listen, topics={"greetings": 2}, faults=faults) as sim:
        client = await dial(network, sim.spu_addresses[0])
        sent = await client.send(PRODUCE, TWO_ENTRIES)
        answer_id, data = await client.answer()
        assert values(sim) + values(sim, partition=1) == [b"a", b"b"]
        response = decode(PRODUCE.response, data, client.wire.version_of(PRODUCE))
        return answer_id ^ sent, results(response)


TWO = [("greetings", [(0, 0)]), ("greetings", [(1, 0)])]


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("topic", [("greetings", [(0, 0)]), ("greetings-forged", [(1, 0)])]),
        ("partition", [("greetings", [(0, 0)]), ("greetings", [(2, 0)])]),
        ("offset", [("greetings", [(0, 0)]), ("greetings", [(1, -1)])]),
        ("correlation-id", TWO),
    ],
)
async def test_the_entries_of_one_partition_are_forged_after_the_request_is_applied(
    network: MemoryNetwork, autojump_clock: MockClock, what: Forgery, expected: Results
) -> None:
    fault = Forge(what=what, match=Match(partition=1))
    foreign, found = await answered(network, fault)
    assert found == expected
    assert foreign == (FOREIGN_ID_BIT if what == "correlation-id" else 0)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("missing-entry", [("greetings", [(0, 0)])]),
        ("extra-entry", [("greetings", [(0, 0), (1, 0), (1, 0)])]),
    ],
)
async def test_the_last_result_is_missing_or_repeated(
    network: MemoryNetwork, autojump_clock: MockClock, what: Forgery, expected: Results
) -> None:
    request = produce_request(("greetings", 0, batch(b"a")))
    request.topics[0].partitions += produce_request(("", 1, batch(b"b"))).topics[0].partitions
    async with open_simulator(
        listen=network.listen, topics={"greetings": 2}, faults=[Forge(what=what)]
    ) as sim:
        client = await dial(network, sim.spu_addresses[0])
        assert results(await client.call(PRODUCE, request)) == expected
        (hit,) = [event for event in sim.events if isinstance(event, FaultHit)]
    assert (hit.what, hit.effects) == (what, (Effect.FORGES_ANSWER,))


async def test_several_forgeries_of_one_answer_add_up(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults = [Forge(what=what) for what in ("offset", "partition", "correlation-id")]
    foreign, found = await answered(network, *faults)
    assert foreign == FOREIGN_ID_BIT
    assert found == [("greetings", [(2, -1)]), ("greetings", [(1, 0)])]


async def test_an_answer_that_another_fault_replaces_is_not_forged(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults = [Forge(what="topic"), Error(code="Other", at="response")]
    async with open_simulator(listen=network.listen, faults=faults) as sim:
        client = await dial(network, sim.spu_addresses[0])
        result = await client.produce("greetings", 0, b"a")
        assert counts(sim) == {"forge-1": (0, 1), "error-2": (1, 0)}
    assert result.error_code


async def test_the_high_watermark_of_a_fetch_is_forged(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    fault = Forge(what="offset", match=Match(api="fetch"))
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        client = await dial(network, sim.spu_addresses[0])
        asked = FetchPartition(partition_index=0, fetch_offset=0, max_bytes=1000)
        topics = [FetchTopic(name="greetings", partitions=[asked])]
        answer = await client.call(FETCH, FetchRequest(max_bytes=1000, topics=topics))
    (fetched,) = answer.topics[0].partitions
    assert (fetched.error_code, fetched.high_watermark) == (Code.NONE, -1)
