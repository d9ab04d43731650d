"""The verdict on one run: the findings of the checks, and whether the run tested anything.

*invalid*: a check found a broken promise. *inconclusive*: no check did, but the run cannot show
that the promises were kept: a fault never fired, what must occur did not, the logs were read
before everything had arrived, or the harness failed. *valid*: neither.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from chaos.history import History
from chaos.oracle.checks import CHECKS, Check, Finding
from chaos.oracle.evidence import Evidence
from chaos.oracle.expectations import Assessed, assessed
from simulator.events import FaultHit
from simulator.faults.effects import DECIDING, CutPoint, Effect

Verdict = Literal["valid", "invalid", "inconclusive"]

PROMISE = ("no-loss", "unprovoked-loss", "no-duplicates", "unprovoked-duplicate")
"""The checks of the promise itself: without any of them a run shows nothing."""

COMPLAINT_LINES = 10
"""How many lines of an application's standard error are shown: the end of a traceback."""

FIGURES = ("sent", "acknowledged", "failed", "unknown", "lost", "duplicated")
"""The figures of each run, in the order of the reports."""


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict on one run."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    """The findings of all checks that apply, with or without violations."""
    reasons: tuple[str, ...]
    """Why the verdict is *inconclusive*; empty for other verdicts."""
    figures: Mapping[str, int]
    """How many records had each outcome, by the names in ``FIGURES``."""
    fired: Mapping[str, int | None]
    """How often each fault fired; None if it is not known."""
    notes: tuple[str, ...] = ()
    """What a reader must know of a run, whatever the verdict."""
    expectations: tuple[Assessed, ...] = ()
    """What the scenario demands, held against the run."""

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The findings with violations."""
        return tuple(finding for finding in self.findings if finding.count)


def judge(history: History, *, example: bool = False) -> Result:
    """Judge one run.

    Args:
        history: the run.
        example: whether the run is one of many examples of a property. Then a fault that did not
            fire and an expectation under ``sometimes`` that did not occur do not make it
            inconclusive: both are judged over all examples (``chaos/search/exploration.py``).
    """
    evidence = Evidence(history)
    result = _judged(evidence, example=example)
    evidence.forget()
    return result


def _judged(evidence: Evidence, *, example: bool) -> Result:
    history = evidence.history
    findings: tuple[Finding, ...] = ()
    expectations: tuple[Assessed, ...] = ()
    if (
        history.defect is None and history.not_started is None
    ):  # a history with a defect of the harness is not reliable
        semantic = history.scenario.producer.delivery_semantic
        checks = [check for check in CHECKS.values() if semantic in check.semantics]
        if lacks := history.lacks:
            findings = tuple([_finding(check, evidence, lacks) for check in checks])
        else:
            findings = tuple([check.run(evidence) for check in checks])
        expectations = evidence.once(assessed)
    figures = evidence.figures
    fired = {name: count.fired for name, count in history.faults.items()}
    notes = tuple(
        f"fault {name}: the client dials by itself, which hides whether it was refused"
        for name, times in fired.items()
        if times is None
    )
    if history.exit is not None:
        notes = (*notes, f"the application {history.exit}")
    if sum([finding.count for finding in findings]):
        notes = (*notes, *_complaint(history))
        return Result("invalid", findings, (), figures, fired, notes, expectations)
    reasons = (*_reasons(evidence, example=example), *_blind(findings, example=example))
    verdict: Verdict = "inconclusive" if reasons else "valid"
    if reasons or history.exit is not None:
        notes = (*notes, *_complaint(history))
    return Result(verdict, findings, reasons, figures, fired, notes, expectations)


def _complaint(history: History) -> Iterator[str]:
    """Yield the last lines that an application wrote to standard error."""
    return (f"standard error: {line}" for line in history.complaint[-COMPLAINT_LINES:])


def _no_evidence(history: History) -> str | None:
    """Return why a history is evidence of nothing; None if it is evidence."""
    if history.defect is not None:
        return f"the harness failed: {history.defect}"
    if history.not_started is not None:
        return f"the client could not be started: {history.not_started}"
    return None


