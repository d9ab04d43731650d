"""At-least-once: attempts are as many, as far apart and as long as the retry policy says.

- A record is in ``1 + max_retries`` requests at most.
- Between two attempts lies the delay of the strategy, from the end of one to the start of the next;
  not less, and not more than it takes to connect besides.
- An attempt ends with an answer, with the loss of its connection, or when its time is over, which
  is the share of the policy's timeout that the documentation plans for it, unless configured.
- While the policy has an attempt left, it follows: nobody waits for one that is over.
- After the policy's timeout, counted from the start of the first attempt, nothing is transmitted,
  and the record is settled.
- After a final code no attempt follows.
- A record that was given up although a copy is stored had its policy used up, as in ``no-loss``.

What the simulator saw is a frame that was read, some time after the client wrote it. So a rule is
broken only if no moments of the client that fit what was seen keep it. That a delay was too long,
or that attempts are missing, is judged only where every attempt must have left a trace.
"""

from collections.abc import Iterator
from itertools import pairwise
from math import inf

from chaos.oracle.attempts import Course, Lot, Span, course, lots
from chaos.oracle.blind_spots import blind_spots
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import Finding, Violations, at, lasting, named, were

NAME = "retry-policy"
SEMANTICS = ("at-least-once",)


def check(evidence: Evidence) -> Finding:
    """Look at every attempt of the workload."""
    found = Violations(NAME, evidence.once(blind_spots))
    policy = evidence.once(course)
    copies = evidence.copies
    for lot in evidence.once(lots):
        if not found.sees(*lot.ids):
            continue
        found.looked_at += len(lot.attempts)
        for text in _broken(policy, lot):
            found.add(f"{named(lot.ids)} {were(lot.ids)} {text}", lot.ids)
        if lot.told == "ok" or not any(copies[n] for n in lot.ids):
            continue
        if evidence.history.drained and (unused := policy.unused(lot)) is not None:
            end = "never settled" if lot.told_at is None else f"given up {at(lot.told_at)}"
            found.add(f"{named(lot.ids)} {were(lot.ids)} {end} {unused}", lot.ids)
    return found.finding()


def _broken(policy: Course, lot: Lot) -> Iterator[str]:
    if not lot.attempts:
        return
    most = 1 + policy.retry.max_retries
    if len(lot.attempts) > most:
        over = lot.attempts[most]
        yield (
            f"transmitted {len(lot.attempts)} times, the policy allows {most}; one too many "
            f"{at(over.t)} on connection {over.connection}"
        )
    begun = policy.timing.begun_by(lot.attempts[0].t)
    end = begun + policy.retry.timeout + policy.timing.slack
    late = next((t for t in lot.attempts if policy.timing.begun_from(t.t) > end), None)
    if late is not None:
        yield (
            f"transmitted {at(late.t)} on connection {late.connection}, "
            f"{lasting(late.t - lot.attempts[0].t)} after the first time; the policy ends after "
            f"{policy.retry.timeout:g} s"
        )
    if lot.settled_at is not None and lot.settled_at > end:
        took = lasting(lot.settled_at - begun)
        yield (
            f"settled {at(lot.settled_at)}, {took} after the first attempt began; the policy ends "
            f"after {policy.retry.timeout:g} s"
        )
    if len(lot.attempts) > 1:
        yield from _gaps(policy, lot)
    if lot.told == "ok" and (due := policy.overslept(lot)) is not None:
        yield (
            f"not tried again {at(due)}, when the time of the attempt "
            f"{at(lot.attempts[-1].t)} and the delay behind it were over, but settled "
            f"{at(lot.settled_at or 0.0)}"
        )


def _gaps(policy: Course, lot: Lot) -> Iterator[str]:
    """What is wrong between one attempt and the next."""
    spans = list(policy.spans(lot))
    through = policy.through_with(lot)
    for retry, (span, following) in enumerate(pairwise(spans), 1):
        here, there = span.transmission, following.transmission
        delay = policy.delays.before(retry)
        if not policy.follows(here, there):
            return  # read in another order than sent, so that nothing more can be told
        if policy.knows_by(span) < inf:
            if policy.answers.is_ok(here):
                return  # what follows a success has another name, unprovoked-duplicate
            if code := policy.answers.final_code(here):
                yield (
                    f"transmitted again {at(there.t)} on connection {there.connection}, after the "
                    f"final answer {code} {at(policy.answers.at(here))}"
                )
                return
        between = (
            f"between the attempt {at(here.t)} on connection {here.connection} and the one "
            f"{at(there.t)} on connection {there.connection}"
        )
        shortest = following.begun_by - span.end_from
        if shortest + policy.timing.slack < delay:
            yield (
                f"tried again too soon: {lasting(max(0.0, shortest))} at most {between}, where "
                f"retry {retry} waits {lasting(delay)}"
            )
            return
        longest = _longest(policy, span, following)
        if longest > delay and policy.sight.clear(lot.earliest, there.t, through):
            yield (
                f"tried again too late: {lasting(longest)} at least {between}, where "
                f"retry {retry} waits {lasting(delay)}"
            )
            return


def _longest(policy: Course, span: Span, following: Span) -> float:
    """How long the client waited at least, if it connected without trouble."""
    return following.transmission.t - policy.connecting - span.end_by
