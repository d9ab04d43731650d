"""At-least-once: a record is transmitted again only if no earlier attempt was answered with
success.

A success answer that the client certainly received, within the timeout of its attempt, is final:
any later transmission is an unprovoked duplicate, and so is a record that is in one request twice.
An answer that was lost, or cut, or late, or has an error code, is no success answer. A copy in the
log that neither a transmission nor a fault explains is a violation as well.

How long an application that is not ours waits for an answer is not known. For it, a success answer
counts that was written at once, on a connection that no fault struck and no server ended.
"""

from itertools import pairwise
from math import inf

from chaos.history import Need
from chaos.oracle.answers import answers
from chaos.oracle.attempts import RecordGroup, record_groups, retry_timeline
from chaos.oracle.blind_records import RECORD_CAUSES, blind_records
from chaos.oracle.evidence import Evidence, Transmission
from chaos.oracle.finding import (
    ACROSS_DELETION,
    JUDGED,
    Finding,
    Ruling,
    Violations,
    at,
    blind,
    listed,
    violated,
    were,
)
from chaos.oracle.frames.copies import surplus
from chaos.oracle.frames.undisturbed import may_hold, undisturbed
from chaos.oracle.incarnations import open_across_deletion

COMMIT_UNCERTAIN = "commit-uncertain"
"""The cause where an answer without a fault may say that the commit failed."""

NAME = "unprovoked-duplicate"
SEMANTICS = ("at-least-once",)
NEEDS = (Need.FRAMES, Need.APPENDS, Need.LOGS, Need.CLOCK)
EXCUSES = (ACROSS_DELETION,)
CAUSES = (*RECORD_CAUSES, COMMIT_UNCERTAIN)


def check(evidence: Evidence) -> Finding:
    """Check every record of the workload that was transmitted."""
    found = Violations(NAME, evidence.once(blind_records), evidence.once(open_across_deletion))
    ruling = _ruling if evidence.sees_calls else _ruling_of_application
    for group in evidence.once(record_groups):
        ids = group.ids
        if not group.attempts or (found.set_aside and not found.sees(*ids)):
            continue
        if (why := found.take(ruling(evidence, group), len(ids))) is not None:
            found.add(f"{listed(ids)} {were(ids)} {why}", ids)
    for record_id, text in surplus(evidence):
        if found.sees(record_id):
            found.add(text, [record_id])
    return found.finding()


def _ruling(evidence: Evidence, group: RecordGroup) -> Ruling:
    """Return whether a group was transmitted again after an attempt was answered with success."""
    if len(group.attempts) < 2:
        return JUDGED
    uncertain, timeline = False, evidence.once(retry_timeline)
    for attempt, following in pairwise(timeline.attempts(group)):
        first, again = attempt.transmission, following.transmission
        if first.number == again.number:
            return _twice_in_one(first)
        if timeline.answer_known_by(attempt) == inf or not timeline.follows(first, again):
            continue
        if timeline.answers.is_ok(first):
            return violated(
                f"transmitted again {at(again.t)} on connection {again.connection}, after the "
                f"request {at(first.t)} on connection {first.connection} was answered with success "
                f"{at(timeline.answers.at(first))}"
            )
        uncertain |= timeline.answers.may_be_ok(first)
    return blind(COMMIT_UNCERTAIN) if uncertain else JUDGED


def _ruling_of_application(evidence: Evidence, group: RecordGroup) -> Ruling:
    """Return the same where it is not known for how long the client waits for an answer."""
    quiet, known = evidence.once(undisturbed), evidence.once(answers)
    for first, again in pairwise(group.attempts):
        if first.number == again.number:
            return _twice_in_one(first)
        if first.connection in quiet and known.is_ok(first) and known.at(first) < inf:
            return violated(
                f"transmitted again {at(again.t)} on connection {again.connection}, although the "
                f"request {at(first.t)} on connection {first.connection} was answered with success "
                "at once, and nothing struck that connection"
            )
    several = len(group.attempts) > 1
    return blind(COMMIT_UNCERTAIN) if several and may_hold(evidence) else JUDGED


def _twice_in_one(first: Transmission) -> Ruling:
    return violated(f"in one request twice, {at(first.t)} on connection {first.connection}")
