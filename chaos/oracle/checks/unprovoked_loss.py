"""At-most-once: a record is lost only if a fault or a cluster change explains it.

A record is lost if no copy of it is stored and the client did not report it as acknowledged.
Explanations of a loss are: a fault at the request, before it was applied; an SPU that no longer led
the partition, or was stopped; a connection that was reset, stalled or half closed while the record
waited or was in flight; a server that could not be reached in that time; a queue that stayed full
for as long as ``send`` may wait. A fault at the answer loses nothing, and nor does a delay. Without
faults, and on a network that leaves enough time, nothing is lost.

A record that was never transmitted is not given up before its time (the linger and
``response_timeout``): if the client reports *failed* for it, that time must have passed.
"""

from math import inf

from chaos.oracle.answers import answers
from chaos.oracle.attempts import RecordGroup, record_groups
from chaos.oracle.blind_records import blind_records
from chaos.oracle.evidence import Evidence, Transmission
from chaos.oracle.finding import Finding, Violations, at, lasting, listed, were
from chaos.oracle.refusals import refused_early
from chaos.oracle.timing import timing
from chaos.oracle.visibility import Visibility, visibility
from simulator.faults.effects import CutPoint, Effect

NAME = "unprovoked-loss"
SEMANTICS = ("at-most-once",)


def check(evidence: Evidence) -> Finding:
    """Check every record of the workload that is absent and was not acknowledged."""
    found = Violations(NAME, evidence.once(blind_records))
    if not evidence.history.drained:
        return found.finding()
    copies = evidence.copies
    found.looked_at = len(evidence.sent)
    for group in evidence.once(record_groups):
        if not found.sees(*group.ids):
            found.looked_at -= len(group.ids)
            continue
        if group.outcome == "ok":
            continue
        lost = [record.id for record in group.records if not copies[record.id]]
        if lost and (why := _unexplained(evidence, group)) is not None:
            found.add(f"{listed(lost)} {were(lost)} lost: {why}", lost)
    for record, waited in refused_early(evidence):
        found.add(
            f"{listed([record.id])} was lost: refused {lasting(waited)} after it was sent, "
            "although it was not too large and the time that send may wait for room was not over",
            [record.id],
        )
    return found.finding()


def _unexplained(evidence: Evidence, group: RecordGroup) -> str | None:
    """Return why a lost group should not be lost; None if something explains the loss."""
    view = evidence.once(visibility)
    for transmission in group.attempts:
        if not _was_lost(evidence, view, transmission):
            return (
                f"its request was read on connection {transmission.connection} "
                f"{at(transmission.t)}, and no fault struck it before it was applied"
            )
    if group.attempts:
        return None
    return _unexplained_unseen(evidence, view, group)


def _unexplained_unseen(evidence: Evidence, view: Visibility, group: RecordGroup) -> str | None:
    times, producer = evidence.once(timing), evidence.scenario.producer
    closed = [call.started for call in evidence.history.calls if call.op == "close"]
    abandoned = evidence.history.silent is not None or evidence.history.crash is not None
    if group.outcome_at is None and abandoned:
        return None  # the harness ended the client while it held the record
    end = inf if group.outcome_at is None else group.outcome_at
    if closed and end >= closed[0] and group.outcome_at is not None:
        return None
    first, last = group.records[0].sent_at, group.records[-1].sent_at
    life = producer.linger + producer.response_timeout
    if group.outcome == "failed" and end + times.slack < first + life:
        return (
            f"it was given up {at(end)}, {lasting(end - first)} after it was sent, and it had "
            f"{life:g} s; no request with it was seen"
        )
    if view.clear(min(first, last), end):
        return "no request with it was seen, and no fault struck any server or connection meanwhile"
    return None


def _was_lost(evidence: Evidence, view: Visibility, transmission: Transmission) -> bool:
    """Return whether something kept a request from being applied."""
    for hit in evidence.hits_by_transmission.get(transmission.number, ()):
        if hit.at is not CutPoint.REQUEST or hit.shadowed:
            continue
        if Effect.NOT_APPLIED in hit.effects and hit.code is None:
            return True
        # An error code rejects the records of one partition; the others are applied.
        if Effect.NOT_APPLIED in hit.effects and hit.partition == transmission.partition:
            return True
    if evidence.once(answers).is_appended(transmission):
        return False
    server = view.connections[transmission.connection].server
    partition, n = transmission.partition, transmission.n
    if not view.leads(server, partition, n, transmission.t):
        return True
    # A delayed request, or one behind it, meets the leaders at the time when it is applied.
    return view.may_have_moved_later(server, partition, n)
