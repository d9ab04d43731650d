"""What stands in line on a connection behind a write that does not end, and what is said of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from producer import (
    DeliverySemantic,
    FlushError,
    Persisted,
    ProduceOutput,
    ProducerClosedError,
    RetryPolicy,
    TopicProducer,
    TopicProducerConfig,
)
from simulator.serving.transport import Stream
from tests.producer.cluster import Cluster
from tests.producer.net.test_connection import EMPTY, Server, opened
from tests.producer.test_at_least_once import error_of, fault
from tests.simulator.memory import MemoryNetwork
from wire.api import PRODUCE

ONCE = RetryPolicy(max_retries=0, timeout=60)
PATIENT = TopicProducerConfig(
    delivery_semantic=DeliverySemantic.at_least_once(ONCE), attempt_timeout=50
)


class HeldNetwork(MemoryNetwork):
    """A network that takes what is written only when it is let go of."""

    held: trio.Event | None = None

    def connect(self, address: str) -> Stream:
        stream = super().connect(address)
        assert isinstance(stream, trio.StapledStream)
        send = stream.send_stream
        original = send.send_all

        async def send_all(data: bytes) -> None:
            if self.held is not None:
                await self.held.wait()
            await original(data)

        send.send_all = send_all
        return stream


@asynccontextmanager
async def producer_behind_a_write(
    config: TopicProducerConfig,
) -> AsyncIterator[tuple[Cluster, TopicProducer, ProduceOutput, trio.Event]]:
    """A producer whose only connection is busy with another one's request, until let go of."""
    network = HeldNetwork()
    cluster = Cluster(network)
    async with (
        cluster.client() as fluvio,
        fluvio.topic_producer("greetings", PATIENT) as first,
    ):
        await (await first.send(None, b"warm up")).wait()
        network.held = trio.Event()
        writing = await first.send(None, b"is being written")
        await trio.testing.wait_all_tasks_blocked()
        try:
            async with fluvio.topic_producer("greetings", config) as second:
                yield cluster, second, writing, network.held
        finally:
            network.held.set()


async def test_a_send_looks_once_more_before_it_says_that_there_was_no_room(
    autojump_clock: MockClock,
) -> None:
    network = HeldNetwork()
    cluster = Cluster(network)
    policy = RetryPolicy(max_retries=0, timeout=5)
    config = TopicProducerConfig(
        batch_size=1,
        batch_queue_size=1,
        delivery_semantic=DeliverySemantic.at_least_once(policy),
    )
    async with (
        cluster.client(faults=[fault("delay", at="response", by="1s", nth=1)]) as fluvio,
        fluvio.topic_producer("greetings", PATIENT) as other,
        fluvio.topic_producer("greetings", config) as producer,
    ):
        await producer.send(None, b"answered at 1.0")
        await trio.sleep(0.5)
        network.held = trio.Event()
        await other.send(None, b"is being written until 5.8")
        await trio.testing.wait_all_tasks_blocked()
        await producer.send(None, b"in line from 1.0 on")
        async with trio.open_nursery() as nursery:

            async def let_go() -> None:
                await trio.sleep_until(5.8)
                assert network.held is not None
                network.held.set()

            nursery.start_soon(let_go)
            await producer.send(None, b"is told of room only at 5.8")
            assert trio.current_time() == pytest.approx(5.5)


@pytest.mark.parametrize(
    "semantic", [DeliverySemantic.at_least_once(), DeliverySemantic.at_most_once()]
)
async def test_what_an_abandoned_producer_had_in_line_is_never_transmitted(
    autojump_clock: MockClock, semantic: DeliverySemantic
) -> None:
    config = TopicProducerConfig(delivery_semantic=semantic)
    async with producer_behind_a_write(config) as (cluster, producer, writing, held):
        output = await producer.send(None, b"stands in line")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(FlushError, match="not stored"):  # noqa: PT012  # some give up in flush
            with trio.move_on_after(0.1):
                await producer.close()
            await producer.flush()
        error = await error_of(output)
        assert isinstance(error, ProducerClosedError)
        assert error.persisted is Persisted.NO
        held.set()
        assert (await writing.wait()).offset == 1
        await trio.sleep(60)
        assert cluster.values() == [b"warm up", b"is being written"]
        assert cluster.transmissions() == 2


async def test_an_overdue_attempt_says_whether_its_first_byte_left(
    autojump_clock: MockClock,
) -> None:
    hasty = TopicProducerConfig(
        delivery_semantic=DeliverySemantic.at_least_once(ONCE), attempt_timeout=1
    )
    async with producer_behind_a_write(hasty) as (cluster, producer, writing, _):
        error = await error_of(await producer.send(None, b"stands in line"))
        assert trio.current_time() == pytest.approx(1)
        assert "the request could not be written" in str(error)
        assert error.persisted is Persisted.NO
        with pytest.raises(FlushError):
            await producer.flush()
        assert not writing.done  # that it has to wait longer is not its mistake
        assert cluster.values() == [b"warm up"]


async def test_an_attempt_whose_bytes_left_has_had_no_answer(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    config = TopicProducerConfig(
        delivery_semantic=DeliverySemantic.at_least_once(ONCE), attempt_timeout=1
    )
    async with cluster.producer(config, faults=[fault("drop", at="request")]) as producer:
        error = await error_of(await producer.send(None, b"a"))
        assert "no answer from" in str(error)
        assert error.persisted is Persisted.MAYBE
        with pytest.raises(FlushError):
            await producer.flush()


async def test_an_answer_to_what_was_not_asked_yet_is_none(autojump_clock: MockClock) -> None:
    server = Server()
    async with trio.open_nursery() as nursery:
        connection = await opened(server, nursery)
        send_all, held = server.client.send_stream.send_all, trio.Event()

        async def held_back(data: bytes | bytearray | memoryview) -> None:
            await held.wait()
            await send_all(data)

        server.client.send_stream.send_all = held_back  # type: ignore[method-assign]
        connection.submit(PRODUCE, EMPTY)
        behind = connection.submit(PRODUCE, EMPTY)
        await server.answer(behind.correlation_id)
        with trio.move_on_after(1) as scope:
            await behind.answer()
        assert scope.cancelled_caught
        held.set()
        assert [await server.request(), await server.request()][1] == behind.correlation_id
        await server.answer(behind.correlation_id)
        await behind.answer()
        connection.end()
