"""What an SPU answers, over real frames."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from simulator import Simulator
from simulator.cluster.cluster import topic_of
from simulator.handlers.reading import RESPONSE_BYTES_MAX
from tests.simulator.admin import simulated
from tests.simulator.client import batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from wire.api import FETCH, PRODUCE
from wire.api.fetch import FetchPartition, FetchRequest, FetchTopic
from wire.api.produce import READ_COMMITTED, PartitionRecords, ProduceRequest, TopicRecords
from wire.api.smartmodule import AdHoc, Params, PlainKind, Predefined, SmartModuleInvocation
from wire.api.smartmodule_spec import SmartModuleSpec
from wire.api.storage import TopicStorage
from wire.codec import decode
from wire.compression import Codec
from wire.error_code import (
    Code,
    OffsetEvicted,
    Other,
    RequestTimedOut,
    SmartModuleNotFound,
)
from wire.record_set import iter_batches


@pytest.mark.parametrize("version", range(8, 26))
async def test_produce_is_answered_at_every_version(
    network: MemoryNetwork, autojump_clock: MockClock, version: int
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        for offset in (0, 2):
            request = produce_request(("greetings", 0, batch(b"a", b"b")))
            (result,) = (await client.call(PRODUCE, request, version)).topics[0].partitions
            assert (result.error_code, result.base_offset) == (Code.NONE, offset)
        assert [r.value for r in sim.log("greetings", 0)] == [b"a", b"b", b"a", b"b"]


async def test_a_request_with_zero_partitions_is_answered_with_its_topic(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        request = ProduceRequest(topics=[TopicRecords(name="greetings", partitions=[])])
        answer = await client.call(PRODUCE, request)
    assert [(topic.name, topic.partitions) for topic in answer.topics] == [("greetings", [])]


async def test_results_stand_where_their_entries_stood_repeated_partitions_too(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    entries = [(0, b"a"), (7, b"?"), (0, b"b"), (1, b"c"), (0, b"d")]
    request = ProduceRequest(
        topics=[
            TopicRecords(
                name="t",
                partitions=[
                    PartitionRecords(partition_index=i, records=batch(v)) for i, v in entries
                ],
            )
        ]
    )
    async with simulated(network, topics={"t": 2}) as sim:
        client = await dial(network, sim.spu_addresses[0])
        (topic,) = (await client.call(PRODUCE, request)).topics
        stored = [[r.value for r in sim.log("t", index)] for index in (0, 1)]
    found = [(p.partition_index, p.error_code, p.base_offset) for p in topic.partitions]
    assert found == [
        (0, Code.NONE, 0),
        (7, Code.NOT_LEADER_FOR_PARTITION, 0),
        (0, Code.NONE, 1),
        (1, Code.NONE, 0),
        (0, Code.NONE, 2),
    ]
    assert stored == [[b"a", b"b", b"d"], [b"c"]]


@pytest.mark.parametrize(("topic", "partition"), [("greetings", 1), ("nope", 0), ("", 0)])
async def test_what_an_spu_does_not_lead_or_know_is_not_its_own(
    network: MemoryNetwork, autojump_clock: MockClock, topic: str, partition: int
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        result = await client.produce(topic, partition, b"a")
    assert (result.error_code, result.base_offset) == (Code.NOT_LEADER_FOR_PARTITION, 0)


async def test_partitions_are_led_by_the_spus_in_turn(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, topics={"t": 4}, spus=2) as sim:
        clients = [await dial(network, address) for address in sim.spu_addresses]
        codes = [
            [(await client.produce("t", index, b"a")).error_code for index in range(4)]
            for client in clients
        ]
    mine, not_mine = Code.NONE, Code.NOT_LEADER_FOR_PARTITION
    assert codes == [[mine, not_mine, mine, not_mine], [not_mine, mine, not_mine, mine]]


async def test_a_moved_partition_goes_on_at_its_new_leader(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, spus=2) as sim:
        old, new = [await dial(network, address) for address in sim.spu_addresses]
        await old.produce("greetings", 0, b"a")
        sim.move_leader("greetings", 0, to=1)
        partly_refused = await old.produce("greetings", 0, b"x")
        taken = await new.produce("greetings", 0, b"b")
        stored = [(r.offset, r.value) for r in sim.log("greetings", 0)]
    assert partly_refused.error_code is Code.NOT_LEADER_FOR_PARTITION
    assert (taken.error_code, taken.base_offset) == (Code.NONE, 1)
    assert stored == [(0, b"a"), (1, b"b")]


@pytest.mark.parametrize(
    ("delay_s", "timeout_ms", "code", "waited_s"),
    [
        (0.0, 1500, Code.NONE, 0.0),
        (0.5, 1500, Code.NONE, 0.5),
        (1.5, 1500, Code.NONE, 1.5),
        (2.0, 1500, RequestTimedOut(timeout_ms=1500), 1.5),
        (2.0, 0, RequestTimedOut(timeout_ms=0), 0.0),
    ],
)
async def test_read_committed_waits_for_the_commit_as_long_as_the_request_allows(
    network: MemoryNetwork,
    autojump_clock: MockClock,
    delay_s: float,
    timeout_ms: int,
    code: object,
    waited_s: float,
) -> None:
    async with simulated(network, commit_delay=delay_s) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.produce("greetings", 0, b"before")
        start = trio.current_time()
        result = await client.produce(
            "greetings", 0, b"a", acks=READ_COMMITTED, timeout_ms=timeout_ms
        )
        waited = trio.current_time() - start
        stored = [r.value for r in sim.log("greetings", 0)]
    assert (result.error_code, result.base_offset) == (code, 1)
    assert waited == pytest.approx(waited_s)
    assert stored == [b"before", b"a"]


async def test_each_entry_waits_its_whole_timeout_one_after_the_other(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    entries = [("t", index, batch(b"a")) for index in range(3)]
    request = produce_request(*entries, acks=READ_COMMITTED, timeout_ms=1000)
    async with simulated(network, topics={"t": 3}, commit_delay=2.5) as sim:
        client = await dial(network, sim.spu_addresses[0])
        start = trio.current_time()
        answer = await client.call(PRODUCE, request)
        waited = trio.current_time() - start
    # The first two give up after a second each; the third sees its commit half a second later.
    codes = [topic.partitions[0].error_code for topic in answer.topics]
    assert codes == [RequestTimedOut(timeout_ms=1000)] * 2 + [Code.NONE]
    assert waited == pytest.approx(2.5)


async def test_a_waiting_request_holds_back_those_behind_it_on_its_connection_only(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    async with simulated(network, commit_delay=1.0) as sim:
        first = await dial(network, sim.spu_addresses[0])
        second = await dial(network, sim.spu_addresses[0])
        start = trio.current_time()
        waiting = produce_request(("greetings", 0, batch(b"a")), acks=READ_COMMITTED)
        await first.send(PRODUCE, waiting)
        await first.send(PRODUCE, produce_request(("greetings", 0, batch(b"behind"))))
        await second.produce("greetings", 0, b"elsewhere")
        assert trio.current_time() == start
        ids = [(await first.answer())[0] for _ in range(2)]
        assert trio.current_time() == pytest.approx(start + 1.0)
        values = [r.value for r in sim.log("greetings", 0)]
    assert ids == [1, 2]
    assert values == [b"a", b"elsewhere", b"behind"]


async def test_a_leader_that_moves_during_the_wait_is_no_leader_at_its_end(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    async with simulated(network, spus=2, commit_delay=1.0) as sim:
        client = await dial(network, sim.spu_addresses[0])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_move_after, sim, 0.5)
            result = await client.produce("greetings", 0, b"a", acks=READ_COMMITTED)
        stored = [r.value for r in sim.log("greetings", 0)]
    assert result.error_code is Code.NOT_LEADER_FOR_PARTITION
    assert stored == [b"a"]


async def _move_after(sim: Simulator, seconds: float) -> None:
    await trio.sleep(seconds)
    sim.move_leader("greetings", 0, to=1)


@pytest.mark.parametrize(
    ("invocation", "code"),
    [
        (Predefined(name="filter"), SmartModuleNotFound(name="filter")),
        (AdHoc(wasm=b"\x1f\x8b"), Other(text="this simulator runs no SmartModules")),
        (Predefined(name="stored"), Other(text="this simulator runs no SmartModules")),
        (
            Predefined(name="acme/stored@one"),
            Other(text="error parsing SmartModule name: SmartModule version`one` is not valid"),
        ),
    ],
)
async def test_a_smartmodule_is_refused_and_nothing_stored(
    network: MemoryNetwork, autojump_clock: MockClock, invocation: Any, code: object
) -> None:
    request = produce_request(("greetings", 0, batch(b"a")))
    request.smartmodules = [
        SmartModuleInvocation(wasm=invocation, kind=PlainKind.FILTER, params=Params(inner={}))
    ]
    async with simulated(network) as sim:
        sim.cluster.store_smartmodule("stored", SmartModuleSpec())
        client = await dial(network, sim.spu_addresses[0])
        (result,) = (await client.call(PRODUCE, request)).topics[0].partitions
        assert sim.log("greetings", 0) == []
    assert result.error_code == code


async def test_a_compression_that_does_not_exist_is_refused_without_closing(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    strange = bytearray(batch(b"a", codec=Codec.GZIP))
    strange[22] = 6
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        answer = await client.call(PRODUCE, produce_request(("greetings", 0, bytes(strange))))
        assert answer.topics[0].partitions[0].error_code is Code.COMPRESSION_ERROR
        assert (await client.produce("greetings", 0, b"a")).error_code is Code.NONE


async def test_what_was_produced_can_be_fetched_back(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    def fetch(offset: int, isolation: int = 0, partition: int = 0) -> FetchRequest:
        asked = FetchPartition(partition_index=partition, fetch_offset=offset, max_bytes=0)
        topics = [FetchTopic(name="greetings", partitions=[asked])]
        return FetchRequest(isolation=isolation, max_bytes=1 << 20, topics=topics)

    async with simulated(network, commit_delay=5.0) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.produce("greetings", 0, b"a", b"b")
        await client.produce("greetings", 0, b"c")

        async def fetched(request: FetchRequest) -> Any:
            return (await client.call(FETCH, request)).topics[0].partitions[0]

        everything = await fetched(fetch(0))
        committed = await fetched(fetch(0, isolation=1))
        await trio.sleep(5)
        committed_later = await fetched(fetch(2, isolation=1))
        beyond, before = await fetched(fetch(4)), await fetched(fetch(-1))
        elsewhere = await fetched(fetch(0, partition=9))
    offsets = [header.base_offset for header, _ in iter_batches(everything.records)]
    assert (offsets, everything.high_watermark) == ([0, 2], 0)
    assert bytes(committed.records) == b""
    assert [h.base_offset for h, _ in iter_batches(committed_later.records)] == [2]
    assert committed_later.high_watermark == 3
    assert beyond.error_code == Other(text="start offset: 4 is greater than leo: 3")
    assert before.error_code == OffsetEvicted(offset=-1, next_available=0)
    assert (beyond.high_watermark, before.high_watermark) == (0, 0)
    assert elsewhere.error_code is Code.NOT_LEADER_FOR_PARTITION


async def test_one_small_fetch_cannot_ask_for_a_flood(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    asked = [FetchPartition(partition_index=0, fetch_offset=0, max_bytes=0)] * 100
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.produce("greetings", 0, bytes(3 * RESPONSE_BYTES_MAX // 4))
        request = FetchRequest(
            max_bytes=2**31 - 1, topics=[FetchTopic(name="greetings", partitions=asked)]
        )
        answers = (await client.call(FETCH, request)).topics[0].partitions
        partition = sim.cluster.partition("greetings", 0)
        assert partition is not None
        batch_bytes = partition.log.bytes
    # The second one still begins within the room, and a batch is never cut.
    assert [len(answer.records) for answer in answers] == [batch_bytes] * 2 + [0] * 98


@pytest.mark.parametrize(
    ("max_bytes", "version", "size"),
    [
        (0, 25, 0),
        (1, 25, 1),
        (100, 25, 100),
        (-1, 25, None),
        (-5, 25, None),
        (1 << 20, 25, None),
        (1 << 20, 3, None),
        (1 << 20, 2, 0),
        (1 << 20, 0, 0),
    ],
)
async def test_a_fetch_is_cut_after_so_many_bytes_of_each_partition(
    network: MemoryNetwork,
    autojump_clock: MockClock,
    max_bytes: int,
    version: int,
    size: int | None,
) -> None:
    asked = [FetchPartition(partition_index=0, fetch_offset=0, max_bytes=7)] * 2
    request = FetchRequest(
        max_bytes=max_bytes, topics=[FetchTopic(name="greetings", partitions=asked)]
    )
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        for value in (b"a", b"b", b"c"):
            await client.produce("greetings", 0, value)
        partition = sim.cluster.partition("greetings", 0)
        assert partition is not None
        whole = b"".join(each.data for each in partition.log.batches)
        await client.send(FETCH, request, version)
        answer = decode(FETCH.response, (await client.answer())[1], version)
    assert [bytes(p.records) for p in answer.topics[0].partitions] == [whole[:size]] * 2


async def test_a_fetch_gives_one_segment_at_a_time(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    spec = topic_of(1)
    spec.storage = TopicStorage(segment_size=1024)
    async with simulated(network) as sim:
        sim.cluster.create_topic("t", spec)
        client = await dial(network, sim.spu_addresses[0])
        for _ in range(5):
            await client.produce("t", 0, bytes(400))  # two fit into a segment
        found: list[list[int]] = []
        for offset in range(5):
            asked = FetchPartition(partition_index=0, fetch_offset=offset, max_bytes=0)
            topics = [FetchTopic(name="t", partitions=[asked])]
            answer = await client.call(FETCH, FetchRequest(max_bytes=-1, topics=topics))
            records = answer.topics[0].partitions[0].records
            found.append([header.base_offset for header, _ in iter_batches(records)])
    assert found == [[0, 1], [1], [2, 3], [3], [4]]


async def test_an_isolation_that_does_not_exist_closes_the_connection(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.send(FETCH, FetchRequest(isolation=9, topics=[]))
        with pytest.raises(EOFError):
            await client.answer()
