"""What the servers commit: when they answer, and whether it stays committed."""

from collections.abc import Iterator, Sequence
from math import inf

from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import at
from chaos.oracle.timing import ROUNDING_S
from simulator.events import Appended, Event, FrameWritten, TopicDeleted


def early_answers(evidence: Evidence) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield the answers that came before the commit that their requests asked for, with the ids of
    the records.

    A commit follows the append after the delay of the cluster. An answer may come earlier only when
    the timeout of its request is over, as an error.
    """
    delay = evidence.scenario.cluster.commit_delay
    if not delay:
        return
    due: dict[int, float] = {}
    waits = {
        read.transmission: min(delay, (read.timeout_ms or 0) / 1000)
        for read in evidence.requests
        if read.acks is not None and read.acks < 0
    }
    for append in evidence.events_of(Appended):
        if append.transmission in waits:
            due.setdefault(append.transmission, append.t + waits[append.transmission])
    for written in evidence.events_of(FrameWritten):
        committed_at = due.pop(written.transmission, -inf)
        if written.t < committed_at - ROUNDING_S:
            answered = f"a request on connection {written.connection} was answered {at(written.t)}"
            text = f"{answered}, before the commit that it asked for, {at(committed_at)}"
            yield text, evidence.ids_by_transmission.get(written.transmission, ())


def lost_commits(evidence: Evidence) -> Iterator[str]:
    """Yield where the high watermark of a partition moved back."""
    highest: dict[tuple[str | None, int | None], int] = {}
    changes: list[Appended | TopicDeleted] = [*evidence.events_of(Appended)]
    changes += evidence.events_of(TopicDeleted)
    for change in sorted(changes, key=_number):
        if isinstance(change, TopicDeleted):
            highest = {key: mark for key, mark in highest.items() if key[0] != change.topic}
            continue
        where = change.topic, change.partition
        before, now = highest.get(where, 0), change.high_watermark
        if now < before:
            yield (
                f"the high watermark of partition {change.partition} moved back from {before} to "
                f"{now}, as of the append {at(change.t)}"
            )
        highest[where] = now


def _number(event: Event) -> int:
    return event.n
