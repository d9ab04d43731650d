"""Typed events of a run: one for each connection, frame, fault, append and change of the cluster.

Events are the ground truth for the judge, for reports and for people. No event holds prose: a
reporter creates text from the fields, and no code parses that text.

An ``Appended`` names the *transmission* that caused it: the number of the client's request frame in
the whole run. Two appends of one transmission are copies that the network made, and the second
names the fault that made it; two transmissions are the work of the client.

Events go to *sinks* as they are made: a list in tests, a file as JSON Lines, the lines on a
terminal. Without a sink none is made and only the counts are kept, so that a long manual run costs
no memory.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, TypeVar, cast, dataclass_transform

from pydantic import BeforeValidator, ConfigDict, PlainSerializer, TypeAdapter, ValidationError

from simulator.faults.effects import CutPoint

Payload = Annotated[
    Any,  # any buffer; pydantic knows no type for all of them
    PlainSerializer(lambda data: b64encode(data).decode(), when_used="json"),
    BeforeValidator(lambda data: b64decode(data, validate=True) if isinstance(data, str) else data),
]
"""Bytes of a frame; base64 in JSON."""

PAYLOADS = frozenset({"carried", "data"})
"""The fields that hold bytes of frames. The journal file omits them."""

EVENTS: dict[str, type["Event"]] = {}
"""Every class of events, by name."""

E = TypeVar("E", bound=type["Event"])


@dataclass_transform(kw_only_default=True)
def event(cls: E) -> E:
    """Declare a class of events: a dataclass whose name is the ``event`` of its JSON."""
    made = cast("E", dataclass(slots=True, kw_only=True)(cls))
    EVENTS[made.__name__] = made
    return made


@dataclass(slots=True, kw_only=True)
class Event:
    """The base of all events."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    n: int = 0
    """The position in the total order of the simulator's events, from 1; ``Journal`` sets it."""
    t: float = 0.0
    """Seconds since the simulator was ready; ``Journal`` sets it."""

    def to_json(self, *, payload: bool = False) -> str:
        """Return the event as one line of JSON Lines, without the newline.

        Args:
            payload: whether to include the bytes of frames, as base64.
        """
        name = type(self).__name__
        left_out = {"n", "t"} if payload else {"n", "t", *PAYLOADS}
        fields = _adapter(name).dump_python(
            self, mode="json", exclude=left_out, exclude_none=True, exclude_defaults=True
        )
        return json.dumps({"n": self.n, "t": self.t, "event": name, **fields}, ensure_ascii=False)


def event_from(data: Mapping[str, Any]) -> Event:
    """Return the event for the data of its JSON.

    Raises:
        ValueError: the data is not an event; the message names the field.
    """
    fields = dict(data)
    name = fields.pop("event", None)
    if name not in EVENTS:
        raise ValueError(f"unknown event {name!r}; known are {', '.join(EVENTS)}")
    try:
        read: Event = _adapter(name).validate_python(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, (name, *first["loc"])))
        raise ValueError(f"{where}: {first['msg']}") from error
    return read


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(EVENTS[name])


# --- connections


class ClosedBy(StrEnum):
    """Who ended a connection."""

    CLIENT = "client"
    FAULT = "fault"
    SIMULATOR = "simulator"
    UPSTREAM = "upstream"
    """The server behind a proxy."""


class CloseReason(StrEnum):
    """Why a connection ended."""

    FIN = "fin"
    """Closed by a FIN of the client, of the server behind a proxy, or of a fault ``disconnect``."""
    RESET = "rst"
    """Reset by the client, by the server behind a proxy, or by a fault ``disconnect``."""
    HALF_CLOSE = "half-close"
    """A fault closed one direction, and the client closed the other one."""
    STALL = "stall"
    """A fault stalled the connection, and it was closed later."""
    UNDECODABLE = "undecodable"
    """The client sent bytes that do not decode, or so did the server behind a proxy."""
    UNREACHABLE = "unreachable"
    """The server behind a proxy could not be connected to."""
    ANSWERS_UNREAD = "answers-unread"
    """The client did not read the answers."""
    EVICTED = "evicted"
    """It was stalled, and another connection needed its place."""
    SPU_STOPPED = "spu-stopped"
    CUT = "cut"
    """The connections of its server were reset."""
    ADDRESS_CHANGED = "address-changed"
    """Its SPU listens elsewhere."""
    SPU_REMOVED = "spu-removed"
    """The cluster behind a proxy has no such SPU any more."""
    HEALED = "healed"
    """All faults were lifted, and this connection was stalled or silent."""
    SIMULATOR_RESET = "simulator-reset"
    """The simulator returned to the state of its start."""
    SHUTDOWN = "shutdown"
    """The simulator ended."""


