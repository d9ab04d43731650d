"""A log that is longer than it may be: what producers and consumers get."""

from typing import Any

from trio.testing import MockClock

from simulator import Simulator
from simulator.events import Appended, Evicted
from tests.simulator.admin import envelope, simulated
from tests.simulator.client import batch
from tests.simulator.memory import MemoryNetwork, dial
from tests.simulator.serving.test_streams import Consumer, bases, stream_request
from wire.api import CREATE, FETCH, FETCH_OFFSETS
from wire.api.admin import CreateRequest, CreateTopic
from wire.api.envelope import TOPIC
from wire.api.fetch import FetchPartition, FetchRequest, FetchTopic
from wire.api.fetch_offsets import FetchOffsetsPartition, FetchOffsetsRequest, FetchOffsetsTopic
from wire.api.storage import TopicStorage
from wire.api.topic import Computed, TopicSpec
from wire.error_code import Code, OffsetEvicted
from wire.record_set import iter_batches

SIZE = len(batch(b"0"))
"""The bytes of a batch with one record of one byte."""


async def fetch(client: Any, offset: int) -> Any:
    asked = FetchPartition(partition_index=0, fetch_offset=offset, max_bytes=0)
    topics = [FetchTopic(name="greetings", partitions=[asked])]
    request = FetchRequest(isolation=0, max_bytes=1 << 20, topics=topics)
    return (await client.call(FETCH, request)).topics[0].partitions[0]


async def start_offset(client: Any, topic: str = "greetings") -> int:
    asked = FetchOffsetsTopic(name=topic, partitions=[FetchOffsetsPartition(partition_index=0)])
    answer = await client.call(FETCH_OFFSETS, FetchOffsetsRequest(topics=[asked]))
    (found,) = answer.topics[0].partitions
    return int(found.start_offset)


def evictions(sim: Simulator) -> list[int]:
    """The start offset after each eviction."""
    return [event.start_offset for event in sim.events if isinstance(event, Evicted)]


async def test_who_asks_for_what_is_evicted_is_told_where_the_log_begins(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, retain=4 * SIZE) as sim:
        client = await dial(network, sim.spu_addresses[0])
        for n in range(4):
            await client.produce("greetings", 0, b"%d" % n)
        assert await start_offset(client) == 0
        assert (await client.produce("greetings", 0, b"4")).base_offset == 4
        assert await start_offset(client) == 2
        evicted, first = await fetch(client, 1), await fetch(client, 2)
        consumer = Consumer(await dial(network, sim.spu_addresses[0]))
        await consumer.open(stream_request(offset=1))
        refused = await consumer.next()
        assert await consumer.silent()
        records = sim.log("greetings", 0)
    assert evicted.error_code == OffsetEvicted(offset=1, next_available=2)
    assert (evicted.high_watermark, bytes(evicted.records)) == (0, b"")
    assert first.error_code is Code.NONE
    assert (first.log_start_offset, first.high_watermark) == (2, 5)
    assert [header.base_offset for header, _ in iter_batches(first.records)] == [2, 3, 4]
    assert refused.partition.error_code == OffsetEvicted(offset=1, next_available=2)
    assert [(record.offset, record.value) for record in records] == [
        (2, b"2"),
        (3, b"3"),
        (4, b"4"),
    ]


async def test_an_eviction_is_an_event_behind_the_append_that_caused_it(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, retain=4 * SIZE) as sim:
        client = await dial(network, sim.spu_addresses[0])
        for n in range(8):
            await client.produce("greetings", 0, b"%d" % n)
        story = [
            event.start_offset if isinstance(event, Evicted) else f"+{event.base_offset}"
            for event in sim.events
            if isinstance(event, Appended | Evicted)
        ]
        assert story == ["+0", "+1", "+2", "+3", "+4", 2, "+5", "+6", 4, "+7"]
        assert evictions(sim) == [2, 4]
        held = sim.summary().partitions["greetings/0"]
        assert (held.stored, held.distinct, held.resent, held.evicted) == (4, 4, 0, 4)


async def test_a_stream_that_is_overtaken_by_the_start_ends(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, retain=4 * SIZE) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.produce("greetings", 0, b"0")
        consumer = Consumer(await dial(network, sim.spu_addresses[0]))
        await consumer.open(stream_request())
        assert bases(await consumer.next()) == [0]
        for n in range(1, 8):
            await client.produce("greetings", 0, b"%d" % n)
        assert await consumer.update(1) is Code.NONE
        response = await consumer.next()
        assert response.partition.error_code == OffsetEvicted(offset=1, next_available=4)
        assert await consumer.update(4) is Code.NONE
        assert await consumer.silent()
        await consumer.open(stream_request(offset=4))
        again = await consumer.next()
        assert (bases(again), again.partition.log_start_offset) == ([4, 5, 6, 7], 4)


async def test_the_size_that_a_topic_asks_for_is_applied_in_whole_segments(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    spec = TopicSpec(
        replicas=Computed(partitions=1, replication_factor=1),
        storage=TopicStorage(segment_size=1024, max_partition_size=2048),
    )
    async with simulated(network) as sim:
        sc = await dial(network, sim.address)
        await sc.call(
            CREATE, CreateRequest(object=envelope(TOPIC, CreateTopic(name="sized", spec=spec)))
        )
        client = await dial(network, sim.spu_addresses[0])
        for _ in range(9):
            await client.produce("sized", 0, bytes(440))  # two batches fill a segment
        assert await start_offset(client, "sized") == 6
        assert evictions(sim) == [2, 4, 6]
