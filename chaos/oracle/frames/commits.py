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
    LeaderElected,
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
    for written in evidence.events_of(FrameWritten):
        committed_at = due.pop(written.transmission, -inf)
        if written.t < committed_at - ROUNDING_S:
            answered = f"a request on connection {written.connection} was answered {at(written.t)}"
            text = f"{answered}, before the commit that it asked for, {at(committed_at)}"
            yield text, evidence.ids_by_transmission.get(written.transmission, ())


def _due(evidence: Evidence) -> dict[int, float]:
    """Return when the requests that ask for the commit are answered at the earliest."""
    asking = [read for read in evidence.requests if read.acks is not None and read.acks < 0]
    elections = evidence.once(replicas)
    if elections.is_replicated:
        turns = {read.transmission: list(elections.turns(read)) for read in asking}
        return {number: waits[-1].end for number, waits in turns.items() if waits}
    delay, due = evidence.scenario.cluster.commit_delay, dict[int, float]()
    if not delay:
        return due
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
        mark = marks.setdefault(change.partition, _Mark())
        where = f"partition {change.partition}"
        match change:
            case LeaderElected(kept_to=kept_to) if kept_to < mark.offset:
                yield (
                    f"spu:{change.spu} was elected {at(change.t)} to lead {where} with {kept_to} "
                    f"records, although {mark.offset} were committed"
                )
            case Appended(high_watermark=now) | ReplicaCaughtUp(high_watermark=now):
                what = "append" if isinstance(change, Appended) else "fetch of a follower"
                if now < mark.offset:
                    yield (
                        f"the high watermark of {where} moved back from {mark.offset} to {now}, "
                        f"as of the {what} {at(change.t)}"
                    )
        match change:
            case ReplicaCaughtUp(high_watermark=now):
                mark.ends[change.spu] = change.end
                if now > mark.offset and not mark.allows(now, followers):
                    yield (
                        f"the high watermark of {where} moved from {mark.offset} to {now} "
                        f"{at(change.t)}, although not every replica had as much"
                    )
                mark.offset = now
            case Appended(high_watermark=now):
                mark.offset = now
            case LeaderMoved(spu=spu):
                mark.ends.pop(spu, None)  # it may have led before
            case LeaderElected():
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
