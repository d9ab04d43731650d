"""What one run did: what the client was asked and told, joined with what the simulator saw.

One list holds everything in the order in which it happened: the entries of the simulator's journal
and the events of the client. Beside it stand the records that were sent, with what the client was
told of each, the calls that were made, and the logs as they were in the end. The judge
(``checks/``) reads this and nothing else.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeVar, cast

from chaos.spec.scenario import Scenario
from simulator.events import Entry
from simulator.faults.plan import FaultCount
from wire.batch import Record, decode_values, iter_batches
from wire.codec import WireError
from wire.codec.types import Buffer

T = TypeVar("T")

Told = Literal["ok", "failed", "unknown"]
"""An outcome as the client knows it: *ok*; *failed*, certainly not stored; *unknown*, possibly
stored, or nothing was said within the bound."""

Op = Literal["connect", "send", "send_all", "flush", "wait", "probe", "close"]


@dataclass(slots=True)
class SentRecord:
    """One record and what the client was told of it."""

    id: int
    """From 0, in the order of sending."""
    key: bytes | None
    value: bytes
    """Starts with the id, so that no two are equal."""
    call: int
    """The number of the call that sent it."""
    sent_at: float
    """When the client was asked to send it."""
    taken_at: float | None = None
    """When the client had taken it in; None if it did not."""
    probe: bool = False
    """Sent after healing, to see whether the producer still works."""
    told: Told = "unknown"
    told_at: float | None = None
    """None if the client was told nothing."""
    partition: int | None = None
    """Where the client was told that it is."""
    offset: int | None = None
    error: str | None = None
    """What the client was told went wrong."""
    asked_at: float | None = None
    """When the client was asked; None if it tells by itself, at once. What is told right after it
    was asked for may have been known for long."""
    queue_full: bool = False
    """It was not even taken in: the producer had no room for it in time."""


@dataclass(slots=True)
class Call:
    """One call of the client's interface."""

    n: int
    """From 0, in the order of starting."""
    op: Op
    started: float
    ended: float | None = None
    """None if it did not end before the harness gave it up."""
    given_up: float | None = None
    """When the harness gave it up."""
    outcome: Told = "unknown"
    error: str | None = None
    first: int = 0
    """The id that the next record would have had when the call started."""
    open_before: int = 0
    """How many records were unsettled when it started."""
    open_after: Sequence[int] = ()
    """Of a flush: the ids of records sent before it that were unsettled when it ended."""


@dataclass(slots=True)
class ClientEvent:
    """Something that happened on the client's side."""

    t: float
    kind: Literal["call", "return", "sent", "told", "cluster"]
    what: str
    """The operation, or what was told."""
    call: int | None = None
    id: int | None = None
    detail: str | None = None

    def to_json(self) -> str:
        """One line of JSON Lines, without its end."""
        present: dict[str, Any] = {"t": round(self.t, 6), "kind": self.kind, "what": self.what}
        for name in ("call", "id", "detail"):
            if (value := getattr(self, name)) is not None:
                present[name] = value
        return json.dumps(present, ensure_ascii=False)


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
    """Where it stands in the journal."""


class Copy(NamedTuple):
    """One stored copy of a record; a tuple, since there are as many as records."""

    partition: int
    offset: int
    transmission: int | None
    """The request frame that it came with; None if the journal does not say."""
    copied_by: str | None
    """The fault that made this copy, if the network did."""


class Stranger(NamedTuple):
    """One stored record whose value nobody sent."""

    partition: int
    offset: int
    value: bytes


class Unreadable(NamedTuple):
    """One stored batch that does not decode."""

    partition: int
    offset: int
    """Of its first record."""
    records: int
    """How many it says that it has."""
    why: str


@dataclass(slots=True)
class History:
    """Everything that is known of one run."""

    scenario: Scenario
    world: str
    events: list[Entry | ClientEvent] = field(default_factory=list)
    """Everything in the order in which it happened."""
    records: list[SentRecord] = field(default_factory=list)
    """By id."""
    calls: list[Call] = field(default_factory=list)
    logs: dict[int, Sequence[Record]] = field(default_factory=dict)
    """What each partition held in the end."""
    unreadable: list[Unreadable] = field(default_factory=list)
    """Batches in there that do not decode; their records are not in ``logs``."""
    faults: Mapping[str, FaultCount] = field(default_factory=dict)
    """How often each fault struck."""
    healed_at: float | None = None
    """When all faults were lifted; None if the run did not get there."""
    drained: bool = False
    """Whether nothing was in flight any more when the logs were read."""
    silent: str | None = None
    """What the client did not answer, for as long as a step may take; it was ended then."""
    not_applicable: Sequence[str] = ()
    """What of the scenario the client cannot do, and what it did instead; the scenario here has
    its options."""
    crash: str | None = None
    """An error of the client that belongs to no call: the client is broken."""
    defect: str | None = None
    """An error of the harness itself: the run says nothing."""

    def to_jsonl(self) -> str:
        """The whole history as JSON Lines."""
        return "".join(event.to_json() + "\n" for event in self.events)

    def trace(self) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
        """What the client, and what the simulator saw of records, without times, ports and texts.

        For closed loops, where each record is settled before the next is sent, it is the same in
        every world. Each side has its own order: which of two sides acts first is a matter of time.
        """
        client: list[tuple[object, ...]] = []
        simulator: list[tuple[object, ...]] = []
        for event in self.events:
            if isinstance(event, ClientEvent):
                if event.kind in ("sent", "told"):
                    where = event.detail if event.what == "ok" else None
                    client.append((event.kind, event.what, event.id, where))
            elif event.api == "produce":
                simulator.append(
                    (
                        *(event.kind, event.connection, event.direction, event.partition),
                        *(event.base_offset, event.records, event.fault, event.ordinal),
                    )
                )
        return client, simulator


