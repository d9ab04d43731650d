"""``python -m tests.browser.pictures DIR``: the pictures of README.md and docs/.

They depend on the code alone, so that a test can hold them against it.
"""

import io
import sys
from pathlib import Path

from rich.console import Console

from chaos.oracle.judge import judge
from chaos.report.html.story import picture_svg
from chaos.report.scenario_report import ScenarioReport
from chaos.report.table import table
from chaos.runner import run_scenario
from chaos.spec.loader import load_scenario_file

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
LOST_ANSWER = ROOT / "scenarios" / "at-least-once-answer-dropped.yaml"
COLUMNS = 76
"""The columns of the terminal; a narrower table has no seconds, which would differ each time."""

SHOWN = (
    "at-least-once-answer-dropped",
    "at-least-once-request-dropped",
    "at-least-once-reset-at-answer",
    "at-least-once-spu-restarts",
    "at-most-once-answer-dropped",
    "at-most-once-request-dropped",
    "at-most-once-reset-at-request",
)
"""The scenarios on the picture of the terminal."""


def pictures() -> dict[str, str]:
    """Return the pictures by the names of their files."""
    history = run_scenario(load_scenario_file(LOST_ANSWER).scenario())
    return {"lost-answer.svg": picture_svg(history, 1), "terminal.svg": terminal_svg()}


def terminal_svg() -> str:
    """Return a terminal with the table of some scenarios, as ``run`` prints it."""
    reports = []
    for name in SHOWN:
        scenario = load_scenario_file(ROOT / "scenarios" / f"{name}.yaml").scenario()
        result = judge(run_scenario(scenario))
        reports.append(
            ScenarioReport(
                name=scenario.name,
                file=f"{name}.yaml",
                world="virtual",
                seed=0,
                verdict=result.verdict,
                figures=result.figures,
                fired=result.fired,
            )
        )
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False
    )
    console.print("$ spu-chaos run scenarios --world virtual")
    console.print("seed 0\n")
    console.print(table(reports, COLUMNS))
    console.print("...")
    text = console.export_svg(title="spu-chaos", unique_id="terminal")
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def write_pictures(directory: Path) -> None:
    """Write the pictures."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in pictures().items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_pictures(Path(sys.argv[1]))
