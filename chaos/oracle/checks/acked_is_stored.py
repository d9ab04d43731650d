"""A record that the client reported as stored has a copy in the final log of its topic, and an SPU
answered that it is stored.

A client that is told nothing, or is answered with an error code or about something else, does not
know whether a record is stored; a copy that exists all the same is luck.

The check applies to both delivery semantics, and to probes as well as to the records of the
workload: an acknowledgement is the one thing that a caller can rely on. Whether the copy is at the
reported offset is a separate check (``offset-is-true``). Of records that are equal, with the same
value or with neither a value nor a key, at least as many are stored as were acknowledged.

An application that is not ours acknowledges all of its records by ending with status 0; which
answers it had is not known. With another status it acknowledges none, and what is absent then is
out of sight.

Where the leader of a partition fails, what it had acknowledged under read-uncommitted may be gone;
under read-committed it may not.

An acknowledgement is worth what the servers do: a request that asks for the commit is not answered
before it, and what is committed stays committed, so that no high watermark moves back.
"""

from chaos.history import Need
from chaos.oracle.answers import answers
from chaos.oracle.blind_records import RECORD_CAUSES, blind_records, has_unmodelled_effects
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import ACROSS_DELETION, WITHOUT_ID, Finding, Violations, at, listed, were
from chaos.oracle.frames.commits import early_answers, lost_commits
from chaos.oracle.frames.copies import with_value
from chaos.oracle.frames.replicas import LOST_IN_ELECTION, replicas
from chaos.oracle.incarnations import open_across_deletion

EXIT_STATUS = "exit-status"
"""The cause where an application that ended without status 0 does not say what is stored."""

NAME = "acked-is-stored"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.LOGS,)
EXCUSES = (LOST_IN_ELECTION, ACROSS_DELETION)
CAUSES = (*RECORD_CAUSES, EXIT_STATUS)


def check(evidence: Evidence) -> Finding:
    """Check every acknowledged record."""
    found = Violations(NAME, evidence.once(blind_records), evidence.once(open_across_deletion))
    for text, ids in early_answers(evidence):
        found.add(text, ids)
    for text in lost_commits(evidence):
        found.add(text)
    copies, acknowledged = evidence.copies, evidence.acknowledged
    _, trail_of = evidence.trails
    if found.set_aside:
        acknowledged = [
            record
            for record in acknowledged
            if record.id not in evidence.without_id and found.sees(record.id)
        ]
    found.judged = len(acknowledged)
    unreasoned = frozenset[int]()
    if evidence.sees_calls:  # else its status is no answer to a request
        unreasoned = _without_reason(evidence, {trail_of[record.id] for record in acknowledged})
    else:
        others = (r.id for r in evidence.unacknowledged if r.id not in evidence.without_id)
        absent = [record_id for record_id in others if not copies[record_id]]
        found.blind(EXIT_STATUS, sum(map(found.sees, absent)))
    how = "acknowledged" if evidence.sees_calls else "acknowledged by status 0"
    for record in acknowledged:
        if copies[record.id] and (not unreasoned or trail_of[record.id] not in unreasoned):
            continue
        subject = f"{listed([record.id])} {were([record.id])} {how}"
        when = at(record.outcome_at or 0.0)
        lost = not copies[record.id] and evidence.once(replicas).lost(record)
        if lost:
            found.judged -= 1
            found.excuse(LOST_IN_ELECTION)
        if not copies[record.id] and not lost:
            where = "" if record.offset is None else f" at {record.partition}@{record.offset}"
            found.add(f"{subject}{where} {when}, but no copy of it is stored", [record.id])
        elif trail_of[record.id] in unreasoned:
            text = f"{subject} {when}, but no answer to a request with it said so"
            found.add(text, [record.id])
    if evidence.without_id:
        _count_equal_ones(evidence, found)
    return found.finding()


def _without_reason(evidence: Evidence, concerned: set[int]) -> frozenset[int]:
    """Return the trails with a request, of some trails, of which no answer may have reported
    success."""
    may_acknowledge, trails = evidence.once(answers).may_acknowledge, evidence.trails[0]
    return frozenset(
        [n for n in concerned if trails[n] and not any(map(may_acknowledge, trails[n]))]
    )


def _count_equal_ones(evidence: Evidence, found: Violations) -> None:
    """Check the records that are equal by their number."""
    how = "acknowledged" if evidence.sees_calls else "acknowledged by status 0"
    for value, ids in evidence.record_ids.equal.items():
        every = [n for n in ids if evidence.records[n].outcome == "ok"]
        acked = [n for n in every if n not in found.excused_records]
        found.excuse(ACROSS_DELETION, len(every) - len(acked))
        if evidence.once(has_unmodelled_effects) or evidence.left_out:
            found.blind(WITHOUT_ID, len(acked))
            continue
        found.judged += len(acked)
        stored = evidence.stored_equal[value]
        if not evidence.sees_calls:
            found.blind(EXIT_STATUS, max(0, len(ids) - max(stored, len(acked))))
        if (missing := len(acked) - stored) > 0:
            text = f"{len(acked)} records {with_value(value)} were {how}, but {stored}"
            found.add(f"{text} {'is' if stored == 1 else 'are'} stored", acked[-missing:])
