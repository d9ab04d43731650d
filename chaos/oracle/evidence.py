"""A history with what the checks need at hand: transmissions, copies, answers, each made once."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar, cast

from chaos.history import History, SentRecord
from simulator.events import Appended, Event, FaultHit, FrameRead, FrameWritten
from wire.batch import decode_values, iter_batches
from wire.codec import WireError
from wire.codec.types import Buffer

T = TypeVar("T")
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Transmission:
    """One request frame that carried a record, as the simulator's side saw it."""

    number: int
    """Counts all request frames of the run, from 1."""
    t: float
    connection: int
    partition: int
    client_id: str | None
    n: int = 0
    """Where it stands in the order of the events."""


class Copy(NamedTuple):
    """One stored copy of a record; a tuple, since there are as many as records."""

    partition: int
    offset: int
    transmission: int | None
    """The request frame that it came with; None if no event says it."""
    copied_by: str | None
    """The fault that made this copy, if the network did."""


class Phantom(NamedTuple):
    """One stored record whose value nobody sent."""

    partition: int
    offset: int
    value: bytes


class Evidence:
    """A history with what the checks need at hand, each made once, in one pass.

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
        self._made: dict[Callable[[Evidence], object], object] = {}

    def once(self, make: "Callable[[Evidence], T]") -> T:
        """What a function makes of this evidence, made once for all who ask."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast("T", self._made[make])

    def events_of(self, cls: type[E]) -> list[E]:
        """All events of one class, in order."""
        return self._by_class.get(cls, [])

    @cached_property
    def requests(self) -> list[FrameRead]:
        """The frames of produce requests that carried records."""
        return [read for read in self.events_of(FrameRead) if read.carried]

    @cached_property
    def transmissions(self) -> list[list[Transmission]]:
        """By id, the request frames that carried a record, in order."""
        trails, trail_of = self.trails
        return [trails[trail] for trail in trail_of]

    @cached_property
    def trails(self) -> tuple[list[list[Transmission]], list[int]]:
        """The ways that records went, and by id the number of a record's way.

        The records of a batch all go the same way. So each request frame makes one new way out of
        each that led up to it, and a record costs no list of its own.
        """
        trails: list[list[Transmission]] = [[]]
        trail_of = [0] * len(self.records)
        topic = self.scenario.topic.name
        for read in self.requests:
            for name, partition, data in read.carried:
                if name != topic:
                    continue
                transmission = Transmission(
                    read.transmission, read.t, read.connection, partition, read.client_id, read.n
                )
                led_on: dict[int, int] = {}
                for record_id in self.ids_of(data):
                    trail = trail_of[record_id]
                    if trail not in led_on:
                        led_on[trail] = len(trails)
                        trails.append([*trails[trail], transmission])
                    trail_of[record_id] = led_on[trail]
        return trails, trail_of

    @property
    def batches(self) -> list[list[int]]:
        """The ids of the records in each batch that was transmitted."""
        assert self.trails
        return list(self._batches.values())

    @cached_property
    def ids_by_transmission(self) -> dict[int, list[int]]:
        """By number of the request frame, the ids of the records that it carried."""
        found: dict[int, list[int]] = {}
        for read in self.requests:
            ids = found.setdefault(read.transmission, [])
            for _, _, data in read.carried:
                ids.extend(self.ids_of(data))
        return found

    @property
    def copies(self) -> list[list[Copy]]:
        """By id, the stored copies of a record, in the order of the log."""
        return self._stored[0]

    @property
    def phantoms(self) -> list[Phantom]:
        """Stored records whose value nobody sent."""
        return self._stored[1]

    @property
    def other_keys(self) -> list[tuple[int, Copy]]:
        """Ids and copies of records that are stored under another key than theirs.

        A client that knows no records without a key sends an empty one.
        """
        return self._stored[2]

    @cached_property
    def _stored(self) -> tuple[list[list[Copy]], list[Phantom], list[tuple[int, Copy]]]:
        """One pass over the logs."""
        copies: list[list[Copy]] = [[] for _ in self.records]
        phantoms: list[Phantom] = []
        other_keys: list[tuple[int, Copy]] = []
        records, id_of, new = self.records, self._id_of_value.get, tuple.__new__
        for partition, log in self.history.logs.items():
            appends = iter(self._appends.get(partition, ()))
            base, end, transmission, fault = next(appends, _NOWHERE)
            for record in log:
                offset = record.offset
                while offset >= end:
                    base, end, transmission, fault = next(appends, _NOWHERE)
                record_id = id_of(record.value)
                if record_id is None:
                    phantoms.append(Phantom(partition, offset, record.value))
                    continue
                copy = (
                    new(Copy, (partition, offset, transmission, fault))  # less than a call of Copy
                    if base <= offset
                    else Copy(partition, offset, None, None)
                )
                copies[record_id].append(copy)
                key, sent = record.key, records[record_id].key
                if key != sent and (key or sent):
                    other_keys.append((record_id, copy))
        return copies, phantoms, other_keys

    def append_at(self, partition: int, offset: int) -> int | None:
        """The number of the request frame that brought what is stored at an offset; None if no
        event says it.
        """
        for base, end, transmission, _ in self._appends.get(partition, ()):
            if base <= offset < end:
                return transmission
        return None

    @cached_property
    def _appends(self) -> dict[int, list[tuple[float, float, int | None, str | None]]]:
        """By partition, the appends: first offset, offset behind the last, where from."""
        found: dict[int, list[tuple[float, float, int | None, str | None]]] = {}
        for append in self.events_of(Appended):
            if append.topic == self.scenario.topic.name:
                assert append.partition is not None
                found.setdefault(append.partition, []).append(
                    (append.base_offset, append.end, append.transmission, append.copied_by)
                )
        return found

    @cached_property
    def hits_by_transmission(self) -> dict[int, list[FaultHit]]:
        """By number of the request frame, the faults that struck it or an answer to it."""
        found: dict[int, list[FaultHit]] = {}
        for hit in self.events_of(FaultHit):
            found.setdefault(hit.transmission, []).append(hit)
        return found

    @cached_property
    def answered_at(self) -> dict[int, float]:
        """By number of the request frame, when an answer to it was first written in full."""
        found: dict[int, float] = {}
        for written in self.events_of(FrameWritten):
            if written.whole:
                found.setdefault(written.transmission, written.t)
        return found

    # --- which record bytes are

    def id_of(self, value: bytes) -> int | None:
        """The id of the record with exactly this value; None if none was sent."""
        return self._id_of_value.get(value)

    @cached_property
    def _id_of_value(self) -> dict[bytes, int]:
        """No two values are equal. To read the id that a value begins with takes longer."""
        return {record.value: record.id for record in self.records}

    def ids_of(self, data: Buffer) -> list[int]:
        """The ids of the records in some batches; what was not sent is left out.

        A retry carries the same batches again, perhaps fewer of them, and each is decoded once.
        """
        found: list[int] = []
        try:
            for _, batch in iter_batches(data):
                raw = bytes(batch)
                ids = self._batches.get(raw)
                if ids is None:
                    known = map(self._id_of_value.get, map(bytes, decode_values(raw)))
                    ids = self._batches[raw] = [n for n in known if n is not None]
                found += ids
        except WireError:
            pass  # what does not decode has no records
        return found

    # --- figures

    @cached_property
    def sent(self) -> list[SentRecord]:
        """The records of the workload, without probes."""
        return [record for record in self.records if not record.probe]

    @cached_property
    def figures(self) -> Mapping[str, int]:
        """How many records of the workload had each outcome, by the words of ``Expect``, and how
        many were ``sent``.
        """
        outcome = {"ok": 0, "failed": 0, "unknown": 0}
        lost = duplicated = 0
        for record, copies in zip(self.records, self.copies, strict=True):
            if record.probe:
                continue
            outcome[record.outcome] += 1
            if len(copies) != 1:
                lost += not copies
                duplicated += bool(copies)
        return {
            "sent": sum(outcome.values()),
            "acknowledged": outcome["ok"],
            "failed": outcome["failed"],
            "unknown": outcome["unknown"],
            "lost": lost,
            "duplicated": duplicated,
        }

    def count(self, what: str) -> int:
        """How many records of the workload had an outcome; the words are those of ``figures``."""
        return self.figures[what]


_NOWHERE = (float("inf"), float("inf"), None, None)
