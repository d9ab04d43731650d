"""At-most-once: a record is lost only if a fault or a cluster change explains it.

A record is lost if no copy of it is stored and the client did not report it as acknowledged.
Explanations of a loss are: a fault at the request, before it was applied; an SPU that no longer led
the partition, or was stopped; a connection that was reset, stalled or half closed while the record
waited or was in flight; a server that could not be reached in that time; a queue that stayed full
for as long as ``send`` may wait; an election that left the record out. A fault at the answer loses
nothing, and nor does a delay. Without faults, and on a network that leaves enough time, nothing is
lost.

A record that was never transmitted is not given up before its time (the linger and
``response_timeout``): if the client reports *failed* for it, that time must have passed.
"""

from math import inf

from chaos.history import Need
from chaos.oracle.answers import answers
from chaos.oracle.attempts import RecordGroup, record_groups
from chaos.oracle.blind_records import RECORD_CAUSES, blind_records
from chaos.oracle.blind_spots import HELD_REQUEST
from chaos.oracle.calls import REFUSAL_RULES, closings, refusals
from chaos.oracle.evidence import Evidence, Transmission
from chaos.oracle.finding import (
    ACROSS_DELETION,
    CLIENT_ENDED,
    NOT_DRAINED,
    Finding,
    Ruling,
    Violations,
    at,
    blind,
    excused,
    lasting,
    listed,
    violated,
    were,
)
from chaos.oracle.frames.replicas import LOST_IN_ELECTION, replicas
from chaos.oracle.incarnations import homes, open_across_deletion
from chaos.oracle.timing import timing
from chaos.oracle.visibility import EXPLAINING_CAUSES, Visibility, visibility
from simulator.faults.effects import CutPoint, Effect

NAME = "unprovoked-loss"
SEMANTICS = ("at-most-once",)
NEEDS = (Need.FRAMES, Need.APPENDS, Need.LOGS, Need.CALLS, Need.CLOCK)
EXCUSES = (
    "request-lost",
    CLIENT_ENDED,
    *EXPLAINING_CAUSES,
    *REFUSAL_RULES,
    LOST_IN_ELECTION,
    ACROSS_DELETION,
)
CAUSES = (*RECORD_CAUSES, HELD_REQUEST, NOT_DRAINED)


def check(evidence: Evidence) -> Finding:
    """Check every record of the workload that is absent and was not acknowledged."""
    found = Violations(NAME, evidence.once(blind_records), evidence.once(open_across_deletion))
    if not evidence.history.drained:
        found.blind(NOT_DRAINED, len(evidence.sent))
        return found.finding()
    copies = evidence.copies
    for group in evidence.once(record_groups):
        if found.set_aside and not found.sees(*group.ids):
            continue
        lost, left_out = [], 0
        if group.outcome != "ok":
            lost = [record.id for record in group.records if not copies[record.id]]
        elif evidence.left_out:
            absent = [record for record in group.records if not copies[record.id]]
            left_out = sum(map(evidence.once(replicas).lost, absent))
            found.excuse(LOST_IN_ELECTION, left_out)
        found.judged += len(group.records) - len(lost) - left_out
        if lost and (why := found.take(_ruling(evidence, group), len(lost))) is not None:
            found.add(f"{listed(lost)} {were(lost)} lost: {why}", lost)
    for record, ruling in refusals(evidence):
        if found.sees(record.id) and (why := found.take(ruling)) is not None:
            found.add(f"{listed([record.id])} was lost: {why}", [record.id])
    return found.finding()


def _ruling(evidence: Evidence, group: RecordGroup) -> Ruling:
    """Return whether something explains the loss of a group."""
    view, elections = evidence.once(visibility), evidence.once(replicas)
    if any(map(elections.left_out, group.attempts)):
        return excused(LOST_IN_ELECTION)
    for transmission in group.attempts:
        if not _was_lost(evidence, view, transmission):
            return violated(
                f"its request was read on connection {transmission.connection} "
                f"{at(transmission.t)}, and no fault struck it before it was applied"
            )
    if group.attempts:
        return excused("request-lost")
    return _unseen(evidence, view, group)


def _unseen(evidence: Evidence, view: Visibility, group: RecordGroup) -> Ruling:
    """Return whether something explains that no request with a group was read."""
    times, producer = evidence.once(timing), evidence.scenario.producer
    abandoned = evidence.history.silent is not None or evidence.history.crash is not None
    if group.outcome_at is None and abandoned:
        return excused(CLIENT_ENDED)
    end = inf if group.outcome_at is None else group.outcome_at
    if evidence.once(closings).was_cancelled(group.producer, end):
        return excused("closed")
    first, last = group.records[0].sent_at, group.records[-1].sent_at
    life = producer.linger + producer.response_timeout
    if group.outcome == "failed" and end + times.slack < first + life:
        return violated(
            f"it was given up {at(end)}, {lasting(end - first)} after it was sent, and it had "
            f"{life:g} s; no request with it was seen"
        )
    cause = view.hidden(homes(evidence, group.records), min(first, last), end)
    if cause is None:
        return violated(
            "no request with it was seen, and no fault struck its server or connection meanwhile"
        )
    return blind(cause) if cause == HELD_REQUEST else excused(cause)


def _was_lost(evidence: Evidence, view: Visibility, transmission: Transmission) -> bool:
    """Return whether something kept a request from being applied."""
    for hit in evidence.hits_by_transmission.get(transmission.number, ()):
        if hit.at is not CutPoint.REQUEST or hit.shadowed:
            continue
        if Effect.NOT_APPLIED in hit.effects and hit.code is None:
            return True
        # An error code rejects some entries; the others are applied.
        if Effect.NOT_APPLIED in hit.effects and hit.concerns(
            transmission.partition, transmission.entry
        ):
            return True
    if evidence.once(answers).is_appended(transmission):
        return False
    server = view.connections[transmission.connection].server
    partition, n = transmission.partition, transmission.n
    if not view.leads(server, partition, n):
        return True
    # A delayed request, or one behind it, meets the leaders at the time when it is applied.
    return view.may_have_moved_later(server, partition, n)
