"""Each check accounts for its records: judged, excused by a rule, or blind for a cause."""

from dataclasses import replace

import pytest

from chaos.history import History, Need
from chaos.oracle.checks import CHECKS, Finding
from chaos.oracle.judge import PROMISE, judge
from tests.chaos.oracle.checks.playing import AT_MOST_ONCE, played

TIGHT = {
    "attempt_timeout": "100ms",
    "retry": {"max_retries": 1, "initial_delay": "10ms", "timeout": "2s"},
}
LOSSY = {"drop": {"at": "request"}}


def account(history: History, check: str) -> tuple[int, dict[str, int], dict[str, int]]:
    finding = found(history, check)
    return finding.judged, finding.excused, finding.unseen


def found(history: History, check: str) -> Finding:
    return next(finding for finding in judge(history).findings if finding.check == check)


# --- at-least-once


def test_records_that_are_stored_are_judged() -> None:
    assert account(played(workload=[{"send": {"count": 7}}, "flush"]), "no-loss") == (7, {}, {})


def test_records_given_up_after_the_last_attempt_are_excused() -> None:
    history = played(LOSSY, producer=TIGHT, workload=[{"send": {"count": 7}}, "flush"])
    assert account(history, "no-loss") == (0, {"policy-used-up": 7}, {})
    assert judge(history).verdict == "valid"


def test_records_that_got_a_final_code_are_excused_by_it() -> None:
    refused = {"error": {"at": "request", "code": "MessageTooLarge"}}
    history = played(refused, workload=[{"send": {"count": 7}}, "flush"])
    assert account(history, "no-loss") == (0, {"final-code": 7}, {})


def test_a_run_whose_logs_were_read_too_early_leaves_the_check_blind() -> None:
    history = replace(played(workload=[{"send": {"count": 7}}, "flush"]), drained=False)
    assert account(history, "no-loss") == (0, {}, {"not-drained": 7})
    assert "no-loss judged none, blind for: not-drained 7" in judge(history).reasons


# --- at-most-once


def test_records_whose_request_was_dropped_are_excused_by_that() -> None:
    history = played(LOSSY, producer=AT_MOST_ONCE, workload=[{"send": {"count": 7}}, "wait"])
    assert account(history, "unprovoked-loss") == (0, {"request-lost": 7}, {})
    assert judge(history).verdict == "valid"


# --- what a world or a driver can never give


def lacking(*needs: Need) -> History:
    return replace(played(workload=["send", "flush"]), lacks=dict.fromkeys(needs, "it has none"))


def test_a_check_that_needs_what_the_driver_never_gives_is_not_applicable() -> None:
    history = lacking(Need.OFFSETS)
    assert found(history, "offset-is-true").not_applicable == "offsets: it has none"
    assert judge(history).verdict == "valid"


def test_a_run_in_which_no_check_of_the_promise_is_applicable_is_inconclusive() -> None:
    result = judge(lacking(Need.FRAMES))
    assert result.verdict == "inconclusive"
    assert result.reasons == ("the promise cannot be checked: frames: it has none",)


@pytest.mark.parametrize("need", Need)
def test_some_check_needs_each_thing_and_some_check_does_without(need: Need) -> None:
    needing = {name for name, check in CHECKS.items() if need in check.needs}
    assert needing
    assert needing < CHECKS.keys()


def test_the_checks_of_the_promise_exist_for_both_semantics() -> None:
    semantics = [semantic for name in PROMISE for semantic in CHECKS[name].semantics]
    assert sorted(semantics) == ["at-least-once"] * 2 + ["at-most-once"] * 2
