"""At-most-once against the real simulator, in virtual time: never twice, never a hang."""

from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from producer import (
    DeliveryError,
    DeliverySemantic,
    FlushError,
    Persisted,
    RecordMetadata,
    TopicProducerConfig,
)
from tests.producer.cluster import Cluster
from tests.producer.test_at_least_once import PASSING_FAULTS, error_of, fault, outcome
from tests.simulator.memory import MemoryNetwork

CONFIG = TopicProducerConfig(delivery_semantic=DeliverySemantic.at_most_once())


async def test_records_are_stored_and_their_metadata_is_told(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.producer(CONFIG) as producer:
        outputs = [await producer.send(None, b"%d" % number) for number in range(3)]
        await producer.flush()
        assert [(await output.wait()).offset for output in outputs] == [0, 1, 2]


@pytest.mark.parametrize("given", PASSING_FAULTS, ids=str)
async def test_nothing_is_transmitted_twice_and_no_wait_hangs_through(
    cluster: Cluster, autojump_clock: MockClock, given: dict[str, Any]
) -> None:
    sent = [b"%d" % number for number in range(6)]
    outputs = []
    start = 0.0
    async with cluster.client(faults=[given]) as fluvio:
        try:
            async with fluvio.topic_producer("greetings", CONFIG) as producer:
                start = trio.current_time()
                for value in sent:
                    outputs.append(await producer.send(None, value))
                    await trio.sleep(0.001)
                for value, output in zip(sent, outputs, strict=True):
                    found = await outcome(output)
                    assert trio.current_time() - start <= 10.01
                    if isinstance(found, DeliveryError):
                        assert found.persisted is Persisted.MAYBE or value not in cluster.values()
                    else:
                        assert cluster.values()[found] == value
        except FlushError as error:
            assert error.persisted is Persisted.NO  # noqa: PT017  # the only kind that it raises
        stored = cluster.values()
        assert len(stored) == len(set(stored))
        assert cluster.transmissions() <= len(sent)
        assert trio.current_time() - start <= 20


async def test_connecting_again_before_the_first_byte_is_no_second_transmission(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    faults = [fault("refuse", server="spu", between=["0s", "5s"])]
    async with cluster.producer(CONFIG, faults=faults) as producer:
        output = await producer.send(None, b"a")
        assert (await output.wait()).offset == 0
        assert cluster.transmissions() == 1


async def test_an_spu_that_is_never_there_is_told_in_time_as_not_stored(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.producer(CONFIG, faults=[fault("refuse", server="spu")]) as producer:
        start = trio.current_time()
        output = await producer.send(None, b"a")
        with pytest.raises(FlushError, match="connection refused") as caught:
            await producer.flush()
        assert caught.value.persisted is Persisted.NO
        error = await error_of(output)
        assert trio.current_time() - start <= 10.000_001
        assert error.persisted is Persisted.NO


async def test_a_flush_does_not_wait_for_answers_and_does_not_raise_for_them(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.producer(CONFIG, faults=[fault("drop", at="response")]) as producer:
        start = trio.current_time()
        output = await producer.send(None, b"a")
        await producer.flush()
        assert trio.current_time() - start < 0.001
        error = await error_of(output)
        assert trio.current_time() - start == pytest.approx(10)
        assert error.persisted is Persisted.MAYBE


async def test_requests_are_pipelined(cluster: Cluster, autojump_clock: MockClock) -> None:
    faults = [fault("delay", at="response", by="2s")]
    async with cluster.producer(CONFIG, faults=faults) as producer:
        for number in range(5):
            await producer.send(None, b"%d" % number)
            await producer.flush()
        assert trio.current_time() < 0.1
        await trio.testing.wait_all_tasks_blocked()
        assert cluster.transmissions() == 5
    assert cluster.values() == [b"0", b"1", b"2", b"3", b"4"]


async def test_closing_reads_the_answers_that_come_and_learns_of_the_end_of_the_others(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    faults = [
        fault("delay", at="response", by="1s"),
        fault("drop", at="response", nth=2),
    ]
    async with cluster.client(faults=faults) as fluvio:
        async with fluvio.topic_producer("greetings", CONFIG) as producer:
            first = await producer.send(None, b"a")
            await producer.flush()
            second = await producer.send(None, b"b")
        assert trio.current_time() < 5  # the SPU closed its side, so nobody waits for 10 s
        assert isinstance(await first.wait(), RecordMetadata)
        assert (await error_of(second)).persisted is Persisted.MAYBE
        async with fluvio.topic_producer("greetings", CONFIG) as producer:
            await (await producer.send(None, b"c")).wait()  # over a new connection


async def test_only_so_many_requests_are_unanswered_at_a_time(
    cluster: Cluster, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.sender.IN_FLIGHT_MAX", 2)
    config = replace(CONFIG, batch_size=1)  # each record has a time of its own
    async with cluster.producer(config, faults=[fault("drop", at="response")]) as producer:
        transmitted = []
        for number in range(5):
            await producer.send(None, b"%d" % number)
            await trio.testing.wait_all_tasks_blocked()
            transmitted.append(cluster.transmissions())
        await trio.sleep(5)
        last = await producer.send(None, b"5")
        assert cluster.transmissions() == 2
        await error_of(last)
        transmitted.append(cluster.transmissions())
        assert transmitted == [1, 2, 2, 2, 2, 3]  # the time of those between was over by then
        with pytest.raises(FlushError, match="3 records were not delivered"):
            await producer.flush()


class _DeafNetwork(MemoryNetwork):
    """A network whose streams take no more than one write, as a peer that stopped reading."""

    deaf = False

    def connect(self, address: str) -> trio.abc.HalfCloseableStream:
        stream = super().connect(address)
        assert isinstance(stream, trio.StapledStream)
        send = stream.send_stream
        original = send.send_all

        async def send_all(data: bytes) -> None:
            if self.deaf:
                await trio.sleep_forever()
            await original(data)

        send.send_all = send_all
        return stream


async def test_a_peer_that_does_not_read_ends_every_wait_in_time(autojump_clock: MockClock) -> None:
    network = _DeafNetwork()
    cluster = Cluster(network)
    async with cluster.client() as fluvio:
        with pytest.raises(FlushError):  # noqa: PT012  # leaving the block raises it
            async with fluvio.topic_producer("greetings", CONFIG) as producer:
                await (await producer.send(None, b"a")).wait()
                network.deaf = True
                begun = await producer.send(None, b"b")
                await trio.sleep(1)
                behind = await producer.send(None, b"c")
                assert (await error_of(begun)).persisted is Persisted.MAYBE
                network.deaf = False
                assert isinstance(await outcome(behind), int | DeliveryError)
                assert trio.current_time() <= 11.000_001
                network.deaf = True
                last = await producer.send(None, b"d")
                await trio.testing.wait_all_tasks_blocked()
                waiting = await producer.send(None, b"e")
        assert (await error_of(last)).persisted is Persisted.MAYBE
        assert (await error_of(waiting)).persisted is Persisted.NO
