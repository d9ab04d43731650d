"""When replicas commit records, and which ones an election leaves out."""

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from chaos.history import History
from chaos.mutants import MUTANTS
from chaos.oracle.answers import Answers
from chaos.oracle.checks import acked_is_stored
from chaos.oracle.evidence import Evidence
from chaos.oracle.frames.replicas import ReplicaHistory
from simulator.events import Appended, LeaderElected, ReplicaCaughtUp
from tests.chaos.oracle.checks.playing import RETRY, played, said

COMMITTED: dict[str, Any] = {
    "cluster": {"spus": 3, "replication": {"replicas": 3, "lag": "50ms"}},
    "producer": {"isolation": "read-committed", "attempt_timeout": "1s", "retry": RETRY},
    "workload": [{"sleep": "200ms"}, {"send": {"count": 2, "wait": True}}],
}

A_FOLLOWER_IS_AWAY = {
    **COMMITTED,
    "producer": {**COMMITTED["producer"], "timeout": "100ms"},
    "workload": [{"sleep": "200ms"}, {"stop_spu": {"spu": 2}}, "send", "wait"],
}


def failing(isolation: str) -> History:
    return played(
        cluster=COMMITTED["cluster"],
        producer={
            "isolation": isolation,
            "attempt_timeout": "1s",
            "retry": {**RETRY, "max_retries": 20},
        },
        workload=[
            "send",
            {"sleep": "200ms"},
            "send",
            {"sleep": "10ms"},
            "fail_leader",
            {"sleep": "1s"},
            "send",
            "wait",
        ],
    )


def test_a_request_waits_for_the_last_replica() -> None:
    evidence = Evidence(played(**COMMITTED))
    replicas, answers = ReplicaHistory(evidence), Answers(evidence)
    for read, sent in zip(evidence.requests, evidence.transmissions, strict=True):
        (turn,) = replicas.turns(read)
        assert turn.committed_at == pytest.approx(read.t + 0.05)
        assert turn.timeout_at == pytest.approx(read.t + (read.timeout_ms or 0) / 1000)
        assert turn.end == turn.committed_at
        assert answers.is_ok(sent[0])
    assert replicas.longest_commit_s(since=0.0) == pytest.approx(0.05)
    assert replicas.longest_commit_s(since=inf) == 0.0


def test_without_a_replica_nothing_is_committed_and_each_attempt_is_stored() -> None:
    history = played(**A_FOLLOWER_IS_AWAY)
    evidence = Evidence(history)
    replicas, answers = ReplicaHistory(evidence), Answers(evidence)
    (attempts, _) = evidence.transmissions
    assert len(attempts) == 3
    assert (history.records[0].outcome, len(evidence.copies[0])) == ("unknown", 3)
    for read, attempt in zip(evidence.requests, attempts, strict=False):
        (turn,) = replicas.turns(read)
        assert turn.end == turn.timeout_at == pytest.approx(read.t + 0.1)
        assert not answers.is_ok(attempt)
        assert not answers.may_acknowledge(attempt)


def test_what_an_election_left_out_is_known_by_its_request_and_its_offset() -> None:
    history = failing("read-uncommitted")
    evidence = Evidence(history)
    replicas = ReplicaHistory(evidence)
    first, second, third, _ = history.records
    assert [record.offset for record in (first, second, third)] == [0, 1, 1]
    assert [replicas.lost(record) for record in history.records] == [False, True, False, False]
    assert [len(copies) for copies in evidence.copies] == [1, 0, 1, 1]
    assert replicas.left_out(evidence.transmissions[1][0])
    assert replicas.was_stored(second)
    assert not replicas.lost(replace(second, offset=0))
    assert replicas.lost(replace(second, offset=None, partition=None))
    assert not replicas.lost(replace(second, outcome="unknown"))


def test_what_replaces_it_is_stored_by_its_own_request() -> None:
    evidence = Evidence(failing("read-uncommitted"))
    (copy,) = evidence.copies[2]
    assert copy.transmission == evidence.transmissions[2][0].number
    assert evidence.append_at(0, 0, 1) == copy.transmission


def test_under_read_committed_the_same_record_is_sent_again() -> None:
    history = failing("read-committed")
    evidence = Evidence(history)
    assert evidence.left_out
    assert not any(map(ReplicaHistory(evidence).lost, history.records))
    assert len(evidence.transmissions[1]) > 1
    assert said(acked_is_stored, history) == []


def changed(history: History, event: type[Any], **fields: Any) -> History:
    events = [
        replace(each, **fields) if isinstance(each, event) else each for each in history.events
    ]
    return replace(history, events=events)


def test_a_leader_that_lacks_committed_records_is_reported() -> None:
    history = changed(failing("read-uncommitted"), LeaderElected, kept_to=0)
    assert any(
        text.startswith("spu:1 was elected at 1.") and text.endswith("although 1 were committed")
        for text in said(acked_is_stored, history)
    )


def test_a_high_watermark_of_a_fetch_that_moves_back_is_reported() -> None:
    history = played(**COMMITTED)
    last = [event for event in history.events if isinstance(event, ReplicaCaughtUp)][-1]
    events = [
        replace(event, high_watermark=0) if event is last else event for event in history.events
    ]
    assert any(
        text.startswith("the high watermark of partition 0 moved back from 2 to 0, as of the fetch")
        for text in said(acked_is_stored, replace(history, events=events))
    )


def test_an_answer_before_the_last_replica_has_the_record_is_reported() -> None:
    history = played(**COMMITTED)
    late = [
        replace(event, t=event.t + 0.5) if isinstance(event, ReplicaCaughtUp) else event
        for event in history.events
    ]
    texts = said(acked_is_stored, replace(history, events=late))
    assert any("before the commit that it asked for" in text for text in texts)


def test_each_append_says_what_the_replicas_have_committed() -> None:
    history = played(**COMMITTED)
    marks = [event.high_watermark for event in history.events if isinstance(event, Appended)]
    assert marks == [0, 1, 2]


def test_a_leader_that_moves_to_where_it_is_changes_nothing() -> None:
    steps = [{"sleep": "100ms"}, "send", {"sleep": "1ms"}, {"move_leader": {"to": 0}}, "wait"]
    assert said(acked_is_stored, played(**{**COMMITTED, "workload": steps})) == []


def test_a_high_watermark_ahead_of_a_replica_is_reported() -> None:
    with MUTANTS["commits-with-the-first-follower"].applied():
        history = played(**COMMITTED)
    assert any(
        text.endswith("although not every replica had as much")
        for text in said(acked_is_stored, history)
    )
