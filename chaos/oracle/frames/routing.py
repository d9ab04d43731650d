"""Which partition and which SPU requests go to, and how often the SC is asked.

A client knows the cluster by the SC's news, which reach it one leg after they were written. What it
knows is therefore certain only between two changes of the cluster, once the news of the earlier one
have arrived. A fault at the SC ends all certainty, and so does a change that this module does not
know.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from math import inf

from chaos.history import CLIENT_EVENTS, SentRecord
from chaos.oracle.disturbances import disturbances
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import at, listed
from chaos.oracle.frames.batches import begun_from
from chaos.oracle.frames.leaders import Leaders
from chaos.oracle.frames.waiting import Complaint, struck_at
from chaos.oracle.incarnations import WATCHES
from chaos.oracle.timing import timing
from chaos.oracle.visibility import visibility
from simulator.events import (
    ConnectionEvent,
    ConnectionOpened,
    DialRefused,
    Event,
    FaultHit,
    FrameRead,
    FrameWritten,
    Healed,
    LeaderElected,
    LeaderMoved,
    ListenerClosed,
    ListenerReopened,
    PartitionServed,
    ReplicaCaughtUp,
    SpuStarted,
    SpuStopped,
    TopicCreated,
    TopicDeleted,
)

LOOK_UPS_BURST = 32
LOOK_UPS_PER_S = 8
"""How many requests the SC gets at most, at once and then in each second. A client needs about ten
to begin and four for a new connection, which it makes at most twice a second."""

IDLE_LOOK_UPS = 4
"""The same from the first produce request on, while nothing gives a client a reason to ask: one
look-up of four requests, and another one in each second."""

_CHANGES: tuple[type[Event], ...] = (
    TopicCreated,
    TopicDeleted,
    LeaderMoved,
    LeaderElected,
    SpuStopped,
    SpuStarted,
    PartitionServed,
)
"""The events that change which partitions have a leader, and which SPU it is. The SC tells of each
at once."""

_KNOWN: tuple[type[Event], ...] = (
    *_CHANGES,
    ConnectionEvent,
    DialRefused,
    ListenerClosed,
    ListenerReopened,
    ReplicaCaughtUp,
    Healed,
    *CLIENT_EVENTS,
)
"""These, and the events that change nothing of it."""


class News:
    """The changes of the cluster, and when the client knew of them.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._times, self._visibility = evidence.once(timing), evidence.once(visibility)
        self._topic = evidence.scenario.topic.name
        self._unknown_from = min(
            self._visibility.leaders_unknown_from, evidence.first_of_others(_KNOWN)
        )
        written = [w for w in evidence.events_of(FrameWritten) if w.server == "sc" and w.whole]
        self.written_at = [frame.t for frame in written]
        pushed = list(_news(written))
        numbers = [frame.n for frame in pushed]
        self._at: list[float] = []
        self._known_at: list[float] = []
        self._leaders: list[dict[int, int]] = []
        """By change: when it happened, when the client knew of it, and the SPU that leads each
        partition with a leader from then on."""
        connected = next(
            (o.n for o in evidence.events_of(ConnectionOpened) if o.server == "sc"), inf
        )
        leaders, served_at = Leaders(self._topic), None
        changes = (change for cls in _CHANGES for change in evidence.events_of(cls))
        for change in sorted(changes, key=_number):
            known = change.t if change.n < connected else inf
            following = bisect_right(numbers, change.n)
            if following < len(pushed):
                known = min(known, self._told_by(change, pushed[following]))
            leaders.follow(change)
            if isinstance(change, PartitionServed) and served_at == change.t:
                # All partitions that are served at once are one change of the state.
                for column in (self._at, self._known_at, self._leaders):
                    column.pop()
            served_at = change.t if isinstance(change, PartitionServed) else None
            self._at.append(change.t)
            self._known_at.append(known)
            self._leaders.append(leaders.serving)

    def known_at(self, t: float) -> tuple[float, dict[int, int]] | None:
        """Return what the client knew at a time: since when, and the SPU that leads each partition
        with a leader.

        None if the client may have known another state.
        """
        last = bisect_right(self._at, t + self._times.slack) - 1
        if last < 0 or self._known_at[last] > t or t >= self._unknown_from:
            return None
        return self._known_at[last], self._leaders[last]

    def is_just_told(self, start: float, end: float) -> bool:
        """Return whether an answer of the SC may have reached the client in an interval."""
        last = bisect_right(self.written_at, end + self._times.slack) - 1
        if last < 0:
            return False
        return self._times.noticed_by(self.written_at[last]) + self._times.slack >= start

    def leaders_within(self, start: float, end: float) -> Iterator[dict[int, int]]:
        """Yield the leaders after each change in an interval."""
        for n in range(bisect_right(self._at, start), bisect_right(self._at, end)):
            yield self._leaders[n]

    def _told_by(self, change: Event, written: FrameWritten) -> float:
        """Return when the client knew of a change, if the SC wrote an answer because of it."""
        known = self._times.noticed_by(change.t) + self._times.slack
        connection = self._visibility.connections[written.connection]
        # A client that ended the connection did so one leg before the server noticed.
        is_read = connection.closed > self._times.noticed_by(known)
        return known if written.t <= change.t + self._times.slack and is_read else inf


