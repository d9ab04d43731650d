"""``as-configured``: what is on the wire is what the options say.

Each rule has a defect of the zoo that breaks it, and that no other check sees.
"""

from dataclasses import replace
from typing import Any

import pytest

from chaos.history import History
from chaos.mutants import MUTANTS, configuring
from chaos.oracle.checks import as_configured
from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario
from simulator.events import ConnectionClosed, FrameRead, FrameWritten, LeaderMoved, SpuStarted
from tests.chaos.oracle.checks.playing import (
    AT_MOST_ONCE,
    judged,
    measured_by,
    played,
    said,
    with_logs,
    without,
)

COMMITTED = {"isolation": "read-committed"}
LINGERING = {"linger": "20ms"}
SLOWLY = {"send": {"count": 3, "pace": "1ms"}}

BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "ignores-the-isolation": (
        {"producer": COMMITTED},
        "has acks 1, but the isolation is read-committed",
    ),
    "sends-the-timeout-in-seconds": ({}, "has a timeout of 1 ms, not 750 to 1500 ms"),
    "sends-the-whole-timeout": (
        {"producer": {**COMMITTED, "attempt_timeout": "1s"}},
        "has a timeout of 1500 ms, not 500 to 1000 ms",
    ),
    "ignores-the-compression": (
        {"producer": {"compression": "gzip"}},
        "is compressed with none, not gzip",
    ),
    "forgets-the-header-of-a-batch": (
        {"producer": {"batch_size": 218}},
        "has 279 bytes before compression and 2 records; batch_size is 218",
    ),
    "fills-a-request-beyond-its-limit": (
        {
            "producer": {"max_request_size": 1024, "batch_size": 1},
            "workload": [{"send": {"count": 2, "size": 443}}, "flush"],
        },
        "has 1,092 bytes and 2 records; max_request_size is 1,024",
    ),
    "counts-the-wrong-queue": (
        {
            "producer": {"max_request_size": 1024, "batch_queue_size": 1},
            "workload": [{"send": {"count": 3, "size": 500}}, "flush"],
        },
        "2 batches waited for partition 0 besides those of its next request; the limit is 1",
    ),
    "lingers-twice": (
        {"producer": LINGERING, "workload": ["send", {"sleep": "1s"}]},
        "although nothing held it up; linger is 20.000 ms",
    ),
    "flushes-after-the-linger": (
        {"producer": LINGERING},
        "although nothing held it up; the flush at 0.004 s covers it",
    ),
    "lingers-although-full": (
        {"producer": {**LINGERING, "batch_size": 300}, "workload": [SLOWLY, {"sleep": "1s"}]},
        "although nothing held it up; record 2, accepted at 0.003 s, began the next batch",
    ),
    "stamps-when-it-closes": (
        {"producer": LINGERING, "workload": ["send", {"sleep": "1s"}]},
        "sent at 0.001 s, taken at 0.001 s, the timestamp 170000000002",
    ),
    "stamps-by-the-wrong-clock": ({}, "the timestamp 0, -1700000000.000 s of the run"),
    "largest-timestamp-of-the-first": (
        {"producer": LINGERING, "workload": [SLOWLY, "flush"]},
        "has the largest timestamp 1700000000000; that of its last record is 1700000000002",
    ),
    "offset-deltas-of-zero": (
        {"workload": [{"send": {"count": 3, "keys": 1}}, "flush"]},
        "has records whose offset deltas are not 0, 1, 2 and so on",
    ),
    "speaks-a-newer-version": ({}, "has version 20, which sc does not offer"),
    "takes-no-turns": (
        {"topic": {"partitions": 2}, "workload": [SLOWLY, "flush"]},
        "without a key, went to partition 0 out of turn: 2 partitions have a leader",
    ),
    "takes-offline-partitions": (
        {
            "cluster": {"spus": 2},
            "topic": {"partitions": 2},
            "workload": [{"stop_spu": {"spu": 0}}, {"sleep": "1ms"}, SLOWLY],
        },
        "went to partition 0, although the client knew that it has no leader",
    ),
    "asks-before-every-request": (
        {"workload": [{"send": {"count": 4, "wait": True}}]},
        "the SC was asked 5 times until",
    ),
    "keeps-the-leader-of-a-request": (
        {"cluster": {"spus": 2}, "workload": [SLOWLY, {"move_leader": {"to": 1}}, "send"]},
        "although the client knew from 0.004 s on that spu:1 leads it",
    ),
}


