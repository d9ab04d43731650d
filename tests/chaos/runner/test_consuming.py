"""The step ``consume``: where consumers begin, what they do after failures, and how they end."""

from collections.abc import Iterator
from typing import Any

import pytest

from chaos.consumption import ConsumerDialled, Consumption, RecordsConsumed
from chaos.history import History
from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario
from chaos.world.world import WorldName
from simulator.events import DialRefused

SENT = [{"send": {"count": 6, "size": 16}}, "flush"]
ONE_EACH: dict[str, Any] = {"producer": {"batch_size": 1}}
"""A batch for each record."""


def ran(*consume: Any, world: WorldName = "virtual", before: Any = SENT, **more: Any) -> History:
    steps = [each if isinstance(each, str) else {"consume": each} for each in consume]
    data = {"name": "x", "workload": [*before, *steps], **more}
    history = run_scenario(Scenario.model_validate(data), world)
    assert (history.defect, history.crash) == (None, None)
    assert judge(history).verdict == "valid", judge(history)
    return history


def struck(kind: str, api: str = "stream-fetch", **fields: Any) -> dict[str, Any]:
    return {"faults": [{kind: {"match": {"api": api}, **fields}}]}


def read(history: History, n: int = 0) -> list[int]:
    """The offsets that a consumption was delivered."""
    return [
        offset
        for event in history.events
        if isinstance(event, RecordsConsumed) and event.consumption == n
        for offset in event.offsets
    ]


def dials(history: History, n: int = 0) -> int:
    return sum(isinstance(e, ConsumerDialled) and e.consumption == n for e in history.events)


def ends(history: History) -> Iterator[tuple[Any, ...]]:
    return ((each.end, each.error) for each in history.consumptions if not each.final)


def final(history: History) -> list[Consumption]:
    return [each for each in history.consumptions if each.final]


# --- where it begins


@pytest.mark.parametrize(
    ("terms", "offsets"),
    [
        ({}, range(6)),
        ({"offset": 2}, range(2, 6)),
        ({"start": "end", "offset": 2}, range(4, 6)),
        ({"start": "end", "offset": 9}, range(6)),
        ({"start": "end"}, range(0)),
        ({"start": "absolute", "offset": 5}, range(5, 6)),
        ({"count": 3}, range(3)),
    ],
)
def test_it_reads_from_where_it_is_to_begin_to_what_was_committed(
    terms: Any, offsets: range
) -> None:
    assert read(ran(terms)) == list(offsets)


def test_an_offset_beyond_the_end_ends_it() -> None:
    history = ran({"start": "absolute", "offset": 9, "count": 1})
    assert [*ends(history)] == [("error", "start offset: 9 is greater than leo: 6")]


def test_it_resumes_behind_the_offset_that_was_stored_for_its_id() -> None:
    terms = {"consumer_id": "x", "count": 4}
    history = ran(terms, {"consumer_id": "x"}, {"consumer": "b", "consumer_id": "y"})
    assert [read(history, n) for n in range(3)] == [[0, 1, 2, 3], [4, 5], [*range(6)]]


def test_the_partitions_of_a_topic_are_read_at_once() -> None:
    history = ran({"count": 5}, {"partition": 1}, topic={"partitions": 2})
    assert sorted(read(history, 0) + read(history, 1)) == [0, 0, 1, 1, 2]
    assert read(history, 2) == [0, 1, 2]


def test_one_that_waits_for_records_is_delivered_them_as_they_are_stored() -> None:
    later = [[{"sleep": "100ms"}, "send", {"sleep": "1500ms"}, "send"], [{"consume": {"count": 8}}]]
    history = ran("flush", before=[*SENT, {"concurrently": later}])
    assert read(history) == [*range(8)]


@pytest.mark.parametrize(("isolation", "after"), [("read-committed", 0.1), ("read-uncommitted", 0)])
def test_under_read_committed_a_record_is_read_after_its_commit(
    isolation: str, after: float
) -> None:
    branches = ["send"], [{"consume": {"count": 1, "isolation": isolation}}]
    history = ran("flush", before=[{"concurrently": branches}], cluster={"commit_delay": "100ms"})
    assert history.consumptions[0].ended == pytest.approx(after, abs=0.01)


def test_a_batch_larger_than_a_response_is_asked_for_again() -> None:
    assert read(ran({"max_bytes": 10}, **ONE_EACH)) == [*range(6)]


def test_a_response_that_is_cut_within_a_batch_goes_on_at_that_batch() -> None:
    assert read(ran({"max_bytes": 200}, **ONE_EACH)) == [*range(6)]


# --- failures


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("disconnect", {"at": "response", "after_bytes": 40}),
        ("disconnect", {"at": "request"}),
        ("drop", {"at": "request"}),
        ("drop", {"at": "response"}),
        ("stall", {"at": "response"}),
        ("error", {"at": "request", "code": "NotLeaderForPartition"}),
        ("error", {"at": "response", "code": "StorageError"}),
    ],
)
@pytest.mark.parametrize("world", ["virtual", "tcp"])
def test_after_a_failure_it_goes_on_at_the_next_offset(
    kind: str, fields: dict[str, Any], world: WorldName
) -> None:
    more = {**struck(kind, nth=1, **fields), "worlds": [world]}
    history = ran({"max_bytes": 200}, world=world, **ONE_EACH, **more)
    assert (read(history), dials(history)) == ([*range(6)], 4)


