"""A history, indexed for the checks: transmissions, copies and answers, each computed once."""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from heapq import merge
from math import inf
from typing import Any, NamedTuple, TypeAlias, TypeVar

from chaos.history import CLIENT_EVENTS, History, Need, Outcome, SentRecord
from chaos.oracle.frames.consumers import ConsumerEvents
from chaos.oracle.frames.record_ids import RecordIds, TransmittedBatch, ids_of
from simulator.events import (
    Appended,
    Event,
    FaultHit,
    FrameRead,
    FrameWritten,
    LeaderElected,
    TopicDeleted,
)
from simulator.faults.effects import CutPoint, Effect
from wire.batch import Record

MODELLED = frozenset(Effect) - {Effect.ALTERS_BYTES}
"""The effects of faults that all checks model."""

T = TypeVar("T")
E = TypeVar("E", bound=Event)


class Transmission(NamedTuple):
    """One request frame that carried a record, as the simulator read it."""

    number: int
    """The number of the request frame, counted over the whole run from 1."""
    t: float
    connection: int
    partition: int
    client_id: str | None
    n: int = 0
    """The position in the order of events."""
    entry: int = 0
    """The position of the entry in the request, from 0."""


class Copy(NamedTuple):
    """One stored copy of a record; a tuple for speed, since there are as many copies as records."""

    partition: int
    offset: int
    transmission: int | None
    """The request frame that carried the copy; None if no event shows it."""
    copied_by: str | None
    """The fault that made the copy by duplicating a request; None for the original."""
    incarnation: int = 0
    """The incarnation of the topic whose log holds the copy, from 0."""
    timestamp: int = -1
    """The stored timestamp, in milliseconds since 1970; -1 if the batch has no times."""


class LeftOut(NamedTuple):
    """Records that an SPU appended and an election left out of the partition."""

    transmission: int
    """The request frame that carried them."""
    entry: int
    """The position of their entry in the request, from 0."""
    base: int
    """The offset of the first one."""
    end: int
    """The offset behind the last one."""


class Phantom(NamedTuple):
    """One stored record whose value was never sent."""

    partition: int
    offset: int
    value: bytes
    incarnation: int


_Append: TypeAlias = tuple[int, int, int, str | None, int]
"""First offset, offset after the last, request frame, copying fault, entry."""


class _Stored(NamedTuple):
    """What is stored; the properties of ``Evidence`` describe the fields."""

    copies: list[tuple[Copy, ...]]
    reported: list[Copy | None]
    phantoms: list[Phantom]
    other_keys: list[tuple[int, Copy]]
    unbrought: list[tuple[int, Copy]]
    several: set[int]


