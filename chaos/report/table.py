"""All outcomes at a glance: the table at the end."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from chaos.report.outcome import Outcome
from chaos.report.words import counted, printable

STYLES = {"valid": "green", "invalid": "bold red", "inconclusive": "yellow"}
"""How verdicts look on a terminal."""


def table(outcomes: Sequence[Outcome]) -> Table:
    """One row for each outcome, in their order."""
    result = Table("scenario", "world", box=None, header_style="bold", pad_edge=False)
    for heading in ("examples", "faults fired", "lost", "duplicated"):
        result.add_column(heading, justify="right", no_wrap=True)
    result.add_column("verdict", no_wrap=True)
    result.add_column("seconds", justify="right", no_wrap=True)
    for outcome in outcomes:
        result.add_row(
            Text(printable(outcome.name)),
            outcome.world,
            f"{1 if outcome.examples is None else outcome.examples:,}",
            f"{sum(outcome.fired.values()):,}",
            f"{outcome.figures.get('lost', 0):,}",
            f"{outcome.figures.get('duplicated', 0):,}",
            Text(outcome.verdict, style=STYLES[outcome.verdict]),
            f"{outcome.seconds:.2f}",
        )
    return result


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
