"""A record that the client reported as stored has a copy in the final log of its topic.

The check applies to both delivery semantics, and to probes as well as to the records of the
workload: an acknowledgement is the one thing that a caller can rely on. Whether the copy is at the
reported offset is a separate check (``offset-is-true``).

An acknowledgement is worth what the servers do: a request that asks for the commit is not answered
before it, and what is committed stays committed, so that no high watermark moves back.
"""

from chaos.history import Need
from chaos.oracle.blind_records import blind_records
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import Finding, Violations, at, listed, were
from chaos.oracle.frames.commits import early_answers, lost_commits

NAME = "acked-is-stored"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.CALLS, Need.LOGS)


def check(evidence: Evidence) -> Finding:
    """Check every acknowledged record."""
    found = Violations(NAME, evidence.once(blind_records))
    copies, unseen, acknowledged = evidence.copies, found.blind_records, 0
    for record in evidence.records:
        if record.outcome != "ok" or (unseen and not found.sees(record.id)):
            continue
        acknowledged += 1
        if not copies[record.id]:
            where = "" if record.offset is None else f" at {record.partition}@{record.offset}"
            found.add(
                f"{listed([record.id])} {were([record.id])} acknowledged{where} "
                f"{at(record.outcome_at or 0.0)}, but no copy of it is stored",
                [record.id],
            )
    found.judged = acknowledged
    for text, ids in early_answers(evidence):
        found.add(text, ids)
    for text in lost_commits(evidence):
        found.add(text)
    return found.finding()
