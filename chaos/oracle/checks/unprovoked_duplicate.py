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
from chaos.oracle.blind_records import blind_records
from chaos.oracle.copies import surplus
from chaos.oracle.evidence import Evidence, Transmission
from chaos.oracle.finding import Finding, Violations, at, listed, were

NAME = "unprovoked-duplicate"
SEMANTICS = ("at-least-once",)
NEEDS = (Need.FRAMES, Need.APPENDS, Need.LOGS, Need.CLOCK)


def check(evidence: Evidence) -> Finding:
    """Check every record of the workload that was transmitted."""
    found = Violations(NAME, evidence.once(blind_records))
    timeline = evidence.once(retry_timeline)
    for group in evidence.once(record_groups):
        if not group.attempts or not found.sees(*group.ids):
            continue
        found.judged += len(group.records)
        if len(group.attempts) > 1 and (pair := _unprovoked(timeline, group)):
            first, again = pair
            records = f"{listed(group.ids)} {were(group.ids)}"
            found.add(
                f"{records} transmitted again {at(again.t)} on connection "
                f"{again.connection}, after the request {at(first.t)} on connection "
                f"{first.connection} was answered with success {at(timeline.answers.at(first))}"
                if again.number != first.number
                else f"{records} in one request twice, {at(first.t)} on "
                f"connection {first.connection}",
                group.ids,
            )
    for record_id, text in surplus(evidence):
        if found.sees(record_id):
            found.add(text, [record_id])
    return found.finding()


def _unprovoked(
    timeline: RetryTimeline, group: RecordGroup
) -> tuple[Transmission, Transmission] | None:
    """Return an attempt that was answered with success, and an attempt after it."""
    attempts = list(timeline.attempts(group))
    for attempt, following in pairwise(attempts):
        if attempt.transmission.number == following.transmission.number:
            return attempt.transmission, following.transmission
        if (
            not timeline.answers.is_ok(attempt.transmission)
            or timeline.answer_known_by(attempt) == inf
        ):
            continue
        if timeline.follows(attempt.transmission, following.transmission):
            return attempt.transmission, following.transmission
    return None
