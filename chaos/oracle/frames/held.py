"""What the logs of the topic held: committed up to which offset at which time, what an election
left out, and which record at which offset."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from math import inf

from chaos.consumption import digest_of
from chaos.oracle.evidence import Evidence
from chaos.oracle.frames.replicas import log_events
from simulator.events import Appended, Evicted, LeaderElected, ReplicaCaughtUp, TopicDeleted


@dataclass(slots=True)
class OffsetOverTime:
    """An offset that moves on; 0 at first."""

    times: list[float] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)

    def at(self, t: float) -> int:
        """Return the offset at a time."""
        place = bisect_right(self.times, t)
        return self.offsets[place - 1] if place else 0

    def move(self, t: float, offset: int) -> None:
        """Note the offset from a time on; times come in order."""
        self.times.append(t)
        self.offsets.append(offset)

    def moved_since(self, t: float) -> bool:
        """Return whether the offset moved at a time or later."""
        return bool(self.times) and self.times[-1] >= t


@dataclass(slots=True)
class HeldLog:
    """The log of one partition in one incarnation."""

    digests: dict[int, str] = field(default_factory=dict)
    """By offset, the digest of each record of the final log."""
    offsets: list[int] = field(default_factory=list)
    """The same offsets, in order."""
    left_out: list[range] = field(default_factory=list)
    """The offsets whose records an election left out."""
    committed: OffsetOverTime = field(default_factory=OffsetOverTime)
    """The high watermark."""
    start: OffsetOverTime = field(default_factory=OffsetOverTime)
    """The first offset that was not evicted."""
    altered_from: float = inf
    """The first offset of the batches that a fault altered or that do not decode: what they say of
    their records, the offsets included, is not certain."""
    end: int = 0
    """The offset behind the last record."""

    def elect(self, kept_to: int) -> None:
        """Note that a leader was elected that lacks what is behind an offset."""
        if kept_to < self.end:
            self.left_out.append(range(kept_to, self.end))
            self.end = kept_to

    def count(self, start: int, stop: int) -> int:
        """Return how many records have offsets from ``start`` to ``stop``, without that one."""
        return bisect_left(self.offsets, stop) - bisect_left(self.offsets, start)

    def may_be_lost(self, offset: int) -> bool:
        """Return whether an election left out a record with this offset."""
        return any(offset in offsets for offsets in self.left_out)

    def alter(self, offset: int) -> None:
        """Note that the batch at an offset is not certain."""
        self.altered_from = min(self.altered_from, offset)


class HeldLogs:
    """The logs of one run.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._logs: defaultdict[tuple[int, int], HeldLog] = defaultdict(HeldLog)
        for incarnation, partition, records in evidence.logs:
            log = self._logs[incarnation, partition]
            log.digests = {record.offset: digest_of(record) for record in records}
            log.offsets = list(log.digests)
        for batch in evidence.history.unreadable:
            self._logs[batch.incarnation, batch.partition].alter(batch.offset)
        self._follow(evidence)
        topic = evidence.scenario.topic.name
        deleted = [each.n for each in evidence.events_of(TopicDeleted) if each.topic == topic]
        for event in evidence.events_of(Evicted):
            if event.topic == topic:
                log = self._logs[bisect_left(deleted, event.n), event.partition]
                log.start.move(event.t, event.start_offset)

    def of(self, incarnation: int, partition: int) -> HeldLog:
        """Return the log of a partition in an incarnation; an empty one if it does not exist."""
        return self._logs[incarnation, partition]

    def _follow(self, evidence: Evidence) -> None:
        cluster, incarnation = evidence.scenario.cluster, 0
        delay = 0.0 if cluster.replication is not None else cluster.commit_delay
        for change in evidence.once(log_events):
            if isinstance(change, TopicDeleted):
                incarnation += 1
                continue
            assert change.partition is not None
            log = self._logs[incarnation, change.partition]
            match change:
                case Appended():
                    log.end = change.end
                    if change.transmission in evidence.altered_requests:
                        log.alter(change.base_offset)
                    log.committed.move(
                        change.t + delay, change.end if delay else change.high_watermark
                    )
                case ReplicaCaughtUp():
                    log.committed.move(change.t, change.high_watermark)
                case LeaderElected():
                    log.elect(change.kept_to)


def held_logs(evidence: Evidence) -> HeldLogs:
    """Return what the logs of a run held; for ``Evidence.once``."""
    return HeldLogs(evidence)
