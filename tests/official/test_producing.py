"""The official client, unmodified, through a simulator without faults."""

import random
from collections import Counter

import pytest

import simulator
from simulator.events import Appended, ConnectionEvent, ConnectionOpened, FrameRead, FrameWritten
from tests.official.client import Sent, Wait, appends, drive, produce, producing, sent, stored
from wire.api.storage import SegmentCleanup, TopicStorage
from wire.api.topic import Computed, TopicSpec
from wire.batch import decode_batch
from wire.compression import Codec

RECORDS = 1000


def some_records(count: int, seed: int = 7) -> list[tuple[bytes | None, bytes]]:
    """Records of any bytes and of sizes from none to a kilobyte, the same for the same seed."""
    draw = random.Random(seed)
    return [
        (draw.randbytes(draw.randrange(12)), b"%d:" % n + draw.randbytes(draw.randrange(1024)))
        for n in range(count)
    ]


async def test_it_connects() -> None:
    async with simulator.open_simulator() as sim:
        assert await drive(sim, {"do": "connect"}) == [{"connected": True}]
    opened, asked, answered, *_ = [e for e in sim.events if isinstance(e, ConnectionEvent)]
    assert isinstance(opened, ConnectionOpened)
    assert (opened.server, opened.connection) == ("sc", 1)
    assert isinstance(asked, FrameRead)
    assert isinstance(answered, FrameWritten)
    assert asked.api == answered.api == "api-versions"


async def test_it_learns_of_the_cluster_before_it_produces() -> None:
    async with simulator.open_simulator() as sim:
        await produce(sim, (b"k", b"v"))
    stored_at = next(e.n for e in sim.events if isinstance(e, Appended))
    answered = [e.api for e in sim.events if e.n < stored_at and isinstance(e, FrameWritten)]
    assert Counter(answered)["watch"] >= 3, "SPUs, partitions and topics"


async def test_keys_arrive_and_no_key_arrives_as_an_empty_one() -> None:
    async with simulator.open_simulator() as sim:
        told = await produce(sim, (b"key", b"with"), (None, b"without"), (b"", b"empty"))
        assert told == [Sent(0, 0), Sent(0, 1), Sent(0, 2)]
        assert stored(sim) == [(b"key", b"with"), (b"", b"without"), (b"", b"empty")]


@pytest.mark.parametrize("codec", Codec, ids=lambda codec: codec.name.lower())
async def test_every_compression_arrives_and_stays_compressed(codec: Codec) -> None:
    records: list[tuple[bytes | None, bytes]] = [
        (b"%d" % n, b"the same again and again " * 20) for n in range(20)
    ]
    name = "None_" if codec is Codec.NONE else codec.name.title()
    async with simulator.open_simulator() as sim:
        told = await produce(sim, *records, compression=name)
        assert told == [Sent(0, n) for n in range(len(records))]
        assert stored(sim) == records
        partition = sim.cluster.partition("greetings", 0)
        assert partition is not None
        used = {decode_batch(batch.data)[0].attributes & 7 for batch in partition.log.batches}
        assert used == {codec}


async def test_records_spread_over_the_partitions_of_several_spus() -> None:
    partitions, spus = 6, 3
    records: list[tuple[bytes | None, bytes]] = [(b"key-%d" % n, b"%d" % n) for n in range(60)]
    async with simulator.open_simulator(spus=spus, topics={"spread": partitions}) as sim:
        told = await produce(sim, *records, topic="spread")
        for record, outcome in zip(records, told, strict=True):
            assert outcome.partition is not None
            assert outcome.offset is not None
            assert stored(sim, "spread", outcome.partition)[outcome.offset] == record
        assert sum(len(stored(sim, "spread", index)) for index in range(partitions)) == len(records)
        led = {(index, f"spu:{index % spus}") for index in range(partitions)}
        assert {(e.partition, e.server) for e in appends(sim)} == led


@pytest.mark.parametrize("semantic", ["AtMostOnce", "AtLeastOnce"])
async def test_both_delivery_semantics_store_each_record_once(semantic: str) -> None:
    records = some_records(20)
    async with simulator.open_simulator() as sim:
        told = await produce(sim, *records, wait="each", delivery_semantic=semantic)
        assert told == [Sent(0, n) for n in range(len(records))]
        assert stored(sim) == records
        assert [e.records for e in appends(sim)] == [1] * len(records)


async def test_read_committed_waits_for_the_commit() -> None:
    async with simulator.open_simulator(commit_delay=0.3) as sim:
        told = await produce(sim, (b"k", b"v"), isolation="ReadCommitted", timeout=800)
        assert told == [Sent(0, 0)]
        (append,) = appends(sim)
        answer = next(e for e in sim.events if e.n > append.n and isinstance(e, FrameWritten))
        assert answer.transmission == append.transmission
        assert answer.t - append.t >= 0.3