def test_a_response_that_comes_twice_is_delivered_once() -> None:
    assert read(ran({}, **struck("duplicate", at="both"))) == [*range(6)]


def test_an_error_that_another_attempt_does_not_repair_ends_it() -> None:
    fault = struck("error", at="request", code="TopicNotFound", nth=1)
    history = ran({}, **fault)
    assert ([*ends(history)], read(history)) == ([("error", "TopicNotFound")], [])
    assert read(history, 1)[:6] == [*range(6)], "after healing everything is read"


def test_without_an_answer_it_ends_when_its_time_is_over() -> None:
    history = ran({"within": "1500ms"}, **struck("drop", "list", at="request"))
    assert [*ends(history)] == [("bound", None)]
    [it, *_] = history.consumptions
    assert (it.ended or 0) - it.started == pytest.approx(1.5)


def test_an_offset_whose_storing_is_not_answered_may_be_the_next_start() -> None:
    lost = struck("drop", "update-consumer-offset", at="request", nth=1)
    history = ran({"consumer_id": "x", "count": 2}, {"consumer_id": "x", "count": 1}, **lost)
    assert (read(history, 0), read(history, 1)) == ([0, 1], [0])


def test_it_follows_a_leader_that_moves_and_one_that_is_elected() -> None:
    replicated = {"spus": 2, "replication": {"replicas": 2, "lag": "1ms"}}
    for step in ({"move_leader": {"to": 1}}, "fail_leader"):
        sending = [*SENT, {"sleep": "100ms"}, step, {"sleep": "1s"}, *SENT]
        branches = [sending, [{"consume": {"count": 12, "within": "10s"}}]]
        history = ran("flush", before=[{"concurrently": branches}], cluster=replicated)
        assert read(history) == [*range(12)]


def test_a_topic_that_does_not_exist_is_not_read() -> None:
    assert ran({}, before=[*SENT, "delete_topic"]).consumptions == []


def test_a_fault_strikes_one_consumer_by_its_client_id() -> None:
    cut = {"disconnect": {"at": "request", "match": {"api": "list", "client_id": "consumer-b"}}}
    history = ran({"consumer": "a"}, {"consumer": "b", "within": "100ms"}, faults=[cut])
    assert [each.end for each in history.consumptions] == ["end", "bound", "end"]


# --- beside the producer


def test_what_happens_to_a_consumer_says_nothing_of_the_producer() -> None:
    steps = [*SENT, {"sleep": "200ms"}, {"consume": {"within": "500ms"}}, *SENT]
    faults = [{"refuse": {"server": "spu", "how": "rst", "between": ["100ms", "2s"]}}]
    history = ran("flush", before=steps, faults=faults)
    assert [*ends(history)] == [("bound", None)]


def test_the_figure_of_connections_leaves_out_consumers() -> None:
    ran(always={"connections": 1})
    ran({}, always={"connections": 1})


@pytest.mark.parametrize("world", ["virtual", "tcp"])
def test_a_refused_connect_of_a_consumer_counts_for_the_fault(world: WorldName) -> None:
    faults = [{"refuse": {"server": "spu", "how": "refuse", "between": ["300ms", "1s"]}}]
    more: dict[str, Any] = {"faults": faults, "worlds": [world]}
    before = [*SENT, {"sleep": "400ms"}]
    history = ran({"within": "100ms"}, world=world, before=before, **more)
    refused = [e.client_id for e in history.events if isinstance(e, DialRefused)]
    assert "consumer-a" in refused


def test_after_healing_every_partition_is_read_if_the_workload_reads() -> None:
    topic = {"partitions": 3}
    assert [each.partition for each in final(ran({"count": 1}, topic=topic))] == [0, 1, 2]
    assert final(ran(topic=topic)) == []


# --- retention

SHORT_LOG: dict[str, Any] = {**ONE_EACH, "cluster": {"retain": "400"}}
ONE_BY_ONE = [{"send": {"count": 9, "size": 16, "wait": True}}]


def test_the_beginning_is_the_first_record_that_is_left() -> None:
    history = ran({}, before=ONE_BY_ONE, **SHORT_LOG)
    offsets = read(history)
    assert offsets == [*range(offsets[0], 9)]
    assert 0 < offsets[0] < 9


def test_an_offset_that_was_evicted_ends_it() -> None:
    history = ran({"start": "absolute"}, before=ONE_BY_ONE, **SHORT_LOG)
    assert [*ends(history)] == [("error", "OffsetEvicted")]


def test_a_beginning_that_moves_as_it_is_looked_up_is_no_early_end() -> None:
    network: dict[str, Any] = {"worlds": ["virtual"], "network": {"latency": "0ms"}}
    cluster = {"spus": 2, "retain": "1", "replication": {"lag": "1us"}}
    ran({"within": "0ms"}, before=[{"send": {"wait": True}}], cluster=cluster, **network)
