"""The incarnations of the topic: when it was created, deleted and enlarged, when the client knew,
and in which partitions records belong.

A deletion removes the logs. The records that were open then, or that were sent before the client
knew of the next incarnation, may be stored in the old one, in the new one, in both or in neither,
and their partition may be gone: no rule about attempts or copies holds for them.

The SC tells of each change over the connection on which the client watches it. The client knows a
change when that frame has arrived; while it has no such connection, when the first answers on its
next one have arrived, and it has some time to connect again. Once a fault struck the SC, it knows a
change at no certain time.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import inf

from siphashc import siphash

from chaos.history import SentRecord
from chaos.oracle.evidence import Evidence
from chaos.oracle.timing import timing
from simulator.events import (
    AddressChanged,
    ConnectionClosed,
    ConnectionOpened,
    ConnectRefused,
    Event,
    FaultHit,
    FrameWritten,
    ListenerClosed,
    PartitionsAdded,
    TopicCreated,
    TopicDeleted,
)

_HASH_KEY = b"\0" * 16

WATCHES = 3
"""How many answers to a new connection tell a client everything: topics, partitions and SPUs."""


RENEWAL_S = 2.0
"""How long a client may take to connect to the SC again, in seconds, beside the connecting."""


@dataclass(slots=True)
class Incarnation:
    """One life of the topic, and what follows it."""

    created: float
    deleted: float = inf
    successor_known: float = inf
    """When the client certainly knew of the next incarnation; infinity if it never did."""


class Incarnations:
    """The incarnations of the topic in one run.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self.lives: list[Incarnation] = []
        self._counts: list[tuple[float, float, int]] = []
        """From when until when a client may have taken which number of partitions for the current
        one; the last one has no end yet."""
        topic, count = evidence.scenario.topic.name, 0
        changes: list[TopicCreated | PartitionsAdded | TopicDeleted] = [
            *evidence.events_of(TopicCreated),
            *evidence.events_of(PartitionsAdded),
            *evidence.events_of(TopicDeleted),
        ]
        changes = [change for change in changes if change.topic == topic]
        self._changes = [each.t for each in evidence.events_of(AddressChanged)]
        if len(changes) > 1:
            changes.sort(key=_number)
        for change in changes:
            if isinstance(change, TopicDeleted):
                self.lives[-1].deleted = change.t
                continue
            known = self.known_by(change.t) if self._counts else inf
            count = change.first if isinstance(change, PartitionsAdded) else 0
            count += len(change.leaders)
            if isinstance(change, TopicCreated):
                if self.lives:
                    self.lives[-1].successor_known = known
                self.lives.append(Incarnation(change.t))
            if self._counts:
                self._changes.append(change.t)
                start, _, before = self._counts[-1]
                self._counts[-1] = start, known, before
            self._counts.append((change.t, inf, count))

        counts = {count for _, _, count in self._counts}
        self.partitions_fixed = len(counts) <= 1
        """Whether the topic always had the same number of partitions."""
        self.partitions_max = max(counts, default=1)
        """The largest number of partitions that the topic ever had."""

    def known_by(self, t: float) -> float:
        """Return when the client certainly knew what changed at a time; infinity if that is not
        certain."""
        return self._evidence.once(_news).known_by(t)

    @property
    def news_uncertain(self) -> bool:
        """Whether the client may not know of a partition or an address."""
        return any(self.known_by(t) == inf for t in self._changes)

    def counts(self, start: float, end: float) -> set[int]:
        """Return the numbers of partitions that a client may have gone by in an interval."""
        return {count for since, until, count in self._counts if since <= end and until >= start}

    def gone(self) -> list[tuple[float, float]]:
        """Return the intervals from each deletion until the client knew of the next incarnation."""
        return [(life.deleted, life.successor_known) for life in self.lives if life.deleted < inf]


class _News:
    """When the client knew what the SC had told."""

    def __init__(self, evidence: Evidence) -> None:
        self._timing = evidence.once(timing)
        self._certain = not (
            any(hit.server == "sc" and not hit.shadowed for hit in evidence.events_of(FaultHit))
            or any(each.server == "sc" for each in evidence.events_of(ConnectRefused))
            or any(each.server == "sc" for each in evidence.events_of(ListenerClosed))
        )
        opened = [each for each in evidence.events_of(ConnectionOpened) if each.server == "sc"]
        closed = {each.connection: each.t for each in evidence.events_of(ConnectionClosed)}
        answers: dict[int, dict[int, float]] = {}
        """By connection and watch, when its first answer was written."""
        for frame in evidence.events_of(FrameWritten):
            if frame.api == "watch":
                answers.setdefault(frame.connection, {}).setdefault(frame.transmission, frame.t)
        self._watches: list[tuple[float, float]] = []
        """When each connection had told everything, and when it was closed."""
        for each in opened:
            told = [*answers.get(each.connection, {}).values()]
            if len(told) >= WATCHES:
                end = closed.get(each.connection, inf)
                self._watches.append((told[WATCHES - 1], end))
        self._watches.sort()

    def known_by(self, t: float) -> float:
        """Return when the client certainly knew what changed at ``t``; infinity if that is not
        certain."""
        if not self._certain:
            return inf
        noticed = self._timing.noticed_by(t)
        last = 0.0
        for told, end in self._watches:
            if end > noticed:
                return max(noticed, min(self._timing.noticed_by(told), self._renewed(t, last)))
            last = max(last, end)
        return self._renewed(t, last)

    def _renewed(self, t: float, last: float) -> float:
        """Return when the client has connected again at the latest, after its connection ended at
        ``last``."""
        renewed = max(t, last) + RENEWAL_S + self._timing.trip
        return self._timing.noticed_by(renewed)


def _news(evidence: Evidence) -> _News:
    """Return what the SC had told; for ``Evidence.once``: most clusters do not change."""
    return _News(evidence)


def _number(change: Event) -> int:
    return change.n


def incarnations(evidence: Evidence) -> Incarnations:
    """Return the incarnations of a run; for ``Evidence.once``."""
    return Incarnations(evidence)


def open_across_deletion(evidence: Evidence) -> frozenset[int]:
    """Return the ids of the records that were open at a deletion, or sent before the client knew of
    the next incarnation; for ``Evidence.once``."""
    gone = evidence.once(incarnations).gone()
    if not gone:
        return frozenset()
    starts, margin = [start for start, _ in gone], evidence.once(timing).slack
    found = set()
    for record in evidence.records:
        end = inf if record.outcome_at is None else record.outcome_at + margin
        last = bisect_left(starts, end) - 1
        if last >= 0 and gone[last][1] >= record.sent_at - margin:
            found.add(record.id)
    return frozenset(found)


@lru_cache(maxsize=10_000)
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a record with a key (SipHash-2-4, as in all Fluvio clients)."""
    hashed: int = siphash(_HASH_KEY, len(key).to_bytes(8, "little") + key)
    return hashed % partitions


def homes(evidence: Evidence, records: Iterable[SentRecord]) -> Collection[int]:
    """Return the partitions to which some records may have been sent, or were to be.

    A record that was transmitted belongs to the partition of its first request, a record with a key
    to those of its key, for each number of partitions since its send; any other one may have been
    meant for each partition.
    """
    lives = evidence.once(incarnations)
    partitions = lives.partitions_max
    found: dict[int, None] = {}
    for record in records:
        if sent := evidence.transmissions[record.id]:
            found[sent[0].partition] = None
        elif record.key:
            for count in lives.counts(record.sent_at, inf):
                found[partition_of(record.key, count)] = None
        else:
            return range(partitions)
        if len(found) == partitions:
            break
    return found
