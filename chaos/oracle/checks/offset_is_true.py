"""The partition and offset that the client reported for a record hold that record.

Any copy satisfies the promise: where a record is stored twice, the client may report either copy.
The check does not apply to a client that reports no offsets. A record that is acknowledged and not
stored at all breaks another promise (``acked-is-stored``). What an election left out, after an
acknowledgement under read-uncommitted, is excused, whichever other copies there are.
"""

from chaos.history import Need
from chaos.oracle.blind_records import RECORD_CAUSES, blind_records
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import ACROSS_DELETION, Finding, Violations, at, listed
from chaos.oracle.frames.replicas import LOST_IN_ELECTION, replicas
from chaos.oracle.incarnations import open_across_deletion

NAME = "offset-is-true"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.CALLS, Need.LOGS, Need.OFFSETS)
EXCUSES = (LOST_IN_ELECTION, ACROSS_DELETION)
CAUSES = RECORD_CAUSES


def check(evidence: Evidence) -> Finding:
    """Check every record with a reported offset."""
    found = Violations(NAME, evidence.once(blind_records), evidence.once(open_across_deletion))
    copies, reported = evidence.copies, evidence.reported_copies
    records = [r for r in evidence.acknowledged if r.offset is not None and copies[r.id]]
    if found.set_aside:
        records = [record for record in records if found.sees(record.id)]
    found.judged = len(records)
    for record in [record for record in records if reported[record.id] is None]:
        if evidence.once(replicas).lost(record):
            found.judged -= 1
            found.excuse(LOST_IN_ELECTION)
            continue
        places = ", ".join(f"{copy.partition}@{copy.offset}" for copy in copies[record.id][:3])
        found.add(
            f"{listed([record.id])} was acknowledged as {record.partition}@{record.offset} "
            f"{at(record.outcome_at or 0.0)}, but it is at {places}",
            [record.id],
        )
    return found.finding()
