"""What is found on the fast loop counts once trio gives the same history."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from chaos.cli.files import Source
from chaos.cli.tasks import LOOP_DEFECT, perform, task_of
from chaos.drivers.driver import driver_named
from chaos.mutants.hunt import control, hunt
from chaos.search.counterexample import Stage
from chaos.search.exploration import Exploration
from chaos.search.explore import explore
from chaos.world.loop import names
from producer.delivery.batch import Accepted
from producer.delivery.delivery import AtLeastOnce, Done
from tests.chaos.search.test_explore import everything

FAST = Stage(loop="fast")
honest = AtLeastOnce._answered


def is_fast() -> bool:
    return trio.Event is names.TRIO["Event"]


def answers_with(offset: Callable[[], int | None]) -> Callable[[AtLeastOnce, Any], Any]:
    """A producer that believes another offset than the one that it was answered."""

    def answered(self: AtLeastOnce, results: Any) -> Any:
        believed = offset()
        if believed is None:
            return honest(self, results)
        for entry in tuple(self._unsettled):
            self._settle(entry, Accepted(believed))
        return Done()

    return answered


def found(stage: Stage, **options: Any) -> Exploration:
    return explore(everything("at-least-once"), examples=32, seed=1, stage=stage, **options)


def test_without_a_defect_both_loops_give_the_same_results() -> None:
    assert found(FAST) == found(Stage())


def test_with_a_defect_both_loops_give_the_same_counterexample(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(AtLeastOnce, "_answered", answers_with(lambda: 1_000))
    fast = found(FAST)
    assert (fast.verdict, fast.loop_defect) == ("invalid", False)
    assert fast == found(Stage())


def test_an_example_that_fails_on_the_fast_loop_alone_is_a_defect_of_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = answers_with(lambda: 1_000 if is_fast() else None)
    monkeypatch.setattr(AtLeastOnce, "_answered", wrong)
    explored = found(FAST)
    assert explored.loop_defect
    assert (explored.counterexample, explored.failed, explored.failed_checks) == (None, None, ())
    assert not any("some of its runs" in reason for reason in explored.reasons)
    assert explored.examples > 1  # the search goes on


def test_of_two_different_histories_that_both_fail_that_of_trio_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = answers_with(lambda: 2_000 if is_fast() else 1_000)
    monkeypatch.setattr(AtLeastOnce, "_answered", wrong)
    explored = found(FAST)
    assert (explored.verdict, explored.loop_defect) == ("invalid", True)
    assert explored.counterexample is not None
    (finding,) = (f for f in explored.counterexample.result.broken if f.check == "offset-is-true")
    assert any("1000" in violation.text for violation in finding.violations)


def test_a_saved_counterexample_runs_on_trio(monkeypatch: pytest.MonkeyPatch) -> None:
    loops: list[bool] = []

    def believed() -> int:
        loops.append(is_fast())
        return 1_000

    monkeypatch.setattr(AtLeastOnce, "_answered", answers_with(believed))
    counterexample = found(FAST).counterexample
    assert counterexample is not None
    loops.clear()
    assert found(FAST, saved=[counterexample.data]).verdict == "invalid"
    assert set(loops) == {False}


def test_the_report_names_a_defect_of_the_loop(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong = answers_with(lambda: 1_000 if is_fast() else None)
    monkeypatch.setattr(AtLeastOnce, "_answered", wrong)
    source = Source(everything("at-least-once"), "everything")
    options: dict[str, Any] = {"seed": 1, "out": tmp_path, "examples": 8}
    for loop, notes in (("fast", [LOOP_DEFECT]), ("trio", [])):
        task = task_of(source, "virtual", driver_named("producer"), loop=loop, **options)  # type: ignore[arg-type]
        report = perform(task)
        assert list(report.notes) == notes
        assert ("--loop trio" in report.command) == (loop == "trio")


def test_a_hunt_and_its_control_report_a_defect_of_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = answers_with(lambda: 1_000 if is_fast() else None)
    monkeypatch.setattr(AtLeastOnce, "_answered", wrong)
    for catch in (hunt("gives-up-early", loop="fast"), control(0, loop="fast")):
        assert not catch.caught
        assert "fast loop" in catch.reason


def test_a_hunt_has_the_same_catch_on_both_loops() -> None:
    fast, reference = hunt("gives-up-early", loop="fast"), hunt("gives-up-early")
    assert (fast.data, fast.examples, fast.checks) == (
        reference.data,
        reference.examples,
        reference.checks,
    )
