"""The tables of several results, and the last line.

A row has the name of the scenario file, not the name of the scenario: that is a sentence that would
take two lines, and the file is the argument of the next command.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from chaos.report.phrases import counted
from chaos.report.scenario_report import ScenarioReport
from simulator.documents.diagnostic import printable

FIRINGS = {"0": 0, "1": 1, "2": 2, "3 to 5": 5, "6 to 10": 10}
"""By heading of a group of examples, the largest number of firings in the group. A last group has
all larger numbers."""

FIRINGS_TITLE = "Numbers of examples, by how many faults fired in them:"
"""The line above the table of firings."""

WIDE_COLUMNS = 100
"""A terminal with fewer columns is narrow: names of files would take several lines."""

NARROW = ("fired", "lost", "dup.")
"""The headings of figures on a narrow terminal."""

STYLES = {"valid": "green", "invalid": "bold red", "inconclusive": "yellow"}
"""By verdict, its style on a terminal."""


def table(reports: Sequence[ScenarioReport], width: int = WIDE_COLUMNS) -> Table:
    """Return a table with one row for each result, in order.

    Args:
        reports: the results.
        width: the columns of the terminal; on a narrow one the numbers of examples and the seconds
            are left out, and headings are short.
    """
    wide = width >= WIDE_COLUMNS
    result = _named_rows()
    result.add_column("world", no_wrap=True)
    for heading in ("examples", "faults\nfired", "lost", "duplicated") if wide else NARROW:
        result.add_column(heading, justify="right", no_wrap=True)
    result.add_column("verdict", no_wrap=True)
    if wide:
        result.add_column("seconds", justify="right", no_wrap=True)
    for report, label in zip(reports, labels(reports), strict=True):
        examples = f"{1 if report.examples is None else report.examples:,}"
        result.add_row(
            Text(printable(label)),
            report.world,
            *([examples] if wide else []),
            f"{sum(times or 0 for times in report.fired.values()):,}",
            f"{report.figures.get('lost', 0):,}",
            f"{report.figures.get('duplicated', 0):,}",
            Text(report.verdict, style=STYLES[report.verdict]),
            *([f"{report.seconds:.2f}"] if wide else []),
        )
    return result


def firings_table(reports: Sequence[ScenarioReport], width: int = WIDE_COLUMNS) -> Table:
    """Return a table with one row for each property: its examples by number of firings.

    Args:
        reports: the results.
        width: the columns of the terminal; on a narrow one the world and the share of the examples
            in which a fault fired are left out.
    """
    wide = width >= WIDE_COLUMNS
    result = _named_rows()
    if wide:
        result.add_column("world", no_wrap=True)
    for heading in (*FIRINGS, "more", *(["1 or more"] if wide else [])):
        result.add_column(heading, justify="right", no_wrap=True)
    for report, label in zip(reports, labels(reports), strict=True):
        firings = report.firings or {}
        groups = [0] * (len(FIRINGS) + 1)
        for number, examples in firings.items():
            groups[bisect_left([*FIRINGS.values()], number)] += examples
        total = sum(groups)
        share = f"{100 * (total - groups[0]) / total:.1f} %" if total else ""
        counts = [f"{examples:,}" for examples in groups]
        row = [report.world, *counts, share] if wide else counts
        result.add_row(Text(printable(label)), *row)
    return result


def _named_rows() -> Table:
    """Return a table without rows, whose first column is the name of a scenario."""
    result = Table("scenario", box=None, header_style="bold", pad_edge=False)
    result.columns[0].overflow = "fold"
    return result


def labels(reports: Sequence[ScenarioReport]) -> list[str]:
    """Return the label of each result: the stem of its file, or the path if stems are equal."""
    files = {report.file: Path(report.file).stem for report in reports}
    times = Counter(files.values())
    return [files[o.file] if times[files[o.file]] == 1 else o.file for o in reports]


def tally(
    reports: Sequence[ScenarioReport],
    wanted: int,
    seconds: float,
    first: int = 0,
    skipped: int = 0,
) -> str:
    """Return one sentence about all results.

    Args:
        reports: the results.
        wanted: the number of runs that were requested.
        seconds: the duration of all runs in seconds of real time.
        first: the number of the first example of each property.
        skipped: the number of files that run in none of the worlds that were asked for.
    """
    counts = [f"{sum(o.verdict == verdict for o in reports)} {verdict}" for verdict in STYLES]
    runs = counted(wanted, "run")
    if len(reports) < wanted:
        runs = f"interrupted after {len(reports)} of {runs}"
    begun = f" from example {first}" if first else ""
    if skipped:
        counts.append(f"{counted(skipped, 'file')} skipped, not of this world or client")
    sentence = f"{runs}{begun}: {', '.join(counts)}, in {seconds:.1f} s"
    findings = [finding for report in reports for finding in report.findings]
    none = Counter(finding.check for finding in findings if finding.judged_none)
    not_applicable = Counter(
        f"{checks} ({reason})"
        for report in reports
        for reason, checks in report.without_evidence.items()
    )
    known = Counter[str]()
    for report in reports:
        known.update(report.known)
    for what, unit, found in (
        ("judged none", "run", none),
        ("not applicable", "run", not_applicable),
        ("known", "example", known),
    ):
        if found:
            listed = ", ".join(f"{name} in {counted(n, unit)}" for name, n in found.items())
            sentence += f"; {what}: {listed}"
    return sentence
