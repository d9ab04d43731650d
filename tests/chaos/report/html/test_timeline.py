"""The timeline of a record: planned and real attempts, the pauses between them, the bound."""

from typing import Any

import pytest

from chaos.history import History
from chaos.oracle.evidence import Evidence
from chaos.report.html.timeline import ATTEMPTS_MAX, LEFT, WIDTH, Timeline, timeline_of
from chaos.report.narrative import Narrator
from tests.chaos.report.html.pages import RETRY, played


def timeline(history: History, record: int = 0) -> Timeline:
    evidence = Evidence(history)
    found = timeline_of(evidence, Narrator(evidence), record)
    assert found is not None
    for each in (*found.planned, *found.real):
        assert each.x >= LEFT
        assert each.x + each.width <= WIDTH
    for x in (found.bound, found.settled, *(x for x, _ in found.ticks)):
        assert x is None or LEFT <= x <= WIDTH
    assert 2 <= len(found.ticks) <= 7
    return found


def under(fault: dict[str, Any], **producer: Any) -> Timeline:
    return timeline(played({"faults": [fault], "producer": {"retry": RETRY, **producer}}))


def test_a_silent_spu_is_tried_as_the_policy_plans() -> None:
    found = under({"drop": {"at": "request"}})
    assert found.policy == (
        "6 attempts, exponential-backoff from 10 ms to 2 s, 815 ms for each attempt, 10 s in all"
    )
    planned = [row.planned for row in found.rows]
    assert planned == ["", "10 ms", "100 ms", "1 s", "2 s", "2 s"]
    real = [row.real for row in found.rows]
    assert [text.replace(".4 ms", " ms") for text in real] == planned
    assert [row.ended for row in found.rows][::5] == ["815 ms", "10 s"]
    assert len(found.planned) == len(found.real) == 6
    for plan, seen in zip(found.planned, found.real, strict=True):
        assert abs(plan.x - seen.x) < 1
    assert found.bound is not None
    assert found.settled is not None
    assert abs(found.bound - found.settled) < 1


def test_attempts_end_with_their_answers() -> None:
    found = under({"drop": {"at": "response", "nth": 1}})
    assert [row.fate for row in found.rows] == [
        "was applied, but its answer was dropped",
        "was stored and answered",
    ]
    assert found.bound is None
    assert found.bound_text == "policy ends at 10 s"


def test_at_most_once_has_one_attempt_and_the_bound_of_its_answer() -> None:
    data = {"producer": {"delivery_semantic": "at-most-once", "response_timeout": "2s"}}
    fault = {"drop": {"at": "response", "nth": 1}}
    found = timeline(played({**data, "faults": [fault], "workload": ["send", "wait"]}))
    assert found.policy == "at-most-once: one transmission, 2 s for its answer"
    assert len(found.planned) == len(found.real) == 1
    assert found.bound_text == "response timeout ends at 2 s"


def test_a_policy_with_a_billion_retries_is_drawn_in_part() -> None:
    retry = {**RETRY, "max_retries": 1_000_000_000, "strategy": "fixed-delay"}
    found = under({"disconnect": {"at": "request", "probability": 0.99}}, retry=retry)
    assert len(found.planned) <= ATTEMPTS_MAX
    assert len(found.real) == len(found.rows) == ATTEMPTS_MAX
    assert found.left_out > 0


def test_a_record_without_an_attempt_has_the_plan_alone() -> None:
    found = under({"refuse": {"server": "spu", "how": "refuse"}})
    assert found.planned
    assert not found.real
    assert found.settled is None


def test_probes_and_records_that_were_not_accepted_have_none() -> None:
    history = played({})
    evidence = Evidence(history)
    assert timeline_of(evidence, Narrator(evidence), 1) is None


@pytest.mark.parametrize("world", ["virtual", "tcp"])
def test_no_attempt_ends_behind_the_outcome(world: str) -> None:
    history = played({"faults": [{"disconnect": {"at": "request", "nth": 1}}]})
    history.world = world
    found = timeline(history)
    assert found.settled is not None
    for each in found.real:
        assert each.x + each.width <= found.settled + 3
