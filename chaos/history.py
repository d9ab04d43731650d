"""The history of one run: what the client was asked and told, and what the simulator saw.

One list holds every event in the order in which it happened, the simulator's and the client's.
Beside it stand the records that were sent, with the outcome of each, the calls that were made, and
the logs as they were in the end. The judge (``oracle/``) reads a history and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from chaos.spec.scenario import Scenario
from simulator.events import (
    Appended,
    Event,
    ExchangeEvent,
    FaultHit,
    FrameRead,
    FrameWritten,
    event,
)
from simulator.faults.plan import FaultCount
from wire.batch import Record

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


@event
class RecordSent(Event):
    """The client was asked to send a record."""

    record: int
    """The id of the record."""
    probe: bool = False


@event
class RecordSettled(Event):
    """The client told the outcome of a record."""

    record: int
    """The id of the record."""
    outcome: str
    partition: int | None = None
    offset: int | None = None
    error: str | None = None


CLIENT_EVENTS = (CallStarted, CallEnded, RecordSent, RecordSettled)
"""What happens on the client's side; ``n`` of these stays 0, since the simulator counts its own."""


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
    events: list[Event] = field(default_factory=list)
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
    """What a trace holds of one exchange."""
    where = happened.connection, happened.partition
    match happened:
        case FrameRead() | FrameWritten():
            return where
        case FaultHit():
            return *where, happened.fault, happened.at, happened.ordinal
        case Appended():
            return *where, happened.base_offset, happened.records, happened.copied_by
    return where
