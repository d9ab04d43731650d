"""What the servers commit: when they answer, and whether it stays committed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import at
from chaos.oracle.frames.replicas import log_events, replicas
from chaos.oracle.timing import ROUNDING_S
from simulator.events import (
    Appended,
    FrameWritten,
    LeaderMoved,
    ReplicaCaughtUp,
    TopicDeleted,
)


def early_answers(evidence: Evidence) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield the answers that came before the commit that their requests asked for, with the ids of
    the records.

    A commit follows the append after the delay of the cluster. An answer may come earlier only when
    the timeout of its request is over, as an error.
    """
    due = _due(evidence)
    if not due:
        return
    for written in evidence.events_of(FrameWritten):
        committed_at = due.pop(written.transmission, -inf)
        if written.t < committed_at - ROUNDING_S:
            answered = f"a request on connection {written.connection} was answered {at(written.t)}"
            text = f"{answered}, before the commit that it asked for, {at(committed_at)}"
            yield text, evidence.ids_by_transmission.get(written.transmission, ())


def _due(evidence: Evidence) -> dict[int, float]:
    """Return when the requests that ask for the commit are answered at the earliest."""
    cluster, due = evidence.scenario.cluster, dict[int, float]()
    delay = cluster.commit_delay
    if not delay and cluster.replication is None:
        return due
    asking = [read for read in evidence.requests if read.acks is not None and read.acks < 0]
    elections = evidence.once(replicas)
    if elections.is_replicated:
        turns = {read.transmission: list(elections.turns(read)) for read in asking}
        return {number: waits[-1].end for number, waits in turns.items() if waits}
    waits = {read.transmission: min(delay, (read.timeout_ms or 0) / 1000) for read in asking}
    for append in evidence.events_of(Appended):
        if append.transmission in waits:
            due.setdefault(append.transmission, append.t + waits[append.transmission])
    return due


def lost_commits(evidence: Evidence) -> Iterator[str]:
    """Yield where the high watermark of a partition moved back, or ahead of a replica, and which
    leaders were elected that lack committed records."""
    marks: dict[int | None, _Mark] = {}
    replication = evidence.scenario.cluster.replication
    followers = 0 if replication is None else replication.replicas - 1
    for change in evidence.once(log_events):
        if isinstance(change, TopicDeleted):
            marks.clear()
            continue
        mark = marks.get(change.partition)
        if mark is None:
            mark = marks[change.partition] = _Mark()
        if isinstance(change, Appended | ReplicaCaughtUp):
            now, before = change.high_watermark, mark.offset
            mark.offset = now
            if now < before:
                what = "append" if isinstance(change, Appended) else "fetch of a follower"
                yield (
                    f"the high watermark of partition {change.partition} moved back from {before} "
                    f"to {now}, as of the {what} {at(change.t)}"
                )
            if isinstance(change, ReplicaCaughtUp):
                mark.ends[change.spu] = change.end
                if now > before and not mark.allows(now, followers):
                    yield (
                        f"the high watermark of partition {change.partition} moved from {before} "
                        f"to {now} {at(change.t)}, although not every replica had as much"
                    )
        elif isinstance(change, LeaderMoved):
            mark.ends.pop(change.spu, None)  # it may have led before
        else:
            if change.kept_to < mark.offset:
                yield (
                    f"spu:{change.spu} was elected {at(change.t)} to lead partition "
                    f"{change.partition} with {change.kept_to} records, although {mark.offset} "
                    "were committed"
                )
            mark.ends.clear()


@dataclass(slots=True)
class _Mark:
    """The high watermark of one partition."""

    offset: int = 0
    ends: dict[int, int] = field(default_factory=dict)
    """By SPU, the end that a follower reported to its leader."""

    def allows(self, offset: int, followers: int) -> bool:
        """Return whether every follower has the records up to an offset."""
        return sum(end >= offset for end in self.ends.values()) >= followers
