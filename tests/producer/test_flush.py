"""What a flush waits for and what it tells."""

import pytest
import trio
from trio.testing import MockClock

from producer import FlushError, TopicProducerConfig
from tests.producer.cluster import Cluster
from tests.producer.test_at_least_once import fault


async def test_a_flush_ends_the_linger(cluster: Cluster, autojump_clock: MockClock) -> None:
    async with cluster.producer(TopicProducerConfig(linger=60)) as producer:
        await producer.send(None, b"a")
        await producer.flush()
        assert trio.current_time() < 1
        assert cluster.values() == [b"a"]


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


async def test_what_a_cancelled_flush_has_heard_of_is_told_by_the_next_one(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    faults = [
        fault("error", at="request", code="CompressionError", match={"partition": 0}),
        fault("delay", at="response", by="500ms", match={"partition": 1}),
    ]
    async with cluster.producer(topics={"greetings": 2}, faults=faults, spus=2) as producer:
        refused = await producer.send(None, b"to 0")
        slow = await producer.send(None, b"to 1")
        with trio.move_on_after(0.2) as scope:
            await producer.flush()
        assert scope.cancelled_caught
        assert (refused.done, slow.done) == (True, False)
        with pytest.raises(FlushError, match="1 record was not delivered"):
            await producer.flush()
        await producer.flush()  # told once
