"""At-least-once: the number, the spacing and the duration of attempts follow the retry policy.

- A record is in at most ``1 + max_retries`` requests.
- The delay of the strategy lies between the end of an attempt and the start of the next one: no
  less, and no more than the delay and the time to connect.
- An attempt ends with an answer, with the loss of its connection, or at its timeout: the configured
  one, or the share of the policy's timeout that the documentation plans for it.
- While the policy has an attempt left, the next attempt follows when the previous one has ended.
- After the policy's timeout, counted from the start of the first attempt, nothing is transmitted,
  and the record is settled.
- After a final error code no attempt follows.
- A record that was given up although a copy is stored had its policy used up, as in ``no-loss``.

The simulator sees a frame when it reads the frame, some time after the client wrote it. So a rule
is broken only if no client times that fit the observations keep it. A delay that was too long, or a
missing attempt, is reported only where every attempt must have left an event.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import inf

from chaos.history import Need
from chaos.oracle.attempts import (
    BUDGET_RULES,
    AttemptBounds,
    RecordGroup,
    RetryTimeline,
    record_groups,
    retry_timeline,
)
from chaos.oracle.blind_records import RECORD_CAUSES, blind_records
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import (
    ACROSS_DELETION,
    JUDGED,
    NOT_DRAINED,
    Finding,
    Ruling,
    Violations,
    at,
    blind,
    lasting,
    listed,
    violated,
    were,
)
from chaos.oracle.holds import holds
from chaos.oracle.incarnations import open_across_deletion
from chaos.oracle.timing import timing
from chaos.oracle.visibility import HIDING_CAUSES

NAME = "retry-policy"
SEMANTICS = ("at-least-once",)
NEEDS = (Need.FRAMES, Need.APPENDS, Need.LOGS, Need.CALLS, Need.CLOCK)
EXCUSES = (*BUDGET_RULES, ACROSS_DELETION)
CAUSES = (*RECORD_CAUSES, *HIDING_CAUSES, NOT_DRAINED)


def check(evidence: Evidence) -> Finding:
    """Check every attempt of the workload."""
    found = Violations(NAME, evidence.once(blind_records), evidence.once(open_across_deletion))
    copies = evidence.copies
    for group in evidence.once(record_groups):
        if found.set_aside and not found.sees(*group.ids):
            continue
        if _is_settled_at_once(evidence, group):
            found.judged += len(group.ids)
            continue
        timeline = evidence.once(retry_timeline)
        rulings = list(_rulings(timeline, group))
        if group.outcome != "ok" and any(copies[n] for n in group.ids):
            rulings.append(_given_up(evidence, timeline, group))
        if not rulings and not group.attempts:
            continue  # nothing was tried, and nothing is stored
        _count(found, group.ids, rulings)
    return found.finding()


def _is_settled_at_once(evidence: Evidence, group: RecordGroup) -> bool:
    """Return whether a group was acknowledged after one attempt, sooner than the policy can end or
    a retry can be read: most groups need no other look."""
    if group.outcome != "ok" or len(group.attempts) != 1:
        return False
    [sent], times = group.attempts, evidence.once(timing)
    begun = times.begun_from(evidence.once(holds).arrived_from(sent.number, sent.t))
    soonest = min(2 * times.trip, evidence.scenario.producer.retry.timeout)
    return group.settled_at is None or group.settled_at <= begun + soonest


def _count(found: Violations, ids: Sequence[int], rulings: Sequence[Ruling]) -> None:
    """Count a group once: a violation before a cause of blindness before an excuse."""
    texts = [ruling.text for ruling in rulings if ruling.kind == "violated"]
    for text in texts:
        found.add(f"{listed(ids)} {were(ids)} {text}", ids)
    blinding = [ruling for ruling in rulings if ruling.kind == "blind"]
    excusing = [ruling for ruling in rulings if ruling.kind == "excused"]
    found.take(next(iter(blinding + excusing), JUDGED) if not texts else JUDGED, len(ids))


def _given_up(evidence: Evidence, timeline: RetryTimeline, group: RecordGroup) -> Ruling:
    """Return whether the policy of a stored group was used up when the group was given up."""
    if not evidence.history.drained:
        return blind(NOT_DRAINED)
    ruling = timeline.unused_budget(group)
    if ruling.kind != "violated":
        return ruling
    end = "never settled" if group.outcome_at is None else f"given up {at(group.outcome_at)}"
    return violated(f"{end} {ruling.text}")


def _rulings(timeline: RetryTimeline, group: RecordGroup) -> Iterator[Ruling]:
    if not group.attempts:
        return
    most = 1 + timeline.retry.max_retries
    if len(group.attempts) > most:
        over = group.attempts[most]
        yield violated(
            f"transmitted {len(group.attempts)} times, the policy allows {most}; one too many "
            f"{at(over.t)} on connection {over.connection}"
        )
    begun = timeline.timing.begun_by(group.attempts[0].t)
    end = begun + timeline.retry.timeout + timeline.timing.slack
    late = next((t for t in group.attempts if timeline.begun_from(t) > end), None)
    if late is not None:
        yield violated(
            f"transmitted {at(late.t)} on connection {late.connection}, "
            f"{lasting(late.t - group.attempts[0].t)} after the first time; the policy ends after "
            f"{timeline.retry.timeout:g} s"
        )
    if group.settled_at is not None and group.settled_at > end:
        took = lasting(group.settled_at - begun)
        yield violated(
            f"settled {at(group.settled_at)}, {took} after the first attempt began; the policy "
            f"ends after {timeline.retry.timeout:g} s"
        )
    if len(group.attempts) > 1:
        yield from _gaps(timeline, group)
    if group.outcome == "ok" and (due := timeline.missing_retry_due(group)) is not None:
        yield violated(
            f"not tried again {at(due)}, when the time of the attempt "
            f"{at(group.attempts[-1].t)} and the delay behind it were over, but settled "
            f"{at(group.settled_at or 0.0)}"
        )


def _gaps(timeline: RetryTimeline, group: RecordGroup) -> Iterator[Ruling]:
    """Yield what is wrong between one attempt and the next."""
    attempts = timeline.attempts(group)
    for retry, (attempt, following) in enumerate(pairwise(attempts), 1):
        here, there = attempt.transmission, following.transmission
        delay = timeline.delays.before(retry)
        later = group.attempts[retry + 1 :] if timeline.holds.periods else ()
        if not timeline.follows(here, there) or not all(timeline.follows(there, t) for t in later):
            return  # read in another order than sent: this gap and later ones are not certain
        if timeline.answer_known_by(attempt) < inf:
            if timeline.answers.is_ok(here):
                return  # an attempt after a success is for unprovoked-duplicate
            if code := timeline.answers.final_code(here):
                yield violated(
                    f"transmitted again {at(there.t)} on connection {there.connection}, after the "
                    f"final answer {code} {at(timeline.answers.at(here))}"
                )
                return
        between = (
            f"between the attempt {at(here.t)} on connection {here.connection} and the one "
            f"{at(there.t)} on connection {there.connection}"
        )
        shortest = following.begun_by - attempt.end_from
        if shortest + timeline.timing.slack < delay:
            yield violated(
                f"tried again too soon: {lasting(max(0.0, shortest))} at most {between}, where "
                f"retry {retry} waits {lasting(delay)}"
            )
            return
        longest = _longest_wait(timeline, attempt, following)
        if longest > delay:
            if (cause := timeline.hidden(group, there.t)) is not None:
                yield blind(cause)
                return
            yield violated(
                f"tried again too late: {lasting(longest)} at least {between}, where "
                f"retry {retry} waits {lasting(delay)}"
            )
            return


def _longest_wait(
    timeline: RetryTimeline, attempt: AttemptBounds, following: AttemptBounds
) -> float:
    """Return the shortest possible pause before an attempt, if the client connected without
    delay."""
    here = following.transmission
    arrived = timeline.holds.arrived_from(here.number, here.t)
    return arrived - timeline.connecting - attempt.end_by
