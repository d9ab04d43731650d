"""After all faults are lifted the producer works.

One probe for each partition is sent to the healed cluster, and must be acknowledged: a producer
that an earlier fault has broken fails here.

The check does not apply to a client that was killed because it did not answer, nor to a producer
whose configuration leaves an attempt less time than the network, or the commit, takes; the replicas
may never commit anything, if that of a former leader differs. A probe that
an SPU rejects with NotLeaderForPartition is excused if faults had kept the new leader from the
client until then: the client learns of the new leader only by this error, and a policy without
enough retries can do no more. So is a probe that was never transmitted if faults had kept a new
partition, or the new address of an SPU, from the client, or if all of its time was part of the
backoff after a failed dial.
"""

from chaos.history import Need, SentRecord
from chaos.oracle.answers import answers
from chaos.oracle.blind_records import RECORD_CAUSES, blind_records
from chaos.oracle.blind_spots import SC_UNREACHABLE
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import CLIENT_ENDED, Finding, Violations, at
from chaos.oracle.frames.replicas import replicas
from chaos.oracle.incarnations import homes, incarnations
from chaos.oracle.timing import timing
from chaos.oracle.visibility import TOO_SLOW, visibility

NAME = "alive-after-heal"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.CALLS, Need.FRAMES, Need.APPENDS, Need.CLOCK)
EXCUSES = (CLIENT_ENDED, TOO_SLOW, SC_UNREACHABLE, "dial-backoff")
CAUSES = RECORD_CAUSES


def check(evidence: Evidence) -> Finding:
    """Check every probe."""
    found = Violations(NAME, evidence.once(blind_records))
    history = evidence.history
    for record in evidence.probes:
        if not found.sees(record.id):
            continue
        if record.outcome != "ok" and (rule := _rule(evidence, record)) is not None:
            found.excuse(rule)
            continue
        found.judged += 1
        if record.outcome == "ok":
            continue
        outcome = record.error or "the client reported no outcome"
        found.add(
            f"probe {record.id}, sent {at(record.sent_at)} after the cluster had healed "
            f"{at(history.healed_at or 0.0)}, was not acknowledged: {outcome}",
            [record.id],
        )
    return found.finding()


def _rule(evidence: Evidence, record: SentRecord) -> str | None:
    """Return the rule that excuses a probe that was not acknowledged; None if there is none."""
    if evidence.history.silent is not None:
        return CLIENT_ENDED
    if evidence.once(timing).is_too_slow(_held_s(evidence)):
        return "too-slow"
    if knew_no_leader(evidence, record):
        return "sc-unreachable"
    return "dial-backoff" if _backed_off(evidence, record) else None


def _held_s(evidence: Evidence) -> float:
    """Return how long the commits may hold a probe, in seconds: those of each partition, one after
    the other."""
    commit, elections = evidence.once(timing).commit, evidence.once(replicas)
    if commit and elections.is_replicated:
        commit = elections.longest_commit_s(evidence.history.healed_at or 0.0)
    return evidence.once(incarnations).partitions_max * commit


def knew_no_leader(evidence: Evidence, record: SentRecord) -> bool:
    """Return whether a probe failed only because its client did not know of a new leader."""
    view, replies = evidence.once(visibility), evidence.once(answers)
    sent = evidence.transmissions[record.id]
    if not sent:  # the client knew no partition of that index, or no address of its leader
        return evidence.once(incarnations).news_uncertain
    return view.leaders_unknown_from < record.sent_at and all(
        replies.code(t) is None
        and not replies.is_appended(t)
        and not view.leads(view.connections[t.connection].server, t.partition, t.n)
        for t in sent
    )


def _backed_off(evidence: Evidence, record: SentRecord) -> bool:
    """Return whether the client may have been in the backoff after a failed dial for the whole
    time."""
    seen, end = evidence.once(visibility), record.outcome_at
    return (
        end is not None
        and not evidence.transmissions[record.id]
        and seen.backing_off(homes(evidence, [record]), record.sent_at, end)
    )
