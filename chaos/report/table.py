"""All outcomes at a glance: the table at the end.

A scenario goes by the name of its file: the sentence that it is called by would take two lines, and
the file is what one runs again.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from chaos.report.phrases import counted, printable
from chaos.report.scenario_report import ScenarioReport

FIRINGS = {"0": 0, "1": 1, "2": 2, "3 to 5": 5, "6 to 10": 10}
"""Groups of examples, by the most faults that fired in each; what is above them is one more."""

STYLES = {"valid": "green", "invalid": "bold red", "inconclusive": "yellow"}
"""How verdicts look on a terminal."""


def table(reports: Sequence[ScenarioReport]) -> Table:
    """One row for each outcome, in their order."""
    result = Table("scenario", "world", box=None, header_style="bold", pad_edge=False)
    result.columns[0].overflow = "fold"
    for heading in ("examples", "faults\nfired", "lost", "duplicated"):
        result.add_column(heading, justify="right", no_wrap=True)
    result.add_column("verdict", no_wrap=True)
    result.add_column("seconds", justify="right", no_wrap=True)
    for report, label in zip(reports, labels(reports), strict=True):
        result.add_row(
            Text(printable(label)),
            report.world,
            f"{1 if report.examples is None else report.examples:,}",
            f"{sum(report.fired.values()):,}",
            f"{report.figures.get('lost', 0):,}",
            f"{report.figures.get('duplicated', 0):,}",
            Text(report.verdict, style=STYLES[report.verdict]),
            f"{report.seconds:.2f}",
        )
    return result


def firings_table(reports: Sequence[ScenarioReport]) -> Table:
    """One row for each property: in how many of its examples how many faults fired."""
    result = Table("faults fired in", "world", box=None, header_style="bold", pad_edge=False)
    result.columns[0].overflow = "fold"
    for heading in (*FIRINGS, "more", "1 or more"):
        result.add_column(heading, justify="right", no_wrap=True)
    for report, label in zip(reports, labels(reports), strict=True):
        firings = report.firings or {}
        groups = [0] * (len(FIRINGS) + 1)
        for number, examples in firings.items():
            groups[bisect_left([*FIRINGS.values()], number)] += examples
        total = sum(groups)
        share = f"{100 * (total - groups[0]) / total:.1f} %" if total else ""
        counts = [f"{examples:,}" for examples in groups]
        result.add_row(Text(printable(label)), report.world, *counts, share)
    return result


def labels(reports: Sequence[ScenarioReport]) -> list[str]:
    """What each outcome goes by: the name of its file, or the path where names are the same."""
    files = {report.file: Path(report.file).stem for report in reports}
    times = Counter(files.values())
    return [files[o.file] if times[files[o.file]] == 1 else o.file for o in reports]


def tally(reports: Sequence[ScenarioReport], wanted: int, seconds: float) -> str:
    """One sentence about all of them.

    Args:
        outcomes: what was run.
        wanted: how many should have been.
        seconds: how long all of it took, in real time.
    """
    counts = [f"{sum(o.verdict == verdict for o in reports)} {verdict}" for verdict in STYLES]
    runs = counted(wanted, "run")
    if len(reports) < wanted:
        runs = f"interrupted after {len(reports)} of {runs}"
    return f"{runs}: {', '.join(counts)}, in {seconds:.1f} s"
