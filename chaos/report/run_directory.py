"""The run directory: the files with which others can inspect and repeat a run.

``scenario.yaml`` is concrete: one world, one seed, no generators. ``history.jsonl`` has all events,
``result.json`` the verdict. A counterexample also gets a test that replays it. The files depend on
the run alone: in the virtual world the same run gives the same bytes.
"""

import json
import keyword
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.history import History
from chaos.report.perfetto import perfetto_trace
from chaos.report.scenario_report import ScenarioReport
from chaos.spec.expectations import without_times
from chaos.spec.loader import ScenarioFileError, load_scenario_file
from chaos.world.world import WorldName
from simulator.documents.emitter import to_yaml

DEFAULT = Path(".chaos")
"""The default parent directory, for failures only."""

SCENARIO = "scenario.yaml"
HISTORY = "history.jsonl"
RESULT = "result.json"
PASSING = "passing.jsonl"
"""The history of the nearest passing run, which exists for failing runs only."""
STORY = "story.html"
INDEX = "report.html"
"""The page about all runs, in the parent of the run directories."""
TEST = "test_replay.py"

SLUG_CHARS_MAX = 80
"""The longest slug: file systems limit names to 255 bytes, and the world is appended."""

_NO_SLUG = re.compile(r"[^a-z0-9]+")

_TEST = '''"""Replay {title}, a counterexample of ``python -m chaos explore``."""

from pathlib import Path

import chaos


def test_{function}() -> None:
    chaos.replay(Path(__file__).with_name("{scenario}"), world="{world}", client={client!r})
'''


def slug_of(path: str) -> str:
    """Return the stem of a file name in a form that fits into a directory name."""
    stem = _NO_SLUG.sub("-", Path(path).stem.lower()).strip("-")
    return stem[:SLUG_CHARS_MAX].rstrip("-") or "scenario"


def directory_name(slug: str, world: WorldName, client: str) -> str:
    """Return the name of a run directory; the driver of our own producer is left out."""
    name = f"{slug}-{world}"
    return name if client == "producer" else f"{name}-{slug_of(client.replace('/', '-'))}"


def concrete(data: Mapping[str, Any], world: WorldName, seed: int) -> dict[str, Any]:
    """Return a scenario in the form that is kept: with one world and its seed.

    Times that were not judged are left out: with one world they would be.
    """
    if world != "virtual" and len(data.get("worlds", ("virtual", "tcp"))) != 1:
        data = without_times(data)
    rest = {key: value for key, value in data.items() if key not in ("worlds", "seed", "examples")}
    return {"name": rest.pop("name"), "worlds": [world], "seed": seed, **rest}


def make_directory(directory: Path) -> None:
    """Create a run directory; in the default place, add a ``.gitignore``.

    Raises:
        OSError: the directory cannot be created.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if directory.parent == DEFAULT:
        (DEFAULT / ".gitignore").write_text("*\n", encoding="utf-8")


def write_run(
    directory: Path,
    data: Mapping[str, Any],
    history: str,
    report: ScenarioReport,
    passing: str | None = None,
) -> None:
    """Write the files of a run.

    Args:
        directory: the run directory; files of an earlier run are replaced.
        data: the concrete scenario.
        history: the history as JSON Lines.
        report: the result.
        passing: the history of the nearest passing run; None if there is none.

    Raises:
        OSError: a file cannot be written.
    """
    make_directory(directory)
    for of_a_failure in (PASSING, STORY):  # an earlier run may have failed
        (directory / of_a_failure).unlink(missing_ok=True)
    if passing is not None:
        (directory / PASSING).write_text(passing, encoding="utf-8")
    (directory / SCENARIO).write_text(to_yaml(data), encoding="utf-8")
    (directory / HISTORY).write_text(history, encoding="utf-8")
    write_result(directory, report)


def write_result(directory: Path, report: ScenarioReport) -> None:
    """Write the result of a run.

    Raises:
        OSError: the file cannot be written.
    """
    make_directory(directory)
    text = json.dumps(report.to_data(), indent=2, ensure_ascii=False)
    (directory / RESULT).write_text(text + "\n", encoding="utf-8")


def write_trace(path: Path, history: History) -> None:
    """Write the trace of a run for ui.perfetto.dev.

    Raises:
        OSError: the file cannot be written.
    """
    path.write_text(perfetto_trace(history), encoding="utf-8")


def write_test(directory: Path, slug: str, report: ScenarioReport) -> None:
    """Write a test that replays a counterexample.

    Raises:
        OSError: the file cannot be written.
    """
    function = slug.replace("-", "_")
    if keyword.iskeyword(function):
        function += "_"
    title = report.file if report.file.isprintable() and '"' not in report.file else slug
    text = _TEST.format(
        title=title.replace("\\", "/"),
        function=function,
        scenario=SCENARIO,
        world=report.world,
        client=report.client,
    )
    (directory / TEST).write_text(text, encoding="utf-8")


def adopt_run(source: Path, target: Path, report: ScenarioReport) -> None:
    """Copy a run directory; the copy names itself in the command that repeats the run.

    Args:
        source: the run directory.
        target: the copy; files of an earlier run are replaced.
        report: the result, with the command.

    Raises:
        OSError: a file cannot be read or written.
    """
    make_directory(target)
    for of_a_failure in (PASSING, STORY):
        (target / of_a_failure).unlink(missing_ok=True)
    if report.kept_run:
        shutil.copyfile(source / SCENARIO, target / SCENARIO)
        with (source / HISTORY).open("rb") as old, (target / HISTORY).open("wb") as new:
            header = json.loads(old.readline())
            header["about"]["command"] = report.command
            new.write(json.dumps(header, ensure_ascii=False).encode() + b"\n")
            shutil.copyfileobj(old, new)
        if (source / PASSING).exists():
            shutil.copyfile(source / PASSING, target / PASSING)
        if report.failed is not None:
            shutil.copyfile(source / TEST, target / TEST)
    write_result(target, report)


def scenario_of(path: Path) -> Path:
    """Return the scenario file of a run directory, or the path itself if it is a file."""
    return path / SCENARIO if path.is_dir() else path


def saved_history(path: Path) -> str | None:
    """Return the history that is kept beside a scenario file; None if there is none."""
    try:
        return path.with_name(HISTORY).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def saved_counterexample(directory: Path, name: str) -> list[dict[str, Any]]:
    """Return the counterexample of an earlier exploration, as a list with at most one member.

    Args:
        directory: the run directory of the exploration.
        name: the name of the property; a file of the same name may belong to another property.
    """
    path = directory / SCENARIO
    if not path.is_file():
        return []
    try:
        prop = load_scenario_file(path)
    except ScenarioFileError:
        return []  # an older format, or edited by hand; the next counterexample replaces it
    return [prop.data] if prop.concrete and prop.name == name else []
