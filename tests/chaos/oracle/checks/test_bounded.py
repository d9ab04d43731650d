"""``bounded``: every call ends, and in time."""

import pytest

from chaos.history import Call, History
from chaos.oracle.checks import bounded
from tests.chaos.oracle.checks.playing import AT_MOST_ONCE, judged, played, said

SILENCE = {"drop": {"at": "request", "every": 1}}
FLUSHED = [{"send": {"count": 3}}, "flush"]


def call_of(history: History, op: str) -> Call:
    return next(call for call in history.calls if call.op == op)


@pytest.mark.parametrize("semantic", [{}, AT_MOST_ONCE], ids=["at-least-once", "at-most-once"])
def test_calls_end_within_their_bound_before_a_silent_spu(semantic: dict[str, str]) -> None:
    options = {"producer": semantic} if semantic else {}
    history = played(SILENCE, workload=FLUSHED, **options)
    assert said(bounded, history) == []
    assert judged(bounded, history) == 3 + 3 + 1  # records, calls that wait, the probe


@pytest.mark.parametrize("op", ["flush", "wait", "close"])
def test_a_call_that_takes_longer_is_reported(op: str) -> None:
    history = played(workload=FLUSHED)
    call = call_of(history, op)
    call.ended = call.started + 10.5
    assert said(bounded, history) == [
        f"{op} at {call.started:.3f} s took 10.500 s; its bound is 10 s"
    ]


def test_a_call_that_never_ends_is_reported() -> None:
    history = played(workload=FLUSHED)
    call = call_of(history, "flush")
    call.ended, call.given_up = None, call.started + 11.0
    assert said(bounded, history) == ["flush at 0.001 s never ended; its bound is 10 s"]


def test_a_call_that_was_given_up_within_its_bound_may_have_ended_yet() -> None:
    history = played(workload=FLUSHED)
    call = call_of(history, "flush")
    call.ended, call.given_up = None, call.started + 9.0
    assert said(bounded, history) == []


def test_requests_ahead_extend_the_bound() -> None:
    history = played(
        producer={"batch_size": 1, "max_request_size": 1024, "retry": {"timeout": "10s"}},
        workload=[{"send": {"count": 2, "size": 600}}, "flush"],
    )
    call = call_of(history, "flush")
    call.ended = call.started + 19.0
    assert said(bounded, history) == []
    call.ended = call.started + 21.0
    assert said(bounded, history) == ["flush at 0.001 s took 21.000 s; its bound is 20 s"]


def test_a_send_that_waits_too_long_or_never_ends_is_reported() -> None:
    history = played(workload=FLUSHED)
    history.records[0].taken_at = history.records[0].sent_at + 11
    history.records[1].taken_at = None
    history.records[1].outcome, history.records[1].outcome_at = "unknown", None
    assert said(bounded, history) == [
        "send of record 0 at 0.001 s took 11.000 s; its bound is 10 s",
        "send of record 1 at 0.001 s never ended",
    ]


def test_a_call_that_sends_many_has_time_for_each_batch() -> None:
    history = played(workload=[{"send_all": {"count": 3}}, "flush"])
    call = call_of(history, "send_all")
    call.ended = call.started + 9.0
    assert said(bounded, history) == []
    call.ended = call.started + 11.0
    assert said(bounded, history) == ["send_all at 0.001 s took 11.000 s; its bound is 10 s"]


def test_a_broken_client_is_not_held_to_its_calls() -> None:
    history = played(workload=FLUSHED)
    call_of(history, "flush").ended = None
    history.crash = "ValueError: it broke"
    assert said(bounded, history) == []


@pytest.mark.parametrize("op", ["flush", "close"])
def test_a_cancelled_call_that_does_not_end_at_once_is_reported(op: str) -> None:
    history = played(workload=["send", {op: {"cancel_after": "0ms"}}])
    call = call_of(history, op)
    assert said(bounded, history) == []
    assert call.cancelled_at is not None
    call.ended = call.cancelled_at + 0.1
    assert said(bounded, history) == [
        f"{op} at {call.started:.3f} s ended 100.000 ms after its caller cancelled it"
    ]
