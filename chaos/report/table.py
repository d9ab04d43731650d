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

from chaos.report.outcome import Outcome
from chaos.report.phrases import counted, printable

FIRINGS = {"0": 0, "1": 1, "2": 2, "3 to 5": 5, "6 to 10": 10}
"""Groups of examples, by the most faults that fired in each; what is above them is one more."""

STYLES = {"valid": "green", "invalid": "bold red", "inconclusive": "yellow"}
"""How verdicts look on a terminal."""


def table(outcomes: Sequence[Outcome]) -> Table:
    """One row for each outcome, in their order."""
    result = Table("scenario", "world", box=None, header_style="bold", pad_edge=False)
    result.columns[0].overflow = "fold"
    for heading in ("examples", "faults\nfired", "lost", "duplicated"):
        result.add_column(heading, justify="right", no_wrap=True)
    result.add_column("verdict", no_wrap=True)
    result.add_column("seconds", justify="right", no_wrap=True)
    for outcome, label in zip(outcomes, labels(outcomes), strict=True):
        result.add_row(
            Text(printable(label)),
            outcome.world,
            f"{1 if outcome.examples is None else outcome.examples:,}",
            f"{sum(outcome.fired.values()):,}",
            f"{outcome.figures.get('lost', 0):,}",
            f"{outcome.figures.get('duplicated', 0):,}",
            Text(outcome.verdict, style=STYLES[outcome.verdict]),
            f"{outcome.seconds:.2f}",
        )
    return result


def firings_table(outcomes: Sequence[Outcome]) -> Table:
    """One row for each property: in how many of its examples how many faults fired."""
    result = Table("faults fired in", "world", box=None, header_style="bold", pad_edge=False)
    result.columns[0].overflow = "fold"
    for heading in (*FIRINGS, "more", "1 or more"):
        result.add_column(heading, justify="right", no_wrap=True)
    for outcome, label in zip(outcomes, labels(outcomes), strict=True):
        firings = outcome.firings or {}
        groups = [0] * (len(FIRINGS) + 1)
        for number, examples in firings.items():
            groups[bisect_left([*FIRINGS.values()], number)] += examples
        total = sum(groups)
        share = f"{100 * (total - groups[0]) / total:.1f} %" if total else ""
        counts = [f"{examples:,}" for examples in groups]
        result.add_row(Text(printable(label)), outcome.world, *counts, share)
    return result


def labels(outcomes: Sequence[Outcome]) -> list[str]:
    """What each outcome goes by: the name of its file, or the path where names are the same."""
    files = {outcome.file: Path(outcome.file).stem for outcome in outcomes}
    times = Counter(files.values())
    return [files[o.file] if times[files[o.file]] == 1 else o.file for o in outcomes]


def tally(outcomes: Sequence[Outcome], wanted: int, seconds: float) -> str:
    """One sentence about all of them.

    Args:
        outcomes: what was run.
        wanted: how many should have been.
        seconds: how long all of it took, in real time.
    """
    counts = [f"{sum(o.verdict == verdict for o in outcomes)} {verdict}" for verdict in STYLES]
    runs = counted(wanted, "run")
    if len(outcomes) < wanted:
        runs = f"interrupted after {len(outcomes)} of {runs}"
    return f"{runs}: {', '.join(counts)}, in {seconds:.1f} s"
