"""What the servers commit: when they answer, and whether it stays committed."""

from collections.abc import Iterator, Sequence
from math import inf

from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import at
from chaos.oracle.frames.replicas import in_order, replicas
from chaos.oracle.timing import ROUNDING_S
from simulator.events import (
    Appended,
    FrameWritten,
    LeaderElected,
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
    """Yield where the high watermark of a partition moved back, and which leaders were elected that
    lack committed records."""
    highest: dict[int | None, int] = {}
    for change in in_order(evidence):
        match change:
            case TopicDeleted():
                highest.clear()
            case LeaderElected(partition=partition, kept_to=kept_to, spu=spu):
                committed = highest.get(partition, 0)
                if kept_to < committed:
                    yield (
                        f"spu:{spu} was elected {at(change.t)} to lead partition {partition} with "
                        f"{kept_to} records, although {committed} were committed"
                    )
            case (
                Appended(partition=partition, high_watermark=now)
                | ReplicaCaughtUp(partition=partition, high_watermark=now)
            ):
                before = highest.get(partition, 0)
                if now < before:
                    what = "append" if isinstance(change, Appended) else "fetch of a follower"
                    yield (
                        f"the high watermark of partition {partition} moved back from {before} to "
                        f"{now}, as of the {what} {at(change.t)}"
                    )
                highest[partition] = now
