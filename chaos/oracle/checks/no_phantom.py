"""The log holds only records that were sent, each in the partition where it belongs.

Every stored batch decodes (its CRC is the SPU's own and always right). Every stored value is one
that was sent, with its own key, and came with a request that carried it. A record with a key
belongs to the partition that its key hashes to (SipHash-2-4, as in all Fluvio clients), for a
number of partitions that the client may have known between the send and the first request. A record
without a key may go to any partition, but all of its copies and transmissions go to the same one.
An empty key is a key; it may be stored where none was given, since some clients cannot send a
record without a key. Which keys an application that is not ours gives its records, and which
partitions, is not known; its values are.
"""

from chaos.history import Need
from chaos.oracle.blind_records import RECORD_CAUSES, blind_records
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import UNMODELLED_EFFECT, Finding, Violations, at, listed
from chaos.oracle.incarnations import incarnations, open_across_deletion, partition_of

NAME = "no-phantom"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.FRAMES, Need.APPENDS, Need.LOGS)
EXCUSES = ()
CAUSES = RECORD_CAUSES

SHOWN_BYTES = 32
"""How many bytes of an unknown value a sentence shows."""


def check(evidence: Evidence) -> Finding:
    """Check everything that is stored and transmitted."""
    found = Violations(NAME, evidence.once(blind_records))
    found.judged = sum(len(log) for _, _, log in evidence.logs)
    altered = evidence.altered_requests
    for phantom in evidence.phantoms:
        if altered and evidence.append_at(*phantom[3:], *phantom[:2]) in altered:
            found.judged -= 1
            found.blind(UNMODELLED_EFFECT)
            continue
        shown = phantom.value[:SHOWN_BYTES]
        found.add(f"{phantom.partition}@{phantom.offset} holds {shown!r}, which was never sent")
    for record_id, copy in evidence.other_keys:
        if copy.transmission in altered:
            found.judged -= 1
            found.blind(UNMODELLED_EFFECT)
            continue
        found.add(
            f"{listed([record_id])} is stored at {copy.partition}@{copy.offset} with another key",
            [record_id],
        )
    for batch in evidence.history.unreadable:
        if (
            altered
            and evidence.append_at(batch.incarnation, batch.partition, batch.offset) in altered
        ):
            found.blind(UNMODELLED_EFFECT, batch.records)
            continue
        found.judged += batch.records
        found.add(
            f"{batch.partition}@{batch.offset} begins a batch that does not decode: {batch.why}",
            times=batch.records,
        )
    _look_at_copies(evidence, found)
    if evidence.sees_calls:
        _look_at_requests(evidence, found)
    return found.finding()


def _look_at_copies(evidence: Evidence, found: Violations) -> None:
    """Check that each copy came with a request that carried it."""
    for record_id, copy in sorted(evidence.unbrought, key=lambda each: each[0]):
        found.add(
            f"record {record_id} is stored at {copy.partition}@{copy.offset}, but no request "
            "brought it there",
            [record_id],
        )


def _look_at_requests(evidence: Evidence, found: Violations) -> None:
    """Check that each request brought a record to the partition where it belongs."""
    trails, trail_of = evidence.trails
    lives = evidence.once(incarnations)
    only = evidence.scenario.topic.partitions if lives.partitions_fixed else None
    across = evidence.once(open_across_deletion)
    moved = {
        n
        for n, sent in enumerate(trails)
        if len(sent) > 1 and len({each.partition for each in sent}) > 1
    }
    for record in evidence.records:
        if record.key is None and (not moved or trail_of[record.id] not in moved):
            continue
        trail = trails[trail_of[record.id]]
        if not trail or record.id in across:
            continue
        keyed = record.key is not None
        home = trail[0].partition
        if record.key is not None:
            counts = lives.counts(record.sent_at, trail[0].t) if only is None else (only,)
            homes = [partition_of(record.key, count) for count in counts]
            if home not in homes:
                home = homes[0]
        for transmission in trail:
            if transmission.partition != home:
                why = "its key belongs" if keyed else "it was sent before"
                found.add(
                    f"{listed([record.id])} was sent to partition {transmission.partition} "
                    f"{at(transmission.t)} on connection {transmission.connection}, but {why} "
                    f"to partition {home}",
                    [record.id],
                )
                break
