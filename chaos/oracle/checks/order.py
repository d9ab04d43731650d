"""Acknowledged records of one partition are stored in the order in which they were sent.

Only the first copy of each record counts: a duplicate may follow anywhere. A record that was not
acknowledged may be stored late, or not at all, and is ignored. At-most-once pipelines over
connections that may end at any time, and therefore keeps order only among records on the same
connection. An SPU may store one batch of a request and refuse the one before it; the client can
send the refused one again only behind the stored one.
"""

from chaos.history import Need
from chaos.oracle.answers import answers
from chaos.oracle.blind_records import blind_records
from chaos.oracle.evidence import Copy, Evidence
from chaos.oracle.finding import Finding, Violations
from chaos.oracle.incarnations import open_across_deletion

NAME = "order"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.CALLS, Need.LOGS)

PASSED = "passed-in-its-request"
"""The rule for a record that passed another one, which the request with both did not store."""


def check(evidence: Evidence) -> Finding:
    """Check the first copies of all acknowledged records, in the order of sending."""
    found = Violations(NAME, evidence.once(blind_records), evidence.once(open_across_deletion))
    once = not evidence.scenario.producer.retries
    connection_of: dict[int | None, int] = {
        read.transmission: read.connection for read in evidence.requests if once
    }
    furthest: dict[tuple[int, int, int | None], tuple[int, int]] = {}
    """By incarnation, partition and connection, the highest offset of a first copy so far, and its
    record."""
    steady: dict[tuple[int, int, int | None], tuple[int, int]] = {}
    """The same of the records that each of their requests stored."""
    transmissions, stored_by = evidence.transmissions, evidence.once(answers).is_appended
    unseen, stored = found.set_aside, 0
    for record, copies in zip(evidence.records, evidence.copies, strict=True):
        if record.outcome != "ok" or not copies or (unseen and not found.sees(record.id)):
            continue
        stored += 1
        copy = copies[0]
        line = copy.incarnation, copy.partition, connection_of.get(copy.transmission)
        offset, other = furthest.get(line, (-1, -1))
        if copy.offset < offset:
            if _was_passed(evidence, other, copy):
                offset, other = steady.get(line, (-1, -1))
                if copy.offset > offset:
                    steady[line] = copy.offset, record.id
                    found.excuse(PASSED)
                    stored -= 1
                    continue
            over = f" over connection {line[2]}" if once else ""
            found.add(
                f"record {record.id} was sent after record {other}{over}, but its first copy is "
                f"at {copy.partition}@{copy.offset}, before {copy.partition}@{offset}",
                [record.id, other],
                times=1,
            )
        else:
            furthest[line] = copy.offset, record.id
            if len(sent := transmissions[record.id]) == 1 or all(map(stored_by, sent)):
                steady[line] = copy.offset, record.id
    found.judged = stored
    return found.finding()


def _was_passed(evidence: Evidence, record_id: int, copy: Copy) -> bool:
    """Return whether the request that brought a copy of another record carried this one too, and
    did not store it."""
    stored_by = evidence.once(answers).is_appended
    return any(
        sent.number == copy.transmission and not stored_by(sent)
        for sent in evidence.transmissions[record_id]
    )
