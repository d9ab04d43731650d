"""The offset that the client was told of a record holds that record.

Any copy will do: where a record is stored twice, the client may have been told of either. A client
that tells no offsets has nothing to be held to. A record that is acknowledged and not stored at all
breaks another promise (``acked-is-stored``).
"""

from chaos.oracle.blind_spots import blind_spots
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import Finding, Violations, at, listed

NAME = "offset-is-true"
SEMANTICS = ("at-least-once", "at-most-once")


def check(evidence: Evidence) -> Finding:
    """Look at every record of which an offset was told."""
    found = Violations(NAME, evidence.once(blind_spots))
    unseen, told = found.unseen, 0
    for record, copies in zip(evidence.records, evidence.copies, strict=True):
        if record.outcome != "ok" or record.offset is None or not copies:
            continue
        if unseen and not found.sees(record.id):
            continue
        told += 1
        partition, offset = record.partition, record.offset
        for copy in copies:
            if copy[1] == offset and copy[0] == partition:
                break
        else:
            places = ", ".join(f"{copy.partition}@{copy.offset}" for copy in copies[:3])
            found.add(
                f"{listed([record.id])} was acknowledged as {partition}@{offset} "
                f"{at(record.outcome_at or 0.0)}, but it is at {places}",
                [record.id],
            )
    found.looked_at = told
    return found.finding()
