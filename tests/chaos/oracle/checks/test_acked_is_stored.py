"""``acked-is-stored``: what was acknowledged is in the log."""

from typing import Any, get_args

import pytest

from chaos.oracle.checks import acked_is_stored
from chaos.oracle.evidence import Evidence
from chaos.oracle.judge import judge
from simulator.events import FrameWritten
from simulator.faults.effects import Forgery
from tests.chaos.oracle.checks.playing import (
    AT_MOST_ONCE,
    judged,
    played,
    said,
    with_logs,
    without,
)

LOST_REQUESTS = {"drop": {"at": "request", "every": 1}}


def test_every_acknowledged_record_has_a_copy_probes_too() -> None:
    history = played()
    assert said(acked_is_stored, history) == []
    assert judged(acked_is_stored, history) == 3 + 1


def test_an_acknowledged_record_without_a_copy_is_reported_with_its_offset() -> None:
    history = played()
    assert said(acked_is_stored, with_logs(history, {0: [*history.logs[0]][1:]})) == [
        "record 0 was acknowledged at 0@0 at 0.001 s, but no copy of it is stored"
    ]


def test_a_record_that_was_given_up_need_not_be_there() -> None:
    history = played(LOST_REQUESTS)
    assert [record.outcome for record in history.records] == ["unknown"] * 3 + ["ok"]
    assert said(acked_is_stored, history) == []


def test_an_acknowledged_record_whose_request_was_never_answered_is_reported() -> None:
    history = played(workload=[{"send": {"count": 2, "wait": True}}])
    answers = [e for e in history.events if isinstance(e, FrameWritten) and e.api == "produce"]
    unanswered = without(history, lambda event: event is answers[1])
    assert said(acked_is_stored, unanswered) == [
        "record 1 was acknowledged at 0.002 s, but no answer to a request with it said so"
    ]


def test_an_acknowledged_record_whose_only_answer_had_an_error_code_is_reported() -> None:
    refused = {"error": {"at": "response", "nth": 1, "code": "Other"}}
    history = played(refused, workload=[{"send": {"wait": True}}])
    assert history.records[0].outcome == "unknown"
    history.records[0].outcome = "ok"
    assert len(said(acked_is_stored, history)) == 1


@pytest.mark.parametrize("semantic", [{}, {"producer": AT_MOST_ONCE}])
@pytest.mark.parametrize("what", get_args(Forgery))
def test_a_forged_answer_acknowledges_nothing(what: Forgery, semantic: dict[str, object]) -> None:
    forged = {"forge": {"what": what, "nth": 1}}
    history = played(forged, workload=[{"send": {"wait": True}}, "wait"], **semantic)
    assert judge(history).verdict == "valid"
    record = history.records[0]
    if not semantic:  # the retry is answered truly
        assert record.outcome == "ok"
        late = [e for e in history.events if isinstance(e, FrameWritten) and e.api == "produce"]
        history = without(history, lambda event: event is late[1])
    else:
        assert record.outcome == "unknown"
        record.outcome, record.outcome_at = "ok", 1.0
    assert len(said(acked_is_stored, history)) == 1


@pytest.mark.parametrize("more", [{}, {"duplicate": {"at": "response", "nth": 1}}])
def test_a_forged_answer_acknowledges_no_entry_of_its_request(more: dict[str, Any]) -> None:
    forged = {"forge": {"what": "missing-entry", "nth": 1, "match": {"entry": 0}}}
    history = played(
        *([more] if more else []),
        forged,
        producer={"retry": {"max_retries": 0}, "batch_size": 200},
    )
    (request,) = {sent[0].number for sent in Evidence(history).transmissions[:3]}
    for record in history.records[:3]:
        assert record.outcome != "ok"
        record.outcome, record.partition, record.offset = "ok", 0, record.id
    assert request
    assert len(said(acked_is_stored, history)) == 3
