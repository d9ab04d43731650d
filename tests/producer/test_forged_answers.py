"""Answers that are well formed and not about what was asked: they acknowledge nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from trio.testing import MockClock

import producer.request
from producer import DeliveryError, DeliverySemantic, Persisted, TopicProducerConfig
from tests.producer.cluster import Cluster
from tests.producer.test_at_least_once import error_of
from wire.api.produce import ProduceResponse
from wire.codec import decode


def _topic(answer: ProduceResponse) -> None:
    answer.topics[0].name = "another"


def _partition(answer: ProduceResponse) -> None:
    answer.topics[0].partitions[0].partition_index = 7


def _missing(answer: ProduceResponse) -> None:
    answer.topics[0].partitions.pop()


def _extra(answer: ProduceResponse) -> None:
    answer.topics[0].partitions.append(answer.topics[0].partitions[0])


def _offset(answer: ProduceResponse) -> None:
    answer.topics[0].partitions[0].base_offset = -5


FORGERIES = (_topic, _partition, _missing, _extra, _offset)


@pytest.fixture(params=FORGERIES, ids=lambda forge: forge.__name__)
def _first_answer_is_forged(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge: list[Callable[[ProduceResponse], None]] = [request.param]

    def forged(cls: type[Any], body: bytes, version: int) -> Any:
        answer = decode(cls, body, version)
        if forge:
            forge.pop()(answer)
        return answer

    monkeypatch.setattr(producer.request, "decode", forged)


@pytest.mark.usefixtures("_first_answer_is_forged")
async def test_at_least_once_takes_it_for_a_broken_connection_and_sends_again(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.producer() as sender:
        metadata = await (await sender.send(None, b"a")).wait()
        assert metadata.offset == 1
        assert cluster.values() == [b"a", b"a"]
    assert len(cluster.dialled) == 3  # the SC, and the SPU twice


@pytest.mark.usefixtures("_first_answer_is_forged")
async def test_at_most_once_says_that_the_record_is_perhaps_stored(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    once = TopicProducerConfig(delivery_semantic=DeliverySemantic.at_most_once())
    async with cluster.producer(once) as sender:
        error = await error_of(await sender.send(None, b"a"))
        assert isinstance(error, DeliveryError)
        assert error.persisted is Persisted.MAYBE
        assert "not the protocol" in str(error)
        assert (await (await sender.send(None, b"b")).wait()).offset == 1
    assert cluster.transmissions() == 2
