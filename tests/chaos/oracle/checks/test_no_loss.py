"""``no-loss``: at-least-once gives no record up before its retry policy is used up."""

import pytest

from chaos.oracle.checks import no_loss
from simulator.events import ConnectionEvent, ExchangeEvent, FaultHit
from tests.chaos.oracle.checks.playing import RETRY, judged, measured_by, played, said, without

SILENCE = {"drop": {"at": "request", "every": 1}}
TWICE = {"drop": {"at": "request", "nth": [1, 2]}}
TOO_LARGE = {"error": {"at": "request", "code": "MessageTooLarge", "nth": 1}}


def test_a_record_that_gets_through_in_the_end_is_not_lost() -> None:
    history = played(TWICE)
    assert (said(no_loss, history), judged(no_loss, history)) == ([], 3)


def test_a_policy_that_is_used_up_may_lose() -> None:
    assert said(no_loss, played(SILENCE)) == []


def test_a_retry_that_was_left_is_reported() -> None:
    history = measured_by(played(SILENCE), retry={"max_retries": 3})
    assert said(no_loss, history) == [
        "records 0, 1 and 2 were lost: given up (at 3.201 s) after 3 attempts of 4 and 3.200 s of "
        "10 s, the last one on connection 4 at 2.201 s, before the retry policy was used up"
    ]


@pytest.mark.parametrize("timeout", [3.2, 3.25])
def test_a_retry_without_time_left_is_not_missed(timeout: float) -> None:
    history = measured_by(played(SILENCE), retry={"max_retries": 3, "timeout": timeout})
    assert said(no_loss, history) == []


def test_a_wait_that_left_no_time_for_the_retries_is_reported() -> None:
    slow = played(SILENCE, producer={"retry": {**RETRY, "timeout": "1s"}, "attempt_timeout": "1s"})
    assert said(no_loss, slow) == []
    (text,) = said(no_loss, measured_by(slow, attempt_timeout=0.2))
    assert text.startswith("records 0, 1 and 2 were lost: given up (at 1.001 s) after 1 attempt")


def test_a_final_code_may_lose_and_a_retriable_one_may_not() -> None:
    history = played(TOO_LARGE)
    assert said(no_loss, history) == []
    for event in history.events:
        if isinstance(event, FaultHit):
            event.code = "StorageError"
    assert "after 1 attempt of 3" in said(no_loss, history)[0]


def test_no_attempt_at_all_is_reported() -> None:
    history = played(SILENCE)
    unseen = without(
        history,
        lambda e: (
            (isinstance(e, ExchangeEvent) and e.api == "produce")
            or (isinstance(e, ConnectionEvent) and e.connection in (3, 4))
        ),
    )
    assert "without a single attempt" in said(no_loss, unseen)[0]


def test_attempts_that_may_be_invisible_are_not_missed() -> None:
    refused = {"refuse": {"server": "spu"}}
    assert said(no_loss, played(refused)) == []


def test_a_record_that_is_too_large_may_be_refused() -> None:
    size = {"max_request_size": 1024}
    history = played(producer=size, workload=[{"send": {"size": 2000}}])
    assert [record.outcome for record in history.records] == ["failed", "ok"]
    assert said(no_loss, history) == []


def test_a_refusal_before_the_time_for_it_is_reported() -> None:
    history = played(producer={"max_request_size": 1024}, workload=[{"send": {"size": 2000}}])
    assert said(no_loss, measured_by(history, max_request_size=4096)) == [
        "record 0 was lost: refused 0.000 ms after it was sent, although it was not "
        "too large and the time that send may wait for room was not over"
    ]


def test_nothing_is_lost_for_certain_until_all_frames_have_arrived() -> None:
    history = measured_by(played(SILENCE), retry={"max_retries": 3})
    history.drained = False
    assert (said(no_loss, history), judged(no_loss, history)) == ([], 0)


def test_a_dial_may_outlast_the_policy_of_a_record() -> None:
    short = {"timeout": "1300us", "max_retries": 2}
    stalled = {"stall": {"at": "request", "nth": 1, "match": {"api": "api-versions"}}}
    history = played(
        stalled,
        producer={"retry": short, "attempt_timeout": "5500us"},
        workload=["send", {"sleep": "24ms"}, "send", "flush"],
    )
    assert [record.outcome for record in history.records[:2]] == ["failed", "failed"]
    assert said(no_loss, history) == []
