"""Callbacks, counters, and what a queued record costs."""

import gc
import sys
import tracemalloc

import pytest
from trio.testing import MockClock

from producer import (
    DeliveryReport,
    DeliverySemantic,
    FlushError,
    RetryPolicy,
    TopicProducerConfig,
)
from tests.producer.cluster import Cluster
from tests.producer.test_at_least_once import fault

ONE_SECOND = DeliverySemantic.at_least_once(RetryPolicy(timeout=1, max_retries=0))


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


async def test_what_is_settled_keeps_no_records(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    faults = [fault("error", at="request", code="CompressionError", nth=2)]
    async with cluster.producer(faults=faults) as producer:
        delivered = await producer.send(None, b"a")
        await delivered.wait()
        refused = await producer.send(None, b"b")
        with pytest.raises(FlushError):
            await producer.flush()
        assert [(output[0].records, output[0].data) for output in (delivered, refused)] == [
            ([], b""),
            ([], b""),
        ]


async def test_what_was_handed_over_for_good_keeps_no_records(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    config = TopicProducerConfig(delivery_semantic=DeliverySemantic.at_most_once())
    faults = [fault("delay", at="response", by="1s")]
    async with cluster.producer(config, faults=faults) as producer:
        output = await producer.send(None, b"a")
        await producer.flush()
        assert not output.done
        assert (output[0].records, output[0].data) == ([], b"")