def scenario(data: dict[str, Any]) -> Scenario:
    whole = {"name": "options", "worlds": ["virtual"], "workload": [SLOWLY, "flush"], **data}
    return Scenario.model_validate(whole)


def test_each_defect_of_the_options_has_a_case() -> None:
    assert {m.name() for m in MUTANTS.values() if m.__module__ == configuring.__name__} == {*BROKEN}


@pytest.mark.parametrize("name", BROKEN)
def test_only_this_check_sees_a_defect_of_the_options(name: str) -> None:
    data, text = BROKEN[name]
    if name in ("stamps-by-the-wrong-clock", "forgets-the-header-of-a-batch"):
        data = {"workload": [{"send": {"count": 2}}, "flush"], **data}
    sound = judge(run_scenario(scenario(data)))
    assert (sound.verdict, sound.reasons) == ("valid", ())
    with MUTANTS[name].applied():
        finding, *others = judge(run_scenario(scenario(data))).broken
    if name.startswith("stamps-"):  # the client reports the timestamp that it should have stored
        assert {other.check for other in others} <= {"told-once", "as-configured"}
        finding = next(f for f in (finding, *others) if f.check == "as-configured")
    else:
        assert others == []
    assert finding.check == "as-configured"
    assert any(text in violation.text for violation in finding.violations), finding.violations


def with_frames(history: History, **fields: Any) -> History:
    """Return the same run with other fields in each produce request."""
    events = [
        replace(event, **fields)
        if isinstance(event, FrameRead) and event.api == "produce"
        else event
        for event in history.events
    ]
    return replace(history, events=events)


def test_every_transmitted_record_is_judged_once() -> None:
    lost = {"drop": {"at": "response", "nth": 1}}
    history = played(lost)
    assert judged(as_configured, history) == len(history.records) == 4


def test_any_positive_acks_means_after_the_append() -> None:
    assert said(as_configured, with_frames(played(), acks=0)) == []
    assert len(said(as_configured, with_frames(played(), acks=-2))) == 2


def test_one_record_may_exceed_every_size() -> None:
    sizes = {"batch_size": 200, "max_request_size": 1024}
    history = played(workload=[{"send": {"size": 900}}, "wait"], producer=sizes)
    assert said(as_configured, history) == []
    small = measured_by(history, max_request_size=500, batch_size=1)
    assert said(as_configured, small) == []


def test_a_batch_whose_header_counts_other_records_is_reported() -> None:
    history = played(producer={"linger": "1ms"})
    texts = said(as_configured, _with_count(history, 7))
    assert texts[0].endswith("has 3 records, its header says 7")


def test_a_batch_that_does_not_decode_is_left_to_another_check() -> None:
    history = played(producer={"linger": "1ms"})
    assert said(as_configured, _with_count(history, 7, decodes=False)) == []


def _with_count(history: History, count: int, *, decodes: bool = True) -> History:
    """Return the same run with another record count in the header of each batch of several; without
    ``decodes``, also with a length of its first record that is too large."""
    events = []
    for event in history.events:
        if isinstance(event, FrameRead) and event.carried:
            ((topic, partition, data),) = event.carried
            raw = bytearray(data)
            if raw[26]:
                raw[23:27] = (count - 1).to_bytes(4, "big")
            if not decodes:
                raw[61:63] = b"\xfe\x7f"
            event = replace(event, carried=((topic, partition, bytes(raw)),))
        events.append(event)
    return replace(history, events=events)