async def test_read_committed_reports_a_timeout_although_the_record_is_stored() -> None:
    async with simulator.open_simulator(commit_delay=30) as sim:
        (told,) = await produce(sim, (b"k", b"v"), isolation="ReadCommitted", timeout=100)
        assert told.error is not None
        assert "exceeded the timeout 100 ms" in told.error
        assert stored(sim) == [(b"k", b"v")]


async def test_read_uncommitted_does_not_wait_for_the_commit() -> None:
    async with simulator.open_simulator(commit_delay=30) as sim:
        assert await produce(sim, (b"k", b"v"), isolation="ReadUncommitted") == [Sent(0, 0)]


@pytest.mark.parametrize("wait", ["all", "each"])
async def test_a_thousand_records_are_where_the_client_was_told(wait: Wait) -> None:
    records = some_records(RECORDS)
    async with simulator.open_simulator(seed=7) as sim:
        told = await produce(sim, *records, wait=wait, within_s=30)
        assert [outcome.error for outcome in told] == [None] * RECORDS
        log = sim.log("greetings", 0)
        assert [(r.offset, r.key, r.value) for r in log] == [
            (outcome.offset, key, value)
            for outcome, (key, value) in zip(told, records, strict=True)
        ]
        summary = sim.summary()
        assert summary.partitions["greetings/0"].distinct == RECORDS
        assert summary.unanswered_records == 0


async def test_a_topic_is_created_listed_used_and_deleted() -> None:
    async with simulator.open_simulator(spus=2) as sim:
        results = await drive(
            sim,
            {"do": "connect"},  # before the topic is there, so that a watch must tell of it
            {"do": "create_topic", "name": "fresh", "partitions": 2},
            producing((b"key", b"straight away"), topic="fresh"),
            {"do": "list_topics"},
            {"do": "list_topics", "names": ["fresh"]},
        )
        (told,) = sent(results[2])
        assert told.error is None
        assert told.partition is not None
        assert stored(sim, "fresh", told.partition) == [(b"key", b"straight away")]
        assert results[3] == {"topics": ["greetings", "fresh"]}
        assert results[4] == {"topics": ["fresh"]}

        results = await drive(
            sim,
            {"do": "delete_topic", "name": "fresh"},
            {"do": "list_topics"},
            producing((b"key", b"too late"), topic="fresh"),
        )
        assert results[0] == {"deleted": "fresh"}
        assert results[1] == {"topics": ["greetings"]}
        assert "Topic not found" in results[2]["error"]
        assert "fresh" not in sim.cluster.topics


async def test_a_topic_has_the_options_that_it_was_created_with() -> None:
    record = (b"key", b"value")
    async with simulator.open_simulator(spus=2) as sim:
        results = await drive(
            sim,
            {
                "do": "create_topic",
                "name": "full",
                "partitions": 3,
                "replications": 2,
                "ignore_rack": False,
                "retention_time": 7200,
                "segment_size": 2_000_000,
                "max_partition_size": 16_000_000,
            },
            {"do": "create_topic", "name": "by-hand", "assignment": [[5002, 5001], [5001, 5002]]},
            {"do": "create_topic", "name": "beyond", "assignment": [[5003]]},
            {"do": "create_topic", "name": "brief", "retention_time": 9},
            producing(record, topic="full"),
            producing(record, topic="by-hand"),
        )
        full, by_hand = sim.cluster.topics["full"], sim.cluster.topics["by-hand"]
    assert full.spec == TopicSpec(
        replicas=Computed(partitions=3, replication_factor=2),
        cleanup_policy=SegmentCleanup(time_in_seconds=7200),
        storage=TopicStorage(segment_size=2_000_000, max_partition_size=16_000_000),
    )
    assert [partition.replicas for partition in full.partitions] == [[0, 1], [1, 0], [0, 1]]
    assert [partition.replicas for partition in by_hand.partitions] == [[1, 0], [0, 1]]
    assert "invalid spu id: 5003" in results[2]["error"]
    assert "retention_secs 9 is less than minimum 10" in results[3]["error"]
    assert [one.error for result in results[4:] for one in sent(result)] == [None, None]


async def test_what_the_admin_may_not_do_is_reported() -> None:
    async with simulator.open_simulator() as sim:
        results = await drive(
            sim,
            {"do": "create_topic", "name": "greetings", "partitions": 1},
            {"do": "delete_topic", "name": "nowhere"},
            {"do": "create_topic", "name": "No Name", "partitions": 1},
            {"do": "list_topics"},
        )
    assert "already exists" in results[0]["error"]
    assert "not found" in results[1]["error"]
    assert "nvalid" in results[2]["error"]
    assert results[3] == {"topics": ["greetings"]}
