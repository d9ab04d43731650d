"""At-least-once: a record is not given up before its retry policy is used up.

A record is lost if no copy of it is stored and the client did not report it as acknowledged. A loss
is allowed once the policy is used up: all attempts were made, no further one could begin before the
policy's timeout, or an SPU answered with a final error code. It is also allowed for a record that
the client did not accept: because the record is too large for a request, or because the queue
stayed full for as long as ``send`` may wait. A record that was acknowledged under read-uncommitted,
and that an election left out, is lost as well; its client can do nothing about that.

Attempts are those that the simulator saw. While one could be invisible (a listener was closed, a
connection was dead or stalled) the number of attempts is not known. Then only a lower limit counts:
all attempts together take at least the delays between them.
"""

from chaos.history import Need
from chaos.oracle.attempts import BUDGET_RULES, record_groups, retry_timeline
from chaos.oracle.blind_records import RECORD_CAUSES, blind_records
from chaos.oracle.calls import REFUSAL_RULES, refusals
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import ACROSS_DELETION, NOT_DRAINED, Finding, Violations, at, listed, were
from chaos.oracle.frames.replicas import LOST_IN_ELECTION, replicas
from chaos.oracle.incarnations import open_across_deletion
from chaos.oracle.visibility import HIDING_CAUSES

NAME = "no-loss"
SEMANTICS = ("at-least-once",)
NEEDS = (Need.FRAMES, Need.APPENDS, Need.LOGS, Need.CALLS, Need.CLOCK)
EXCUSES = (*BUDGET_RULES, *REFUSAL_RULES, LOST_IN_ELECTION, ACROSS_DELETION)
CAUSES = (*RECORD_CAUSES, *HIDING_CAUSES, NOT_DRAINED)


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
        if not lost:
            continue
        ruling = evidence.once(retry_timeline).unused_budget(group)
        unused_budget = found.take(ruling, len(lost))
        if unused_budget is not None:
            end = "never" if group.outcome_at is None else at(group.outcome_at)
            last = group.attempts[-1] if group.attempts else None
            where = f", the last one on connection {last.connection} {at(last.t)}" if last else ""
            found.add(
                f"{listed(lost)} {were(lost)} lost: given up ({end}) {unused_budget}{where}, "
                "before the retry policy was used up",
                lost,
            )
    for record, ruling in refusals(evidence):
        if found.sees(record.id) and (why := found.take(ruling)) is not None:
            found.add(f"{listed([record.id])} was lost: {why}", [record.id])
    return found.finding()
