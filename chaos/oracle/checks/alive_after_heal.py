"""After all faults are lifted the producer works.

One probe for each partition is sent to a cluster that is whole again, and must be acknowledged: a
producer that an earlier fault left broken shows here. An error that leaves the client outside of
any call breaks this promise, too.

Nothing is asked of a client that was ended because it did not answer, nor of a producer whose
configuration leaves an attempt less time than the network, or the commit, takes. And at a time when
faults had kept the news of a moved leader from the client, a probe that an SPU refuses with
NotLeaderForPartition is excused: only by that does the client learn of it, and a policy without
enough retries cannot do more. So is a probe that was never transmitted, when all its time was part
of the pause that follows a failed dial.
"""

from chaos.history import SentRecord
from chaos.oracle.answers import answers
from chaos.oracle.blind_spots import blind_spots
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import Finding, Violations, at
from chaos.oracle.timing import timing
from chaos.oracle.visibility import visibility

NAME = "alive-after-heal"
SEMANTICS = ("at-least-once", "at-most-once")


def check(evidence: Evidence) -> Finding:
    """Look at every probe."""
    found = Violations(NAME, evidence.once(blind_spots))
    history = evidence.history
    if history.crash is not None:
        found.looked_at += 1
        found.add(f"the client broke down: {history.crash}")
    if history.silent is not None:
        return found.finding()
    if evidence.once(timing).is_too_slow(evidence.scenario.topic.partitions):
        return found.finding()
    for record in evidence.records:
        if not record.probe or not found.sees(record.id):
            continue
        found.looked_at += 1
        if record.outcome == "ok" or _is_excused(evidence, record) or _backed_off(evidence, record):
            continue
        outcome = record.error or "the client was told nothing"
        found.add(
            f"probe {record.id}, sent {at(record.sent_at)} after the cluster had healed "
            f"{at(history.healed_at or 0.0)}, was not acknowledged: {outcome}",
            [record.id],
        )
    return found.finding()


def _is_excused(evidence: Evidence, record: SentRecord) -> bool:
    """Whether all that went wrong with a probe is that its client was not told of a new leader."""
    view, replies = evidence.once(visibility), evidence.once(answers)
    sent = evidence.transmissions[record.id]
    return (
        bool(sent)
        and view.leaders_unknown_from < record.sent_at
        and all(
            replies.code(t) is None
            and not replies.is_appended(t)
            and not view.leads(view.connections[t.connection].server, t.partition, t.n, t.t)
            for t in sent
        )
    )


def _backed_off(evidence: Evidence, record: SentRecord) -> bool:
    """Whether its client may have waited all of its time before it dialled again."""
    seen, end = evidence.once(visibility), record.outcome_at
    return (
        end is not None
        and not evidence.transmissions[record.id]
        and seen.backing_off(record.sent_at, end)
    )
