"""The cause in one sentence: what the record met, attempt by attempt, and what the client did."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from chaos.history import SentRecord
from chaos.oracle.evidence import Evidence, Transmission
from chaos.report import phrases
from chaos.report.html.quantity import brief
from chaos.report.html.subject import Subject
from chaos.report.narrative import CLUSTER_EVENTS, Narrator
from simulator.events import Appended, FaultHit, FrameWritten, Healed, LeaderElected, LeaderMoved
from simulator.faults.effects import CutPoint, Effect
from simulator.reporting.console import closing

_LOST = "was lost"
_TWICE = "was duplicated"
_SUBJECTS = {
    "no-loss": _LOST,
    "unprovoked-loss": _LOST,
    "acked-is-stored": "was acknowledged and is not stored",
    "no-duplicates": _TWICE,
    "unprovoked-duplicate": "was sent again after the SPU had answered",
    "not-persisted-is-absent": "is stored although the client reported it as certainly not stored",
}
"""By check, what happened to the record; for other checks the violation says it."""

ATTEMPTS_NAMED_MAX = 4
"""The most groups of attempts that a sentence describes."""

_ENDINGS = {"rst": "reset", "fin": "closed", "half-close": "half-closed"}


@dataclass(frozen=True, slots=True)
class Sentences:
    """The text on top of a page; without full stops."""

    headline: str
    """What happened; with its cause if it is one of ``_SUBJECTS``."""
    causes: tuple[str, ...] = ()
    """What happened to the records, if the headline is the text of a violation."""
    judge: str = ""
    """The text of the violation, if the headline is another one."""


def sentences_of(evidence: Evidence, narrator: Narrator, subject: Subject) -> Sentences:
    """Return the text on top of a page."""
    violation = subject.violation
    if subject.record is None:
        return Sentences(violation.text if violation else "the run has no records")
    record = evidence.records[subject.record]
    cause = _cause(evidence, narrator, record)
    if violation is None:
        return Sentences(f"{phrases.named(record)} {_state(evidence, record)}: {cause}")
    if subject.check in _SUBJECTS and subject.named:
        happened = _SUBJECTS[subject.check]
        if happened == _TWICE and len(evidence.copies[record.id]) < 2:
            happened = f"was transmitted {len(evidence.transmissions[record.id])} times"
        return Sentences(f"{phrases.named(record)} {happened}: {cause}", judge=violation.text)
    causes = [f"{phrases.named(record)}: {cause}"]
    others = [n for n in dict.fromkeys(violation.records) if n != record.id]
    if len(others) == 1 and others[0] not in subject.alike:
        other = evidence.records[others[0]]
        causes.append(f"{phrases.named(other)}: {_cause(evidence, narrator, other)}")
    return Sentences(violation.text, tuple(causes))


def _state(evidence: Evidence, record: SentRecord) -> str:
    copies = len(evidence.copies[record.id])
    if not copies:
        return "is not stored"
    return "is stored once" if copies == 1 else f"is stored {copies:,} times"


def _cause(evidence: Evidence, narrator: Narrator, record: SentRecord) -> str:
    attempts = _distinct(evidence.transmissions[record.id])
    ending = _ending(evidence, record, len(attempts))
    if not attempts:
        return f"{_never_sent(narrator, record)}, and {ending}"
    fates = [fate_of(evidence, narrator, attempt) for attempt in attempts]
    met = _met(fates)
    early = len(attempts) <= evidence.scenario.producer.retry.max_retries
    if early and _given_up(evidence, record):  # that weighs more than what the attempts met
        return f"{ending}; {met}"
    return f"{met}, and {ending}"


def _met(fates: Sequence[str]) -> str:
    """Return what all attempts met."""
    if len(fates) == 1:
        return f"its only attempt {fates[0]}"
    if len(set(fates)) == 1:
        return f"each of its {len(fates)} attempts {fates[0]}"
    parts = list(_in_groups(fates))
    if len(parts) > ATTEMPTS_NAMED_MAX:
        left_out = f"{len(parts) - ATTEMPTS_NAMED_MAX} more changes"
        parts = [*parts[: ATTEMPTS_NAMED_MAX - 1], left_out, parts[-1]]
    return ", ".join(parts)


def _in_groups(fates: Sequence[str]) -> Iterator[str]:
    """Yield the fates with the numbers of their attempts, equal neighbours together."""
    n = 1
    for fate, group in groupby(fates):
        last = n + len(list(group)) - 1
        which = f"attempt {n}" if n == last else f"each of attempts {n} to {last}"
        yield f"{which} {fate}"
        n = last + 1


def _never_sent(narrator: Narrator, record: SentRecord) -> str:
    meanwhile = [
        line.text
        for line in narrator.timed(record.id)
        if isinstance(line.event, CLUSTER_EVENTS)
        and not isinstance(line.event, Healed | LeaderElected | LeaderMoved)
    ]
    if not meanwhile:
        return "no request with it reached an SPU"
    return f"no request with it reached an SPU ({meanwhile[0]})"


def _ending(evidence: Evidence, record: SentRecord, made: int) -> str:
    """Return what the client reported in the end."""
    producer = evidence.scenario.producer
    if record.outcome_at is None:
        return "the client never reported an outcome"
    if record.outcome == "ok":
        return f"the client reported it as {phrases.outcome(record, evidence.scenario.topic.name)}"
    if record.queue_full and record.taken_at is None:
        return "the client did not accept it"
    if _given_up(evidence, record):
        return f"the client gave up after {made} of {1 + producer.retry.max_retries:,} attempts"
    stored = "certainly not stored" if record.outcome == "failed" else "possibly stored"
    return f"the client reported it as {stored}"


def _given_up(evidence: Evidence, record: SentRecord) -> bool:
    """Return whether the client accepted a record, could retry, and reported it as failed."""
    accepted = record.taken_at is not None or not record.queue_full
    failed = record.outcome_at is not None and record.outcome != "ok"
    return evidence.scenario.producer.retries and failed and accepted


def _distinct(transmissions: Sequence[Transmission]) -> list[Transmission]:
    return list({t.number: t for t in transmissions}.values())


# --- one attempt


def fate_of(evidence: Evidence, narrator: Narrator, attempt: Transmission) -> str:
    """Return what one attempt met, as the predicate of a sentence."""
    events = narrator.exchange(attempt.number)
    topic = evidence.scenario.topic.name
    hits = [
        event
        for event in events
        if isinstance(event, FaultHit) and phrases.concerns(event, topic, attempt)
    ]
    appends = [
        event
        for event in events
        if isinstance(event, Appended)
        and (event.topic, event.partition, event.entry) == (topic, attempt.partition, attempt.entry)
    ]
    applied = bool(appends)
    for hit in hits:
        if hit.at is CutPoint.REQUEST and not applied and (fate := _struck_request(hit)):
            return fate
    before = "was applied, but " if applied else "was not applied, and "
    for hit in hits:
        if fate := _struck_answer(hit, applied):
            return before + fate
    if any(isinstance(e, FrameWritten) and e.whole for e in events):
        late = sum(hit.delay_s for hit in hits)
        answered = "was stored and answered" if applied else "was answered and not stored"
        if len(appends) > 1:
            answered = f"was stored {len(appends)} times and answered"
        return f"{answered}, {brief(late)} late" if late else answered
    closed = narrator.closed(attempt.connection)
    if closed is None:
        return f"{before}was never answered"
    return f"{before}its connection ended without an answer ({closing(closed)})"


def _struck_request(hit: FaultHit) -> str:
    effects = hit.effects
    if hit.code is not None:
        return f"was refused with {hit.code}"
    if Effect.ENDS_CONNECTION in effects:
        return f"was {_ENDINGS[hit.how or 'rst']} before the SPU applied it"
    if Effect.SILENCES in effects:
        return "was stalled before the SPU applied it"
    if Effect.NOT_APPLIED in effects:
        return "was dropped before the SPU applied it"
    return ""


def _struck_answer(hit: FaultHit, applied: bool) -> str:
    effects = hit.effects
    if Effect.ALTERS_BYTES in effects:
        frame = "request" if hit.at is CutPoint.REQUEST else "answer"
        return f"its {frame} was altered"
    if hit.code is not None:
        return f"its answer was {hit.code}"
    if Effect.FORGES_ANSWER in effects:
        return "its answer was forged"
    if Effect.ENDS_CONNECTION in effects:
        return f"its connection was {_ENDINGS[hit.how or 'rst']} before the answer"
    if Effect.SILENCES in effects:
        return "its connection was stalled before the answer"
    if Effect.NOT_ANSWERED in effects:
        return "its answer was dropped"
    if Effect.REPEATED in effects and applied and hit.at is CutPoint.REQUEST:
        return "the network delivered its request twice"
    return ""
