"""``recovers``: after a transient fault delivery resumes while traffic goes on."""

from dataclasses import replace
from typing import Any

from chaos.history import History
from chaos.mutants.connecting import GivesUpTheDialOfAll
from chaos.oracle.checks import recovers
from chaos.oracle.evidence import Evidence
from simulator.events import Event, FaultHit, PartitionServed, SpuStarted
from tests.chaos.oracle.checks.playing import AT_MOST_ONCE, judged, played, said, without

STREAM: dict[str, Any] = {
    "network": {"latency": "5ms"},
    "producer": {
        "delivery_semantic": "at-most-once",
        "response_timeout": "200ms",
        "batch_size": 1,
    },
    "workload": [{"send": {"count": 100, "pace": "10ms"}}, {"sleep": "1s"}],
}
LOST_GREETING = {"drop": {"at": "response", "limit": 1, "match": {"api": "api-versions"}}}


def broken() -> History:
    with GivesUpTheDialOfAll.applied():
        return played(LOST_GREETING, **STREAM)


def excused(history: History) -> dict[str, int]:
    return recovers.check(Evidence(history)).excused


def test_a_stream_recovers_from_a_lost_greeting() -> None:
    history = played(LOST_GREETING, **STREAM)
    assert said(recovers, history) == []
    assert judged(recovers, history) > 20
    assert excused(history) == {"no-quiet-interval": 100 - judged(recovers, history)}


def test_a_stream_that_never_recovers_is_reported() -> None:
    (text,) = said(recovers, broken())
    assert text.startswith("records ")
    assert text.endswith(
        "although nothing struck in that time and the client had recovered by then"
    )


def test_one_record_that_is_delivered_is_enough() -> None:
    history = broken()
    sent = next(record for record in reversed(history.records) if not record.probe)
    stored = history.logs[0][-1]
    history.logs[0] = [*history.logs[0], replace(stored, value=sent.value, offset=99)]
    assert said(recovers, history) == []


def test_records_are_excused_while_faults_go_on_striking() -> None:
    history = broken()
    hit = next(event for event in history.events if isinstance(event, FaultHit))
    again = [replace(hit, t=hit.t + n / 10) for n in range(1, 12)]
    history.events = sorted([*history.events, *again], key=lambda event: event.t)
    assert said(recovers, history) == []
    assert judged(recovers, history) == 0
    assert excused(history)["no-quiet-interval"] == 100


def test_a_closed_listener_disturbs_until_it_opens_again() -> None:
    refuse = {"refuse": {"server": "spu", "how": "refuse", "between": ["0s", "500ms"]}}
    longer = {**STREAM, "workload": [{"send": {"count": 300, "pace": "10ms"}}, {"sleep": "1s"}]}
    history = played(refuse, **longer)
    assert any(record.outcome == "failed" for record in history.records)
    assert said(recovers, history) == []
    assert 0 < judged(recovers, history) < 200


def test_an_interval_without_an_outcome_says_nothing() -> None:
    history = played(**{**STREAM, "workload": [{"send": {"count": 3}}]})
    for record in history.records:
        record.outcome, record.outcome_at = "unknown", None
    assert judged(recovers, history) == 0


def test_a_key_shows_no_partition_once_there_are_more_of_them() -> None:
    late = {"delay": {"by": "4400us", "at": "response", "match": {"api": "api-versions"}}}
    history = played(
        late,
        cluster={"spus": 2},
        producer={"attempt_timeout": "4600us"},
        workload=[
            {"send": {"count": 3, "keys": 2, "wait": True}},
            {"add_partitions": {"count": 1}},
            {"send": {"count": 2, "keys": 2, "pace": "100us"}},
        ],
    )
    assert any(record.outcome != "ok" for record in history.records)
    assert said(recovers, history) == []


def test_what_its_caller_gave_up_does_not_tell_of_a_client_that_is_broken() -> None:
    options = {**STREAM["producer"], "linger": "1s"}
    workload = [{"sleep": "5s"}, "send", {"close": {"cancel_after": "1ms"}}, {"sleep": "1s"}]
    history = played(LOST_GREETING, **{**STREAM, "producer": options, "workload": workload})
    assert history.records[0].outcome == "failed"
    assert not history.logs[0][:-1]
    assert said(recovers, history) == []


# --- SPUs that listen before they serve

RESTART: dict[str, Any] = {
    **STREAM,
    "cluster": {"recovery": "4s"},
    "workload": [
        {"send": {"count": 10, "pace": "10ms"}},
        "stop_spu",
        "start_spu",
        {"send": {"count": 30, "pace": "100ms"}},
    ],
}


def test_no_client_recovers_before_the_partition_is_served() -> None:
    history = played(**RESTART)
    assert said(recovers, history) == []
    assert judged(recovers, history) == 0


def test_a_client_that_delivers_nothing_although_the_partition_is_served_is_reported() -> None:
    history = played(**RESTART)
    served = next(
        event
        for event in history.events
        if isinstance(event, PartitionServed) and event.topic == "greetings"
    )
    events: list[Event] = []
    for event in history.events:
        if event is not served:
            events.append(event)
        if isinstance(event, SpuStarted):
            events.append(replace(served, t=event.t))
    (text,) = said(recovers, replace(history, events=events))
    assert "nothing that was sent from" in text


# --- leaders that fail

FAILED_OVER: dict[str, Any] = {
    "cluster": {"spus": 2, "replication": {"replicas": 2, "lag": "10ms"}},
    "workload": [
        {"send": {"count": 2}},
        {"sleep": "100ms"},
        "fail_leader",
        {"send": {"count": 80, "pace": "100ms"}},
        "wait",
    ],
}
"""The old leader stays away; the new one is there after 0.8 s."""


def test_an_election_ends_what_the_stop_of_the_old_leader_began() -> None:
    assert judged(recovers, played(**FAILED_OVER)) > 30


def test_a_client_that_does_not_find_the_elected_leader_is_reported() -> None:
    silent = {"drop": {"at": "both", "match": {"spu": 1}}}
    history = played(silent, producer=AT_MOST_ONCE, **FAILED_OVER)
    assert judged(recovers, history) == 0  # faults strike the new leader all the time
    unexplained = without(history, lambda event: isinstance(event, FaultHit))
    assert any("nothing that was sent from" in text for text in said(recovers, unexplained))