@dataclass(slots=True, kw_only=True)
class ConnectionEvent(Event):
    """The base of events that concern one connection."""

    connection: int
    """The number of the connection, from 1 in the order in which connections are accepted."""
    server: str
    """``sc``, or ``spu:0`` and so on."""


@event
class ConnectionOpened(ConnectionEvent):
    """A server accepted a connection."""

    port: int = 0
    """The port of the client; 0 if it is not known."""


@event
class ConnectionClosed(ConnectionEvent):
    """A connection ended."""

    by: ClosedBy
    reason: CloseReason
    error: str | None = None
    """The decoding error, if the input was undecodable; why the server behind a proxy could not be
    connected to."""


@event
class ConnectRefused(ConnectionEvent):
    """A fault ``refuse`` struck a connection at accept: it was reset, or it is never answered."""

    fault: str
    how: str
    """``rst`` or ``hang``."""
    port: int = 0
    """The port of the client; 0 if it is not known."""


# --- frames


@dataclass(slots=True, kw_only=True)
class ExchangeEvent(ConnectionEvent):
    """The base of events that concern one request frame and its answers."""

    api: str
    """The name of the API, for example ``produce``."""
    correlation_id: int
    transmission: int
    """The number of the request frame, counted over the whole run, from 1."""
    topic: str | None = None
    """The topic of a fault or an append; for other events, the first topic of the request."""
    partition: int | None = None
    """The partition of ``topic``."""


@event
class FrameRead(ExchangeEvent):
    """A server read a whole request frame."""

    api_version: int
    client_id: str
    size: int
    """The size of the frame on the wire in bytes, including the length field."""
    offered: bool = True
    """Whether the server offers this version of the API."""
    acks: int | None = None
    """Of a produce request: negative for an answer after the commit, else after the append."""
    timeout_ms: int | None = None
    """Of a produce request: how long the SPU may wait for the commit of each entry."""
    carried: tuple[tuple[str, int, Payload], ...] = ()
    """Topic, partition and batches of each entry of a produce request, as they arrived."""

    def commit_wait_s(self, commit_delay_s: float) -> float:
        """Return the longest time, in seconds, from the append to the answer, which may wait for
        the commit."""
        if self.acks is None or self.acks >= 0:
            return 0.0
        if self.timeout_ms is None:
            return commit_delay_s
        return min(commit_delay_s, self.timeout_ms / 1000)


@event
class FramePartlyRead(ConnectionEvent):
    """A connection ended in the middle of a request frame."""

    size: int
    """The bytes of the frame that had arrived."""
    api: str | None = None
    """The name of the API; None if its key had not arrived, or is unknown."""
    data: Payload = b""
    """These bytes, the length field included: all of them, or the first ones of a long frame."""


@event
class FrameWritten(ExchangeEvent):
    """A server wrote a response frame, or the first bytes of one."""

    size: int
    """The bytes that were written."""
    frame_size: int
    """The size of the whole frame in bytes."""

    @property
    def whole(self) -> bool:
        """Whether the whole frame was written."""
        return self.size == self.frame_size


@event
class FaultHit(ExchangeEvent):
    """A fault struck a request frame, or an answer to it."""

    fault: str
    """The name of the fault."""
    kind: str
    """The kind of the fault, for example ``drop``; for people, because the judge reads effects."""
    effects: tuple[str, ...]
    """The values of ``simulator.faults.effects.Effect``. The judge treats an unknown value as an
    effect that can do anything."""
    at: CutPoint
    ordinal: int
    """The position among the exchanges that this fault counts, as in ``nth``."""
    shadowed: bool = False
    """Whether an earlier fault decided the frame, so that this fault had no effect."""
    delay_s: float = 0.0
    """The delay of the frame, in seconds."""
    code: str | None = None
    """The error code of the answer."""
    how: str | None = None
    """How the connection ends."""
    after_bytes: int | None = None
    """The bytes of the answer that are written before the connection ends."""
    what: str | None = None
    """What is false about the answer, as in the fault ``forge``."""
    entry: int | None = None
    """The position in the request, from 0, of the only entry that the fault concerns; None for all
    entries of the partition."""

    def concerns(self, partition: int, entry: int) -> bool:
        """Return whether the fault concerns the entry of ``topic`` at a position."""
        return self.partition == partition and self.entry in (None, entry)