class Evidence:
    """A history with what the checks need at hand, each made once, in one pass.

    Args:
        history: the run.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.scenario = history.scenario
        self.records = history.records
        self._batches: dict[bytes, list[int]] = {}
        self._made: dict[Callable[[Evidence], object], object] = {}

    def once(self, make: "Callable[[Evidence], T]") -> T:
        """What a function makes of this evidence, made once for all who ask."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast("T", self._made[make])

    @cached_property
    def entries(self) -> list[Entry]:
        """The journal."""
        return [event for event in self.history.events if isinstance(event, Entry)]

    @cached_property
    def requests(self) -> list[Entry]:
        """The frames of produce requests that carried records."""
        return [
            entry
            for entry in self.entries
            if entry.carried and entry.direction == "request" and entry.kind == "frame"
        ]

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
        for entry in self.requests:
            assert entry.transmission is not None
            assert entry.connection is not None
            for name, partition, data in entry.carried:
                if name != topic:
                    continue
                transmission = Transmission(
                    entry.transmission,
                    entry.t,
                    entry.connection,
                    partition,
                    entry.client_id,
                    entry.n,
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
        for entry in self.requests:
            assert entry.transmission is not None
            ids = found.setdefault(entry.transmission, [])
            for _, _, data in entry.carried:
                ids.extend(self.ids_of(data))
        return found

    @property
    def copies(self) -> list[list[Copy]]:
        """By id, the stored copies of a record, in the order of the log."""
        return self._stored[0]

    @property
    def strangers(self) -> list[Stranger]:
        """Stored records whose value nobody sent."""
        return self._stored[1]

    @property
    def other_keys(self) -> list[tuple[int, Copy]]:
        """Ids and copies of records that are stored under another key than theirs.

        A client that knows no records without a key sends an empty one.
        """
        return self._stored[2]

    @cached_property
    def _stored(self) -> tuple[list[list[Copy]], list[Stranger], list[tuple[int, Copy]]]:
        """One pass over the logs."""
        copies: list[list[Copy]] = [[] for _ in self.records]
        strangers: list[Stranger] = []
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
                    strangers.append(Stranger(partition, offset, record.value))
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
        return copies, strangers, other_keys

    @cached_property
    def _appends(self) -> dict[int, list[tuple[float, float, int | None, str | None]]]:
        """By partition, the appends: first offset, offset behind the last, where from."""
        found: dict[int, list[tuple[float, float, int | None, str | None]]] = {}
        for entry in self.entries:
            if entry.kind == "append" and entry.topic == self.scenario.topic.name:
                assert entry.partition is not None
                assert entry.base_offset is not None
                assert entry.records is not None
                end = entry.base_offset + entry.records
                found.setdefault(entry.partition, []).append(
                    (entry.base_offset, end, entry.transmission, entry.fault)
                )
        return found

    @cached_property
    def verdicts_by_transmission(self) -> dict[int, list[Entry]]:
        """By number of the request frame, the verdicts that struck it or an answer to it."""
        found: dict[int, list[Entry]] = {}
        for entry in self.entries:
            if entry.kind == "verdict" and entry.transmission is not None:
                found.setdefault(entry.transmission, []).append(entry)
        return found

    @cached_property
    def answered_at(self) -> dict[int, float]:
        """By number of the request frame, when an answer to it was first written in full."""
        found: dict[int, float] = {}
        for entry in self.entries:
            if (
                entry.kind == "frame"
                and entry.direction == "response"
                and entry.transmission is not None
                and not (entry.detail or "").startswith("cut")
            ):
                found.setdefault(entry.transmission, entry.t)
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
        told = {"ok": 0, "failed": 0, "unknown": 0}
        lost = duplicated = 0
        for record, copies in zip(self.records, self.copies, strict=True):
            if record.probe:
                continue
            told[record.told] += 1
            if len(copies) != 1:
                lost += not copies
                duplicated += bool(copies)
        return {
            "sent": sum(told.values()),
            "acknowledged": told["ok"],
            "failed": told["failed"],
            "unknown": told["unknown"],
            "lost": lost,
            "duplicated": duplicated,
        }

    def count(self, what: str) -> int:
        """How many records of the workload had an outcome; the words are those of ``figures``."""
        return self.figures[what]


_NOWHERE = (float("inf"), float("inf"), None, None)
