"""At-least-once against the real simulator, in virtual time: stored or told, within the bound."""

from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from producer import (
    DeliveryError,
    DeliverySemantic,
    FlushError,
    Isolation,
    Persisted,
    ProduceOutput,
    RefusedError,
    RetryPolicy,
    RetryStrategy,
    TopicProducerConfig,
)
from simulator.events import FrameRead
from tests.producer.cluster import Cluster
from wire.address import parse_address

DOCUMENTED = RetryPolicy(
    max_retries=5,
    initial_delay=0.010,
    max_delay=2,
    timeout=10,
    strategy=RetryStrategy.EXPONENTIAL_BACKOFF,
)
CONFIG = TopicProducerConfig(delivery_semantic=DeliverySemantic.at_least_once(DOCUMENTED))


def fault(kind: str, **fields: Any) -> dict[str, Any]:
    return {kind: fields}


async def outcome(output: ProduceOutput) -> int | DeliveryError:
    """The offset of a record, or its error."""
    try:
        return (await output.wait()).offset
    except DeliveryError as error:
        return error


async def error_of(output: ProduceOutput) -> DeliveryError:
    found = await outcome(output)
    assert isinstance(found, DeliveryError)
    return found


PASSING_FAULTS = [
    fault("drop", at="request", nth=[1, 4]),
    fault("drop", at="response", nth=[1, 4]),
    fault("drop", nth=[2, 3]),
    fault("disconnect", at="request", nth=[1, 4]),
    fault("disconnect", at="response", nth=[1, 4]),
    fault("disconnect", at="request", how="fin", nth=[1, 4]),
    fault("disconnect", at="response", how="fin", nth=[1, 4]),
    fault("disconnect", at="request", how="half-close", nth=[1, 4]),
    fault("disconnect", at="response", how="half-close", nth=[1, 4]),
    fault("disconnect", at="response", after_bytes=3, nth=[1, 4]),
    fault("disconnect", at="response", after_bytes=20, how="fin", nth=[1, 4]),
    fault("stall", at="request", nth=[1, 4]),
    fault("stall", at="response", nth=[1, 4]),
    fault("delay", at="request", by="700ms"),
    fault("delay", at="response", by="5s", nth=[1, 4]),
    fault("delay", by="3s", nth=[2]),
    fault("error", at="request", code="NotLeaderForPartition", nth=[1, 4]),
    fault("error", at="response", code="StorageError", nth=[1, 4]),
    fault("refuse", server="spu", between=["0s", "3s"]),
    fault("refuse", server="spu", how="rst", between=["0s", "3s"]),
    fault("refuse", server="spu", how="hang", between=["0s", "3s"]),
]


@pytest.mark.parametrize("given", PASSING_FAULTS, ids=str)
async def test_every_record_is_stored_in_order_through(
    cluster: Cluster, autojump_clock: MockClock, given: dict[str, Any]
) -> None:
    sent = [b"%d" % number for number in range(6)]
    async with cluster.producer(CONFIG, faults=[given]) as producer:
        outputs = []
        for value in sent:
            outputs.append(await producer.send(None, value))
            await trio.sleep(0.001)  # so that there is more than one request
        await producer.flush()
        assert cluster.first_copies() == sent
        for value, output in zip(sent, outputs, strict=True):
            metadata = await output.wait()
            assert cluster.values()[metadata.offset] == value
        assert sum(count.fired or 0 for count in cluster.simulator.summary().faults.values()) >= 1


