"""What a full queue does to ``send``."""

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from producer import (
    DeliverySemantic,
    FlushError,
    Persisted,
    ProducerClosedError,
    QueueFull,
    RetryPolicy,
    RetryStrategy,
    TopicProducerConfig,
)
from tests.producer.cluster import Cluster
from tests.producer.test_at_least_once import error_of, fault

ONE_SECOND = DeliverySemantic.at_least_once(RetryPolicy(timeout=1, max_retries=0))
SEMANTICS = [DeliverySemantic.at_least_once(), DeliverySemantic.at_most_once()]


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


async def test_there_is_room_as_soon_as_the_first_byte_of_a_request_left(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    config = TopicProducerConfig(
        batch_size=1, batch_queue_size=1, delivery_semantic=ONE_SECOND, attempt_timeout=1
    )
    faults = [fault("delay", at="response", by="500ms")]
    async with cluster.producer(config, faults=faults) as producer:
        times = []
        for _ in range(5):
            await producer.send(None, b"x")
            times.append(trio.current_time())
            await trio.testing.wait_all_tasks_blocked()
        assert times == pytest.approx([0, 0, 0.5, 1, 1.5])


async def test_there_is_room_as_soon_as_an_attempt_failed(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    policy = RetryPolicy(1, 1.0, 1.0, 10, RetryStrategy.FIXED_DELAY)
    config = TopicProducerConfig(
        batch_size=1,
        batch_queue_size=1,
        delivery_semantic=DeliverySemantic.at_least_once(policy),
        attempt_timeout=1,
    )
    faults = [fault("refuse", server="spu", how="hang")]
    async with cluster.producer(config, faults=faults) as producer:
        for expected in (0, 0, 3):  # an attempt, a second's delay, an attempt
            await producer.send(None, b"x")
            assert trio.current_time() == pytest.approx(expected)
            await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(FlushError, match="3 records were not delivered"):
            await producer.flush()


async def test_requests_that_end_without_an_attempt_make_room_too(
    cluster: Cluster, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    partitions = 10  # in each of them it is left to chance whether the sender wakes first

    def first_byte(
        _key: bytes | None, value: bytes, _every: Sequence[int], _available: Sequence[int]
    ) -> int:
        return value[0]

    monkeypatch.setattr("producer.sender.IN_FLIGHT_MAX", 1)
    config = TopicProducerConfig(
        batch_size=1,
        batch_queue_size=1,
        delivery_semantic=DeliverySemantic.at_most_once(),
        response_timeout=1,
        partitioner=first_byte,
    )
    options = {"topics": {"greetings": partitions}, "faults": [fault("drop", nth=1)]}
    async with cluster.producer(config, **options) as producer:

        async def send_to(partition: int) -> None:
            await producer.send(None, bytes([partition]) + b"has no answer until 1.0")
            await trio.testing.wait_all_tasks_blocked()
            late = []
            for _ in range(2):  # their turn comes when their time is over
                late.append(await producer.send(None, bytes([partition])))
                await trio.testing.wait_all_tasks_blocked()
            value = bytes([partition]) + b"waits for room"
            await (await producer.send(None, value)).wait()
            assert trio.current_time() == pytest.approx(1)
            assert cluster.values(partition)[-1] == value
            for output in late:
                assert (await error_of(output)).persisted is Persisted.NO

        async with trio.open_nursery() as nursery:
            for partition in range(partitions):
                nursery.start_soon(send_to, partition)
        with pytest.raises(FlushError, match="20 records were not delivered"):
            await producer.flush()


async def test_a_send_without_room_learns_at_once_that_the_producer_closes(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    config = TopicProducerConfig(batch_size=1, batch_queue_size=1, delivery_semantic=ONE_SECOND)
    faults = [fault("refuse", server="spu", how="hang")]
    async with cluster.producer(config, faults=faults) as producer:
        for _ in range(2):
            await producer.send(None, b"x")
            await trio.testing.wait_all_tasks_blocked()

        async def send() -> None:
            with pytest.raises(ProducerClosedError):
                await producer.send(None, b"y")
            assert trio.current_time() == pytest.approx(0.1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.sleep(0.1)
            with pytest.raises(FlushError, match="2 records were not delivered"):
                await producer.close()
