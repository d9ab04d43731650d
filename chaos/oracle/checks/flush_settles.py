"""When a flush has returned, every record sent before it is settled or handed over.

At-least-once: every record sent before is settled, acknowledged or given up. At-most-once: every
record was handed to a connection or given up; its answer may still be under way. So a record that
was open when the flush returned must have left before: its request is read as soon as the network
allows, and the client does not report it later as certainly not stored unless an SPU rejected it.

A flush of at-least-once that reports success does so for every record that was accepted since the
previous flush, unless the outcome was reported before: none of these records was given up.

A client in another process is asked for outcomes only after its flush has ended. Then the server's
side decides: a record that is acknowledged in the end, and was first answered by an SPU after the
flush had ended, was unsettled.

A flush that does not return is a separate check (``bounded``); here it is excused as
``never-ended``.
"""

from math import inf

from chaos.history import Call, Need
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import Finding, Violations, at, listed, were
from chaos.oracle.holds import holds
from chaos.oracle.timing import timing

NAME = "flush-settles"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.CALLS, Need.FRAMES, Need.CLOCK)


def check(evidence: Evidence) -> Finding:
    """Check every flush that returned."""
    found = Violations(NAME)
    flushed = 0
    for call in evidence.history.calls:
        if call.op != "flush":
            continue
        if call.ended is None:
            found.excuse("never-ended")
            continue
        found.judged += 1
        if evidence.scenario.producer.retries:
            if call.outcome == "ok":
                _look_at_success(evidence, call, range(flushed, call.first), found)
                _look_at_answers(evidence, call, found)
            flushed = call.first
        late = list(call.open_after)
        if not evidence.scenario.producer.retries:
            ended = call.ended
            late = [n for n in late if not _had_left(evidence, n, ended)]
        if late:
            what = "unsettled" if evidence.scenario.producer.retries else "not handed over"
            found.add(
                f"{listed(late)} {were(late)} still {what} when the flush {at(call.started)} "
                f"returned {at(call.ended)}",
                late,
            )
    return found.finding()


def _look_at_success(evidence: Evidence, call: Call, ids: range, found: Violations) -> None:
    """Report records that were given up during a flush that reported success."""
    given_up = [
        record
        for record in evidence.records[ids.start : ids.stop]
        if record.taken_at is not None
        and record.outcome_at is not None
        and record.outcome_at >= call.started
        and record.outcome != "ok"
    ]
    if given_up:
        ids_given_up = [record.id for record in given_up]
        found.add(
            f"the flush {at(call.started)} reported success, but {listed(ids_given_up)} "
            f"{were(ids_given_up)} given up: {given_up[0].error}",
            ids_given_up,
        )


def _look_at_answers(evidence: Evidence, call: Call, found: Violations) -> None:
    """Report records that an SPU first answered after the client's flush had ended.

    Only for a client that reports outcomes when it is asked: it is asked once its flush has ended.
    """
    asked = [
        (record.asked_at, record)
        for record in evidence.records[: call.first]
        if record.asked_at is not None
        and call.ended is not None
        and call.started <= record.asked_at <= call.ended
    ]
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


def _had_left(evidence: Evidence, record_id: int, ended: float) -> bool:
    """Return whether a record may have been handed to a connection by ``ended``."""
    times = evidence.once(timing)
    sent = evidence.transmissions[record_id]
    if sent:
        arrived = evidence.once(holds).arrived_from(sent[0].number, sent[0].t)
        return times.begun_from(arrived) - times.transfer <= ended + times.slack
    if record_id in evidence.without_id:
        return True  # no frame shows it
    return evidence.records[record_id].outcome != "failed"
