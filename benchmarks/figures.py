"""The table of figures: one sample for each round, shown as a median with its range."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    name: str
    unit: str
    digits: int
    """The number of decimal places."""
    target: float | None = None
    """The target of the design for a machine with two cores; None if there is none."""
    most: bool = False
    """Whether the target is an upper limit, and not a lower one."""


def table_of(measured: Iterable[tuple[Figure, Sequence[float]]], rounds: int) -> Table:
    """Return a table of the medians and ranges of all figures."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(f"{rounds} interleaved rounds", overflow="fold")
    for column in ("median", "lowest", "highest", "target"):
        table.add_column(column, justify="right", no_wrap=True)
    for figure, samples in measured:
        median = statistics.median(samples)
        shown = [f"{value:,.{figure.digits}f}" for value in (median, min(samples), max(samples))]
        name = f"{figure.name}, {figure.unit}" if figure.unit else figure.name
        table.add_row(name, *shown, _against_target(figure, median))
    return table


def _against_target(figure: Figure, median: float) -> str:
    if figure.target is None:
        return ""
    met = median <= figure.target if figure.most else median >= figure.target
    limit = f"{figure.target:,g}" if figure.target < 1 else f"{figure.target:,.0f}"
    return f"{'<=' if figure.most else '>='} {limit} {'met' if met else 'missed'}"
