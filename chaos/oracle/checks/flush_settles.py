"""When a flush has returned, every record sent before it is settled or handed over.

At-least-once: every record sent before is settled, acknowledged or given up. At-most-once: every
record was handed to a connection or given up; its answer may still be under way. So a record that
was open when the flush returned must have left before: its request is read as soon as the network
allows, and the client does not report it later as certainly not stored unless an SPU rejected it.

A flush that reports success does so for every record that it covers (``calls.py``): none of them
was given up, unless a wait or another flush at the same time reported that. A flush that fails
covers a record that was given up. It reports how many there are, and that they are not stored only
if none of them is. At-most-once counts those that are certainly not stored. Closing a producer, and
leaving its block, is a flush in this respect. A cancelled flush promises nothing.

A client in another process is asked for outcomes only after its flush has ended. Then the server's
side decides: a record that is acknowledged in the end, and was first answered by an SPU after the
flush had ended, was unsettled.

A flush that does not return is a separate check (``bounded``); here it is excused as
``never-ended``.
"""

from bisect import bisect_left, bisect_right
from math import inf

from chaos.history import Call, Need, SentRecord
from chaos.oracle.calls import FLUSHING, EndedFlush, flushes, overlap
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import Finding, Violations, at, listed, were
from chaos.oracle.holds import holds
from chaos.oracle.timing import timing

NAME = "flush-settles"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.CALLS, Need.FRAMES, Need.CLOCK)
EXCUSES = ("cancelled", "never-ended", "send-uncertain")
CAUSES = ()


def check(evidence: Evidence) -> Finding:
    """Check every flush that returned."""
    found = Violations(NAME)
    for call in evidence.history.calls:
        if call.op != "flush":
            continue
        if call.cancelled_at is not None:
            found.excuse("cancelled")
        elif call.ended is None:
            found.excuse("never-ended")
        else:
            found.judged += 1
            _look_at_open(evidence, call, call.ended, found)
            if evidence.retries and call.outcome == "ok":
                _look_at_answers(evidence, call, found)
    if not evidence.unacknowledged and all(
        call.outcome == "ok" for call in evidence.history.calls if call.op in FLUSHING
    ):
        return found.finding()  # there is nothing that a flush had to report
    every = list(flushes(evidence))
    for flush in every:
        if flush.call.outcome != "ok":
            _look_at_failure(evidence, flush, every, found)
        elif flush.must:
            _look_at_success(flush, every, found)
    return found.finding()


def _look_at_open(evidence: Evidence, call: Call, ended: float, found: Violations) -> None:
    """Report records that were unsettled, or not handed over, when a flush returned."""
    late = list(call.open_after)
    if late and not evidence.retries:
        late = [n for n in late if not _had_left(evidence, n, ended)]
    if late:
        what = "unsettled" if evidence.retries else "not handed over"
        found.add(
            f"{listed(late)} {were(late)} still {what} when the flush {at(call.started)} "
            f"returned {at(ended)}",
            late,
        )


def _look_at_answers(evidence: Evidence, call: Call, found: Violations) -> None:
    """Report records that an SPU first answered after the client's flush had ended.

    Only for a client that reports outcomes when it is asked: it is asked once its flush has ended.
    """
    every = evidence.once(_asked)
    if not every:
        return
    first = bisect_left(every, call.started, key=_asked_at)
    last = bisect_right(every, inf if call.ended is None else call.ended, key=_asked_at)
    asked = [(at, record) for at, record in every[first:last] if record.id < call.first]
    if not asked:
        return
    times, answered_at = evidence.once(timing), evidence.answered_at
    ended = min(at for at, _ in asked)
    late = [
        record.id
        for _, record in asked
        if record.outcome == "ok"
        and (sent := evidence.transmissions[record.id])
        and min(answered_at.get(t.number, inf) for t in sent) > ended + times.leg + times.slack
    ]
    if late:
        found.add(
            f"{listed(late)} {were(late)} still unsettled when the flush {at(call.started)} ended "
            f"{at(ended)}: an SPU first answered later",
            late,
        )


def _asked(evidence: Evidence) -> list[tuple[float, SentRecord]]:
    """Return when the harness asked for the outcome of each record, in order; for
    ``Evidence.once``."""
    found = [(r.asked_at, r) for r in evidence.records if r.asked_at is not None]
    return sorted(found, key=_asked_at)


def _asked_at(asked: tuple[float, SentRecord]) -> float:
    return asked[0]


def _look_at_success(flush: EndedFlush, every: list[EndedFlush], found: Violations) -> None:
    """Report records that a flush covers, that were given up, and that no call reported."""
    call = flush.call
    if any(o.call.outcome != "ok" and _shares(o.call, call) for o in every):
        return  # the other flush reported them
    ids = [record.id for record in flush.must if not _was_waited_for(record, flush)]
    if ids:
        error = next(record.error for record in flush.must if record.id == ids[0])
        found.add(
            f"the {call.op} {at(call.started)} reported success, but {listed(ids)} {were(ids)} "
            f"given up: {error}",
            ids,
        )


def _look_at_failure(
    evidence: Evidence, flush: EndedFlush, every: list[EndedFlush], found: Violations
) -> None:
    """Report a failure without a record that was given up, or with a wrong count or reason."""
    call, covered = flush.call, flush.must
    the = f"the {call.op} {at(call.started)}"
    if not flush.certain:
        found.excuse("send-uncertain")
        return
    if not flush.may:
        found.add(f"{the} failed, but no record that it covers was given up: {call.error}")
        return
    told = call.given_up_records
    alone = not any(_shares(o.call, call) for o in every)
    if told is not None and not (len(covered) if alone else 0) <= told <= len(flush.may):
        ids = [record.id for record in flush.may]
        found.add(f"{the} reported {told} records given up, not {len(ids)}: {listed(ids)}", ids)
    if call.outcome == "failed" and alone:
        stored = [r.id for r in covered if r.outcome == "unknown" and evidence.copies[r.id]]
        if stored:
            found.add(
                f"{the} reported that nothing is stored of what was given up, but {listed(stored)} "
                f"{were(stored)}",
                stored,
            )


def _shares(one: Call, other: Call) -> bool:
    """Return whether two flushes of one producer overlap, and so may cover the same records."""
    return one.producer == other.producer and overlap(one, other)


def _was_waited_for(record: SentRecord, flush: EndedFlush) -> bool:
    """Return whether a wait may have reported the outcome of a record before a flush ended."""
    if record.waited_at is None or record.waited_at > flush.ended:
        return False
    return record.asked_at is None or record.asked_at < flush.call.started


def _had_left(evidence: Evidence, record_id: int, ended: float) -> bool:
    """Return whether a record may have been handed to a connection by ``ended``."""
    times = evidence.once(timing)
    sent = evidence.transmissions[record_id]
    if sent:
        arrived = evidence.once(holds).arrived_from(sent[0].number, sent[0].t)
        return times.begun_from(arrived) - times.transfer <= ended
    if record_id in evidence.without_id:
        return True  # no frame shows it
    return evidence.records[record_id].outcome != "failed"