def test_without_the_time_of_day_no_timestamp_is_judged() -> None:
    with MUTANTS["stamps-by-the-wrong-clock"].applied():
        history = played()
    assert said(as_configured, history)
    assert said(as_configured, replace(history, zero_ns=())) == []


def test_a_clock_that_was_set_widens_the_times() -> None:
    history = played(producer={"linger": "1ms"})
    start, end = history.zero_ns
    hour = 3600 * 10**9
    assert said(as_configured, replace(history, zero_ns=[start - hour, end])) == []
    assert said(as_configured, replace(history, zero_ns=[start - hour, end - hour]))


def test_a_change_of_the_cluster_before_the_linger_is_over_excuses_the_wait() -> None:
    with MUTANTS["lingers-twice"].applied():
        lingered = played(workload=["send", {"sleep": "1s"}], producer=LINGERING)
        struck = played(workload=["send", "start_spu", {"sleep": "1s"}], producer=LINGERING)
    assert said(as_configured, lingered)
    assert said(as_configured, struck) == []


def test_a_flush_that_is_cancelled_or_of_another_producer_ends_no_linger() -> None:
    producer = {"linger": "100ms"}
    cancelled = {"flush": {"cancel_after": "1ms"}}
    others = {"with_producer": ["flush"]}
    with MUTANTS["flushes-after-the-linger"].applied():
        flushed = played(workload=["send", "flush"], producer=producer)
        given_up = played(workload=["send", cancelled, {"sleep": "1s"}], producer=producer)
        beside = played(workload=["send", others, {"sleep": "1s"}], producer=producer)
    assert said(as_configured, flushed)
    assert said(as_configured, given_up) == []
    assert said(as_configured, beside) == []


def test_a_record_lingers_if_its_send_had_not_returned_when_a_flush_began() -> None:
    workload = [{"concurrently": [["send"], ["flush"]]}, {"sleep": "1s"}]
    assert said(as_configured, played(workload=workload, producer={"linger": "100ms"})) == []
    workload = [{"concurrently": [["flush"], ["send"]]}, {"sleep": "1s"}]
    assert said(as_configured, played(workload=workload, producer={"linger": "100ms"})) == []


@pytest.mark.parametrize("producer", [{}, AT_MOST_ONCE], ids=["at least once", "at most once"])
def test_the_batches_of_the_next_request_do_not_count_as_queued(producer: Any) -> None:
    queued = {**producer, "batch_queue_size": 5, "max_request_size": 1024}
    history = played(workload=[{"send": {"count": 6, "size": 500}}, "flush"], producer=queued)
    assert said(as_configured, measured_by(history, batch_queue_size=4)) == []
    assert len(said(as_configured, measured_by(history, batch_queue_size=3))) == 1


def test_turns_may_begin_anew_with_each_answer_of_the_sc() -> None:
    workload = [{"send": {"count": 3, "pace": "1ms"}}] * 2
    both = {"cluster": {"spus": 2}, "topic": {"partitions": 2}}
    moved = [workload[0], {"move_leader": {"to": 1}}, {"sleep": "1ms"}, workload[1]]
    history = played(workload=moved, **both)
    assert said(as_configured, history) == []
    silent = without(
        history, lambda event: isinstance(event, FrameWritten) and event.api == "watch"
    )
    assert said(as_configured, silent) == []  # without news nothing is known of the leaders


def test_news_that_a_client_did_not_wait_for_changes_no_turns() -> None:
    history = played(
        cluster={"spus": 2},
        topic={"partitions": 2},
        network={"latency": "18ms"},
        workload=[
            {"send": {"count": 9, "pace": "12ms"}},
            {"stop_spu": {"spu": 0}},
            {"send": {"count": 5, "pace": "3500us"}},
            {"sleep": "1785ms"},
            {"start_spu": {"spu": 0}},
            {"send": {"count": 3, "pace": "19ms"}},
        ],
    )
    renewed = next(
        event.t
        for event in history.events
        if isinstance(event, ConnectionClosed) and event.server == "sc"
    )
    (told,) = {e.t for e in history.events if isinstance(e, SpuStarted)}
    assert told < renewed < told + 2 * 0.018, "it ends the connection before the news arrives"
    assert said(as_configured, history) == []


