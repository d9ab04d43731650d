"""Which partition a record goes to."""

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from producer import (
    NotFoundError,
    TopicProducerConfig,
    specific,
)
from producer.delivery.partitioner import partition_of_key
from simulator.cluster.cluster import topic_of
from tests.producer.cluster import Cluster


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
        await cluster.simulator.stop_spu(1)
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


async def test_partitions_that_a_topic_gets_later_are_used(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with (
        cluster.client(topics={"greetings": 2}) as fluvio,
        fluvio.topic_producer("greetings") as producer,
    ):
        metadata = fluvio._metadata
        later = metadata.partitions.pop("greetings-1")
        for told in (False, True):
            if told:
                metadata.partitions["greetings-1"] = later
            for call in metadata.on_change:
                call()
            turns = {(await producer.send(None, b"v"))[0].partition for _ in range(4)}
            assert turns == ({0, 1} if told else {0})


async def test_keys_go_to_the_partitions_of_a_topic_that_was_created_again_with_fewer(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.producer(topics={"greetings": 3}) as producer:
        keys = [b"%d" % number for number in range(12)]
        assert {(await producer.send(key, b"v"))[0].partition for key in keys} == {0, 1, 2}
        await producer.flush()
        cluster.simulator.cluster.delete_topic("greetings")
        cluster.simulator.cluster.create_topic("greetings", topic_of(2))
        await trio.testing.wait_all_tasks_blocked()
        for key in keys:
            metadata = await (await producer.send(key, b"v")).wait()
            assert metadata.partition == partition_of_key(key, 2)
