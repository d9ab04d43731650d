"""The directory of a run: what is kept so that others can look at it and repeat it.

``scenario.yaml`` is concrete: one world, one seed, every value what it was. ``history.jsonl`` has
everything that happened, ``result.json`` what the judge made of it. A find of an exploration gets
a test too, which replays it. All of it is a pure function of the run: in the virtual world the same
run gives the same bytes.
"""

import json
import keyword
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.report.scenario_report import ScenarioReport
from chaos.spec.loader import ScenarioFileError, load_scenario_file
from chaos.world.world import WorldName
from simulator.documents.emitter import to_yaml

DEFAULT = Path(".chaos")
"""Where failures go when nobody says where."""

SCENARIO = "scenario.yaml"
HISTORY = "history.jsonl"
RESULT = "result.json"
TEST = "test_replay.py"

SLUG_CHARS_MAX = 80
"""Names of files are not longer than 255 bytes anywhere, and the world is still to come."""

_NO_SLUG = re.compile(r"[^a-z0-9]+")

_TEST = '''"""Replays {title}, found by ``python -m chaos explore``."""

from pathlib import Path

from chaos.drivers.driver import driver_named
from chaos.oracle.judge import judge
from chaos.spec.loader import load_scenario_file
from chaos.runner import run_scenario


def test_{function}() -> None:
    scenario = load_scenario_file(Path(__file__).with_name("{scenario}")).scenario()
    client = driver_named({client!r})
    result = judge(run_scenario(scenario, "{world}", client.open), example=True)
    assert not result.broken, [v.text for finding in result.broken for v in finding.violations]
'''


def slug_of(path: str) -> str:
    """The name of a file as part of the name of a directory."""
    stem = _NO_SLUG.sub("-", Path(path).stem.lower()).strip("-")
    return stem[:SLUG_CHARS_MAX].rstrip("-") or "scenario"


def directory_name(slug: str, world: WorldName, client: str) -> str:
    """The name of the directory of a run; that of our own producer goes without saying."""
    name = f"{slug}-{world}"
    return name if client == "producer" else f"{name}-{slug_of(client.replace('/', '-'))}"


def concrete(data: Mapping[str, Any], world: WorldName, seed: int) -> dict[str, Any]:
    """A scenario as it is kept: for one world, with its seed."""
    rest = {key: value for key, value in data.items() if key not in ("worlds", "seed", "examples")}
    return {"name": rest.pop("name"), "worlds": [world], "seed": seed, **rest}


def make_directory(directory: Path) -> None:
    """Make the directory of a run; the default place keeps itself out of version control.

    Raises:
        OSError: it cannot be made.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if directory.parent == DEFAULT:
        (DEFAULT / ".gitignore").write_text("*\n", encoding="utf-8")


def write_run(
    directory: Path, data: Mapping[str, Any], history: str, report: ScenarioReport
) -> None:
    """Keep a run.

    Args:
        directory: where; what an earlier run left there is replaced.
        data: the concrete scenario.
        history: everything that happened, as JSON Lines.
        outcome: what became of it.

    Raises:
        OSError: it cannot be written.
    """
    make_directory(directory)
    (directory / SCENARIO).write_text(to_yaml(data), encoding="utf-8")
    (directory / HISTORY).write_text(history, encoding="utf-8")
    write_result(directory, report)


def write_result(directory: Path, report: ScenarioReport) -> None:
    """Keep what became of a run.

    Raises:
        OSError: it cannot be written.
    """
    make_directory(directory)
    text = json.dumps(report.to_data(), indent=2, ensure_ascii=False)
    (directory / RESULT).write_text(text + "\n", encoding="utf-8")


def write_test(directory: Path, slug: str, report: ScenarioReport) -> None:
    """Keep a test that replays a find.

    Raises:
        OSError: it cannot be written.
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


def scenario_of(path: Path) -> Path:
    """The scenario file of a run directory, or the file itself."""
    return path / SCENARIO if path.is_dir() else path


def saved_history(path: Path) -> str | None:
    """What is kept of the history beside a scenario file; None if nothing is."""
    try:
        return path.with_name(HISTORY).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def saved_find(directory: Path, name: str) -> list[dict[str, Any]]:
    """What failed when a property was explored before, as plain data; nothing if nothing did.

    Args:
        directory: where it was kept.
        name: of the property. Another one may have had a file of the same name.
    """
    path = directory / SCENARIO
    if not path.is_file():
        return []
    try:
        prop = load_scenario_file(path)
    except ScenarioFileError:
        return []  # of an older form, or changed by hand; the next find replaces it
    return [prop.data] if prop.concrete and prop.name == name else []
