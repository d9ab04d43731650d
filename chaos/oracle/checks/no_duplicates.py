"""At-most-once: a record is transmitted at most once, and has no copies beyond those of the
network.

A second request with the same record is a violation, whatever happened to the first one; so is a
request that holds a record twice. Records that are equal are not transmitted more often than there
are such records. Connecting again before the first byte of a record has left is no
second transmission, and is not visible here. A request that was read in part, because its
connection ended, transmitted the records of which a byte arrived. The only explanation for a second
copy in the log is a fault that duplicated the request: the events say which copies such a fault
made.
"""

from chaos.history import Need
from chaos.oracle.blind_records import RECORD_CAUSES, blind_records, has_unmodelled_effects
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import ACROSS_DELETION, WITHOUT_ID, Finding, Violations, at, listed
from chaos.oracle.frames.copies import equal_transmissions, surplus, with_value
from chaos.oracle.frames.partial import partial_transmissions
from chaos.oracle.incarnations import open_across_deletion

NAME = "no-duplicates"
SEMANTICS = ("at-most-once",)
NEEDS = (Need.FRAMES, Need.APPENDS, Need.LOGS)
EXCUSES = (ACROSS_DELETION,)
CAUSES = RECORD_CAUSES


def check(evidence: Evidence) -> Finding:
    """Check every record of the workload that was transmitted or stored."""
    found = Violations(NAME, evidence.once(blind_records), evidence.once(open_across_deletion))
    transmissions = evidence.transmissions
    parts = evidence.once(partial_transmissions)
    for record in evidence.sent:
        sent = transmissions[record.id]
        if found.set_aside and (record.id in evidence.without_id or not found.sees(record.id)):
            continue
        in_part = parts.get(record.id, ()) if parts else ()
        found.judged += bool(sent or in_part)
        if len(sent) + len(in_part) > 1:
            moments = [f"in part until {t.t:.3f} s on connection {t.connection}" for t in in_part]
            moments += [f"{at(t.t)} on connection {t.connection}" for t in sent]
            found.add(
                f"{listed([record.id])} was transmitted {len(moments)} times: "
                f"{' and '.join(moments[:2])}",
                [record.id],
            )
    for record_id, text in surplus(evidence):
        if found.sees(record_id):
            found.add(text, [record_id])
    _count_equal_ones(evidence, found)
    return found.finding()


def _count_equal_ones(evidence: Evidence, found: Violations) -> None:
    """Check the records that are equal by their number."""
    carried = equal_transmissions(evidence)
    for value, ids in evidence.record_ids.equal.items():
        if evidence.once(has_unmodelled_effects):
            found.blind(WITHOUT_ID, len(ids))
            continue
        excused = len(found.excused_records.intersection(ids))
        found.excuse(ACROSS_DELETION, excused)
        times = carried[value]
        found.judged += min(times, len(ids) - excused)
        if times > len(ids):
            text = f"{len(ids)} records {with_value(value)} were transmitted {times} times"
            found.add(text, ids[: times - len(ids)])