@event
class Appended(ExchangeEvent):
    """An SPU appended records to the log of a partition."""

    base_offset: int
    """The offset of the first record."""
    records: int
    high_watermark: int = 0
    """The offset up to which the records of the partition are committed, after the append."""
    entry: int = 0
    """The position of the entry in the request, from 0."""
    copied_by: str | None = None
    """The fault that repeated the request, if a copy of it caused this append."""

    @property
    def end(self) -> int:
        """The offset after the last record."""
        return self.base_offset + self.records


@event
class Evicted(Event):
    """The oldest batches of a partition are gone, because its log was longer than it may be."""

    topic: str
    partition: int
    start_offset: int
    """The offset of the first record that is left."""


# --- the cluster


@event
class TopicCreated(Event):
    """A topic exists from now on."""

    topic: str
    leaders: tuple[int, ...]
    """The index of the leading SPU of each partition."""


@event
class TopicDeleted(Event):
    """A topic and its logs are gone."""

    topic: str


@event
class PartitionsAdded(Event):
    """A topic has more partitions from now on."""

    topic: str
    first: int
    """The index of the first new partition."""
    leaders: tuple[int, ...]
    """The index of the leading SPU of each new partition."""


@event
class LeaderMoved(Event):
    """A partition has another leader, with the whole log."""

    topic: str
    partition: int
    spu: int
    """The index of the new leader."""


@event
class LeaderElected(Event):
    """The leader of a partition stopped, and the SC elected a follower. What that one lacks is
    gone."""

    topic: str
    partition: int
    spu: int
    """The index of the new leader."""
    kept_to: int
    """The offset behind the last record that it has; later ones are given to other records."""


@event
class ReplicaCaughtUp(Event):
    """A follower of a partition fetched what its leader had, and the leader knows it."""

    topic: str
    partition: int
    spu: int
    """The index of the follower."""
    end: int
    """The offset behind its last record."""
    high_watermark: int
    """The offset up to which the records of the partition are committed now."""


@event
class SpuStopped(Event):
    """An SPU stopped: its listener is closed, its connections are reset, its logs are kept."""

    spu: int


@event
class SpuStarted(Event):
    """An SPU that was stopped listens again; it serves each partition from an event of that on."""

    spu: int


@event
class PartitionServed(Event):
    """An SPU that was started serves a partition again; until then it answers that it does not lead
    the partition."""

    topic: str
    partition: int
    spu: int
    """The index of the SPU."""


@event
class AddressChanged(Event):
    """An SPU listens at another address: its old listener is closed, its connections are reset."""

    spu: int
    address: str
    """The new address for clients, ``host:port``."""


@event
class ConnectionsCut(Event):
    """The connections of a server are reset; its listener stays open."""

    server: str


@event
class ListenerClosed(Event):
    """A fault ``refuse`` closed the listener of a server."""

    server: str
    fault: str


@event
class ListenerReopened(Event):
    """The window of a fault ``refuse`` is over: that fault keeps the listener closed no longer."""

    server: str
    fault: str


@event
class DialRefused(Event):
    """A connect found the listener of a server closed, as its dialler reports."""

    server: str
    client_id: str | None = None
    """The client that dialled; None for the producer's."""


@event
class Healed(Event):
    """All faults were lifted."""


@event
class EventsLeftOut(Event):
    """A journal could not take events as fast as they came; ``n`` and ``t`` are of the last one."""

    count: int
    """The number of events that are missing before it."""


# --- control


@event
class FaultAdded(Event):
    """A fault was added while the simulator ran."""

    fault: str
    """The name of the fault."""
    definition: dict[str, Any]
    """The fault in its YAML form, as plain data."""


@event
class FaultChanged(Event):
    """Another fault took the place of one, under its name."""

    fault: str
    definition: dict[str, Any]


@event
class FaultRemoved(Event):
    """A fault was removed; what it has struck stays struck."""

    fault: str


@event
class SimulatorReset(Event):
    """The simulator is as it was at its start: topics, logs, faults and counters."""
