"""Records and batches: what is sent is stored as it was sent, within all sizes."""

import pytest
import trio
from trio.testing import MockClock

from producer import (
    Compression,
    ConfigError,
    Persisted,
    RecordTooLargeError,
    TopicProducerConfig,
)
from simulator.cluster.cluster import topic_of
from simulator.events import FrameRead
from tests.producer.cluster import EPOCH_MS, Cluster
from wire.api.storage import TopicCompression
from wire.compression import Codec
from wire.record_set import iter_batches


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
            event.size
            for event in cluster.simulator.events
            if isinstance(event, FrameRead) and event.api == "produce"
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
