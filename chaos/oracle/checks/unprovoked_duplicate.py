"""At-least-once: a record is transmitted again only if no earlier attempt was answered with
success.

A success answer that the client certainly received, within the timeout of its attempt, is final:
any later transmission is an unprovoked duplicate, and so is a record that is in one request twice.
An answer that was lost, or cut, or late, or has an error code, is no success answer. A copy in the
log that neither a transmission nor a fault explains is a violation as well.
"""

from itertools import pairwise
from math import inf

from chaos.history import Need
from chaos.oracle.attempts import RecordGroup, RetryTimeline, record_groups, retry_timeline
from chaos.oracle.blind_records import RECORD_CAUSES, blind_records
from chaos.oracle.evidence import Evidence
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
    timeline = evidence.once(retry_timeline)
    for group in evidence.once(record_groups):
        if not group.attempts or not found.sees(*group.ids):
            continue
        ids = group.ids
        if (why := found.take(_ruling(timeline, group), len(ids))) is not None:
            found.add(f"{listed(ids)} {were(ids)} {why}", ids)
    for record_id, text in surplus(evidence):
        if found.sees(record_id):
            found.add(text, [record_id])
    return found.finding()


def _ruling(timeline: RetryTimeline, group: RecordGroup) -> Ruling:
    """Return whether a group was transmitted again after an attempt was answered with success."""
    if len(group.attempts) < 2:
        return JUDGED
    uncertain = False
    for attempt, following in pairwise(timeline.attempts(group)):
        first, again = attempt.transmission, following.transmission
        if first.number == again.number:
            return violated(f"in one request twice, {at(first.t)} on connection {first.connection}")
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
