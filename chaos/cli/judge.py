"""``spu-chaos judge``: judge kept histories without running anything."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import click

from chaos.cli.conclude import complain_of
from chaos.cli.options import html_option, perfetto_option
from chaos.cli.tasks import judged
from chaos.cli.terminal import Terminal
from chaos.history import History, HistoryError
from chaos.oracle.judge import Result, judge
from chaos.report.html.story import write_story
from chaos.report.run_directory import HISTORY, PASSING, write_result, write_trace
from chaos.report.scenario_report import STATUS_NO_VERDICT, ScenarioReport, status_of
from chaos.report.summary import summary
from chaos.report.table import STYLES
from chaos.world.gc_pause import gc_paused
from chaos.world.world import WorldName

EPILOG = """\b
Examples:
  spu-chaos run scenarios/at-least-once-reset-at-answer.yaml --out runs
      Keep the history of each run.
  spu-chaos judge runs/at-least-once-reset-at-answer-virtual
      Judge one of them, now or with a later version of the checks.
"""


@click.command("judge", epilog=EPILOG)
@click.argument("files", metavar="FILE|RUN_DIR...", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the verdict to result.json in this directory (for several histories: in one "
    "directory below it for each).",
)
@perfetto_option
@html_option
def judge_command(
    files: Sequence[str], out: Path | None, perfetto: Path | None, html: Path | None
) -> int:
    """Judge kept histories.

    A history holds everything that a check reads, so that the verdict is the same as that of the
    run, byte for byte, on any machine. Of an exploration only the kept run is judged, not the other
    examples.

    Status: as for run.
    """
    terminal = Terminal()
    reports: list[ScenarioReport] = []
    mistakes: list[str] = []
    if perfetto is not None and len(files) > 1:
        raise click.UsageError("--perfetto: a trace holds one history; name one")
    if html is not None and len(files) > 1:
        raise click.UsageError("--html: a page explains one history; name one")
    for name in files:
        path = Path(name) / HISTORY if Path(name).is_dir() else Path(name)
        try:
            history = _read(path)
            result, report = _report_of(history, path)
            passing = None if html is None else _passing(path.with_name(PASSING))
        except HistoryError as error:
            mistakes.append(f"{path}: {error}")
            continue
        reports.append(report)
        terminal.say_all(summary(report, full=True), STYLES[report.verdict])
        if perfetto is not None:
            write_trace(perfetto, history)
        if html is not None:
            write_story(html, history, result, passing)
        if out is not None:
            write_result(out if len(files) == 1 else out / path.parent.name, report)
    complain_of(*mistakes)
    return status_of(reports, bad_input=bool(mistakes)) if reports else STATUS_NO_VERDICT


def _read(path: Path) -> History:
    try:
        return History.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise HistoryError(f"not a history: byte {error.start} is not UTF-8") from error
    except OSError as error:
        raise HistoryError((error.strerror or str(error)).lower()) from error


def _passing(path: Path) -> History | None:
    """Return the passing run that is kept beside a history; None if there is none."""
    try:
        return _read(path) if path.exists() else None
    except HistoryError as error:
        raise HistoryError(f"{path.name} beside it: {error}") from error


def _report_of(history: History, path: Path) -> tuple[Result, ScenarioReport]:
    """Return the verdict and the report on a history, with what it holds about the run."""
    about = history.about
    blank = ScenarioReport(
        name=history.scenario.name,
        file=about.get("file", str(path)),
        world=cast("WorldName", history.world),
        seed=history.scenario.seed,
        client=about.get("client", "producer"),
        command=about.get("command", ""),
    )
    try:
        with gc_paused():  # the collector would traverse little but the history
            result = judge(history, example="example" in about)
            return result, judged(blank, history, result)
    except Exception as error:
        # The history of a run is consistent; an edited one may not be.
        raise HistoryError(
            f"the history contradicts itself: {type(error).__name__}: {error}"
        ) from error
