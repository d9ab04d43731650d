"""The producer's life: batching, back-pressure, flush, close, cancellation, callbacks."""

import gc
import sys
import tracemalloc
from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from producer import (
    Compression,
    ConfigError,
    DeliveryError,
    DeliveryReport,
    DeliverySemantic,
    FlushError,
    NotFoundError,
    Persisted,
    ProducerClosedError,
    QueueFull,
    RecordTooLargeError,
    RetryPolicy,
    TopicProducerConfig,
    specific,
)
from producer.partitioner import partition_of_key
from simulator.cluster import topic_of
from tests.producer.cluster import EPOCH_MS, Cluster
from tests.producer.test_at_least_once import error_of, fault, outcome
from wire.api.storage import TopicCompression
from wire.batch import iter_batches
from wire.compression import Codec

ONE_SECOND = DeliverySemantic.at_least_once(RetryPolicy(timeout=1, max_retries=0))
SEMANTICS = [DeliverySemantic.at_least_once(), DeliverySemantic.at_most_once()]


async def test_keys_and_values_are_text_or_bytes(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.producer() as producer:
        await producer.send("Hello", "Fluvio!")
        await producer.send(b"", bytearray(b"b"))
        await producer.send(None, memoryview(b"c"))
        await producer.flush()
        assert [(r.key, r.value) for r in cluster.simulator.log("greetings", 0)] == [
            (b"Hello", b"Fluvio!"),
            (b"", b"b"),
            (None, b"c"),
        ]
        with pytest.raises(TypeError, match="not int"):
            await producer.send(None, 5)  # type: ignore[arg-type]


async def test_metadata_tells_offset_partition_and_time(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.producer(TopicProducerConfig(linger=1.0)) as producer:
        first = await producer.send(None, b"a")
        await trio.sleep(0.5)
        second = await producer.send(None, b"b")
        one, two = await first.wait(), await second.wait()
        stored = cluster.simulator.log("greetings", 0)
        assert [one.offset, two.offset] == [0, 1]
        assert two.timestamp - one.timestamp == 500
        assert [record.timestamp_ms for record in stored] == [one.timestamp, two.timestamp]
        assert one.timestamp >= EPOCH_MS
        assert await first.wait() == one


async def test_a_batch_lingers_and_a_full_one_does_not(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.producer(TopicProducerConfig(linger=1.0, batch_size=100)) as producer:
        start = trio.current_time()
        full = await producer.send(None, b"x" * 30)
        lingers = await producer.send(None, b"y")
        await full.wait()
        assert trio.current_time() - start < 0.001
        await lingers.wait()
        assert trio.current_time() - start == pytest.approx(1)


async def test_a_flush_ends_the_linger(cluster: Cluster, autojump_clock: MockClock) -> None:
    async with cluster.producer(TopicProducerConfig(linger=60)) as producer:
        await producer.send(None, b"a")
        await producer.flush()
        assert trio.current_time() < 1
        assert cluster.values() == [b"a"]


@pytest.mark.parametrize("codec", list(Codec))
async def test_every_compression_is_stored_as_such(
    cluster: Cluster, autojump_clock: MockClock, codec: Codec
) -> None:
    values = [b"%d" % number * 50 for number in range(200)]
    async with cluster.producer(TopicProducerConfig(compression=codec)) as producer:
        await producer.send_all((None, value) for value in values)
        await producer.flush()
        assert cluster.values() == values
        partition = cluster.simulator.cluster.partition("greetings", 0)
        assert partition is not None
        headers = [h for batch in partition.log.batches for h, _ in iter_batches(batch.data)]
        assert {header.codec for header in headers} == {codec}


async def test_a_topics_compression_is_adopted_and_another_refused(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.client() as fluvio:
        spec = topic_of(1, compression=TopicCompression.ZSTD)
        cluster.simulator.cluster.create_topic("zipped", spec)
        await trio.testing.wait_all_tasks_blocked()
        async with fluvio.topic_producer("zipped") as producer:
            await (await producer.send(None, b"a")).wait()
        with pytest.raises(ConfigError, match="takes only compression zstd, not gzip"):
            async with fluvio.topic_producer(
                "zipped", TopicProducerConfig(compression=Compression.GZIP)
            ):
                pass


async def test_no_request_is_larger_than_the_limit(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    config = TopicProducerConfig(max_request_size=5000, batch_size=700)
    async with cluster.producer(config) as producer:
        await producer.send_all((None, b"x" * 100) for _ in range(500))
        await producer.flush()
        sizes = [
            entry.size
            for entry in cluster.simulator.journal
            if entry.api == "produce" and entry.kind == "frame" and entry.direction == "request"
        ]
        assert len(cluster.values()) == 500
        assert max(size for size in sizes if size) <= 5000
        assert len([size for size in sizes if size and size > 4000]) >= 10  # and they are filled


async def test_a_record_above_the_limit_is_refused_and_the_largest_is_not(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.producer(TopicProducerConfig(max_request_size=2000)) as producer:
        with pytest.raises(RecordTooLargeError, match="1900 bytes") as caught:
            await producer.send(None, b"x" * 1900)
        assert caught.value.persisted is Persisted.NO
        await (await producer.send(None, b"x" * 1850)).wait()


@pytest.mark.parametrize("semantic", SEMANTICS)
async def test_send_waits_for_room(
    cluster: Cluster, autojump_clock: MockClock, semantic: DeliverySemantic
) -> None:
    config = TopicProducerConfig(batch_size=200, batch_queue_size=2, delivery_semantic=semantic)
    async with cluster.producer(config) as producer:
        outputs = await producer.send_all((None, b"x" * 100) for _ in range(100))
        await producer.flush()
        assert len(cluster.values()) == 100
        assert [(await output.wait()).offset for output in outputs] == list(range(100))


@pytest.mark.parametrize(
    ("semantic", "seconds"), [(ONE_SECOND, 1), (DeliverySemantic.at_most_once(), 30)]
)
async def test_a_queue_that_stays_full_is_an_error_in_time(
    cluster: Cluster, autojump_clock: MockClock, semantic: DeliverySemantic, seconds: float
) -> None:
    config = TopicProducerConfig(batch_size=1, batch_queue_size=1, delivery_semantic=semantic)
    waited = []
    async with cluster.client(faults=[fault("refuse", server="spu", how="hang")]) as fluvio:
        with pytest.raises(FlushError):  # noqa: PT012  # leaving the block raises it
            async with fluvio.topic_producer("greetings", config) as producer:

                async def send() -> None:
                    start = trio.current_time()
                    try:
                        await producer.send(None, b"x")
                    except QueueFull as error:
                        assert error.persisted is Persisted.NO  # noqa: PT017  # others succeed
                        waited.append(trio.current_time() - start)

                async with trio.open_nursery() as nursery:
                    for _ in range(20):  # there is room for one more each second, or ten seconds
                        nursery.start_soon(send)
    assert len(waited) >= 10
    assert waited == pytest.approx([seconds] * len(waited))


async def test_a_flush_settles_what_was_sent_before_it_and_nothing_else(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    faults = [fault("delay", at="response", by="1s")]
    async with cluster.producer(faults=faults) as producer:
        before = await producer.send(None, b"a")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(producer.flush)
            await trio.sleep(0.5)
            after = await producer.send(None, b"b")
        assert before.done
        assert not after.done


async def test_a_flush_with_nothing_to_do_sends_nothing(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.producer() as producer:
        await producer.flush()
        assert cluster.transmissions() == 0


async def test_closing_settles_everything_and_sending_afterwards_is_an_error(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.client() as fluvio:
        async with fluvio.topic_producer("greetings", TopicProducerConfig(linger=5)) as producer:
            output = await producer.send(None, b"a")
        assert output.done
        assert cluster.values() == [b"a"]
        with pytest.raises(ProducerClosedError, match="the producer is closed"):
            await producer.send(None, b"b")
        await producer.close()


async def test_a_send_that_waits_for_room_learns_that_the_producer_closes(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    config = TopicProducerConfig(batch_size=100, batch_queue_size=1)
    async with cluster.producer(config, faults=[fault("delay", by="1s")]) as producer:
        async with trio.open_nursery() as nursery:

            async def send_on() -> None:
                with pytest.raises(ProducerClosedError):  # noqa: PT012  # one of them raises it
                    for _ in range(10):
                        await producer.send(None, b"x" * 90)

            nursery.start_soon(send_on)
            await trio.sleep(0.1)
            await producer.close()
        assert len(cluster.values()) == 2


async def test_leaving_the_block_raises_for_what_was_not_delivered(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.client(faults=[fault("drop", at="request")]) as fluvio:
        with pytest.raises(FlushError, match="1 record was not delivered"):
            async with fluvio.topic_producer(
                "greetings", TopicProducerConfig(delivery_semantic=ONE_SECOND)
            ) as producer:
                await producer.send(None, b"a")


async def test_an_exception_of_the_block_is_raised_as_it_is(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.client() as fluvio:
        with pytest.raises(KeyError):  # noqa: PT012  # leaving the block raises it
            async with fluvio.topic_producer("greetings") as producer:
                await producer.send(None, b"a")
                raise KeyError
        assert cluster.values() == [b"a"]


@pytest.mark.parametrize("semantic", SEMANTICS)
@pytest.mark.parametrize("after", [0.0, 0.05, 0.25, 0.6, 2.0])
@pytest.mark.parametrize("how", ["hang", "drop", "delay"])
async def test_cancellation_settles_every_output_and_leaves_nothing_running(
    cluster: Cluster,
    autojump_clock: MockClock,
    semantic: DeliverySemantic,
    after: float,
    how: str,
) -> None:
    given = {
        "hang": fault("refuse", server="spu", how="hang"),
        "drop": fault("drop", at="request"),
        "delay": fault("delay", by="150ms"),
    }[how]
    config = TopicProducerConfig(batch_size=100, batch_queue_size=3, delivery_semantic=semantic)
    outputs = []
    async with cluster.client(faults=[given]) as fluvio:
        with trio.move_on_after(after):
            async with fluvio.topic_producer("greetings", config) as producer:
                for _ in range(20):  # one by one: what was sent before the cancellation counts
                    outputs.append(await producer.send(None, b"x" * 60))  # noqa: PERF401
                await trio.sleep_forever()
        assert all(output.done for output in outputs)
        transmitted = cluster.transmissions()
        await trio.sleep(5)
        assert cluster.transmissions() == transmitted
        not_stored = 0
        for output in outputs:
            found = await outcome(output)
            not_stored += isinstance(found, DeliveryError) and found.persisted is Persisted.NO
        assert len(cluster.values()) <= len(outputs) - not_stored


async def test_cancelling_a_close_gives_up_at_once(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.client(faults=[fault("drop", at="request")]) as fluvio:
        with pytest.raises(FlushError, match="closed before"):  # noqa: PT012  # leaving the block raises it
            async with fluvio.topic_producer("greetings") as producer:
                sent = await producer.send(None, b"a")
                await trio.sleep(0.1)
                with trio.move_on_after(1):
                    await producer.close()
                error = await error_of(sent)
                assert isinstance(error, ProducerClosedError)
                assert error.persisted is Persisted.MAYBE
        assert trio.current_time() < 1.2


async def test_keyed_records_go_where_the_official_client_sends_them(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.producer(topics={"greetings": 7}) as producer:
        for key in (b"", b"a", b"abc", b"key-1"):
            metadata = await (await producer.send(key, b"v")).wait()
            assert metadata.partition == partition_of_key(key, 7)


async def test_records_without_a_key_take_turns_over_the_partitions_that_are_online(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.producer(topics={"greetings": 3}, spus=3) as producer:
        turns = [(await producer.send(None, b"v"))[0].partition for _ in range(6)]
        assert sorted(turns) == [0, 0, 1, 1, 2, 2]
        await producer.flush()
        await cluster.simulator.take_away(1)
        await trio.testing.wait_all_tasks_blocked()
        turns = [(await producer.send(None, b"v"))[0].partition for _ in range(4)]
        assert sorted(turns) == [0, 0, 2, 2]


async def test_a_partitioner_of_ones_own_decides(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    def by_length(
        _key: bytes | None, value: bytes, every: Sequence[int], _available: Sequence[int]
    ) -> int:
        return every[len(value)]

    config = TopicProducerConfig(partitioner=by_length)
    async with cluster.producer(config, topics={"greetings": 3}) as producer:
        outputs = await producer.send_all([(None, b""), ("key", b"12"), (None, b"1")])
        assert [output[0].partition for output in outputs] == [0, 2, 1]


async def test_a_partition_that_there_is_not_is_an_error_before_anything_is_lost(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.producer(TopicProducerConfig(partitioner=specific(1))) as producer:
        with pytest.raises(NotFoundError, match="no partition greetings/1; there are 1"):
            await producer.send(None, b"a")


async def test_a_callback_hears_of_every_batch_and_counters_agree(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    reports: list[DeliveryReport] = []
    config = TopicProducerConfig(
        batch_size=200, callback=reports.append, delivery_semantic=ONE_SECOND
    )
    faults = [fault("drop", at="request", nth=2), fault("delay", at="response", by="100ms")]
    async with cluster.producer(config, faults=faults) as producer:
        await producer.send_all((None, b"x" * 50) for _ in range(10))
        await producer.flush()
        await producer.send(None, b"lost")
        with pytest.raises(FlushError):
            await producer.flush()
        counters = producer.counters
    assert sum(report.records for report in reports) == 11
    assert [report.error is None for report in reports[-2:]] == [True, False]
    assert reports[-1].base_offset is None
    assert (counters.records, counters.acknowledged, counters.failed) == (11, 10, 1)
    assert (counters.requests, counters.retries, counters.errors) == (2, 0, 1)
    assert counters.batches == len(reports)
    assert counters.round_trip_s == pytest.approx(0.1)


async def test_a_callback_that_fails_is_logged_and_harms_nobody(
    cluster: Cluster, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    def callback(_report: DeliveryReport) -> None:
        raise RuntimeError("oh")

    async with cluster.producer(TopicProducerConfig(callback=callback)) as producer:
        await (await producer.send(None, b"a")).wait()
    assert "the delivery callback failed" in caplog.text


async def test_partitions_that_a_topic_gets_later_are_used(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.client(topics={"greetings": 2}) as fluvio:
        metadata = fluvio._metadata
        later = metadata.partitions.pop("greetings-1")
        async with fluvio.topic_producer("greetings") as producer:
            assert (await producer.send(None, b"v"))[0].partition == 0
            assert (await producer.send(None, b"v"))[0].partition == 0
            metadata.partitions["greetings-1"] = later
            for call in metadata.on_change:
                call()
            turns = {(await producer.send(None, b"v"))[0].partition for _ in range(4)}
            assert turns == {0, 1}


async def test_a_queued_record_costs_its_bytes_and_at_most_a_hundred(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    count, size = 20_000, 100
    config = TopicProducerConfig(batch_size=count * (size + 20), max_request_size=4 * 2**20)
    async with cluster.producer(config) as producer:
        await (await producer.send(None, b"warm up")).wait()
        value = b"x" * size
        gc.collect()
        tracemalloc.start()
        for _ in range(count):
            await producer.send(None, value)
        used = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert used / count <= size + 100
        assert sys.getsizeof(value) > size  # and the figure above is not of shared values
        await producer.flush()
