"""What calls did with records: which a flush covers, when a producer was closed, which ``send``
rejected.

A flush covers the records of its producer whose ``send`` returned before it began and that no
earlier flush covered that had ended by then. A cancelled flush covers nothing. Closing a producer,
and leaving its block, flushes; an exception that leaves the block hides what its flush reports.

Under at-most-once a flush leaves a record that was handed over to its fate: if the record is given
up later, the next flush covers it again. It must report only records that are certainly not stored.

Calls and records may begin and end at the same time, and then their order is not always known; and
a call that sends many records accepts each of them at some time before it returns. So there are two
answers: the records that a flush *may* cover, and those that it *must* cover. A rule that accuses a
flush of an error looks at the former, one that accuses it of silence at the latter.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf

from chaos.history import Call, SentRecord
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import CLIENT_ENDED, JUDGED, Ruling, excused, lasting, violated
from chaos.oracle.timing import timing
from chaos.spec.bounds import send_bound

FLUSHING = ("flush", "close", "leave")
"""The calls that flush."""

REFUSAL_RULES = ("closed", CLIENT_ENDED, "cancelled", "queue-full", "too-large")
"""The rules of ``refusals``."""


@dataclass(slots=True)
class EndedFlush:
    """One flush that ended, and the records that it covers and that were given up."""

    call: Call
    ended: float
    may: list[SentRecord] = field(default_factory=list)
    """The records that it may cover; those given up only after it had ended are left out."""
    must: list[SentRecord] = field(default_factory=list)
    """The records that it must cover, given up before it ended."""
    certain: bool = True
    """Whether every record that it may cover is known: no send was cancelled or failed in between
    so that the client may have accepted the record all the same."""


def flushes(evidence: Evidence) -> Iterator[EndedFlush]:
    """Yield all flushes that ended and were not cancelled."""
    by_producer: dict[int, list[Call]] = {}
    for call in evidence.history.calls:
        if call.op in FLUSHING and call.ended is not None and call.cancelled_at is None:
            by_producer.setdefault(call.producer, []).append(call)
    for producer, calls in by_producer.items():
        yield from _GivenUp(evidence, producer).through(calls)


def overlap(one: Call, other: Call) -> bool:
    """Return whether two calls were under way at the same time."""
    return one is not other and not (_before(one, other) or _before(other, one))


def _before(one: Call, other: Call) -> bool:
    """Return whether a call had ended when another one started."""
    return one.next is not None and one.next <= other.n


class _GivenUp:
    """The records of one producer that were given up, and the flushes that cover them.

    Args:
        evidence: the run.
        producer: the number of the producer.
    """

    def __init__(self, evidence: Evidence, producer: int) -> None:
        self._calls = evidence.history.calls
        self._transmissions = evidence.transmissions
        self._retries = evidence.retries
        given_up = [
            record
            for record in evidence.unacknowledged
            if record.producer == producer and record.taken_at is not None
        ]
        self._by_taking = sorted(given_up, key=_taken)
        self._together: dict[int, list[SentRecord]] = {}
        """By call, the records that were sent with others, and were given up."""
        for record in given_up:
            if self._calls[record.call].op == "send_all":
                self._together.setdefault(record.call, []).append(record)
        self._by_end = [] if self._retries else sorted(given_up, key=_given_up)
        # The client may have accepted a record although its send did not return.
        uncertain = (
            record.sent_at
            for record in evidence.unaccepted
            if record.producer == producer and record.outcome != "failed"
        )
        self._uncertain_from = min(uncertain, default=inf)

    def through(self, calls: Iterable[Call]) -> Iterator[EndedFlush]:
        """Yield the flushes of the producer, with what they cover."""
        running: list[tuple[int, int]] = []
        latest: Call | None = None
        """Of the flushes that had ended, the one that started last."""
        for call in calls:
            while running and running[0][0] <= call.n:
                ended = self._calls[heappop(running)[1]]
                latest = ended if latest is None or ended.n > latest.n else latest
            assert call.ended is not None
            yield self._covered(EndedFlush(call, call.ended), latest)
            if call.next is not None:
                heappush(running, (call.next, call.n))

    def _covered(self, flush: EndedFlush, latest: Call | None) -> EndedFlush:
        call = flush.call
        flush.certain = self._uncertain_from > call.started
        for record in self._candidates(flush, latest):
            if self._is_after(record, call):
                continue
            if self._had_outcome_later(record, flush):
                continue
            if latest is None or not self._was_settled_by(record, latest):
                flush.may.append(record)
                later = latest is None or self._is_after(record, latest)
                if later and self._is_before(record, call) and self._had_gone(record, flush):
                    flush.must.append(record)
        return flush

    def _had_outcome_later(self, record: SentRecord, flush: EndedFlush) -> bool:
        """Return whether a record was given up after a flush had ended, for certain: a client that
        is asked reports an outcome later, and so does one whose send still lasts."""
        end = record.outcome_at
        if end is None or end <= flush.ended or record.asked_at is not None:
            return False
        return record.call not in self._together or end > _taken(record)

    def _had_gone(self, record: SentRecord, flush: EndedFlush) -> bool:
        """Return whether a record was given up for certain when a flush ended. At-most-once may
        hand a record over, end the flush, and give the record up, all at the same time; and its
        ``close`` goes on after the flush."""
        if self._retries:
            return _given_up(record) <= flush.ended
        if record.outcome != "failed":
            return False
        untransmitted = not self._transmissions[record.id]
        at_once = _given_up(record) < flush.ended or untransmitted
        return flush.call.op == "flush" and _given_up(record) <= flush.ended and at_once

    def _candidates(self, flush: EndedFlush, latest: Call | None) -> list[SentRecord]:
        since, ended = (-inf, -inf) if latest is None else (latest.started, _ended(latest))
        first = bisect_left(self._by_taking, since, key=_taken)
        found = self._by_taking[
            first : bisect_right(self._by_taking, flush.call.started, key=_taken)
        ]
        started = flush.call.started
        for n, together in self._together.items():
            if self._calls[n].started <= started < _taken(together[0]):
                found += together
        if latest is None or not self._by_end:
            return found
        first = bisect_left(self._by_end, ended, key=_given_up)
        last = bisect_right(self._by_end, flush.ended, key=_given_up)
        known = {record.id for record in found}
        return found + [r for r in self._by_end[first:last] if r.id not in known]

    def _was_settled_by(self, record: SentRecord, latest: Call) -> bool:
        """Return whether an earlier flush covered a record for certain, and knew its fate."""
        if not self._is_before(record, latest):
            return False
        return self._retries or _ended(latest) > _given_up(record)

    def _is_before(self, record: SentRecord, call: Call) -> bool:
        """Return whether the send of a record had returned when a call started."""
        return _taken(record) < call.started or _before(self._calls[record.call], call)

    def _is_after(self, record: SentRecord, call: Call) -> bool:
        """Return whether a record was accepted after a call had started, for certain."""
        together = record.call in self._together
        accepted = self._calls[record.call].started if together else _taken(record)
        return accepted > call.started


def _taken(record: SentRecord) -> float:
    return inf if record.taken_at is None else record.taken_at


def _ended(call: Call) -> float:
    return inf if call.ended is None else call.ended


def _given_up(record: SentRecord) -> float:
    return inf if record.outcome_at is None else record.outcome_at


# --- closing

CLOSING = ("close", "leave", "raise")
"""The calls that close a producer."""


class Closing:
    """The ends of the producers in one run; all times are in seconds.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._begun: dict[int, float] = {}
        self._cancelled: dict[int, float] = {}
        slack = evidence.once(timing).slack
        for call in evidence.history.calls:
            if call.op in CLOSING:
                self._begun.setdefault(call.producer, call.started)
                if call.cancelled_at is not None:
                    self._cancelled.setdefault(call.producer, call.cancelled_at - slack)

    def begun(self, producer: int) -> float:
        """Return when the closing of a producer began: it accepts no record from then on."""
        return self._begun.get(producer, inf)

    def was_cancelled(self, producer: int, by: float) -> bool:
        """Return whether the closing of a producer was cancelled, and with it all that was open.
        Closing a producer settles everything as usual, so that nothing else excuses a loss."""
        return by >= self.cancelled_at(producer) < inf

    def cancelled_at(self, producer: int) -> float:
        """Return when the caller cancelled the closing of a producer, at the earliest."""
        return self._cancelled.get(producer, inf)


def closings(evidence: Evidence) -> Closing:
    """Return the ends of the producers of a run; for ``Evidence.once``."""
    return Closing(evidence)


# --- records that the client did not accept

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
    refused = [record for record in evidence.unaccepted if not record.probe]
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