def _reasons(evidence: Evidence, *, example: bool) -> Iterator[str]:
    """Yield why a run without a broken promise is inconclusive."""
    history = evidence.history
    if (reason := _no_evidence(history)) is not None:
        yield reason
        return
    connect = next((call for call in history.calls if call.op == "connect"), None)
    if connect is None or connect.outcome != "ok":
        why = connect.error if connect is not None and connect.error else "no reason known"
        yield f"the client could not connect, before any fault: {why}"
        return
    if history.silent is not None:
        yield f"the client was ended: {history.silent}"
    if not evidence.sent and not example:
        yield "nothing was sent"
    if not history.drained:
        yield "the logs were read before everything that was under way had arrived"
    if example:
        return
    yield from _unfired(evidence)
    for each in evidence.once(assessed):
        if each.figure is None:
            yield f"{each.name} was not judged: {each.found}"
        elif each.kind == "sometimes" and not each.met:
            yield f"{each.name} did not occur: {each.found}"


def _unfired(evidence: Evidence) -> Iterator[str]:
    """Yield the faults that never fired and had to."""
    history = evidence.history
    unfired = [name for name, count in history.faults.items() if count.fired == 0]
    if not unfired:
        return
    optional = {fault.name for fault in history.scenario.faults if fault.optional}
    for name in unfired:
        if name not in optional:
            yield f"fault {name} never struck{_shadow_over(evidence, name) or _too_late(history)}"


def _blind(findings: tuple[Finding, ...], *, example: bool) -> Iterator[str]:
    """Yield the checks that could judge none of their records, and the promise if none of its
    checks is applicable."""
    promise = [finding for finding in findings if finding.check in PROMISE]
    if promise and all(finding.not_applicable is not None for finding in promise):
        yield f"the promise cannot be checked: {promise[0].not_applicable}"
    if example:
        return
    for finding in findings:
        if finding.unseen and not finding.judged:
            causes = ", ".join(f"{cause} {times:,}" for cause, times in finding.unseen.items())
            yield f"{finding.check} judged none, blind for: {causes}"


def _finding(check: Check, evidence: Evidence, lacks: Mapping[str, str]) -> Finding:
    """Return the finding of a check, or why it is not applicable."""
    missing = [f"{need}: {lacks[need]}" for need in check.needs if need in lacks]
    if missing:
        return Finding(check.name, 0, not_applicable="; ".join(missing))
    return check.run(evidence)


def _shadow_over(evidence: Evidence, name: str) -> str:
    """Describe which faults always took precedence, if that is why a fault never fired."""
    count = evidence.history.faults[name]
    if not count.shadowed:
        return ""
    first: dict[str, None] = {}
    for hits in evidence.hits_by_transmission.values():
        for at in CutPoint:
            struck = [hit for hit in hits if hit.at is at]
            if any(hit.fault == name for hit in struck):
                first |= {hit.fault: None for hit in struck if not _is_harmless(hit)}
    by = f" by {' and '.join(first)}" if first else ""
    times = "once" if count.shadowed == 1 else f"{count.shadowed} times"
    return f"; it was shadowed{by}, {times}"


def _too_late(history: History) -> str:
    """Describe the records in flight when faults ended, which may be why a fault never fired."""
    healed_at = math.inf if history.healed_at is None else history.healed_at
    late = [
        record
        for record in history.records
        if record.sent_at < healed_at
        and (record.outcome_at is None or healed_at < record.outcome_at)
    ]
    if not late:
        return ""
    records = "1 record was" if len(late) == 1 else f"{len(late):,} records were"
    return f"; faults end with the last step, when {records} still under way: end with wait"


def _is_harmless(hit: FaultHit) -> bool:
    """Return whether a fault lets later faults act on the same exchange."""
    forges = Effect.FORGES_ANSWER in hit.effects
    return hit.shadowed or forges or DECIDING.isdisjoint(hit.effects)
