"""``speaks``: every call ends as the client documents."""

import json
from typing import Any

import pytest

from chaos.history import History
from chaos.mutants import MUTANTS
from chaos.oracle.checks import speaks
from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.search.explore import explore
from chaos.search.shrink import size_of
from chaos.spec.loader import parse_scenario
from chaos.spec.scenario import Scenario
from producer import NotFoundError, TopicProducer
from tests.chaos.oracle.checks.playing import judged, played, said

MUTANT = "asserts-that-all-is-delivered"

LOST = {
    "name": "x",
    "faults": [{"error": {"at": "request", "code": "TopicNotFound", "nth": 1}}],
    "workload": ["send", "flush"],
}


def test_every_call_is_looked_at() -> None:
    history = played()
    assert (said(speaks, history), judged(speaks, history)) == ([], len(history.calls))


def test_a_client_that_broke_is_reported() -> None:
    history = played()
    history.crash = "ValueError: it broke"
    assert said(speaks, history) == ["the client broke: ValueError: it broke"]


def test_an_undocumented_exception_of_the_producer_is_no_failure_of_the_harness() -> None:
    with MUTANTS[MUTANT].applied():
        history = run_scenario(Scenario.model_validate(LOST))
    assert history.defect is None
    result = judge(History.loads(history.dumps()))
    assert [finding.check for finding in result.broken] == ["speaks"]
    assert result.broken[0].violations[0].text == (
        "the client broke: flush raised AssertionError, which is not a documented error"
    )
    assert judge(run_scenario(Scenario.model_validate(LOST))).verdict == "valid"


@pytest.mark.parametrize("op", ["send", "send_all", "flush", "close"])
@pytest.mark.parametrize("error", [NotFoundError("gone"), RuntimeError("gone")])
def test_a_documented_error_is_an_outcome_and_any_other_a_finding(
    op: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, failures = getattr(TopicProducer, op), [error]

    async def fails_once(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return await sound(*arguments)

    monkeypatch.setattr(TopicProducer, op, fails_once)
    workload = ["send_all" if op == "send_all" else "send", "flush"]
    history = run_scenario(Scenario.model_validate({"name": "x", "workload": workload}))
    assert history.defect is None
    assert bool(history.crash) == isinstance(error, RuntimeError)
    assert bool(said(speaks, history)) == isinstance(error, RuntimeError)


def test_it_shrinks_and_replays() -> None:
    text = json.dumps(LOST | {"workload": [{"send": {"count": "1..20"}}, "flush"]})
    with MUTANTS[MUTANT].applied():
        found = explore(parse_scenario(text, "x.yaml"), examples=20).counterexample
        assert found is not None
        assert size_of(found.data) == (1, 1)
        result = judge(run_scenario(Scenario.model_validate(found.data)))
    assert [finding.check for finding in result.broken] == ["speaks"]
