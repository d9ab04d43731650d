"""Acknowledged records of one partition are stored in the order in which they were sent.

Only the first copy of each record counts: a duplicate may follow anywhere. A record that was not
acknowledged may be stored late, or not at all, and is ignored. Records of different producers have
no order, nor have records whose ``send`` calls overlapped. At-most-once pipelines over connections
that may end at any time, and therefore keeps order only among records on the same connection. An
SPU may store one batch of a request and refuse the one before it; the client can send the refused
one again only behind the stored one. A record that an election left out, after it had been
acknowledged under read-uncommitted, has no place in the order of those that are left.

An application that is not ours gets its records as lines, in their order. If it ends with another
status than 0, it acknowledges none; then those records count whose requests nothing disturbed,
since they are stored when they are sent.
"""

from collections.abc import Sequence
from heapq import heappop, heappush

from chaos.history import Need, SentRecord
from chaos.oracle.answers import answers
from chaos.oracle.blind_records import RECORD_CAUSES, blind_records
from chaos.oracle.evidence import Copy, Evidence
from chaos.oracle.finding import ACROSS_DELETION, Finding, Violations
from chaos.oracle.frames.replicas import LOST_IN_ELECTION, replicas
from chaos.oracle.frames.undisturbed import undisturbed
from chaos.oracle.incarnations import open_across_deletion

PASSED = "passed-in-its-request"
"""The rule for a record that passed another one, which the request with both did not store."""

NAME = "order"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.LOGS,)
EXCUSES = (PASSED, LOST_IN_ELECTION, ACROSS_DELETION)
CAUSES = RECORD_CAUSES


def check(evidence: Evidence) -> Finding:
    """Check the first copies of all acknowledged records, in the order of sending."""
    found = Violations(NAME, evidence.once(blind_records), evidence.once(open_across_deletion))
    once = not evidence.retries
    connection_of: dict[int | None, int] = {}
    if once:
        connection_of = {read.transmission: read.connection for read in evidence.requests}
    lines: dict[tuple[int, int, int, int | None], _Line] = {}
    """By producer, incarnation, partition and connection."""
    elections = evidence.once(replicas) if evidence.left_out else None
    unseen, all_copies, stored = found.set_aside, evidence.copies, 0
    for record in _concerned(evidence):
        copies = all_copies[record.id]
        if not copies or (unseen and not found.sees(record.id)):
            continue
        if elections is not None and elections.lost(record):
            found.excuse(LOST_IN_ELECTION)
            continue
        stored += 1
        partition, offset, number, _, incarnation, _ = copies[0]
        connection = connection_of.get(number) if once else None
        place = record.producer, incarnation, partition, connection
        line = lines.get(place)
        if line is None:
            line = lines[place] = _Line(evidence)
        if record.call == line.call and line.is_alone and offset > line.latest[0]:
            line.latest = offset, record.id  # as ``add`` does, in most of the cases
            line.added.append(record.id)
            continue
        furthest, other = line.before(record)
        if furthest <= offset:
            line.add(record, offset)
            continue
        if _was_passed(evidence, other, copies[0]):
            steady = line.steady()
            furthest, other = steady.before(record)
            if furthest < offset:
                steady.add(record, offset)
                found.excuse(PASSED)
                stored -= 1
                continue
        over = f" over connection {connection}" if once else ""
        found.add(
            f"record {record.id} was sent after record {other}{over}, but its first copy is "
            f"at {partition}@{offset}, before {partition}@{furthest}",
            [other, record.id],  # the record that was passed is the one to explain
            times=1,
        )
    found.judged = stored
    return found.finding()


def _concerned(evidence: Evidence) -> Sequence[SentRecord]:
    """Return the records whose order counts."""
    if evidence.sees_calls or evidence.history.exit is None:
        return evidence.acknowledged
    quiet, transmissions = evidence.once(undisturbed), evidence.transmissions
    return [
        record
        for record in evidence.sent
        if all(sent.connection in quiet for sent in transmissions[record.id])
    ]


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

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._calls = evidence.history.calls
        self._records = evidence.records
        self.call = -1
        """The call of the latest record."""
        self.latest = _NOWHERE
        """The highest offset, and its record, of that call."""
        self.is_alone = False
        """Whether nothing but ``latest`` bounds the next record of that call."""
        self._furthest = _NOWHERE
        """The highest offset, and its record, of the records that were sent before that call."""
        self._of_others: dict[int, tuple[int, int]] = {}
        """The same of each other call that may overlap with that call."""
        self._returned: list[tuple[float, int, int]] = []
        """Records of calls that overlap: when their sends returned, offset and id; a heap."""
        self.added: list[int] = []
        """The ids of the records that are not in the line of ``steady`` yet."""
        self._steady: _Line | None = None

    def before(self, record: SentRecord) -> tuple[int, int]:
        """Return the highest offset, and its record, of those whose send returned before."""
        if record.call != self.call:
            self._change_to(record.call)
        while self._returned and self._returned[0][0] < record.sent_at:
            self._furthest = max(self._furthest, heappop(self._returned)[1:])
        return max(self._furthest, self.latest)

    def add(self, record: SentRecord, offset: int) -> None:
        """Add a record that is in order."""
        self.latest = offset, record.id
        self.added.append(record.id)
        if self._of_others:
            self._note_return(offset, record.id)
        self.is_alone = not self._of_others and not self._returned

    def steady(self) -> "_Line":
        """Return the line of those records that each of their requests stored."""
        if self._steady is None:
            self._steady = _Line(self._evidence)
        transmissions = self._evidence.transmissions
        stored_by = self._evidence.once(answers).is_appended
        for record_id in self.added:
            sent, record = transmissions[record_id], self._records[record_id]
            if len(sent) == 1 or all(map(stored_by, sent)):
                self._steady.before(record)
                self._steady.add(record, self._evidence.copies[record_id][0].offset)
        self.added.clear()
        return self._steady

    def _change_to(self, call: int) -> None:
        if self.latest != _NOWHERE:
            self._of_others[self.call] = self.latest
        self.call, self.is_alone = call, False
        for n, (offset, record_id) in tuple(self._of_others.items()):
            following = self._calls[n].next
            if following is not None and following <= call:
                self._furthest = max(self._furthest, self._of_others.pop(n))
            else:
                self._note_return(offset, record_id)
        self.latest = self._of_others.pop(call, _NOWHERE)

    def _note_return(self, offset: int, record_id: int) -> None:
        returned = self._records[record_id].taken_at
        if returned is not None:
            heappush(self._returned, (returned, offset, record_id))


_NOWHERE = (-1, -1)
