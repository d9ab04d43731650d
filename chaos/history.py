"""The history of one run: what the client did and reported, and what the simulator saw and stored.

One list holds all events of both sides in the order in which they happened. Beside it are the
records that were sent, with their outcomes, the calls, and the final logs. The judge (``oracle/``)
reads a history and nothing else.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from chaos.consumption import CONSUMER_EVENTS, Consumption
from chaos.reports import COUNTERS as COUNTERS
from chaos.reports import DeliveryReported as DeliveryReported
from chaos.reports import Outcome as Outcome
from chaos.reports import OutcomeReport as OutcomeReport
from chaos.reports import ProducerReport as ProducerReport
from chaos.reports import ReportSource as ReportSource
from chaos.spec.scenario import Scenario
from simulator.events import (
    Appended,
    Event,
    ExchangeEvent,
    FaultHit,
    FrameRead,
    FrameWritten,
    event,
    event_from,
)
from simulator.faults.armed import FaultCount
from wire.batch import Record


class Need(StrEnum):
    """What a history may lack because the world or the driver can never give it."""

    FRAMES = "frames"
    """The request frames that the servers read, and the answers that they wrote."""
    APPENDS = "appends"
    """The batches that the servers stored, each with its request."""
    LOGS = "logs"
    """The final log of each partition."""
    CALLS = "calls"
    """The calls of the client, with their arguments, times and outcomes."""
    OFFSETS = "offsets"
    """The partitions and offsets that the client reports for its records."""
    CLOCK = "clock"
    """One clock for the servers and the client."""
    CONSUME = "consume"
    """The records that consumers were delivered."""


Op = Literal[
    "connect", "open", "send", "send_all", "flush", "wait", "probe", "close", "leave", "raise"
]
"""The calls: ``open`` makes a further producer, ``leave`` leaves its block, ``raise`` leaves the
block by an exception of the application."""


@dataclass(slots=True)
class SentRecord:
    """One record and its outcome as the client reported it."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", ser_json_bytes="base64", val_json_bytes="base64"
    )

    id: int
    """From 0, in the order of sending."""
    key: bytes | None
    value: bytes
    """Starts with the id, so that no two values are equal; of an application that sends values of
    its own, one of these."""
    call: int
    """The number of the call that sent the record."""
    sent_at: float
    """When the send began."""
    taken_at: float | None = None
    """When the client had accepted the record; None if it did not."""
    probe: bool = False
    """Whether the record was sent after healing, to test whether the producer still works."""
    outcome: Outcome = "unknown"
    outcome_at: float | None = None
    """When the client reported the outcome; None if it did not."""
    partition: int | None = None
    """The partition that the client reported."""
    offset: int | None = None
    timestamp: int | None = None
    """The timestamp that the client reported, in milliseconds since 1970."""
    error: str | None = None
    """The error that the client reported."""
    asked_at: float | None = None
    """When the harness asked for the outcome; None if the client reports outcomes by itself, at
    once. A client that answers immediately may have known the outcome for a long time."""
    queue_full: bool = False
    """Whether the client did not accept the record because its queue had no room in time."""
    producer: int = 0
    """The number of the producer that sent the record."""
    cancelled_at: float | None = None
    """When the caller cancelled the send; whether the client accepted the record is not known."""
    waited_at: float | None = None
    """When the first call that waited for the record ended."""
    contradictions: list[OutcomeReport] = field(default_factory=list)
    """The reports that differ from the first one."""


@dataclass(slots=True)
class Call:
    """One call of the client's interface."""

    n: int
    """From 0, in the order of starting."""
    op: Op
    started: float
    ended: float | None = None
    """When the call ended; None if it was given up before."""
    given_up: float | None = None
    """When the harness gave the call up."""
    outcome: Outcome = "unknown"
    error: str | None = None
    first: int = 0
    """The id of the next record at the time when the call started."""
    open_after: Sequence[int] = ()
    """For a flush: the ids of records sent before it that were unsettled when it ended."""
    producer: int = 0
    """The number of the producer that was called."""
    cancelled_at: float | None = None
    """When the caller cancelled the call, which ended it."""
    next: int | None = None
    """The number of the first call that started after this one had ended."""
    given_up_records: int | None = None
    """For a flush or a close that failed: how many records the client reported as given up."""


@event
class CallStarted(Event):
    """The harness called the client."""

    call: int
    """The number of the call."""
    op: str


@event
class CallEnded(Event):
    """A call of the client ended, or the harness gave it up."""

    call: int
    outcome: str
    error: str | None = None
    given_up: bool = False
    """Whether the harness stopped waiting."""
    cancelled: bool = False
    """Whether the caller cancelled the call."""


@event
class RecordSent(Event):
    """The harness asked the client to send a record."""

    record: int
    """The id of the record."""
    probe: bool = False


@event
class RecordSettled(Event):
    """The client reported the outcome of a record."""

    record: int
    """The id of the record."""
    outcome: str
    partition: int | None = None
    offset: int | None = None
    error: str | None = None


class HistoryError(Exception):
    """A text is not a valid history. The message is one line with the mistake and its place."""


