"""What the replicas of a partition make of its records: when they commit them, and which of them an
election leaves out.

A record is committed once every replica has it. ``ReplicaCaughtUp`` tells the high watermark after
each fetch, so that the commit of each append is known, and with it the code of the answer to a
request that waits for it: each of its entries waits in turn, for as long as the request says.

An election keeps the log of the old leader up to an offset. What was appended behind it is *left
out*. Under read-uncommitted the old leader had acknowledged it, and no client can do anything about
that. Under read-committed nothing that is left out was ever committed.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from chaos.history import SentRecord
from chaos.oracle.evidence import Evidence, Transmission
from chaos.oracle.timing import READ_UNCOMMITTED
from simulator.events import (
    Appended,
    Event,
    FrameRead,
    LeaderElected,
    LeaderMoved,
    ReplicaCaughtUp,
    TopicDeleted,
)

LogEvent = Appended | ReplicaCaughtUp | LeaderElected | LeaderMoved | TopicDeleted
"""The events about the log of a partition."""

LOST_IN_ELECTION = "lost-in-election"
"""The rule for a record that an election left out of its partition."""


@dataclass(frozen=True, slots=True)
class CommitTurn:
    """The wait for the commit of one entry of a request, in seconds."""

    committed_at: float
    """Infinity if the records were never committed."""
    timeout_at: float

    @property
    def end(self) -> float:
        """When the wait is over."""
        return min(self.committed_at, self.timeout_at)


class ReplicaHistory:
    """Commits and elections of one run.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._read_uncommitted = evidence.scenario.producer.isolation == READ_UNCOMMITTED
        self._left_out: dict[tuple[int, int], list[range]] = {}
        """By number of the request frame and entry, the offsets that an election left out."""
        for lost in evidence.left_out:
            key = lost.transmission, lost.entry
            self._left_out.setdefault(key, []).append(range(lost.base, lost.end))
        self._stored: dict[int, list[Appended]] = {}
        """By number of the request frame, its appends; without copies that a fault made."""
        self._committed: dict[tuple[int, int], float] = {}
        """By number of the request frame and entry, when its records were committed."""
        self.is_replicated = evidence.scenario.cluster.replication is not None
        if self.is_replicated:
            self._gather()

    # --- elections

    def left_out(self, transmission: Transmission) -> bool:
        """Return whether an election left out what a request stored."""
        return (transmission.number, transmission.entry) in self._left_out

    def lost(self, record: SentRecord) -> bool:
        """Return whether an election left out a record after an SPU had acknowledged it under
        read-uncommitted, where the client reported it."""
        if not self._left_out or not self._read_uncommitted or record.outcome != "ok":
            return False
        for sent in self._evidence.transmissions[record.id]:
            ranges = self._left_out.get((sent.number, sent.entry), ())
            if ranges and record.partition in (None, sent.partition):
                offset = record.offset
                if offset is None or any(offset in offsets for offsets in ranges):
                    return True
        return False

    def was_stored(self, record: SentRecord) -> bool:
        """Return whether a record has a copy, or had one that an election left out."""
        return bool(self._evidence.copies[record.id]) or any(
            map(self.left_out, self._evidence.transmissions[record.id])
        )

    # --- commits

    def turns(self, read: FrameRead) -> Iterator[CommitTurn]:
        """Yield the wait for the commit of each entry of a request that was stored, in order."""
        timeout, begun = (read.timeout_ms or 0) / 1000, 0.0
        for append in self._stored.get(read.transmission, ()):
            committed_at = self._committed.get((append.transmission, append.entry), inf)
            begun = max(begun, append.t)
            turn = CommitTurn(committed_at, begun + timeout)
            yield turn
            begun = max(begun, turn.end)

    def longest_commit_s(self, since: float) -> float:
        """Return the longest time from an append to its commit, in seconds, of those that were not
        committed before a time; infinity if one never was."""
        return max(
            (
                committed_at - append.t
                for appends in self._stored.values()
                for append in appends
                if (committed_at := self._committed.get((append.transmission, append.entry), inf))
                >= since
            ),
            default=0.0,
        )

    def _gather(self) -> None:
        waiting: dict[int, deque[Appended]] = {}
        for event in self._evidence.once(log_events):
            match event:
                case Appended(partition=int(partition)):
                    if event.copied_by is None:
                        self._stored.setdefault(event.transmission, []).append(event)
                        waiting.setdefault(partition, deque()).append(event)
                case ReplicaCaughtUp(partition=partition, high_watermark=mark):
                    appends = waiting.get(partition, deque())
                    while appends and appends[0].end <= mark:
                        append = appends.popleft()
                        self._committed[append.transmission, append.entry] = event.t
                case LeaderElected(partition=partition, kept_to=kept_to):
                    appends = waiting.get(partition, deque())
                    while appends and appends[-1].end > kept_to:
                        appends.pop()
                case TopicDeleted():
                    waiting.clear()


def log_events(evidence: Evidence) -> list[LogEvent]:
    """Return the events about the log of the topic, in order; for ``Evidence.once``."""
    topic = evidence.scenario.topic.name
    appends = evidence.events_of(Appended)
    others: list[LogEvent] = [
        *evidence.events_of(ReplicaCaughtUp),
        *evidence.events_of(LeaderElected),
        *evidence.events_of(LeaderMoved),
        *evidence.events_of(TopicDeleted),
    ]
    changes = [change for change in (*appends, *others) if change.topic == topic]
    if others:  # else the appends are in order
        changes.sort(key=_number)
    return changes


def replicas(evidence: Evidence) -> ReplicaHistory:
    """Return the commits and elections of a run; for ``Evidence.once``."""
    return ReplicaHistory(evidence)


def _number(event: Event) -> int:
    return event.n
