"""Every call ends, and within its bound.

- ``send`` waits for room at most as long as the policy's timeout (at-most-once: 30 s), and a call
  that sends many records at most that long for each batch of them.
- ``flush``, ``wait``, ``close`` and leaving the block of at-least-once end within the linger plus
  the policy's timeout for each request of a partition that was open when the call began, and at
  least for one.
- Those of at-most-once end within the linger plus ``response_timeout``.
- A call that its caller cancels ends at once.

The number of requests ahead is counted from the transmissions: batches that shared their first
request count as one. Records that were never transmitted are counted by the time at which they were
given up.
"""

from collections.abc import Iterable

from chaos.history import Call, Need
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import CLIENT_ENDED, Finding, Violations, at, lasting, listed
from chaos.oracle.timing import timing
from chaos.spec.bounds import send_bound, settle_bound

NAME = "bounded"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.CALLS, Need.FRAMES, Need.CLOCK)
EXCUSES = (CLIENT_ENDED,)
CAUSES = ()

WAITING = ("flush", "wait", "close", "leave", "raise")


def check(evidence: Evidence) -> Finding:
    """Check every call, and every record that was sent by itself."""
    found = Violations(NAME)
    _look_at_sends(evidence, found)
    _look_at_long_sends(evidence, found)
    slack = evidence.once(timing).slack
    producer = evidence.scenario.producer
    least = settle_bound(producer, 0)
    for call in evidence.history.calls:
        if call.op not in WAITING:
            continue
        end = _end(evidence, call, found)
        if end is None:
            continue
        if call.cancelled_at is not None and end > call.cancelled_at + slack:
            late = lasting(end - call.cancelled_at)
            found.add(f"{call.op} {at(call.started)} ended {late} after its caller cancelled it")
        if end <= call.started + least + slack:
            continue
        bound = _bound(evidence, call)
        if end > call.started + bound + slack:
            ended = "never ended" if call.ended is None else f"took {lasting(end - call.started)}"
            found.add(f"{call.op} {at(call.started)} {ended}; its bound is {bound:g} s")
    return found.finding()


def _end(evidence: Evidence, call: Call, found: Violations) -> float | None:
    """Return when a call ended, or was given up; count it as judged, or excused if the client broke
    before the call ended.

    Whether a call that the harness gave up would have ended later is not known.
    """
    end = call.ended if call.ended is not None else call.given_up
    if end is None or (call.ended is None and evidence.history.crash is not None):
        found.excuse(CLIENT_ENDED)
        return None
    found.judged += 1
    return end


def _look_at_sends(evidence: Evidence, found: Violations) -> None:
    bound = send_bound(evidence.scenario.producer)
    slack = evidence.once(timing).slack
    calls = evidence.history.calls
    for record in evidence.records:
        if calls[record.call].op == "send_all":
            continue
        end = record.taken_at
        if end is None and record.outcome != "ok":
            end = record.outcome_at
        if end is None and record.cancelled_at is not None:
            end = record.cancelled_at
        if end is None:
            given_up = calls[record.call].given_up
            short = given_up is not None and given_up <= record.sent_at + bound + slack
            if evidence.history.crash is not None or short:
                found.excuse(CLIENT_ENDED)
                continue
            text = f"send of {listed([record.id])} {at(record.sent_at)} never ended"
            found.add(text, [record.id])
        elif end > record.sent_at + bound + slack:
            found.add(
                f"send of {listed([record.id])} {at(record.sent_at)} took "
                f"{lasting(end - record.sent_at)}; its bound is {bound:g} s",
                [record.id],
            )
        found.judged += 1


def _look_at_long_sends(evidence: Evidence, found: Violations) -> None:
    bound = send_bound(evidence.scenario.producer)
    slack = evidence.once(timing).slack
    calls = evidence.history.calls
    for call in [call for call in calls if call.op == "send_all"]:
        end = _end(evidence, call, found)
        if end is None or end <= call.started + bound + slack:
            continue
        most = bound * max(1, _batches(evidence, _sent_by(evidence, call)))
        if end > call.started + most + slack:
            ended = "never ended" if call.ended is None else f"took {lasting(end - call.started)}"
            found.add(f"send_all {at(call.started)} {ended}; its bound is {most:g} s")


def _sent_by(evidence: Evidence, call: Call) -> range:
    """Return the ids of the records of a call that sends many; they are numbered one by one."""
    end = call.first
    while end < len(evidence.records) and evidence.records[end].call == call.n:
        end += 1
    return range(call.first, end)


def _batches(evidence: Evidence, ids: range) -> int:
    """Return how many batches some records were in; each untransmitted record may be in its own."""
    transmissions = evidence.transmissions
    unseen = sum(not transmissions[record_id] for record_id in ids)
    return unseen + sum(any(n in ids for n in batch.ids) for batch in evidence.batches)


def _bound(evidence: Evidence, call: Call) -> float:
    """Return the bound of a call that waits, from the records that were open when it began."""
    open_ids = [
        record.id
        for record in evidence.records[: call.first]
        if record.outcome_at is None or record.outcome_at > call.started or record.taken_at is None
    ]
    by_partition: dict[int | None, int] = {}
    for partition, _ in _requests(evidence, open_ids):
        by_partition[partition] = by_partition.get(partition, 0) + 1
    anywhere = by_partition.pop(None, 0)
    requests = anywhere + max(by_partition.values(), default=0)
    return settle_bound(evidence.scenario.producer, max(0, requests - 1))


def _requests(evidence: Evidence, ids: Iterable[int]) -> set[tuple[int | None, object]]:
    """Return the requests of some records: the partition of each, if known, and a key that
    identifies it.

    Some records of a call that failed may have been accepted and be in flight. The client does not
    report which.
    """
    found: set[tuple[int | None, object]] = set()
    transmissions = evidence.transmissions
    for record_id in ids:
        if sent := transmissions[record_id]:
            found.add((sent[0].partition, sent[0].number))
        elif evidence.records[record_id].taken_at is None:
            found.add((None, ("refused", record_id)))
        else:
            found.add((None, evidence.records[record_id].outcome_at))
    return found