CLIENT_EVENTS = (CallStarted, CallEnded, RecordSent, RecordSettled, *CONSUMER_EVENTS)
"""The events of the client's side. Their ``n`` stays 0, since the simulator numbers its own
events."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One stored batch that does not decode."""

    partition: int
    offset: int
    """The offset of its first record."""
    records: int
    """How many records its header claims."""
    why: str
    incarnation: int = 0
    """The incarnation of the topic whose log holds it, from 0."""


@dataclass(slots=True)
class History:
    """Everything that is known of one run."""

    scenario: Scenario
    """The scenario with the options that were effective for the client."""
    world: str
    requested: Scenario | None = None
    """The scenario of the file, if the client did not support all of it."""
    about: Mapping[str, str] = field(default_factory=dict)
    """Information for reports, which no check reads: the file, the client, the command."""
    events: list[Event] = field(default_factory=list)
    """All events in the order in which they happened."""
    records: list[SentRecord] = field(default_factory=list)
    """All records that were sent; the index is the id."""
    calls: list[Call] = field(default_factory=list)
    reports: list[DeliveryReported] = field(default_factory=list)
    """All calls of delivery callbacks, in order."""
    producers: list[ProducerReport] = field(default_factory=list)
    """The producers of the client, by their numbers."""
    consumptions: list[Consumption] = field(default_factory=list)
    """What consumers read, by their numbers."""
    logs: dict[int, Sequence[Record]] = field(default_factory=dict)
    """By partition, the records of the final log, those that were evicted from it among them; empty
    if the topic does not exist in the end."""
    removed: list[dict[int, Sequence[Record]]] = field(default_factory=list)
    """The same for the logs that each deletion of the topic removed."""
    unreadable: list[Unreadable] = field(default_factory=list)
    """Stored batches that do not decode; their records are not in ``logs``."""
    faults: Mapping[str, FaultCount] = field(default_factory=dict)
    """By name, how often each fault fired."""
    zero_ns: Sequence[int] = ()
    """The client's time of day at the time 0 of the run, in nanoseconds since 1970, as it follows
    from its clock at the start and at the end of the run; empty if the clock was not read. The two
    differ if the clock was set in between."""
    healed_at: float | None = None
    """When all faults were lifted; None if the run did not reach this point."""
    drained: bool = False
    """Whether nothing was in flight when the logs were read."""
    silent: str | None = None
    """The call that the client did not answer within the time of a step; the client was then
    killed."""
    not_applicable: Sequence[str] = ()
    """What the client cannot do of the requested scenario, and what it did instead."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """By ``Need``, why the history can never have it; a check that needs it is not applicable."""
    crash: str | None = None
    """How the client broke: it ended by itself, violated the client protocol, or raised an
    exception that is not one of its documented errors."""
    exit: str | None = None
    """How an application ended without status 0, and so without saying that its records are stored;
    None if it said so, and for all other clients."""
    complaint: list[str] = field(default_factory=list)
    """The last lines that an application wrote to standard error."""
    not_started: str | None = None
    """Why the client could not be started; the run is evidence of nothing."""
    defect: str | None = None
    """An error of the harness itself: the run is evidence of nothing."""

    @property
    def incarnations(self) -> list[dict[int, Sequence[Record]]]:
        """The logs of each incarnation of the topic, by partition; the last one is the final
        one."""
        return [*self.removed, self.logs]

    def dumps(self) -> str:
        """Return the whole history as JSON Lines: a header, the events, everything else, an end."""
        return "".join(f"{line}\n" for line in _lines_of(self))

    @classmethod
    def loads(cls, text: str) -> "History":
        """Read a history that ``dumps`` wrote.

        Raises:
            HistoryError: the text is not a complete history of this version; the message names the
                line.
        """
        return _HistoryReader().history_of(text)

    def trace(self) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
        """Return what the client and the simulator saw of records, without times, ports and texts.

        For closed loops, in which each record is settled before the next is sent, the trace is the
        same in every world. Each side has its own list: the order between the two sides depends on
        timing.
        """
        client: list[tuple[object, ...]] = []
        simulator: list[tuple[object, ...]] = []
        for happened in self.events:
            match happened:
                case RecordSent():
                    client.append(("sent", happened.record, happened.probe))
                case RecordSettled():
                    place = happened.partition, happened.offset
                    client.append(("settled", happened.record, happened.outcome, *place))
                case ExchangeEvent(api="produce"):
                    simulator.append((type(happened).__name__, *_facts(happened)))
        return client, simulator


def _facts(happened: ExchangeEvent) -> tuple[object, ...]:
    """Return the part of an exchange event that a trace holds."""
    where = happened.connection, happened.partition
    match happened:
        case FrameRead() | FrameWritten():
            return where
        case FaultHit():
            return *where, happened.fault, happened.at, happened.ordinal
        case Appended():
            return *where, happened.base_offset, happened.records, happened.copied_by
    return where


# --- the text form

VERSION = 4
"""The version of the format; the reader rejects every other version."""

_LISTS: Mapping[str, tuple[str, TypeAdapter[Any]]] = {
    "record": ("records", TypeAdapter(SentRecord)),
    "call": ("calls", TypeAdapter(Call)),
    "report": ("reports", TypeAdapter(DeliveryReported)),
    "producer": ("producers", TypeAdapter(ProducerReport)),
    "consumption": ("consumptions", TypeAdapter(Consumption)),
    "unreadable": ("unreadable", TypeAdapter(Unreadable)),
}
"""By the word of a line, the list of a history whose members have lines of their own."""

_COUNTS: TypeAdapter[dict[str, FaultCount]] = TypeAdapter(dict[str, FaultCount])

_END = (
    "healed_at",
    "drained",
    "zero_ns",
    "silent",
    "not_applicable",
    "lacks",
    "crash",
    "exit",
    "complaint",
    "not_started",
    "defect",
)
"""The fields that the last line holds unchanged."""


def _lines_of(history: History) -> Iterator[str]:
    requested = None if history.requested is None else history.requested.to_data()
    yield _line(
        history=VERSION,
        world=history.world,
        about=dict(history.about),
        scenario=history.scenario.to_data(),
        requested=requested,
    )
    for happened in history.events:
        yield happened.to_json(payload=True)
    for word, (name, adapter) in _LISTS.items():
        for member in getattr(history, name):
            yield _line(**{word: adapter.dump_python(member, mode="json", exclude_defaults=True)})
    for incarnation, logs in enumerate(history.incarnations):
        for partition, log in logs.items():
            records = [_stored(record) for record in log]
            yield _line(log=partition, incarnation=incarnation, records=records)
    faults = _COUNTS.dump_python(dict(history.faults), mode="json")
    deletions = len(history.removed)
    yield _line(
        end={
            "faults": faults,
            "deletions": deletions,
            **{name: getattr(history, name) for name in _END},
        }
    )


def _line(**fields: object) -> str:
    return json.dumps(fields, ensure_ascii=False)


def _stored(record: Record) -> list[object]:
    key = None if record.key is None else b64encode(record.key).decode()
    return [record.offset, record.timestamp_ms, key, b64encode(record.value).decode()]


def _record_of(row: Any) -> Record:
    offset, timestamp_ms, key, value = row
    return Record(
        key=None if key is None else b64decode(key, validate=True),
        value=b64decode(value, validate=True),
        timestamp_ms=int(timestamp_ms),
        offset=int(offset),
    )


class _HistoryReader:
    """Reads a history line by line."""

    def __init__(self) -> None:
        self._history: History | None = None
        self._ended = False
        self._logs: dict[int, dict[int, Sequence[Record]]] = {}
        """By incarnation and partition."""

    def history_of(self, text: str) -> History:
        number = 0
        for number, line in enumerate(text.split("\n")[:-1], 1):
            try:
                self._take_in(json.loads(line, parse_float=_finite, parse_constant=_finite))
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise HistoryError(f"line {number}: {_first_line(error)}") from error
        if self._history is None:
            raise HistoryError("the text is empty; a history begins with a header")
        if not self._ended:
            raise HistoryError(f"the history ends early, behind line {number}")
        return self._history

    def _take_in(self, data: Any) -> None:
        if not isinstance(data, dict):
            raise TypeError("a line is a JSON object")
        if self._history is None:
            self._begin(data)
            return
        if self._ended:
            raise ValueError("nothing follows the end")
        history = self._history
        match data:
            case {"event": _}:
                history.events.append(event_from(data))
            case {"log": int(partition), "incarnation": int(incarnation), "records": list(rows)}:
                self._logs.setdefault(incarnation, {})[partition] = [_record_of(r) for r in rows]
            case {"end": dict(end)}:
                self._end(history, end)
            case _:
                word = ", ".join(data)
                if word not in _LISTS:
                    raise ValueError(f"unknown line {', '.join(map(repr, data))}")
                name, adapter = _LISTS[word]
                getattr(history, name).append(adapter.validate_python(data[word]))

    def _begin(self, data: dict[str, Any]) -> None:
        if data.get("history") != VERSION:
            raise ValueError(
                f"a history of version {data.get('history')!r}; this is a reader of {VERSION}"
            )
        if data.get("world") not in ("virtual", "tcp", "cluster"):
            raise ValueError(f"unknown world {data.get('world')!r}")
        requested = data.get("requested")
        self._history = History(
            Scenario.model_validate(data["scenario"]),
            str(data["world"]),
            None if requested is None else Scenario.model_validate(requested),
            {str(key): str(value) for key, value in data.get("about", {}).items()},
        )

    def _end(self, history: History, end: dict[str, Any]) -> None:
        history.faults = _COUNTS.validate_python(end["faults"])
        deletions = int(end["deletions"])
        history.removed = [self._logs.pop(n, {}) for n in range(deletions)]
        history.logs = self._logs.pop(deletions, {})
        for name in _END:
            setattr(history, name, end[name])
        self._ended = True


def _finite(text: str) -> float:
    """Return the number of a text; NaN, Infinity and 1e999 are no time of any event."""
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def _first_line(error: Exception) -> str:
    """Describe an error without the value that was read."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return " ".join(f"{error}".split()) or type(error).__name__
