"""A history, indexed for the checks: transmissions, copies and answers, each computed once."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar, cast

from chaos.history import History, SentRecord
from simulator.events import Appended, Event, FaultHit, FrameRead, FrameWritten, TopicDeleted
from wire.batch import Record, decode_batch, decode_values, iter_batches
from wire.codec import WireError
from wire.codec.types import Buffer

T = TypeVar("T")
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Transmission:
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


class Phantom(NamedTuple):
    """One stored record whose value was never sent."""

    partition: int
    offset: int
    value: bytes
    incarnation: int


class Evidence:
    """A history, indexed for the checks; each index is computed once.

    Args:
        history: the run.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.scenario = history.scenario
        self.records = history.records
        self._by_class: defaultdict[type[Event], list[Any]] = defaultdict(list)
        for happened in history.events:
            self._by_class[type(happened)].append(happened)
        self._batches: dict[bytes, list[int]] = {}
        self._ids_by_transmission: dict[int, list[int]] = {}
        self._made: dict[Callable[[Evidence], object], object] = {}

    def once(self, make: "Callable[[Evidence], T]") -> T:
        """Return the result of a function of this evidence, computed on the first call only."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast("T", self._made[make])

    def events_of(self, cls: type[E]) -> list[E]:
        """Return all events of one class, in order."""
        return self._by_class.get(cls, [])

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
                ids = self.ids_of(data)
                carried += ids
                for record_id in ids:
                    trail = trail_of[record_id]
                    if trail not in led_on:
                        led_on[trail] = len(trails)
                        trails.append([*trails[trail], transmission])
                    trail_of[record_id] = led_on[trail]
        return trails, trail_of

    @property
    def batches(self) -> list[list[int]]:
        """The record ids of each transmitted batch."""
        assert self.trails
        return list(self._batches.values())

    @property
    def ids_by_transmission(self) -> dict[int, list[int]]:
        """By number of the request frame, the ids of its records."""
        assert self.trails
        return self._ids_by_transmission

    @property
    def copies(self) -> list[list[Copy]]:
        """By record id, the stored copies of the record, in the order of the logs; those of earlier
        incarnations come first."""
        return self._stored[0]

    @property
    def phantoms(self) -> list[Phantom]:
        """Stored records whose value was never sent."""
        return self._stored[1]

    @property
    def other_keys(self) -> list[tuple[int, Copy]]:
        """Ids and copies of records that are stored with another key than their own.

        An empty key in place of none is no other key: some clients cannot send a record without.
        """
        return self._stored[2]

    @cached_property
    def _stored(self) -> tuple[list[list[Copy]], list[Phantom], list[tuple[int, Copy]]]:
        """The copies, phantoms and wrong keys, from one pass over the logs."""
        copies: list[list[Copy]] = [[] for _ in self.records]
        phantoms: list[Phantom] = []
        other_keys: list[tuple[int, Copy]] = []
        records, id_of, new = self.records, self._id_of_value.get, tuple.__new__
        for incarnation, partition, log in self.logs:
            appends = iter(self._appends.get((incarnation, partition), ()))
            base, end, transmission, fault = next(appends, _NOWHERE)
            for record in log:
                offset = record.offset
                while offset >= end:
                    base, end, transmission, fault = next(appends, _NOWHERE)
                record_id = id_of(record.value)
                if not record.value:
                    record_id = self._id_of_key.get(record.key)
                    if record_id is None and not record.key and self.without_id:
                        continue  # counted by stored_without_id
                if record_id is None:
                    phantoms.append(Phantom(partition, offset, record.value, incarnation))
                    continue
                copy = (
                    # faster than calling Copy
                    new(Copy, (partition, offset, transmission, fault, incarnation))
                    if base <= offset
                    else Copy(partition, offset, None, None, incarnation)
                )
                copies[record_id].append(copy)
                key, sent = record.key, records[record_id].key
                if key != sent and (sent is not None or key):
                    other_keys.append((record_id, copy))
        return copies, phantoms, other_keys

    @cached_property
    def stored_without_id(self) -> int:
        """The number of stored records that have neither a value nor a key."""
        if not self.without_id:
            return 0
        return sum(not r.value and not r.key for _, _, log in self.logs for r in log)

    @property
    def logs(self) -> Iterator[tuple[int, int, Sequence[Record]]]:
        """Incarnation, partition and records of each log."""
        for incarnation, logs in enumerate(self.history.incarnations):
            for partition, log in logs.items():
                yield incarnation, partition, log

    def append_at(self, incarnation: int, partition: int, offset: int) -> int | None:
        """Return the number of the request frame that carried the record at an offset; None if no
        event shows it."""
        appends = self._appends.get((incarnation, partition), [])
        place = bisect_right(appends, float(offset), key=_base) - 1
        if place < 0:
            return None
        _, end, transmission, _ = appends[place]
        return transmission if offset < end else None

    @cached_property
    def _appends(
        self,
    ) -> dict[tuple[int, int], list[tuple[float, float, int | None, str | None]]]:
        """By incarnation and partition, the appends: first offset, offset after the last, request
        frame, copying fault."""
        found: dict[tuple[int, int], list[tuple[float, float, int | None, str | None]]] = {}
        topic = self.scenario.topic.name
        ends = [each.n for each in self.events_of(TopicDeleted) if each.topic == topic]
        for append in self.events_of(Appended):
            if append.topic == topic:
                assert append.partition is not None
                incarnation = bisect_left(ends, append.n) if ends else 0
                found.setdefault((incarnation, append.partition), []).append(
                    (append.base_offset, append.end, append.transmission, append.copied_by)
                )
        return found

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

    # --- from bytes to record ids

    @cached_property
    def _id_of_value(self) -> dict[bytes, int]:
        """Ids by value: all values but empty ones differ, and parsing the id at the start of a
        value is slower."""
        return {record.value: record.id for record in self.records if record.value}

    @cached_property
    def _id_of_key(self) -> dict[bytes | None, int]:
        """Ids of the records with an empty value by their keys, which hold the id."""
        return {record.key: record.id for record in self.records if not record.value and record.key}

    @cached_property
    def without_id(self) -> frozenset[int]:
        """The ids of the records that have neither a value nor a key, and are equal."""
        return frozenset(r.id for r in self.records if not r.value and not r.key)

    def _ids_by_key(self, batch: bytes, *, check_crc: bool) -> list[int]:
        """Return the ids of the records of a batch in which a value is empty."""
        known = (
            self._id_of_value.get(record.value) if record.value else self._id_of_key.get(record.key)
            for record in decode_batch(batch, check_crc=check_crc)[1]
        )
        return [n for n in known if n is not None]

    def ids_of(self, data: Buffer) -> list[int]:
        """Return the ids of the records in some batches; records that were never sent are left out.

        A retry carries the same batches again, perhaps fewer of them; each batch is decoded once.
        """
        found: list[int] = []
        try:
            for _, batch in iter_batches(data):
                # One batch in one piece has its hash already.
                raw = data if isinstance(data, bytes) and len(batch) == len(data) else bytes(batch)
                ids = self._batches.get(raw)
                if ids is None:
                    ids = self._batches[raw] = self.ids_in(raw)
                found += ids
        except WireError:
            pass  # a batch that does not decode has no records
        return found

    def ids_in(self, batch: bytes, *, check_crc: bool = True) -> list[int]:
        """Return the ids of the records in one batch, without those that were never sent.

        Raises:
            WireError: the batch does not decode.
        """
        values = list(map(bytes, decode_values(batch, check_crc=check_crc)))
        if b"" in values:
            return self._ids_by_key(batch, check_crc=check_crc)
        return [n for n in map(self._id_of_value.get, values) if n is not None]

    # --- figures

    @cached_property
    def sent(self) -> list[SentRecord]:
        """The records of the workload, without probes."""
        return [record for record in self.records if not record.probe]

    @cached_property
    def figures(self) -> Mapping[str, int]:
        """How many workload records were ``sent`` and how many had each outcome, by the keys of
        ``Expectations``."""
        outcome = {"ok": 0, "failed": 0, "unknown": 0}
        lost = duplicated = 0
        for record, copies in zip(self.records, self.copies, strict=True):
            if record.probe:
                continue
            outcome[record.outcome] += 1
            if record.id in self.without_id:
                continue
            if len(copies) != 1:
                lost += not copies
                duplicated += bool(copies)
        lost += max(0, len(self.without_id) - self.stored_without_id)
        duplicated += max(0, self.stored_without_id - len(self.without_id))
        return {
            "sent": sum(outcome.values()),
            "acknowledged": outcome["ok"],
            "failed": outcome["failed"],
            "unknown": outcome["unknown"],
            "lost": lost,
            "duplicated": duplicated,
        }

    def count(self, what: str) -> int:
        """Return one of the ``figures``."""
        return self.figures[what]


def _base(append: tuple[float, float, int | None, str | None]) -> float:
    return append[0]


_NOWHERE = (float("inf"), float("inf"), None, None)
