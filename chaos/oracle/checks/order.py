"""Acknowledged records of one partition are stored in the order in which they were sent.

Only the first copy of each record counts: a duplicate may follow anywhere. A record that was not
acknowledged may be stored late, or not at all, and is ignored. Records of different producers have
no order, nor have records whose ``send`` calls overlapped. At-most-once pipelines over connections
that may end at any time, and therefore keeps order only among records on the same connection. An
SPU may store one batch of a request and refuse the one before it; the client can send the refused
one again only behind the stored one.
"""

from collections.abc import Sequence
from heapq import heappop, heappush

from chaos.history import Call, Need, SentRecord
from chaos.oracle.answers import answers
from chaos.oracle.blind_records import RECORD_CAUSES, blind_records
from chaos.oracle.evidence import Copy, Evidence
from chaos.oracle.finding import ACROSS_DELETION, Finding, Violations
from chaos.oracle.incarnations import open_across_deletion

PASSED = "passed-in-its-request"
"""The rule for a record that passed another one, which the request with both did not store."""

NAME = "order"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.CALLS, Need.LOGS)
EXCUSES = (PASSED, ACROSS_DELETION)
CAUSES = RECORD_CAUSES


def check(evidence: Evidence) -> Finding:
    """Check the first copies of all acknowledged records, in the order of sending."""
    found = Violations(NAME, evidence.once(blind_records), evidence.once(open_across_deletion))
    once = not evidence.scenario.producer.retries
    connection_of: dict[int | None, int] = {
        read.transmission: read.connection for read in evidence.requests if once
    }
    calls, records = evidence.history.calls, evidence.records
    lines: dict[tuple[int, int, int, int | None], tuple[_Line, _Line]] = {}
    """By producer, incarnation, partition and connection: all first copies, and those of the
    records that each of their requests stored."""
    transmissions, stored_by = evidence.transmissions, evidence.once(answers).is_appended
    unseen, stored = found.set_aside, 0
    for record, copies in zip(evidence.records, evidence.copies, strict=True):
        if record.outcome != "ok" or not copies or (unseen and not found.sees(record.id)):
            continue
        stored += 1
        copy = copies[0]
        connection = connection_of.get(copy.transmission)
        place = record.producer, copy.incarnation, copy.partition, connection
        if place not in lines:
            lines[place] = _Line(calls, records), _Line(calls, records)
        line, steady = lines[place]
        offset, other = line.before(record)
        if copy.offset < offset:
            if _was_passed(evidence, other, copy):
                offset, other = steady.before(record)
                if copy.offset > offset:
                    steady.add(record, copy.offset)
                    found.excuse(PASSED)
                    stored -= 1
                    continue
            over = f" over connection {connection}" if once else ""
            found.add(
                f"record {record.id} was sent after record {other}{over}, but its first copy is "
                f"at {copy.partition}@{copy.offset}, before {copy.partition}@{offset}",
                [record.id, other],
                times=1,
            )
        else:
            line.add(record, copy.offset)
            if len(sent := transmissions[record.id]) == 1 or all(map(stored_by, sent)):
                steady.before(record)
                steady.add(record, copy.offset)
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


class _Line:
    """The first copies of one producer in one partition.

    The sends of one call follow one another. The sends of two calls do so if one call had ended
    when the other began, or if the send of one had returned when that of the other began.
    """

    def __init__(self, calls: Sequence[Call], records: Sequence[SentRecord]) -> None:
        self._calls = calls
        self._records = records
        self._call = -1
        """The call of the latest record."""
        self._furthest = _NOWHERE
        """The highest offset, and its record, of the records that were sent before that call."""
        self._of_call: dict[int, tuple[int, int]] = {}
        """The same of each call that may overlap with that call."""
        self._returned: list[tuple[float, int, int]] = []
        """Records of calls that overlap: when their sends returned, offset and id; a heap."""

    def before(self, record: SentRecord) -> tuple[int, int]:
        """Return the highest offset, and its record, of those whose send returned before."""
        if record.call != self._call:
            self._change_to(record.call)
        while self._returned and self._returned[0][0] < record.sent_at:
            self._furthest = max(self._furthest, heappop(self._returned)[1:])
        return max(self._furthest, self._of_call.get(record.call, _NOWHERE))

    def add(self, record: SentRecord, offset: int) -> None:
        """Add a record that is in order."""
        self._of_call[record.call] = offset, record.id
        if len(self._of_call) > 1:
            self._note_return(offset, record.id)

    def _change_to(self, call: int) -> None:
        self._call = call
        for n, (offset, record_id) in tuple(self._of_call.items()):
            following = self._calls[n].next
            if following is not None and following <= call:
                self._furthest = max(self._furthest, self._of_call.pop(n))
            else:
                self._note_return(offset, record_id)

    def _note_return(self, offset: int, record_id: int) -> None:
        returned = self._records[record_id].taken_at
        if returned is not None:
            heappush(self._returned, (returned, offset, record_id))


_NOWHERE = (-1, -1)
