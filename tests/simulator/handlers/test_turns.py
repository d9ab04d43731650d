"""The work of one request is cut into turns, between which other connections are served."""

from collections.abc import Generator
from typing import Any

import trio
from trio.testing import MockClock

from simulator.cluster.cluster import Cluster, topic_of
from simulator.cluster.record_set import CUT_BATCHES
from simulator.handlers import SERVED_APIS, Context, Held
from simulator.handlers.context import ENTRIES_PER_TURN, PAUSE
from tests.simulator.admin import simulated
from tests.simulator.client import batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from wire.api import FETCH, PRODUCE, Api
from wire.api.fetch import FetchPartition, FetchRequest, FetchTopic
from wire.api.produce import (
    READ_COMMITTED,
    READ_UNCOMMITTED,
    PartitionRecords,
    ProduceRequest,
    TopicRecords,
)


def pauses(api: Api[Any, Any], request: Any) -> int:
    """How often a handler lets others go on."""
    cluster = Cluster()
    cluster.create_topic("t", topic_of(1))
    held = Held(lambda: 0.0, lambda _when, _function: None, lambda _call: None)
    context = Context(cluster, cluster.spus[0], 25, 0.0, lambda *_: None, lambda _: None, held)
    steps: Generator[Any, bool, Any] = SERVED_APIS[api.name].handle(request, context)
    found, step = 0, next(steps, None)
    while step is not None:
        found += step is PAUSE
        try:
            step = steps.send(True)
        except StopIteration:
            step = None
    return found


def entries(count: int, acks: int = READ_UNCOMMITTED) -> ProduceRequest:
    one = PartitionRecords(partition_index=0, records=batch(b"a"))
    return ProduceRequest(acks=acks, topics=[TopicRecords(name="t", partitions=[one] * count)])


def test_a_request_that_holds_little_is_one_turn() -> None:
    assert pauses(PRODUCE, produce_request(("t", 0, batch(b"a")))) == 0
    assert pauses(PRODUCE, entries(ENTRIES_PER_TURN - 1)) == 0
    assert pauses(PRODUCE, produce_request(("t", 0, batch(b"a") * (CUT_BATCHES - 1)))) == 0


def test_many_batches_in_one_entry_are_cut_in_turns() -> None:
    assert pauses(PRODUCE, produce_request(("t", 0, batch(b"a") * CUT_BATCHES))) == 1
    assert pauses(PRODUCE, produce_request(("t", 0, batch(b"a") * (3 * CUT_BATCHES + 1)))) == 3


def test_many_entries_are_cut_stored_and_waited_for_in_turns() -> None:
    assert pauses(PRODUCE, entries(ENTRIES_PER_TURN)) == 2
    assert pauses(PRODUCE, entries(ENTRIES_PER_TURN, READ_COMMITTED)) == 3


def test_many_entries_are_fetched_in_turns() -> None:
    asked = FetchPartition(partition_index=0, fetch_offset=0, max_bytes=0)
    for count, expected in ((ENTRIES_PER_TURN - 1, 0), (2 * ENTRIES_PER_TURN, 2)):
        topics = [FetchTopic(name="t", partitions=[asked] * count)]
        assert pauses(FETCH, FetchRequest(topics=topics)) == expected


async def test_another_connection_is_answered_while_a_large_request_is_under_way(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    order: list[str] = []
    async with simulated(network, topics={"t": 1}) as sim:
        large, small = [await dial(network, sim.spu_addresses[0]) for _ in range(2)]
        await large.send(PRODUCE, produce_request(("t", 0, batch(b"a") * (50 * CUT_BATCHES))))

        async def answered(client: Any, name: str) -> None:
            await client.answer()
            order.append(name)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answered, large, "large")
            await small.send(PRODUCE, produce_request(("t", 0, batch(b"b"))))
            nursery.start_soon(answered, small, "small")
        stored = len(sim.cluster.topics["t"].partitions[0].log)
    assert order == ["small", "large"]
    assert stored == 50 * CUT_BATCHES + 1
