"""When a flush has returned, what was sent before it is done with.

At-least-once: every record sent before is settled, acknowledged or given up. At-most-once: every
record was handed to a connection or given up; its answer may still be under way. So a record that
was open when the flush returned must have left before: its request is read as soon as the network
allows, and it is not said to be certainly not stored afterwards unless an SPU refused it.

A flush that does not return is another matter (``bounded``).
"""

from chaos.checks.finding import Finding, Violations, at, named, were
from chaos.checks.timing import timing
from chaos.history import Evidence

NAME = "flush-settles"
SEMANTICS = ("at-least-once", "at-most-once")


def check(evidence: Evidence) -> Finding:
    """Look at every flush that returned."""
    found = Violations(NAME)
    for call in evidence.history.calls:
        if call.op != "flush" or call.ended is None:
            continue
        found.looked_at += 1
        late = list(call.open_after)
        if not evidence.scenario.producer.retries:
            ended = call.ended
            late = [n for n in late if not _had_left(evidence, n, ended)]
        if late:
            what = "unsettled" if evidence.scenario.producer.retries else "not handed over"
            found.add(
                f"{named(late)} {were(late)} still {what} when the flush {at(call.started)} "
                f"returned {at(call.ended)}",
                late,
            )
    return found.finding()


def _had_left(evidence: Evidence, record_id: int, ended: float) -> bool:
    """Whether a record may have been handed to a connection by then."""
    times = evidence.once(timing)
    sent = evidence.transmissions[record_id]
    if sent:
        return times.begun_from(sent[0].t) - times.transfer <= ended + times.slack
    return evidence.records[record_id].told != "failed"
