"""The record that a story is about, and the other records of its kind."""

from dataclasses import dataclass

from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import Violation
from chaos.oracle.judge import Result
from chaos.report.narrative import Narrator


@dataclass(frozen=True, slots=True)
class Subject:
    """What a story explains."""

    record: int | None
    """The id of the record; None if the run has none."""
    check: str | None = None
    """The check that found the broken promise; None if none was broken."""
    violation: Violation | None = None
    named: bool = True
    """Whether the violation names the record; if not, the record is the first remarkable one."""
    alike: tuple[int, ...] = ()
    """The ids of other records that broke the same promise with a similar narrative."""


def subject_of(evidence: Evidence, result: Result, narrator: Narrator) -> Subject:
    """Return the subject: the first record of the first broken promise.

    Without a broken promise that names a record it is the most remarkable one of the workload.
    """
    if not result.broken:
        return Subject(_remarkable(evidence))
    finding = result.broken[0]
    violation = finding.violations[0]
    ids = list(dict.fromkeys(i for v in finding.violations for i in v.records))
    if not ids:
        return Subject(_remarkable(evidence), finding.check, violation, named=False)
    first, *others = ids
    plot = narrator.plot(first)
    alike = tuple(other for other in others if narrator.plot(other) == plot)
    return Subject(first, finding.check, violation, alike=alike)


def _remarkable(evidence: Evidence) -> int | None:
    """Return the first record that a fault struck and that was not stored once and acknowledged;
    else one of which one of the two holds; else the first one; None without records."""
    hits = evidence.hits_by_transmission
    found: list[int | None] = [None, None, None, None]
    for record in evidence.sent:
        struck = any(t.number in hits for t in evidence.transmissions[record.id])
        as_wished = record.outcome == "ok" and len(evidence.copies[record.id]) == 1
        rank = 2 * as_wished + (not struck)
        if found[rank] is None:
            found[rank] = record.id
            if not rank:
                break
    return next((each for each in found if each is not None), None)
