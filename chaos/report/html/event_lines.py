"""The events of a record's connections and the changes of the cluster, as lines of text: the first
and the last ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from enum import Enum

from chaos.history import CLIENT_EVENTS
from chaos.oracle.evidence import Evidence
from chaos.report.narrative import CLUSTER_CHANGES, Narrator
from simulator.documents.diagnostic import printable
from simulator.events import PAYLOADS, ConnectionEvent, Event, FramePartlyRead, FrameRead

LINES_FIRST = LINES_LAST = 100
"""How many events are shown from the beginning and from the end."""

HEX_BYTES_MAX = 64
"""How many bytes of a frame are shown."""

FIELD_CHARS_MAX = 60
"""The longest value of a field."""


@dataclass(frozen=True, slots=True)
class EventLines:
    """The events of some connections."""

    first: tuple[str, ...]
    last: tuple[str, ...]
    left_out: int
    """How many events there are between them."""
    command: str
    """The command that prints all events of the connections."""
    all: bool
    """Whether they are those of all connections."""


def event_lines(
    evidence: Evidence, narrator: Narrator, record_id: int | None, file: str
) -> EventLines:
    """Return the events of the connections that carried a record, with the changes of the cluster
    that concern the record; all events if no connection carried it.

    Args:
        evidence: the run.
        narrator: tells of it.
        record_id: the id of the record; None for all events.
        file: the name of the file with the history.
    """
    sent = [] if record_id is None else evidence.transmissions[record_id]
    connections = dict.fromkeys(t.connection for t in sent)
    events = [
        each
        for each in evidence.server_events
        if record_id is None
        or not connections
        or (isinstance(each, ConnectionEvent) and each.connection in connections)
        or (
            isinstance(each, CLUSTER_CHANGES)
            and narrator.concerns(each, evidence.records[record_id])
        )
    ]
    first, rest = events[:LINES_FIRST], events[LINES_FIRST:]
    last = rest[-LINES_LAST:]
    return EventLines(
        tuple(map(_line, first)),
        tuple(map(_line, last)),
        len(rest) - len(last),
        _command(list(connections), file),
        not connections,
    )


def _command(connections: Sequence[int], file: str) -> str:
    if not connections:
        return f"grep '\"event\"' {file}"
    numbers = "|".join(map(str, connections[:LINES_FIRST]))
    return f"grep -E '\"connection\": ({numbers})[,}}]' {file}"


def _line(event: Event) -> str:
    assert not isinstance(event, CLIENT_EVENTS)
    parts = " ".join(_fields(event))
    return printable(f"{event.n:>5} {event.t:11.6f}  {type(event).__name__} {parts}{_hex(event)}")


def _fields(event: Event) -> Iterator[str]:
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name in ("n", "t", *PAYLOADS) or value in (None, field.default):
            continue
        text = value.value if isinstance(value, Enum) else value
        shown = ",".join(map(str, text)) if isinstance(text, tuple) else str(text)
        if len(shown) > FIELD_CHARS_MAX:
            shown = f"{shown[:FIELD_CHARS_MAX]}…"
        yield f"{field.name}={shown}"


def _hex(event: Event) -> str:
    """Return the first bytes of the frame of an event; empty if it has none."""
    match event:
        case FrameRead() if event.carried:
            data = bytes(event.carried[0][2][:HEX_BYTES_MAX])
            size = sum(len(entry[2]) for entry in event.carried)
        case FramePartlyRead() if event.data:
            data, size = bytes(event.data[:HEX_BYTES_MAX]), len(event.data)
        case _:
            return ""
    more = f" and {size - len(data):,} bytes more" if size > len(data) else ""
    return f" | {data.hex()}{more}"
