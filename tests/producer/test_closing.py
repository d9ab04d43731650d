"""Closing, leaving the block, cancellation: everything is settled, nothing left running."""

import pytest
import trio
from trio.testing import MockClock

from producer import (
    DeliveryError,
    DeliverySemantic,
    FlushError,
    Persisted,
    ProducerClosedError,
    RetryPolicy,
    TopicProducer,
    TopicProducerConfig,
)
from producer.net.connection import Connection
from tests.producer.cluster import Cluster
from tests.producer.test_at_least_once import error_of, fault, outcome

ONE_SECOND = DeliverySemantic.at_least_once(RetryPolicy(timeout=1, max_retries=0))
SEMANTICS = [DeliverySemantic.at_least_once(), DeliverySemantic.at_most_once()]


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


async def test_an_answer_that_comes_in_the_moment_of_giving_up_comes_too_late(
    cluster: Cluster, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Connection._answer
    async with cluster.producer() as producer:

        def take_and_give_up(connection: Connection, correlation_id: int, body: bytes) -> None:
            take(connection, correlation_id, body)
            producer.abandon()  # before the task that waits for the answer wakes

        monkeypatch.setattr(Connection, "_answer", take_and_give_up)
        error = await error_of(await producer.send(None, b"a"))
        assert error.persisted is Persisted.MAYBE
        await trio.sleep(1)
        with pytest.raises(FlushError, match="perhaps stored"):
            await producer.flush()


async def test_a_producer_that_closes_takes_no_records_into_new_partitions(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    config = TopicProducerConfig(delivery_semantic=ONE_SECOND)
    async with (
        cluster.client(faults=[fault("drop", at="request")]) as fluvio,
        trio.open_nursery() as nursery,
    ):
        closed = trio.Event()

        async def leave() -> None:
            try:
                async with fluvio.topic_producer("greetings", config) as made:
                    producers.append(made)
                    await made.send(None, b"a")
            except FlushError:
                closed.set()

        producers: list[TopicProducer] = []
        nursery.start_soon(leave)
        await trio.sleep(0.1)
        cluster.simulator.add_partitions("greetings", 3)
        await trio.sleep(0.1)
        for n in range(8):
            with pytest.raises(ProducerClosedError):
                await producers[0].send(b"key-%d" % n, b"b")
        await closed.wait()
