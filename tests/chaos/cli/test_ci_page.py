"""docs/ci.md: its workflow consists of the commands that it names, and these run."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from simulator.documents.reader import parse
from tests.chaos.cli.test_main import LOST_ANSWER, PROPERTY, Ended

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^spu-chaos (.*)$", PAGE, re.MULTILINE)
WORKFLOW, HOOK = (parse(block).data for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture(autouse=True)
def _files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios").mkdir()
    for name, text in (("lost", LOST_ANSWER), ("many", PROPERTY)):
        (tmp_path / "scenarios" / f"{name}.yaml").write_text(text)


def in_workflow() -> list[str]:
    """Return the commands of the workflow, of the matrix once for each of its values."""
    found = []
    for job in WORKFLOW["jobs"].values():
        values = job.get("strategy", {}).get("matrix", {}).get("shard", [None])
        for value in values:
            runs: list[Any] = [step["run"] for step in job["steps"] if "run" in step]
            found += [run.replace("${{ matrix.shard }}", str(value)) for run in runs]
    return [run.removeprefix("spu-chaos ") for run in found if run.startswith("spu-chaos ")]


def test_the_workflow_consists_of_the_commands_of_the_page() -> None:
    assert in_workflow() == COMMANDS


def test_the_commands_of_the_page_run_one_after_the_other(tmp_path: Path) -> None:
    for command in COMMANDS:
        assert Ended(*shlex.split(command)).status == 0, command
    for name in ("chaos.xml", "explored.xml", "chaos-runs/lost-virtual", "whole/many-virtual"):
        assert (tmp_path / name).exists()


def test_the_hook_validates_scenarios_and_nothing_else() -> None:
    [hook] = parse((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")).data
    [used] = HOOK["repos"][0]["hooks"]
    assert used["id"] == hook["id"] == "validate"
    command, *arguments = shlex.split(hook["entry"])
    assert command == "spu-chaos"
    assert Ended(*arguments, "scenarios/lost.yaml", "scenarios/many.yaml").status == 0
    for name, hooked in {
        "scenarios/a.yaml": True,
        "x/scenarios/b/c.yml": True,
        "scenarios/known.yaml": False,
        "scenarios/official-client/known.fluvio.yaml": False,
        "scenarios/schema.json": False,
        "compose.yaml": False,
    }.items():
        found = re.search(hook["files"], name) and not re.search(hook["exclude"], name)
        assert bool(found) == hooked, name
