"""A record of which the client was told that it is certainly not stored has no copy in the log.

*failed* is a promise as well: the caller may send the record again without fear of a duplicate. One
copy, whoever made it, breaks it. A client that cannot know says *unknown* instead.
"""

from chaos.oracle.blind_spots import blind_spots
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import Finding, Violations, at, listed

NAME = "not-persisted-is-absent"
SEMANTICS = ("at-least-once", "at-most-once")


def check(evidence: Evidence) -> Finding:
    """Look at every record that was told to be not stored."""
    found = Violations(NAME, evidence.once(blind_spots))
    copies = evidence.copies
    for record in evidence.records:
        if record.outcome != "failed" or not found.sees(record.id):
            continue
        found.looked_at += 1
        if copies[record.id]:
            copy = copies[record.id][0]
            found.add(
                f"{listed([record.id])} is certainly not stored, as the client was told "
                f"{at(record.outcome_at or 0.0)}, but a copy is at {copy.partition}@{copy.offset}",
                [record.id],
            )
    return found.finding()
