"""``chaos.replay``: a run that tested nothing is no pass."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import chaos
from chaos.history import History
from chaos.report.replay import NoVerdictError
from chaos.runner import run_scenario

SCENARIO = """
name: a lost answer
worlds: [virtual]
faults:
  - drop: {at: response, nth: 1}
workload: [send, flush]
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO)
    return path


def test_a_run_that_keeps_its_promises_passes(scenario: Path) -> None:
    chaos.replay(scenario)
    chaos.replay(scenario, world="virtual")


def test_a_run_that_is_evidence_of_nothing_is_no_pass(
    scenario: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_with_defect(*arguments: Any) -> History:
        return replace(run_scenario(*arguments), defect="out of memory")

    monkeypatch.setattr("chaos.report.replay.run_scenario", run_with_defect)
    with pytest.raises(NoVerdictError, match="the harness failed: out of memory"):
        chaos.replay(scenario)


@pytest.mark.parametrize("world", ["tcp", "cluster", "nowhere"])
def test_a_world_in_which_it_does_not_run_is_an_error(scenario: Path, world: str) -> None:
    with pytest.raises(ValueError, match=f"runs in virtual, not in '{world}'"):
        chaos.replay(scenario, world=world)  # type: ignore[arg-type]