async def test_a_lost_request_is_stored_once_and_a_lost_answer_twice(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    faults = [fault("drop", at="request", nth=1), fault("drop", at="response", nth=2)]
    async with cluster.producer(CONFIG, faults=faults) as producer:
        await (await producer.send(None, b"a")).wait()
        assert cluster.values() == [b"a", b"a"]
        assert cluster.transmissions() == 3


async def test_an_spu_that_is_away_for_a_while_gets_everything_when_it_is_back(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.producer(CONFIG) as producer:
        await (await producer.send(None, b"a")).wait()
        await cluster.simulator.stop_spu(0)
        output = await producer.send(None, b"b")
        await trio.sleep(4)
        await cluster.simulator.start_spu(0)
        await output.wait()
        assert cluster.values() == [b"a", b"b"]


async def test_a_leader_that_moves_is_followed(cluster: Cluster, autojump_clock: MockClock) -> None:
    async with cluster.producer(CONFIG, spus=2) as producer:
        await (await producer.send(None, b"a")).wait()
        cluster.simulator.move_leader("greetings", 0, 1)
        await (await producer.send(None, b"b")).wait()
        assert cluster.values() == [b"a", b"b"]
        assert producer.counters.retries <= 1


async def test_a_leader_that_moves_with_a_request_on_its_way_is_followed(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    faults = [fault("delay", at="request", by="500ms", nth=1)]
    async with cluster.producer(CONFIG, spus=2, faults=faults) as producer:
        output = await producer.send(None, b"a")
        await trio.sleep(0.1)
        cluster.simulator.move_leader("greetings", 0, 1)
        await output.wait()
        assert cluster.values() == [b"a"]
        assert producer.counters.retries == 1


async def test_the_loss_of_the_sc_stops_nobody(cluster: Cluster, autojump_clock: MockClock) -> None:
    faults = [
        fault("disconnect", at="response", between=["1s", "2s"], match={"api": "watch"}),
        fault("refuse", server="sc", between=["1s", "5s"]),
    ]
    async with cluster.producer(CONFIG, faults=faults, spus=2) as producer:
        await trio.sleep(1.5)
        cluster.simulator.move_leader("greetings", 0, 1)  # this news resets the SC's connection
        cluster.simulator.move_leader("greetings", 0, 0)
        await trio.sleep(1)
        await (await producer.send(None, b"a")).wait()
        cluster.simulator.move_leader("greetings", 0, 1)
        await trio.sleep(10)
        await (await producer.send(None, b"b")).wait()
        assert cluster.values() == [b"a", b"b"]


async def test_the_sc_connection_is_renewed(cluster: Cluster, autojump_clock: MockClock) -> None:
    faults = [fault("disconnect", at="response", between=["1s", "2s"], match={"api": "watch"})]
    async with cluster.producer(CONFIG, faults=faults, spus=2) as producer:
        sc = parse_address(cluster.simulator.address).port
        assert cluster.dialled.count(sc) == 1
        await trio.sleep(1.99)
        cluster.simulator.move_leader("greetings", 0, 1)
        await trio.sleep(1)
        assert cluster.dialled.count(sc) == 2
        await (await producer.send(None, b"a")).wait()
        assert producer.counters.retries == 0


async def test_a_silent_spu_gets_six_attempts_at_the_documented_gaps(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.producer(CONFIG, faults=[fault("drop", at="request")]) as producer:
        start = trio.current_time()
        error = await error_of(await producer.send(None, b"a"))
        assert trio.current_time() - start == pytest.approx(10)
        arrived = [
            event.t
            for event in cluster.simulator.events
            if isinstance(event, FrameRead) and event.api == "produce"
        ]
        wait = DOCUMENTED.attempt_timeout
        gaps = [later - sooner - wait for sooner, later in pairwise(arrived)]
        assert gaps == pytest.approx([0.010, 0.100, 1, 2, 2])
        assert error.persisted is Persisted.MAYBE
        assert error.attempts == 6
        assert error.seconds == pytest.approx(10)
        assert "6 attempts in 10.000 s" in str(error)
        assert "no answer from" in str(error)
        assert error.__cause__ is not None
        with pytest.raises(FlushError):
            await producer.flush()


async def test_the_default_policy_settles_one_lost_answer_in_under_eleven_seconds(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.producer(faults=[fault("drop", at="response", nth=1)]) as producer:
        start = trio.current_time()
        await (await producer.send(None, b"a")).wait()
        assert trio.current_time() - start < 11
        assert cluster.values() == [b"a", b"a"]


@pytest.mark.parametrize(
    ("given", "persisted"),
    [
        (fault("refuse", server="spu"), Persisted.NO),
        (fault("refuse", server="spu", how="rst"), Persisted.NO),
        (fault("refuse", server="spu", how="hang"), Persisted.NO),
        (fault("drop", at="request"), Persisted.MAYBE),
        (fault("drop", at="response"), Persisted.MAYBE),
        (fault("stall", at="request"), Persisted.MAYBE),
        (fault("disconnect", at="request"), Persisted.MAYBE),
        (fault("disconnect", at="response"), Persisted.MAYBE),
        (fault("delay", at="response", by="60s"), Persisted.MAYBE),
        (fault("error", at="request", code="NotLeaderForPartition"), Persisted.NO),
        (fault("error", at="response", code="StorageError"), Persisted.MAYBE),
        (fault("error", at="request", code="MessageTooLarge"), Persisted.NO),
        (fault("error", at="response", code="PartitionFull"), Persisted.MAYBE),
    ],
    ids=str,
)
async def test_when_no_attempt_can_succeed_the_error_is_in_time_and_true(
    cluster: Cluster, autojump_clock: MockClock, given: dict[str, Any], persisted: Persisted
) -> None:
    async with cluster.producer(CONFIG, faults=[given]) as producer:
        start = trio.current_time()
        error = await error_of(await producer.send(None, b"a"))
        assert trio.current_time() - start <= 10.000_001
        assert error.persisted is persisted
        if persisted is Persisted.NO:
            assert cluster.values() == []
        with pytest.raises(FlushError, match="1 record was not delivered") as caught:
            await producer.flush()
        assert caught.value.persisted is persisted


async def test_one_open_attempt_makes_it_maybe_for_good(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    faults = [
        fault("drop", at="response", nth=1),
        fault("error", at="request", code="MessageTooLarge", nth=2),
    ]
    async with cluster.producer(CONFIG, faults=faults) as producer:
        error = await error_of(await producer.send(None, b"a"))
        with pytest.raises(FlushError):
            await producer.flush()
    assert error.persisted is Persisted.MAYBE
    assert isinstance(error.__cause__, RefusedError)
    assert error.__cause__.name == "MessageTooLarge"


async def test_a_final_code_is_not_retried_and_the_producer_stays_usable(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    faults = [fault("error", at="request", code="CompressionError", nth=1)]
    async with cluster.producer(CONFIG, faults=faults) as producer:
        error = await error_of(await producer.send(None, b"a"))
        assert error.attempts == 1
        await (await producer.send(None, b"b")).wait()
        assert cluster.values() == [b"b"]
        with pytest.raises(FlushError, match="CompressionError"):
            await producer.flush()
        await producer.flush()  # told once


async def test_another_partitions_timeout_costs_no_attempt(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    faults = [
        fault("drop", at="request", nth=1, match={"partition": 0}),
        fault("delay", at="response", by="800ms", match={"partition": 1}),
    ]
    async with cluster.producer(CONFIG, topics={"greetings": 2}, faults=faults) as producer:
        first = await producer.send(None, b"to 0")
        await trio.sleep(0.3)
        second = await producer.send(None, b"to 1")
        # The overdue answer of partition 0 retires the connection at 0.815 s, before 1.1 s.
        await first.wait()
        await second.wait()
        assert cluster.values(1) == [b"to 1"]
        assert producer.counters.retries == 1


@pytest.mark.parametrize("commit_delay", [0.0, 0.5, 30.0])
async def test_read_committed_waits_for_the_commit_or_for_its_timeout(
    cluster: Cluster, autojump_clock: MockClock, commit_delay: float
) -> None:
    config = TopicProducerConfig(
        isolation=Isolation.READ_COMMITTED,
        delivery_semantic=DeliverySemantic.at_least_once(DOCUMENTED),
    )
    async with cluster.producer(config, commit_delay=commit_delay) as producer:
        start = trio.current_time()
        found = await outcome(await producer.send(None, b"a"))
        took = trio.current_time() - start
        if commit_delay < 30:
            assert found == 0
            assert took == pytest.approx(commit_delay)
        else:
            assert isinstance(found, DeliveryError)
            assert found.persisted is Persisted.MAYBE
            assert found.attempts == 6
            assert "RequestTimedOut" in str(found)
            assert took <= 10
            with pytest.raises(FlushError):
                await producer.flush()


async def test_only_the_failed_entry_of_a_request_fails(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    config = TopicProducerConfig(
        batch_size=70, delivery_semantic=DeliverySemantic.at_least_once(DOCUMENTED)
    )
    faults = [fault("drop", at="response", nth=1)]
    async with cluster.producer(config, faults=faults) as producer:
        outputs = [await producer.send(None, b"%d" % number) for number in range(50)]
        offsets = [(await output.wait()).offset for output in outputs]
        assert cluster.transmissions() == 2  # fifty batches in one request, twice
        assert offsets == list(range(50, 100))