def _news(written: list[FrameWritten]) -> Iterator[FrameWritten]:
    """Yield the answers that tell of a change: those of a watch, after the first one of each."""
    answers: Counter[int] = Counter()
    for frame in written:
        if frame.api == "watch":
            answers[frame.connection] += 1
            if answers[frame.connection] > WATCHES:
                yield frame


def news(evidence: Evidence) -> News:
    """Return the news of a run; for ``Evidence.once``."""
    return News(evidence)


def wrong_leaders(evidence: Evidence) -> Iterator[Complaint]:
    """Yield the requests that went to an SPU that the client knew not to lead the partition.

    Judged where no dial can lie between the look-up and the request: on a connection that had
    carried a request before the news arrived, and that no fault struck.
    """
    if not _may_be_misled(evidence):
        return
    told = evidence.once(news)
    struck = {hit.connection for hit in evidence.events_of(FaultHit) if not hit.shadowed}
    used_from: dict[int, float] = {}
    for read in evidence.requests:
        used_from.setdefault(read.connection, read.t)
        begun = begun_from(evidence, read)
        known = told.known_at(begun) if read.connection not in struck else None
        if known is None or used_from[read.connection] > known[0]:
            continue
        since, leaders = known
        for topic, partition, data in read.carried:
            leader = leaders.get(partition)
            if topic != evidence.scenario.topic.name or leader is None:
                continue
            later = (state.get(partition) for state in told.leaders_within(begun, read.t))
            if read.server not in {f"spu:{spu}" for spu in (leader, *later)}:
                went = f"a request for partition {partition} went to {read.server} {at(read.t)}"
                knew = f"the client knew from {since:.3f} s on that spu:{leader} leads it"
                yield f"{went}, although {knew}", evidence.record_ids.in_batches(data)
                break


def _may_be_misled(evidence: Evidence) -> bool:
    """Return whether a request went to another SPU than the only one that ever led its partition,
    or to one of several: most partitions have one leader, whatever the client knew."""
    topic, led = evidence.scenario.topic.name, evidence.once(disturbances).leaders
    only = {partition: {spu for _, spu in leaders} for partition, leaders in led.items()}
    for read in evidence.requests:
        for name, partition, _ in read.carried:
            if name == topic and only.get(partition, {read.server}) != {read.server}:
                return True
    return False


def missed_turns(evidence: Evidence) -> Iterator[Complaint]:
    """Yield the records without a key that went to a partition out of turn or without a leader.

    Turns may begin anew with each answer of the SC. A client that sends an empty key in place of
    none has no turns.
    """
    if evidence.scenario.topic.partitions < 2 or not _sends_no_keys(evidence):
        return
    producers: dict[int, list[SentRecord]] = {}
    for record in evidence.records:
        if record.key is None:
            producers.setdefault(record.producer, []).append(record)
    for records in producers.values():
        yield from _missed_turns_of(evidence, records)


