"""StreamFetch and the APIs around it, over a network in memory."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from simulator import open_simulator
from simulator.handlers.streams import STREAMS_MAX
from simulator.serving.server import Simulator
from tests.simulator.client import Client, batch
from tests.simulator.memory import MemoryNetwork, dial
from tests.simulator.scene import ended
from wire.api import (
    DELETE_CONSUMER_OFFSET,
    FETCH_CONSUMER_OFFSETS,
    FETCH_OFFSETS,
    STREAM_FETCH,
    UPDATE_CONSUMER_OFFSET,
    UPDATE_OFFSETS,
)
from wire.api.consumer_offsets import (
    ConsumerFilter,
    DeleteConsumerOffsetRequest,
    FetchConsumerOffsetsRequest,
    Replica,
    UpdateConsumerOffsetRequest,
)
from wire.api.fetch_offsets import FetchOffsetsPartition, FetchOffsetsRequest, FetchOffsetsTopic
from wire.api.smartmodule import Params, PlainKind, Predefined, SmartModuleInvocation
from wire.api.stream_fetch import (
    OffsetUpdate,
    StreamFetchRequest,
    StreamFetchResponse,
    UpdateOffsetsRequest,
)
from wire.codec import decode
from wire.error_code import Code, OffsetEvicted, Other, SmartModuleNotFound
from wire.record_set import iter_batches

TOPIC = "greetings"


def stream_request(offset: int = 0, **fields: Any) -> StreamFetchRequest:
    return StreamFetchRequest(topic=TOPIC, fetch_offset=offset, **fields)


class Consumer:
    """One connection with streams: what each of them sent, by its correlation id."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.opened: dict[int, int] = {}

    async def open(self, request: StreamFetchRequest) -> int:
        return await self.client.send(STREAM_FETCH, request)

    async def next(self) -> StreamFetchResponse:
        _, data = await self.client.answer()
        return decode(STREAM_FETCH.response, data, STREAM_FETCH.max_version)

    async def silent(self, seconds: float = 1.0) -> bool:
        return not await self.client.answers_within(seconds)

    async def update(self, offset: int, stream: int = 1) -> Any:
        """Say where a stream continues; return its status."""
        request = UpdateOffsetsRequest(offsets=[OffsetUpdate(offset=offset, session_id=stream)])
        (status,) = (await self.client.call(UPDATE_OFFSETS, request)).status
        return status.error_code


def bases(response: StreamFetchResponse) -> list[int]:
    return [header.base_offset for header, _ in iter_batches(response.partition.records)]


async def scene(
    network: MemoryNetwork, sim: Simulator, *batches: tuple[bytes, ...]
) -> tuple[Client, Consumer]:
    """A producer that has stored some batches, and a consumer."""
    producer = await dial(network, sim.spu_addresses[0])
    for values in batches:
        await producer.produce(TOPIC, 0, *values)
    return producer, Consumer(await dial(network, sim.spu_addresses[0]))


