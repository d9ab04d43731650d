"""The summary of one result, as lines of text for a person."""

from collections.abc import Iterator, Sequence

from chaos.oracle.checks import Finding
from chaos.oracle.judge import FIGURES
from chaos.report.narrative import NARRATIVES_MAX, Narrative
from chaos.report.phrases import counted
from chaos.report.scenario_report import FailedExample, ScenarioReport
from simulator.documents.diagnostic import printable

SENTENCES_MAX = 3
"""The most sentences about one check in a summary; ``result.json`` has more."""


def summary(report: ScenarioReport, *, full: bool = False) -> list[str]:
    """Return the summary of a result, as lines.

    Args:
        report: the result.
        full: whether the summary has all sentences and all lines of the narratives.
    """
    return [printable(line) for line in _lines(report, full)]


def narrative_lines(narratives: Sequence[Narrative], *, full: bool = False) -> list[str]:
    """Return narratives as lines, each with a heading.

    Args:
        narratives: the narratives.
        full: whether long narratives have all their lines.
    """
    lines: list[str] = []
    for narrative in narratives:
        similar = f" ({narrative.alike:,} similar)" if narrative.alike else ""
        lines += ["", f"  narrative of record {narrative.record}{similar}"]
        lines += [f"  {line}" for line in (narrative.lines if full else narrative.shortened())]
    return lines


def failure_text(report: ScenarioReport) -> str:
    """Return the text of a failure for machines: the summary and the command that repeats it."""
    return "\n".join([*summary(report), "", f"again: {report.command}"])


def _lines(report: ScenarioReport, full: bool) -> Iterator[str]:
    yield f"{report.verdict}: {report.name}"
    yield f"  {_circumstances(report)}"
    if report.failed is not None:
        yield f"  {_failed(report.failed)}"
    yield f"  {', '.join(f'{name} {report.figures.get(name, 0):,}' for name in FIGURES)}"
    if report.fired:
        struck = ", ".join(
            f"{name} {'unknown' if times is None else f'{times:,}'}"
            for name, times in report.fired.items()
        )
        yield f"  faults fired: {struck}"
    for name, examples in report.known.items():
        yield f"  known: {name}, in {counted(examples, 'example')}"
    for reason in report.reasons:
        yield f"  no verdict: {reason}"
    for finding in report.broken:
        yield f"  broken: {finding.check}, {counted(finding.count, 'time')}"
        yield from _sentences(finding, full)
    for sentence in report.not_applicable:
        yield f"  not applicable: {sentence}"
    for reason, checks in report.without_evidence.items():
        yield f"  not applicable: {checks}: the run lacks {reason}"
    for finding in report.findings:
        if finding.judged_none:
            why = ", ".join(
                f"{name} {n:,}" for name, n in (finding.excused | finding.unseen).items()
            )
            yield f"  judged none: {finding.check}: {why}"
    for note in report.notes:
        yield f"  note: {note}"
    if report.directory is not None:
        yield f"  kept in {report.directory}"
    yield from narrative_lines(
        report.narratives if full else report.narratives[:NARRATIVES_MAX], full=full
    )


def _circumstances(report: ScenarioReport) -> str:
    parts = [report.file, f"world {report.world}", f"seed {report.seed}"]
    if report.client != "producer":
        parts.insert(2, f"client {report.client}")
    if report.examples is not None:
        span = f" ({report.first} to {report.first + report.examples - 1})" if report.first else ""
        parts.append(counted(report.examples, "example") + span)
    return ", ".join(parts)


def _failed(failed: FailedExample) -> str:
    if failed.number is None:
        return f"a counterexample that was kept earlier fails again: {_size(failed.smallest)}"
    became = (
        "as it was drawn"
        if failed.drawn == failed.smallest
        else f"shrunk from {_size(failed.drawn)} to {_size(failed.smallest)}"
    )
    return f"example {failed.number:,} failed, {became}"


def _size(size: tuple[int, int]) -> str:
    return f"{counted(size[0], 'record')} and {counted(size[1], 'fault')}"


def _sentences(finding: Finding, full: bool) -> Iterator[str]:
    outcome = finding.violations if full else finding.violations[:SENTENCES_MAX]
    for violation in outcome:
        yield f"    {violation.text}"
    if finding.count > len(outcome):
        yield f"    and {finding.count - len(outcome):,} more"
