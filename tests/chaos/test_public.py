"""The public names of the package: a strategy of scenarios, and what a test does with one."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings

import chaos
from chaos.mutants import MUTANTS
from chaos.spec.loader import ScenarioFileError, parse_scenario

PROJECT = Path(__file__).parents[2]
RESTARTS = PROJECT / "scenarios" / "spus-restart-at-any-moment.yaml"

LOST_ANSWERS = """
name: lost answers
producer: {delivery_semantic: at-most-once}
faults: {some: [drop: {at: response, nth: 1..3}]}
workload: [send: {count: 1..20}, wait]
"""


@settings(max_examples=10)
@given(chaos.scenarios(RESTARTS))
def test_the_strategy_gives_scenarios_of_the_file(scenario: chaos.Scenario) -> None:
    assert isinstance(scenario, chaos.Scenario)
    assert scenario.name == "SPUs that restart at any moment"


def test_hypothesis_shrinks_a_failure_and_reports_it_as_a_scenario_file(tmp_path: Path) -> None:
    file = tmp_path / "lost-answers.yaml"
    file.write_text(LOST_ANSWERS)

    @settings(max_examples=200, phases=[Phase.generate, Phase.shrink])
    @given(chaos.scenarios(file))
    def no_promise_is_broken(scenario: chaos.Scenario) -> None:
        with MUTANTS["retries-under-at-most-once"].applied():
            assert not chaos.judge(chaos.run_scenario(scenario), example=True).broken

    with pytest.raises(AssertionError, match="no-duplicates") as caught:
        no_promise_is_broken()
    written, reported, *_ = caught.value.__notes__
    assert parse_scenario(written, "written.yaml").data == {
        "name": "lost answers",
        "producer": {"delivery_semantic": "at-most-once"},
        "faults": [{"drop": {"name": "drop-1", "at": "response", "nth": 1}}],
        "workload": [{"send": {"count": 1}}, "wait"],
        "seed": 0,
    }
    assert "scenario=<scenario 'lost answers', seed 0>" in reported


def test_a_file_with_a_mistake_raises_when_the_strategy_is_made(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("nmae: x\n")
    with pytest.raises(ScenarioFileError, match="nmae"):
        chaos.scenarios(tmp_path / "bad.yaml")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(chaos, "nothing")  # noqa: B009  mypy knows that it is not there
    assert set(chaos.__all__) <= set(dir(chaos))


def test_only_the_strategy_loads_hypothesis() -> None:
    program = "import sys, chaos.cli.main, chaos.search.explore; print('hypothesis' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "False\n"
