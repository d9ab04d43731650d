"""``report.html``: the results of many scenarios on one page; failures come first.

The page holds no time of the machine: in the virtual world the same runs give the same bytes.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from chaos.oracle.judge import Verdict
from chaos.report.html.matrix import matrix_of
from chaos.report.html.page import rendered
from chaos.report.phrases import counted
from chaos.report.run_directory import STORY
from chaos.report.scenario_report import BadFile, ScenarioReport, SkippedFile
from chaos.report.table import labels
from chaos.search.certify import Certificate
from simulator.faults.model import FAULTS

SHOWN: Sequence[Verdict] = ("valid", "invalid", "inconclusive")
"""The order of the verdicts in the headline, as in the last line of ``run``."""

RANKS: dict[Verdict, int] = {"invalid": 0, "inconclusive": 1, "valid": 2}
"""The order of the verdicts on the page."""

SENTENCES_MAX = 3
"""The most sentences about one failure; its own page has all."""

FAILURES_MAX = 100
"""The most failures with sentences; the table has all."""


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One result."""

    label: str
    report: ScenarioReport
    story: str
    """The address of its page, relative to the index; empty if there is none."""
    sentences: tuple[str, ...]
    """Why it failed."""
    fired: int


@dataclass(frozen=True, slots=True)
class FiringsRow:
    """What the faults of one kind did in all results."""

    kind: str
    faults: int
    """The number of faults in the files."""
    silent: int
    """How many of them never fired."""
    fired: int


def index_html(
    reports: Sequence[ScenarioReport],
    bad: Sequence[BadFile],
    skipped: Sequence[SkippedFile],
    wanted: int,
    directory: Path,
    certificates: Sequence[tuple[ScenarioReport, Certificate]] = (),
) -> str:
    """Return the page.

    Args:
        reports: the results.
        bad: the files that cannot be run.
        skipped: the files that run in none of the worlds that were asked for.
        wanted: the number of runs that were requested.
        directory: where the page will be; links are relative to it.
        certificates: the certificates among the results.
    """
    rows = [
        IndexRow(
            label,
            report,
            _story_of(report, directory),
            tuple(_sentences(report)),
            sum(times or 0 for times in report.fired.values()),
        )
        for report, label in zip(reports, labels(reports), strict=True)
    ]
    rows.sort(key=lambda row: RANKS[row.report.verdict])
    failed = [row for row in rows if row.report.verdict != "valid"]
    counts = Counter(report.verdict for report in reports)
    return rendered(
        "report.html",
        runs=counted(wanted, "run"),
        reached=len(reports) if len(reports) < wanted else None,
        counts=[(verdict, counts[verdict]) for verdict in SHOWN],
        seeds=sorted({report.seed for report in reports}),
        rows=rows,
        failed=failed[:FAILURES_MAX],
        failed_more=max(0, len(failed) - FAILURES_MAX),
        firings=_firings(reports),
        matrices=[matrix_of(done, _story_of(report, directory)) for report, done in certificates],
        mistakes=[line for each in bad for line in each.lines],
        skipped=[each.reason for each in skipped],
    )


def _story_of(report: ScenarioReport, directory: Path) -> str:
    """Return the address of the page of a failure; empty if it has none, or could not be kept."""
    if report.directory is None or report.verdict == "valid":
        return ""
    path = Path(report.directory) / STORY
    return quote(Path(os.path.relpath(path, directory)).as_posix()) if path.is_file() else ""


def _sentences(report: ScenarioReport) -> list[str]:
    if report.verdict == "valid":
        return []
    broken = [v.text for finding in report.broken for v in finding.violations]
    return [*broken, *report.reasons][:SENTENCES_MAX]


def _firings(reports: Sequence[ScenarioReport]) -> list[FiringsRow]:
    """Return what each kind of fault did, in the order of the kinds."""
    faults, silent, fired = Counter[str](), Counter[str](), Counter[str]()
    for report in reports:
        for name, times in report.fired.items():
            kind = report.kinds.get(name, name)
            faults[kind] += 1
            silent[kind] += times == 0
            fired[kind] += times or 0
    kinds = [*FAULTS, *sorted(faults.keys() - FAULTS.keys())]
    return [FiringsRow(k, faults[k], silent[k], fired[k]) for k in kinds if faults[k]]


def write_index(
    path: Path,
    reports: Sequence[ScenarioReport],
    bad: Sequence[BadFile],
    skipped: Sequence[SkippedFile],
    *,
    wanted: int,
    certificates: Sequence[tuple[ScenarioReport, Certificate]] = (),
) -> None:
    """Write the page; the arguments are those of ``index_html``.

    Raises:
        OSError: the file cannot be written.
    """
    text = index_html(reports, bad, skipped, wanted, path.parent, certificates)
    path.write_text(text, encoding="utf-8")