def _missed_turns_of(evidence: Evidence, records: list[SentRecord]) -> Iterator[Complaint]:
    """Yield such records of one producer; sends that overlap take turns in any order, and after one
    that may have taken its turn in vain the turns begin anew."""
    told, times = evidence.once(news), None
    latest: dict[int, int] = {}
    """By partition, the turn in which it got its latest record."""
    before, overlapping = -inf, _overlapping(evidence, records)
    known: tuple[float, dict[int, int]] | None = None
    uncertain = True
    for turn, record in enumerate(records):
        if record.call in overlapping:
            latest.clear()
            continue
        taken = record.taken_at
        if times != (before, record.sent_at, taken):  # records that are sent together have the same
            times = before, record.sent_at, taken
            known = told.known_at(record.sent_at)
            uncertain = known is None or taken is None or told.is_just_told(before, taken)
            if known is not None and (taken is None or told.known_at(taken) != known):
                known = None
        if uncertain:
            latest.clear()
        before = record.sent_at
        partition = _partition_of(evidence, record)
        if known is None or partition is None:
            continue
        leaders = known[1]
        if leaders and partition not in leaders:
            text = f"{partition}, although the client knew that it has no leader"
            yield f"{_went(record)} {text}", [record.id]
        elif turn - latest.get(partition, -inf) < len(leaders):
            text = f"{partition} out of turn: {len(leaders)} partitions have a leader"
            yield f"{_went(record)} {text}", [record.id]
        latest[partition] = turn


def _went(record: SentRecord) -> str:
    return f"{listed([record.id])}, sent {at(record.sent_at)} without a key, went to partition"


def _overlapping(evidence: Evidence, records: list[SentRecord]) -> set[int]:
    """Return the numbers of the calls that were under way while another one sent."""
    calls, found, active = evidence.history.calls, set[int](), list[int]()
    for number in dict.fromkeys(record.call for record in records):
        active = [n for n in active if (end := calls[n].next) is None or end > number]
        if active:
            found.update(active, (number,))
        active.append(number)
    return found


def _sends_no_keys(evidence: Evidence) -> bool:
    """Return whether a record without a key is stored."""
    return any(record.key is None for log in evidence.history.logs.values() for record in log)


def _partition_of(evidence: Evidence, record: SentRecord) -> int | None:
    """Return the partition of a record; None if no event shows it."""
    sent = evidence.transmissions[record.id]
    return sent[0].partition if sent else record.partition


def asked_too_often(evidence: Evidence) -> Iterator[Complaint]:
    """Yield when the SC was asked more often than a client has reason to."""
    asked = [read.t for read in evidence.events_of(FrameRead) if read.server == "sc"]
    first = evidence.requests[0].t if evidence.requests else inf
    idle = [t for t in asked if t > first]
    if len(idle) > IDLE_LOOK_UPS:
        struck = evidence.once(struck_at)
        idle = [t for t in idle if t < struck]
        yield from _too_many(idle, IDLE_LOOK_UPS, IDLE_LOOK_UPS, "although nothing had happened")
    if len(asked) > LOOK_UPS_BURST:
        unknown_from = evidence.once(visibility).leaders_unknown_from
        asked = [t for t in asked if t < unknown_from]
        why = "although no fault had struck it"
        yield from _too_many(asked, LOOK_UPS_BURST, LOOK_UPS_PER_S, why)


def _too_many(times: Sequence[float], burst: int, rate: int, why: str) -> Iterator[Complaint]:
    """Yield when the SC was asked more often than so many times at once and then in a second."""
    for count, t in enumerate(times, 1):
        if count > burst + rate * (t - times[0]):
            yield f"the SC was asked {count} times until {t:.3f} s, {why}", ()
            break


def _number(event: Event) -> int:
    return event.n