async def test_one_response_is_in_flight_until_the_consumer_has_read_it(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        producer, consumer = await scene(network, sim, (b"a", b"b"))
        await consumer.open(stream_request())
        first = await consumer.next()
        assert (first.stream_id, first.topic, bases(first)) == (1, TOPIC, [0])
        assert first.partition.high_watermark == 2
        await producer.produce(TOPIC, 0, b"c")
        await producer.produce(TOPIC, 0, b"d")
        assert await consumer.silent()
        assert await consumer.update(2) is Code.NONE
        assert bases(await consumer.next()) == [2, 3]
        assert await consumer.update(4) is Code.NONE
        assert await consumer.silent()
        await producer.produce(TOPIC, 0, b"e")
        assert bases(await consumer.next()) == [4]


async def test_a_stream_at_the_end_waits_for_the_first_record(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        producer, consumer = await scene(network, sim)
        await consumer.open(stream_request())
        assert await consumer.silent(60)
        await producer.produce(TOPIC, 0, b"a")
        assert bases(await consumer.next()) == [0]


async def test_a_consumer_may_read_again_and_its_unknown_offset_is_ignored(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        _, consumer = await scene(network, sim, (b"a",), (b"b",))
        await consumer.open(stream_request())
        await consumer.next()
        assert await consumer.update(-1) is Code.NONE
        assert await consumer.silent()
        assert await consumer.update(1) is Code.NONE
        assert bases(await consumer.next()) == [1]


async def test_only_committed_records_pass_under_read_committed(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen, commit_delay=5.0) as sim:
        _, consumer = await scene(network, sim, (b"a",))
        await consumer.open(stream_request(isolation=1))
        await consumer.open(stream_request(isolation=0))
        at_once = await consumer.next()
        assert (at_once.stream_id, at_once.partition.high_watermark) == (2, 0)
        assert await consumer.silent(4)
        with trio.fail_after(2):
            later = await consumer.next()
        assert (later.stream_id, later.partition.high_watermark) == (1, 1)


@pytest.mark.parametrize(
    ("offset", "code"),
    [
        (3, Other(text="start offset: 3 is greater than leo: 2")),
        (-1, OffsetEvicted(offset=-1, next_available=0)),
    ],
)
async def test_a_stream_from_an_offset_that_does_not_exist_ends(
    network: MemoryNetwork, autojump_clock: MockClock, offset: int, code: object
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        producer, consumer = await scene(network, sim, (b"a", b"b"))
        await consumer.open(stream_request(offset))
        response = await consumer.next()
        assert (response.stream_id, response.partition.error_code) == (1, code)
        assert bytes(response.partition.records) == b""
        await producer.produce(TOPIC, 0, b"c")
        assert await consumer.silent()


async def test_a_partition_that_the_spu_does_not_lead_has_no_stream(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        _, consumer = await scene(network, sim)
        await consumer.open(StreamFetchRequest(topic=TOPIC, partition=9, fetch_offset=0))
        response = await consumer.next()
        assert (response.stream_id, response.partition.partition_index) == (0, 9)
        assert response.partition.error_code is Code.NOT_LEADER_FOR_PARTITION


async def test_a_deleted_topic_ends_its_streams(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        _, consumer = await scene(network, sim, (b"a",))
        await consumer.open(stream_request())
        await consumer.next()
        sim.delete_topic(TOPIC)
        assert (await consumer.next()).partition.error_code is Code.TOPIC_DELETED


async def test_a_stream_sends_nothing_more_after_its_leader_moved(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen, spus=2) as sim:
        _, consumer = await scene(network, sim, (b"a",))
        await consumer.open(stream_request())
        assert bases(await consumer.next()) == [0]
        assert await consumer.update(1) is Code.NONE
        sim.move_leader(TOPIC, 0, 1)
        await (await dial(network, sim.spu_addresses[1])).produce(TOPIC, 0, b"b")
        assert await consumer.silent()


async def test_a_smartmodule_is_refused(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    module = SmartModuleInvocation(
        wasm=Predefined(name="filter"), kind=PlainKind.FILTER, params=Params(inner={})
    )
    async with open_simulator(listen=network.listen) as sim:
        _, consumer = await scene(network, sim, (b"a",))
        await consumer.open(stream_request(smartmodules=[module]))
        assert (await consumer.next()).partition.error_code == SmartModuleNotFound(name="filter")


async def test_max_bytes_cuts_a_batch_and_nothing_is_sent_for_none(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        _, consumer = await scene(network, sim, (b"a",), (b"b",))
        whole = len(batch(b"a"))
        for asked, sent in ((whole + 20, whole + 20), (-1, 2 * whole)):
            await consumer.open(stream_request(max_bytes=asked))
            assert len((await consumer.next()).partition.records) == sent
        await consumer.open(stream_request(max_bytes=0))
        assert await consumer.silent()


async def test_a_connection_has_only_so_many_streams_and_an_isolation_that_exists(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        _, consumer = await scene(network, sim)
        await consumer.open(stream_request(isolation=9))
        assert await ended(consumer.client)
        _, consumer = await scene(network, sim)
        for _ in range(STREAMS_MAX):
            await consumer.open(stream_request())
        assert await consumer.silent()
        await consumer.open(stream_request())
        assert await ended(consumer.client)


async def test_a_closed_connection_leaves_nothing_at_the_log(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        producer, consumer = await scene(network, sim)
        partition = sim.cluster.partition(TOPIC, 0)
        assert partition is not None
        await consumer.open(stream_request())
        assert await consumer.silent()
        assert len(partition.log.watchers) == 1
        await consumer.client.stream.aclose()
        await producer.produce(TOPIC, 0, b"a")
        await trio.sleep(1)
        assert not partition.log.watchers


async def test_the_offsets_of_partitions(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    async with open_simulator(listen=network.listen, commit_delay=5.0) as sim:
        _, consumer = await scene(network, sim, (b"a", b"b"))
        asked = [FetchOffsetsPartition(partition_index=index) for index in (0, 9)]
        request = FetchOffsetsRequest(topics=[FetchOffsetsTopic(name=TOPIC, partitions=asked)])
        before = (await consumer.client.call(FETCH_OFFSETS, request)).topics[0].partitions
        await trio.sleep(5)
        after = (await consumer.client.call(FETCH_OFFSETS, request)).topics[0].partitions
    assert [(p.start_offset, p.last_stable_offset) for p in before] == [(0, 0), (0, 0)]
    assert [(p.start_offset, p.last_stable_offset) for p in after] == [(0, 2), (0, 0)]
    assert [p.error_code for p in after] == [Code.NONE, Code.PARTITION_NOT_LEADER]


async def test_offsets_of_consumers_are_stored_listed_and_deleted(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    here = Replica(topic=TOPIC, partition=0)

    async with open_simulator(listen=network.listen) as sim:
        _, consumer = await scene(network, sim, (b"a", b"b"))
        client = consumer.client

        async def store(stream: int) -> Any:
            request = UpdateConsumerOffsetRequest(offset=1, session_id=stream)
            return (await client.call(UPDATE_CONSUMER_OFFSET, request, 24)).error_code

        async def stored(wanted: ConsumerFilter | None = None) -> list[tuple[str, int]]:
            request = FetchConsumerOffsetsRequest(filter=wanted)
            found = (await client.call(FETCH_CONSUMER_OFFSETS, request, 24)).consumers
            assert all(each.replica == here for each in found)
            return [(each.consumer_id, each.offset) for each in found]

        await consumer.open(stream_request(consumer_id="reader"))
        await consumer.next()
        await consumer.open(stream_request())
        await consumer.next()
        assert await store(9) is Code.FETCH_SESSION_NOT_FOUD
        assert await store(2) == Other(text="stream without consumer id")
        assert await store(1) is Code.NONE
        assert await stored() == [("reader", 1)]
        assert await stored(ConsumerFilter(replica=here, consumer_id="reader")) == [("reader", 1)]
        assert await stored(ConsumerFilter(consumer_id="other")) == []
        topics = [
            FetchOffsetsTopic(name=TOPIC, partitions=[FetchOffsetsPartition(partition_index=0)])
        ]
        asked = FetchOffsetsRequest(topics=topics, consumer_id="reader")
        answer = await client.call(FETCH_OFFSETS, asked, 23)
        assert answer.topics[0].partitions[0].start_offset == 2
        for _ in range(2):
            deletion = DeleteConsumerOffsetRequest(replica=here, consumer_id="reader")
            answered = await client.call(DELETE_CONSUMER_OFFSET, deletion, 24)
            assert answered.error_code is Code.NONE
        assert await stored() == []


async def test_another_spu_does_not_know_the_offsets_of_consumers(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen, spus=2) as sim:
        client = await dial(network, sim.spu_addresses[1])
        listed = await client.call(FETCH_CONSUMER_OFFSETS, FetchConsumerOffsetsRequest(), 24)
        replica = Replica(topic=TOPIC, partition=0)
        deletion = DeleteConsumerOffsetRequest(replica=replica, consumer_id="reader")
        deleted = await client.call(DELETE_CONSUMER_OFFSET, deletion, 24)
    assert listed.error_code is deleted.error_code is Code.PARTITION_NOT_LEADER


async def test_a_probability_strikes_some_pushes_of_a_stream(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(
        listen=network.listen, delay="1s", drop=0.5, at="response", api="stream-fetch", seed=7
    ) as sim:
        producer, consumer = await scene(network, sim)
        await consumer.open(stream_request())
        arrived = 0
        for offset in range(40):
            await producer.produce(TOPIC, 0, b"a")
            arrived += not await consumer.silent(2)
            assert await consumer.update(offset + 1) is Code.NONE
        dropped = sim.summary().faults["drop"].fired
    assert dropped == 40 - arrived
    assert 10 < arrived < 30


async def test_a_consumer_that_reads_again_does_not_wait_for_the_next_commit(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen, commit_delay=5.0) as sim:
        producer, consumer = await scene(network, sim, (b"a",))
        await trio.sleep(5)
        await consumer.open(stream_request(isolation=1))
        assert bases(await consumer.next()) == [0]
        await producer.produce(TOPIC, 0, b"b")
        assert await consumer.update(1) is Code.NONE
        assert await consumer.silent()  # the second record is not committed yet
        assert await consumer.update(0) is Code.NONE
        with trio.fail_after(1):
            assert bases(await consumer.next()) == [0]


async def test_an_error_fault_answers_a_stream_with_its_code(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    for at, number in (("request", 0), ("response", 1)):
        fault = {"error": {"at": at, "code": "StorageError", "match": {"api": "stream-fetch"}}}
        async with open_simulator(listen=network.listen, faults=[fault]) as sim:
            _, consumer = await scene(network, sim, (b"a",))
            await consumer.open(stream_request())
            response = await consumer.next()
        assert (response.stream_id, response.partition.error_code) == (number, Code.STORAGE_ERROR)
        assert bytes(response.partition.records) == b""