class Evidence:
    """A history, indexed for the checks; each index is computed once.

    Args:
        history: the run.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.scenario = history.scenario
        self.retries = history.scenario.producer.retries
        """Whether the delivery semantic is at-least-once."""
        self.records = history.records
        self.sees_calls = Need.CALLS not in history.lacks
        """Whether the calls of the client are known; if not, nor are the keys and the partitions
        that it chose, and its outcomes are those of its exit status."""
        self.server_events = [each for each in history.events if type(each) not in _OF_CLIENT]
        """The events of the servers, in order, without those of the connections of consumers; the
        events of the client are the bulk, one or two for each record."""
        self.consumers = ConsumerEvents()
        if history.consumptions:
            self.consumers = ConsumerEvents.of(history, self.server_events)
            self.server_events = [e for e in self.server_events if not self.consumers.own(e)]
        self._by_class: defaultdict[type[Event], list[Any]] = defaultdict(list)
        for happened in self.server_events:
            self._by_class[type(happened)].append(happened)
        self.record_ids = RecordIds(history.records)
        self.without_id = self.record_ids.without_id
        """The ids of the records that are equal to others: by their value, or with neither a value
        nor a key."""
        self._ids_by_transmission: dict[int, list[int]] = {}
        self._batches_by_transmission: dict[int, list[tuple[int, list[TransmittedBatch]]]] = {}
        self._made: dict[Callable[[Evidence], Any], Any] = {}

    def once(self, make: "Callable[[Evidence], T]") -> T:
        """Return the result of a function of this evidence, computed on the first call only."""
        found: T | None = self._made.get(make)
        if found is None:
            found = self._made[make] = make(self)
        return found

    def forget(self) -> None:
        """Forget the results of ``once``. Some of them refer to the evidence: a judgement that kept
        them would be left to the garbage collector as a whole."""
        self._made.clear()

    def events_of(self, cls: type[E]) -> list[E]:
        """Return all events of one class of the servers' events, in order."""
        return self._by_class.get(cls, [])

    def first_of_others(self, known: tuple[type[Event], ...]) -> float:
        """Return the time of the first event of the servers that is none of some classes; infinity
        without one."""
        others = (e[0].t for cls, e in self._by_class.items() if not issubclass(cls, known))
        return min(others, default=inf)

    @cached_property
    def requests(self) -> list[FrameRead]:
        """The frames of produce requests that carried records."""
        return [read for read in self.events_of(FrameRead) if read.carried]

    @cached_property
    def transmissions(self) -> list[list[Transmission]]:
        """By record id, the request frames that carried the record, in order."""
        trails, trail_of = self.trails
        return [trails[trail] for trail in trail_of]

    @cached_property
    def trails(self) -> tuple[list[list[Transmission]], list[int]]:
        """The distinct sequences of transmissions (trails), and by record id the index of its
        trail.

        The records of a batch share one trail. Each request frame extends every trail that its
        records had by one new trail, so that a record needs no list of its own.
        """
        trails: list[list[Transmission]] = [[]]
        trail_of = [0] * len(self.records)
        topic = self.scenario.topic.name
        for read in self.requests:
            carried = self._ids_by_transmission.setdefault(read.transmission, [])
            entries = self._batches_by_transmission.setdefault(read.transmission, [])
            for entry, (name, partition, data) in enumerate(read.carried):
                if name != topic:
                    continue
                transmission = Transmission(
                    read.transmission,
                    read.t,
                    read.connection,
                    partition,
                    read.client_id,
                    read.n,
                    entry,
                )
                led_on: dict[int, int] = {}
                latest, onward = -1, 0  # most records were in the trail of the one before them
                batches = self.record_ids.batches_in(data)
                entries.append((partition, batches))
                ids = ids_of(batches)
                carried += ids
                for record_id in ids:
                    trail = trail_of[record_id]
                    if trail != latest:
                        if trail not in led_on:
                            led_on[trail] = len(trails)
                            trails.append([*trails[trail], transmission])
                        latest, onward = trail, led_on[trail]
                    trail_of[record_id] = onward
        return trails, trail_of

    @property
    def batches(self) -> list[TransmittedBatch]:
        """Each transmitted batch once."""
        assert self.trails
        return self.record_ids.batches

    @property
    def ids_by_transmission(self) -> dict[int, list[int]]:
        """By number of the request frame, the ids of its records."""
        assert self.trails
        return self._ids_by_transmission

    @property
    def batches_by_transmission(self) -> dict[int, list[tuple[int, list[TransmittedBatch]]]]:
        """By number of the request frame, partition and batches of each entry for the topic."""
        assert self.trails
        return self._batches_by_transmission

    @property
    def copies(self) -> list[tuple[Copy, ...]]:
        """By record id, the stored copies of the record, in the order of the logs; those of earlier
        incarnations come first."""
        return self._stored.copies

    @property
    def reported_copies(self) -> list[Copy | None]:
        """By record id, a copy at the partition and offset that the client reported; None if there
        is none, or if the client reported no place."""
        return self._stored.reported

    @property
    def phantoms(self) -> list[Phantom]:
        """Stored records whose value was never sent, or not in the request that stored it where a
        fault altered that request."""
        return self._stored.phantoms

    @property
    def other_keys(self) -> list[tuple[int, Copy]]:
        """Ids and copies of records that are stored with another key than their own.

        An empty key in place of none is no other key: some clients cannot send a record without.
        """
        return self._stored.other_keys

    @property
    def unbrought(self) -> list[tuple[int, Copy]]:
        """Ids and copies of records that are stored where no request brought them."""
        return self._stored.unbrought

    @property
    def several_copies(self) -> set[int]:
        """The ids of the records with more than one copy."""
        return self._stored.several

    @cached_property
    def _stored(self) -> _Stored:
        """What is stored, from one pass over the logs."""
        records, (trails, trail_of) = self.records, self.trails
        found = _Stored([()] * len(records), [None] * len(records), [], [], [], set())
        copies, reported, new = found.copies, found.reported, tuple.__new__
        several = found.several
        altered = self.altered_requests
        for incarnation, partition, log in self.logs:
            appends = iter(self._appends[0].get((incarnation, partition), ()))
            base, end, number, fault, _ = next(appends, _NOWHERE)
            brought = -1  # a trail with the request of the current append
            known = self.record_ids.of_values([record.value for record in log])
            for record, record_id in zip(log, known, strict=True):
                offset, key = record.offset, record.key
                while offset >= end:
                    base, end, number, fault, _ = next(appends, _NOWHERE)
                    brought = -1
                if record_id is None:
                    record_id = self.record_ids.of_key(key, record.value)
                    if record_id is None and self.record_ids.is_equal(key, record.value):
                        continue  # counted by stored_equal
                if record_id is None or (altered and self._is_altered(record_id, number)):
                    phantom = Phantom(partition, offset, record.value, incarnation)
                    found.phantoms.append(phantom)
                    continue
                # Faster than calling Copy.
                copy = (
                    new(Copy, (partition, offset, number, fault, incarnation, record.timestamp_ms))
                    if base <= offset
                    else Copy(partition, offset, None, None, incarnation, record.timestamp_ms)
                )
                others, sent = copies[record_id], records[record_id]
                if others:
                    copies[record_id] = (*others, copy)
                    several.add(record_id)
                else:
                    copies[record_id] = (copy,)
                if sent.offset == offset and sent.partition == partition:
                    reported[record_id] = copy
                if key != sent.key and (sent.key is not None or key) and self.sees_calls:
                    found.other_keys.append((record_id, copy))
                trail = trail_of[record_id]
                if trail != brought or offset < base:
                    if any(t.number == copy[2] and t.partition == partition for t in trails[trail]):
                        brought = trail
                    else:
                        found.unbrought.append((record_id, copy))
        return found

    def _is_altered(self, record_id: int, number: int | None) -> bool:
        """Whether a stored record came with an altered request that did not carry it: a flipped bit
        can make the value of another record."""
        return number in self.altered_requests and record_id not in self.ids_by_transmission[number]

    @cached_property
    def stored_equal(self) -> Mapping[bytes, int]:
        """By value, how many stored records are among those that are equal; 0 for others."""
        if not self.without_id:
            return Counter()
        stored = (record for _, _, log in self.logs for record in log)
        return Counter(r.value for r in stored if self.record_ids.is_equal(r.key, r.value))

    @property
    def logs(self) -> Iterator[tuple[int, int, Sequence[Record]]]:
        """Incarnation, partition and records of each log."""
        for incarnation, logs in enumerate(self.history.incarnations):
            for partition, log in logs.items():
                yield incarnation, partition, log

    def append_at(self, incarnation: int, partition: int, offset: int) -> int | None:
        """Return the number of the request frame that carried the record at an offset; None if no
        event shows it."""
        appends = self._appends[0].get((incarnation, partition), [])
        place = bisect_right(appends, offset, key=_base) - 1
        if place < 0:
            return None
        _, end, transmission, _, _ = appends[place]
        return transmission if offset < end else None

    @property
    def left_out(self) -> list[LeftOut]:
        """The appends that elections left out of the partition."""
        return self._appends[1]

    @cached_property
    def _appends(self) -> tuple[dict[tuple[int, int], list[_Append]], list[LeftOut]]:
        """By incarnation and partition, the appends, and those that elections left out, which are
        not among them."""
        kept: dict[tuple[int, int], list[_Append]] = {}
        left_out: list[LeftOut] = []
        topic = self.scenario.topic.name
        ends = [each.n for each in self.events_of(TopicDeleted) if each.topic == topic]
        changes: Iterable[Appended | LeaderElected] = self.events_of(Appended)
        if elected := self.events_of(LeaderElected):
            changes = merge(changes, elected, key=_number)
        for change in changes:
            if change.topic != topic:
                continue
            assert change.partition is not None
            place = (bisect_left(ends, change.n) if ends else 0), change.partition
            appends = kept.get(place)
            if appends is None:
                appends = kept[place] = []
            if isinstance(change, Appended):
                base, number = change.base_offset, change.transmission
                end = base + change.records
                appends.append((base, end, number, change.copied_by, change.entry))
                continue
            while appends and appends[-1][1] > change.kept_to:
                base, end, number, _, entry = appends.pop()
                left_out.append(LeftOut(number, entry, base, end))
        return kept, left_out

    @cached_property
    def altered_requests(self) -> frozenset[int]:
        """The numbers of the requests whose records may be stored in altered form."""
        return frozenset(
            hit.transmission
            for hit in self.events_of(FaultHit)
            if not hit.shadowed
            and hit.at is CutPoint.REQUEST
            and not MODELLED.issuperset(hit.effects)
        )

    @cached_property
    def hits_by_transmission(self) -> dict[int, list[FaultHit]]:
        """By number of the request frame, the fault hits on the request or on an answer to it."""
        found: dict[int, list[FaultHit]] = {}
        for hit in self.events_of(FaultHit):
            found.setdefault(hit.transmission, []).append(hit)
        return found

    @cached_property
    def answered_at(self) -> dict[int, float]:
        """By number of the request frame, when the first answer to it was written in full."""
        found: dict[int, float] = {}
        for written in self.events_of(FrameWritten):
            if written.whole:
                found.setdefault(written.transmission, written.t)
        return found

    # --- figures

    @cached_property
    def sent(self) -> list[SentRecord]:
        """The records of the workload, without probes."""
        return [r for r in self.records if not r.probe] if self.probes else self.records

    @cached_property
    def by_outcome(self) -> dict[Outcome, list[SentRecord]]:
        """The records with each outcome, probes included."""
        found: dict[Outcome, list[SentRecord]] = {"ok": [], "failed": [], "unknown": []}
        for record in self.records:
            found[record.outcome].append(record)
        return found

    @property
    def acknowledged(self) -> list[SentRecord]:
        """The records that the client reported as stored, probes included."""
        return self.by_outcome["ok"]

    @cached_property
    def unacknowledged(self) -> list[SentRecord]:
        """The records that the client did not report as stored, probes included."""
        others = (*self.by_outcome["failed"], *self.by_outcome["unknown"])
        return sorted(others, key=lambda record: record.id)

    @cached_property
    def unaccepted(self) -> list[SentRecord]:
        """The records whose send did not return as accepted, probes included."""
        return [record for record in self.records if record.taken_at is None]

    @cached_property
    def probes(self) -> list[SentRecord]:
        """The records that were sent after healing."""
        return [record for record in self.records if record.probe]

    @cached_property
    def figures(self) -> Mapping[str, int]:
        """How many workload records were ``sent`` and how many had each outcome, by the keys of
        ``Expectations``, in the order of reports."""
        outcome = {name: len(records) for name, records in self.by_outcome.items()}
        for probe in self.probes:
            outcome[probe.outcome] -= 1
        without_id = self.without_id
        counts = [
            len(copies)
            for record, copies in zip(self.records, self.copies, strict=True)
            if len(copies) != 1 and not record.probe and record.id not in without_id
        ]
        lost = counts.count(0)
        duplicated = len(counts) - lost
        for value, ids in self.record_ids.equal.items():
            more = self.stored_equal[value] - len(ids)
            lost += max(0, -more)
            duplicated += max(0, more)
        return {
            "sent": len(self.sent),
            "acknowledged": outcome["ok"],
            "failed": outcome["failed"],
            "unknown": outcome["unknown"],
            "lost": lost,
            "duplicated": duplicated,
        }


def _number(event: Event) -> int:
    return event.n


def _base(append: _Append) -> int:
    return append[0]


_OF_CLIENT = frozenset(CLIENT_EVENTS)

_NOWHERE = (inf, inf, None, None, 0)
