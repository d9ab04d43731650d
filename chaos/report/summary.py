"""An outcome in words: what a person reads of one run. Nothing is printed here."""

from collections.abc import Iterator, Sequence

from chaos.oracle.checks import Finding
from chaos.oracle.judge import FIGURES
from chaos.report.narrative import Story
from chaos.report.outcome import STORIES_MAX, Outcome
from chaos.report.phrases import counted, printable

SENTENCES_MAX = 3
"""Sentences about one check in a summary; ``result.json`` has more of them."""


def summary(outcome: Outcome, *, full: bool = False) -> list[str]:
    """What became of a run, as lines.

    Args:
        outcome: the run.
        full: whether all sentences and all lines of the stories are told.
    """
    return [printable(line) for line in _lines(outcome, full)]


def story_lines(stories: Sequence[Story], *, full: bool = False) -> list[str]:
    """Stories as lines, each with a heading.

    Args:
        stories: which ones.
        full: whether all lines of each are told.
    """
    lines: list[str] = []
    for story in stories:
        others = f", and much the same of {counted(story.alike, 'other')}" if story.alike else ""
        lines += ["", f"  the story of record {story.record}{others}"]
        lines += [f"  {line}" for line in (story.lines if full else story.shortened())]
    return lines


def failure_text(outcome: Outcome) -> str:
    """What a report for machines holds as text: the summary, and the command that repeats it."""
    return "\n".join([*summary(outcome), "", f"again: {outcome.command}"])


def _lines(outcome: Outcome, full: bool) -> Iterator[str]:
    yield f"{outcome.verdict}: {outcome.name}"
    yield f"  {_circumstances(outcome)}"
    yield f"  {', '.join(f'{name} {outcome.figures.get(name, 0):,}' for name in FIGURES)}"
    if outcome.fired:
        struck = ", ".join(f"{name} {times:,}" for name, times in outcome.fired.items())
        yield f"  faults fired: {struck}"
    for reason in outcome.reasons:
        yield f"  no verdict: {reason}"
    for finding in outcome.broken:
        yield f"  broken: {finding.check}, {counted(finding.count, 'time')}"
        yield from _sentences(finding, full)
    for sentence in outcome.not_applicable:
        yield f"  not applicable: {sentence}"
    for note in outcome.notes:
        yield f"  note: {note}"
    if outcome.directory is not None:
        yield f"  kept in {outcome.directory}"
    yield from story_lines(outcome.stories if full else outcome.stories[:STORIES_MAX], full=full)


def _circumstances(outcome: Outcome) -> str:
    parts = [outcome.file, f"world {outcome.world}", f"seed {outcome.seed}"]
    if outcome.client != "producer":
        parts.insert(2, f"client {outcome.client}")
    if outcome.examples is not None:
        parts.append(counted(outcome.examples, "example"))
    return ", ".join(parts)


def _sentences(finding: Finding, full: bool) -> Iterator[str]:
    told = finding.violations if full else finding.violations[:SENTENCES_MAX]
    for violation in told:
        yield f"    {violation.text}"
    if finding.count > len(told):
        yield f"    and {finding.count - len(told):,} more"
