"""The nearest passing run of a failing one."""

from typing import Any

from chaos.mutants import MUTANTS
from chaos.search.counterexample import LEFT_OUT, nearest_passing
from tests.chaos.report.html.pages import GIVES_UP_EARLY, played

RESET: dict[str, Any] = {"disconnect": {"name": "cut-the-wire", "at": "request", "nth": 2}}
DELAY: dict[str, Any] = {"delay": {"name": "late", "at": "request", "nth": 1, "by": "1ms"}}


def left_out(faults: list[dict[str, Any]]) -> str | None:
    with MUTANTS["gives-up-early"].applied():
        found = nearest_passing(played({**GIVES_UP_EARLY, "faults": faults}))
    return None if found is None else found.about[LEFT_OUT]


def test_the_last_fault_is_left_out_first_and_then_the_one_before() -> None:
    assert left_out([DELAY, RESET]) == "fault cut-the-wire"
    assert left_out([RESET, DELAY]) == "fault cut-the-wire"


def test_if_no_single_fault_will_do_all_are_left_out() -> None:
    third = {"disconnect": {"name": "cut-again", "at": "request", "nth": 3}}
    assert left_out([RESET, DELAY, third]) == "its 3 faults"


def test_other_faults_strike_the_same_exchanges_as_before() -> None:
    chance = {"delay": {"at": "request", "probability": 0.5, "by": "1ms"}}
    with MUTANTS["gives-up-early"].applied():
        history = played({**GIVES_UP_EARLY, "faults": [RESET, chance]})
        passing = nearest_passing(history)
    assert passing is not None
    assert [fault.name for fault in passing.scenario.faults] == [history.scenario.faults[1].name]


def test_without_a_fault_and_over_real_sockets_there_is_none() -> None:
    assert left_out([]) is None
    history = played(GIVES_UP_EARLY)
    history.world = "tcp"
    assert nearest_passing(history) is None
