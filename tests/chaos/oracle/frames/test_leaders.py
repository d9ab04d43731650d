"""Which SPU leads each partition, and whether it serves it."""

import pytest

from chaos.oracle.evidence import Evidence
from chaos.oracle.frames.leaders import Leaders
from chaos.oracle.frames.routing import news
from simulator.events import (
    Event,
    LeaderMoved,
    PartitionsAdded,
    PartitionServed,
    SpuStarted,
    SpuStopped,
    TopicCreated,
    TopicDeleted,
)
from tests.chaos.oracle.checks.playing import played

CREATED = TopicCreated(topic="t", leaders=(0, 1, 0))
STOPPED, STARTED = SpuStopped(spu=0), SpuStarted(spu=0)


def moved(partition: int, spu: int) -> Event:
    return LeaderMoved(topic="t", partition=partition, spu=spu)


def served(partition: int, topic: str = "t") -> Event:
    return PartitionServed(topic=topic, partition=partition, spu=0)


@pytest.mark.parametrize(
    ("events", "serving"),
    [
        ((), {}),
        ((CREATED,), {0: 0, 1: 1, 2: 0}),
        ((TopicCreated(topic="other", leaders=(0,)),), {}),
        ((CREATED, STOPPED), {1: 1}),
        ((CREATED, STOPPED, STARTED), {1: 1}),
        ((CREATED, STOPPED, STARTED, served(2)), {1: 1, 2: 0}),
        ((CREATED, STOPPED, STARTED, served(0, "other")), {1: 1}),
        ((CREATED, STOPPED, STARTED, served(0), STOPPED), {1: 1}),
        ((CREATED, STARTED), {0: 0, 1: 1, 2: 0}),
        ((CREATED, STOPPED, moved(0, 1)), {0: 1, 1: 1}),
        ((CREATED, STOPPED, moved(1, 0)), {}),
        ((CREATED, STOPPED, STARTED, moved(0, 0)), {0: 0, 1: 1}),
        ((CREATED, TopicDeleted(topic="t")), {}),
        ((CREATED, TopicDeleted(topic="other")), {0: 0, 1: 1, 2: 0}),
        ((STOPPED, CREATED), {1: 1}),
        ((STOPPED, CREATED, STARTED, served(0)), {0: 0, 1: 1}),
        (
            (CREATED, STOPPED, PartitionsAdded(topic="t", first=3, leaders=(1, 0))),
            {1: 1, 3: 1},
        ),
    ],
)
def test_a_partition_is_served_by_a_leader_that_runs_and_has_recovered(
    events: tuple[Event, ...], serving: dict[int, int]
) -> None:
    leaders = Leaders("t")
    for event in events:
        leaders.follow(event)
    assert leaders.serving == serving


def test_a_partition_that_is_not_served_keeps_its_leader() -> None:
    leaders = Leaders("t")
    for event in (CREATED, STOPPED, STARTED):
        leaders.follow(event)
    assert leaders.assigned == {0: 0, 1: 1, 2: 0}


def test_the_client_knows_a_partition_as_served_when_its_news_have_arrived() -> None:
    history = played(
        cluster={"spus": 2, "recovery": "500ms"},
        topic={"partitions": 2},
        workload=["send", "wait", "stop_spu", {"sleep": "1s"}, "start_spu", {"sleep": "1s"}],
    )
    evidence = Evidence(history)
    told = evidence.once(news)
    for t, leaders in ((0.9, {1: 1}), (1.2, {1: 1}), (1.8, {0: 0, 1: 1})):
        known = told.known_at(t)
        assert known is not None
        assert known[1] == leaders
