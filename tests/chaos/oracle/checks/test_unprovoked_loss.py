"""``unprovoked-loss``: at-most-once loses a record only if something explains the loss."""

from typing import Any

import pytest

from chaos.oracle.checks import unprovoked_loss
from simulator.events import ExchangeEvent, FaultHit
from simulator.faults.effects import CutPoint
from tests.chaos.oracle.checks.playing import AT_MOST_ONCE, measured_by, played, said, without

LOST_REQUEST = {"drop": {"at": "request", "nth": 1}}
REFUSED = {"refuse": {"server": "spu"}}
EXPLAINED = {
    "lost": LOST_REQUEST,
    "reset": {"disconnect": {"at": "request", "how": "rst", "nth": 1}},
    "closed": {"disconnect": {"at": "request", "how": "fin", "nth": 1}},
    "stalled": {"stall": {"at": "request", "nth": 1}},
    "refused by code": {"error": {"at": "request", "code": "StorageError", "nth": 1}},
    "nobody listens": REFUSED,
}


@pytest.mark.parametrize("fault", EXPLAINED.values(), ids=EXPLAINED)
def test_a_loss_that_a_fault_explains_is_no_violation(fault: Any) -> None:
    history = played(fault, producer=AT_MOST_ONCE)
    assert not any(record.outcome == "ok" for record in history.records[:3])
    assert [record.value for record in history.logs[0]] == [history.records[3].value]
    assert said(unprovoked_loss, history) == []


def test_a_loss_that_nothing_explains_is_reported() -> None:
    history = played(LOST_REQUEST, producer=AT_MOST_ONCE)
    assert said(unprovoked_loss, without(history, lambda event: isinstance(event, FaultHit))) == [
        "records 0, 1 and 2 were lost: its request was read on connection 2 at 0.001 s, and no "
        "fault struck it before it was applied"
    ]


def test_a_fault_at_the_answer_loses_nothing() -> None:
    history = played(LOST_REQUEST, producer=AT_MOST_ONCE)
    for event in history.events:
        if isinstance(event, FaultHit):
            event.at = CutPoint.RESPONSE
    assert len(said(unprovoked_loss, history)) == 1


def test_a_record_that_was_given_up_before_its_time_is_reported() -> None:
    history = measured_by(played(REFUSED, producer=AT_MOST_ONCE), response_timeout=10.0)
    assert said(unprovoked_loss, history) == [
        "records 0, 1 and 2 were lost: it was given up at 1.001 s, 1000.000 ms after it was sent, "
        "and it had 10 s; no request with it was seen"
    ]


def test_a_record_that_was_never_transmitted_without_a_cause_is_reported() -> None:
    history = played(LOST_REQUEST, producer=AT_MOST_ONCE)
    unseen = without(history, lambda e: isinstance(e, ExchangeEvent) and e.api == "produce")
    (text,) = said(unprovoked_loss, unseen)
    assert text.endswith(
        "no request with it was seen, and no fault struck its server or connection meanwhile"
    )


def test_a_refusal_before_the_time_for_it_is_reported() -> None:
    size = {**AT_MOST_ONCE, "max_request_size": 1024}
    history = played(producer=size, workload=[{"send": {"size": 2000}}])
    assert said(unprovoked_loss, history) == []
    assert len(said(unprovoked_loss, measured_by(history, max_request_size=4096))) == 1
