"""The attempts of a record beside its retry policy, to scale.

The plan is the policy's worst case: each attempt takes as long as it may. Real attempts are those
that the servers saw; the time of their start is that of the arrival less the way to the SPU.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaos.oracle.attempts import RecordGroup, record_groups, retry_timeline
from chaos.oracle.evidence import Evidence, Transmission
from chaos.report.html.quantity import brief
from chaos.report.html.sentence import fate_of
from chaos.report.narrative import Narrator

WIDTH, LEFT, RIGHT = 480, 44, 12
"""The width of the picture, and the space beside its scale."""

ATTEMPTS_MAX = 60
"""The most attempts of a picture and of the table; a policy may allow a billion."""

BOX_MIN, NUMBER_MIN = 2.5, 13.0
"""The smallest width of an attempt, and of one that holds its number."""

TICKS = 5


@dataclass(frozen=True, slots=True)
class Box:
    """One attempt in the picture."""

    x: float
    width: float
    number: str
    """Empty if the box is too small for it."""
    about: str


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt in the table."""

    number: int
    planned: str
    """The planned pause before it."""
    real: str
    """The pause before it."""
    began: str
    ended: str
    fate: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The picture and the table of the attempts of one record."""

    policy: str
    """The policy in words."""
    planned: tuple[Box, ...]
    real: tuple[Box, ...]
    ticks: tuple[tuple[float, str], ...]
    bound: float | None
    """The place of the end of the policy; None if the scale ends before it."""
    bound_text: str
    settled: float | None
    """The place of the outcome."""
    rows: tuple[AttemptRow, ...]
    left_out: int
    """How many more attempts there were."""


def timeline_of(evidence: Evidence, narrator: Narrator, record_id: int) -> Timeline | None:
    """Return the timeline of a record; None if the client did not accept it, or for a probe."""
    for group in evidence.once(record_groups):
        if record_id in group.ids:
            return _timeline(evidence, narrator, group)
    return None


@dataclass(frozen=True, slots=True)
class SeenAttempt:
    """One attempt that a server saw; times are in seconds since the first one began."""

    begun: float
    ended: float
    transmission: Transmission


def _seen(evidence: Evidence, group: RecordGroup) -> list[SeenAttempt]:
    timeline = evidence.once(retry_timeline)
    bounds = list(timeline.attempts(group))
    start = bounds[0].begun_by if bounds else group.earliest
    found = []
    for each in bounds:
        # The latest end is exact in virtual time; with real sockets it has half a second to spare.
        ended = each.end_by if timeline.timing.exact else max(each.end_from, each.begun_by)
        if group.outcome_at is not None and group.outcome_at >= each.begun_by:
            ended = min(ended, group.outcome_at)
        found.append(SeenAttempt(each.begun_by - start, ended - start, each.transmission))
    return found


def _timeline(evidence: Evidence, narrator: Narrator, group: RecordGroup) -> Timeline:
    producer = evidence.scenario.producer
    seen = _seen(evidence, group)
    plan = list(_plan(evidence)) if producer.retries else [(0.0, producer.response_timeout)]
    limit = producer.retry.timeout if producer.retries else producer.response_timeout
    first = group.attempts[0].t - evidence.once(retry_timeline).timing.leg if seen else 0.0
    settled = None if group.outcome_at is None else max(0.0, group.outcome_at - first)
    end = max([settled or 0.0, *(each.ended for each in seen)]) if seen else 0.0
    span = min(limit, max(end, *(till for _, till in plan[: max(1, len(seen)) + 1])))
    span = max(span, end) * 1.03 or 1.0
    scale = (WIDTH - LEFT - RIGHT) / span
    name = "policy" if producer.retries else "response timeout"

    def box(n: int, begun: float, ended: float, what: str) -> Box:
        width = max(BOX_MIN, (min(ended, span) - begun) * scale)
        about = f"{what} {n}: {brief(begun)} to {brief(ended)}"
        return Box(LEFT + begun * scale, width, str(n) if width >= NUMBER_MIN else "", about)

    shown = seen[:ATTEMPTS_MAX]
    return Timeline(
        _policy(evidence),
        tuple(box(n, a, b, "planned attempt") for n, (a, b) in enumerate(plan, 1) if a < span),
        tuple(box(n, each.begun, each.ended, "attempt") for n, each in enumerate(shown, 1)),
        tuple((LEFT + x * scale, brief(x)) for x in _ticks(span)),
        LEFT + limit * scale if limit <= span else None,
        f"{name} ends at {brief(limit)}",
        LEFT + settled * scale if settled is not None and seen else None,
        tuple(_rows(evidence, narrator, shown)),
        len(seen) - len(shown),
    )


def _policy(evidence: Evidence) -> str:
    producer = evidence.scenario.producer
    if not producer.retries:
        return f"at-most-once: one transmission, {brief(producer.response_timeout)} for its answer"
    retry, timeline = producer.retry, evidence.once(retry_timeline)
    return (
        f"{1 + retry.max_retries:,} attempts, {retry.strategy} from {brief(retry.initial_delay)}"
        f" to {brief(retry.max_delay)}, {brief(timeline.timing.wait)} for each attempt, "
        f"{brief(retry.timeout)} in all"
    )


def _plan(evidence: Evidence) -> Iterator[tuple[float, float]]:
    """Yield the start and the end of each attempt of the worst case."""
    timeline = evidence.once(retry_timeline)
    start = 0.0
    for n in range(1, min(timeline.retry.max_retries + 1, ATTEMPTS_MAX) + 1):
        if start >= timeline.retry.timeout:
            return
        end = min(start + timeline.timing.wait, timeline.retry.timeout)
        yield start, end
        start = end + timeline.delays.before(n)


def _ticks(span: float) -> Iterator[float]:
    """Yield round times."""
    step = 10.0**-6
    while span / step > TICKS:
        for factor in (2, 2.5, 2):
            step *= factor
            if span / step <= TICKS:
                break
    n = 0
    while n * step <= span:
        yield n * step
        n += 1


def _rows(
    evidence: Evidence, narrator: Narrator, seen: Sequence[SeenAttempt]
) -> Iterator[AttemptRow]:
    delays = evidence.once(retry_timeline).delays
    before: SeenAttempt | None = None
    for n, each in enumerate(seen, 1):
        yield AttemptRow(
            n,
            "" if before is None else brief(delays.before(n - 1)),
            "" if before is None else brief(max(0.0, each.begun - before.ended)),
            brief(each.begun),
            brief(each.ended),
            fate_of(evidence, narrator, each.transmission),
        )
        before = each