def test_a_client_that_sends_empty_keys_takes_no_turns() -> None:
    with MUTANTS["takes-no-turns"].applied():
        history = played(workload=[SLOWLY, "wait"], topic={"partitions": 2})
    assert said(as_configured, history)
    empty = {p: [replace(r, key=r.key or b"") for r in log] for p, log in history.logs.items()}
    assert said(as_configured, with_logs(history, empty)) == []


def test_leaders_are_not_judged_once_the_sc_was_struck() -> None:
    closed = {"refuse": {"server": "sc"}}
    workload = [SLOWLY, {"move_leader": {"to": 1}}, "send", "wait"]
    with MUTANTS["keeps-the-leader-of-a-request"].applied():
        told = played(workload=workload, cluster={"spus": 2})
        untold = played(closed, workload=workload, cluster={"spus": 2})
    assert len(said(as_configured, told)) >= 1
    assert said(as_configured, untold) == []


def test_requests_that_an_spu_read_late_were_not_queued() -> None:
    """The SPU holds one connection until a commit, and reads another one meanwhile."""
    history = played(
        cluster={"spus": 2, "commit_delay": "630us"},
        producer={**AT_MOST_ONCE, "batch_queue_size": 1, "isolation": "read-committed"},
        workload=[
            {"send": {"count": 2, "pace": "260us"}},
            {"move_leader": {"to": 1}},
            {"send": {"count": 2, "pace": "100us"}},
        ],
    )
    assert said(as_configured, history) == []


def test_each_producer_has_a_queue_of_its_own() -> None:
    history = played(
        {"stall": {"at": "request", "nth": 1}},
        producer={"batch_size": 1, "batch_queue_size": 1},
        workload=[{"send": {"count": 2}}, {"with_producer": [{"send": {"count": 2}}]}],
    )
    assert len({record.producer for record in history.records}) > 1
    assert said(as_configured, history) == []


def test_sends_that_overlap_take_turns_in_any_order() -> None:
    history = played(
        topic={"partitions": 2},
        producer={"batch_queue_size": 1},
        workload=[
            {"send": {"count": 4, "pace": "6us"}},
            {"flush": {"cancel_after": "0ms"}},
            {"concurrently": [[{"send": {"count": 1}}], [{"send_all": {"count": 2}}]]},
        ],
    )
    assert said(as_configured, history) == []


def test_an_answer_to_a_greeting_is_no_news() -> None:
    """The leader moves while the client connects to the SC again."""
    history = played(
        cluster={"spus": 3},
        topic={"partitions": 2},
        network={"latency": "8ms"},
        producer={},
        workload=[
            {"send": {"count": 7, "pace": "4ms"}},
            {"stop_spu": {"spu": 0}},
            {"send": {"count": 8, "pace": "13ms"}},
            {"sleep": "1910ms"},
            {"move_leader": {"partition": 1, "to": 2}},
            {"send": {"count": 2, "keys": 2, "pace": "8100us"}},
        ],
    )
    (moved,) = (event for event in history.events if isinstance(event, LeaderMoved))
    answers = {
        event.api
        for event in history.events
        if isinstance(event, FrameWritten) and event.server == "sc" and event.t == moved.t
    }
    assert answers == {"api-versions"}
    assert said(as_configured, history) == []


def test_a_request_that_is_lost_unread_on_a_connection_that_is_reset_did_not_linger() -> None:
    cut = [{"sleep": "1300us"}, {"cut": {"server": "spu"}}]
    steps = [{"concurrently": [[{"send": {"count": 2}}], cut]}]
    more: dict[str, Any] = {"cluster": {"commit_delay": "810us"}, "topic": {"partitions": 2}}
    history = played(workload=[*steps, "wait"], producer=COMMITTED, **more)
    assert said(as_configured, history) == []
