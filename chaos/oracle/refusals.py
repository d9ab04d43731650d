"""Records that the client did not accept, and whether it was allowed to reject them."""

from collections.abc import Iterator

from chaos.history import SentRecord
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import CLIENT_ENDED, JUDGED, Ruling, excused, lasting, violated
from chaos.oracle.flushes import closings
from chaos.oracle.timing import timing
from chaos.spec.bounds import send_bound

ROOM_BYTES = 512
"""An upper limit for the bytes of a request beside one record: headers, the topic name, ids."""

EXPANSION_SHIFT = 6
"""A request must have room for what compression may add; no codec adds a 64th of the size."""


def refusals(evidence: Evidence) -> Iterator[tuple[SentRecord, Ruling]]:
    """Yield each record of the workload that the client did not accept, and the ruling on it.

    There are two valid reasons: a record too large for any request, and a queue without room for as
    long as ``send`` may wait. The error of a call that sends many records does not say which record
    it is about.
    """
    refused = [record for record in evidence.sent if record.taken_at is None]
    if not refused:
        return
    bound = send_bound(evidence.scenario.producer) - evidence.once(timing).slack
    large = {record.call for record in evidence.records if _may_be_too_large(evidence, record)}
    for record in refused:
        if record.outcome == "ok" or evidence.copies[record.id]:
            yield record, JUDGED
            continue
        if record.outcome_at is None:
            gone = CLIENT_ENDED if record.cancelled_at is None else "cancelled"
            yield record, excused(gone)
            continue
        waited = record.outcome_at - record.sent_at
        if waited >= bound or evidence.transmissions[record.id]:
            yield record, excused("queue-full")
        elif record.call in large:
            yield record, excused("too-large")
        elif record.outcome_at >= evidence.once(closings).begun(record.producer):
            yield record, excused("closed")
        else:
            yield (
                record,
                violated(
                    f"refused {lasting(waited)} after it was sent, although it was not too large "
                    "and the time that send may wait for room was not over"
                ),
            )


def _may_be_too_large(evidence: Evidence, record: SentRecord) -> bool:
    most = evidence.scenario.producer.max_request_size
    room = most - ROOM_BYTES - (most >> EXPANSION_SHIFT) - len(evidence.scenario.topic.name)
    return len(record.value) + len(record.key or b"") > room
