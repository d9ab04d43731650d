"""A record that the client reported as certainly not stored has no copy in the log.

*failed* is a promise as well: the caller may send the record again without risking a duplicate. One
copy breaks the promise, whether a request or a fault made it. A client that is not certain reports
*unknown* instead.
"""

from chaos.history import Need
from chaos.oracle.blind_records import RECORD_CAUSES, blind_records
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import ACROSS_DELETION, Finding, Violations, at, listed
from chaos.oracle.incarnations import open_across_deletion

NAME = "not-persisted-is-absent"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.CALLS, Need.LOGS)
EXCUSES = (ACROSS_DELETION,)
CAUSES = RECORD_CAUSES


def check(evidence: Evidence) -> Finding:
    """Check every record that was reported as certainly not stored."""
    found = Violations(NAME, evidence.once(blind_records), evidence.once(open_across_deletion))
    copies = evidence.copies
    for record in evidence.by_outcome["failed"]:
        if not found.sees(record.id):
            continue
        found.judged += 1
        if copies[record.id]:
            copy = copies[record.id][0]
            found.add(
                f"{listed([record.id])} was reported as certainly not stored "
                f"{at(record.outcome_at or 0.0)}, but a copy is at {copy.partition}@{copy.offset}",
                [record.id],
            )
    return found.finding()
