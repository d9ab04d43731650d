"""A session between a client and a cluster: who opened, sent and ended what, and when.

A recording is JSON Lines, one line for each event on a connection: a connection is opened, a frame
passes, a side ends. A proxy wrote the recordings of the real cluster; a replay of one against the
simulator has the same form, so that both are compared as equals.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Literal

from wire.api import APIS, CREATE, Api
from wire.api.admin import CreateTopic
from wire.api.envelope import TOPIC
from wire.codec import WireError, decode, decode_from
from wire.framing import LENGTH_BYTES, RESPONSE_BYTES_MIN, RequestHeader


class RecordingError(Exception):
    """A file is no recording. The text names the file, the line and the mistake."""


class What(Enum):
    """The kinds of events on a connection, by their word in a file."""

    OPEN = "open"
    REQUEST = "c>s"
    ANSWER = "s>c"
    CLIENT_FIN = "c>s fin"
    CLIENT_RESET = "c>s ConnectionResetError"
    PROXY_RESET = "fault-rst"
    """The proxy reset both sides; for the server this is a reset by the client."""
    SERVER_FIN = "s>c fin"
    SERVER_RESET = "s>c ConnectionResetError"


FRAMES = frozenset((What.REQUEST, What.ANSWER))
CLIENT_ENDS = frozenset((What.CLIENT_FIN, What.CLIENT_RESET, What.PROXY_RESET))
SERVER_ENDS = frozenset((What.SERVER_FIN, What.SERVER_RESET))


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One event on a connection."""

    at: float
    """Seconds on the clock of the recording, which starts anywhere."""
    connection: int
    server: str
    """The server of the connection: ``sc``, ``spu0``, ``spu1``, ..."""
    what: What
    frame: bytes = b""
    """The frame without its length; empty if the event is no frame."""

    @property
    def correlation_id(self) -> int:
        """The correlation id of an answer."""
        return int.from_bytes(self.frame[:RESPONSE_BYTES_MIN], "big", signed=True)


@dataclass(slots=True)
class RecordedExchange:
    """One request and everything that answers it."""

    connection: int
    server: str
    number: int
    """The position of the request on its connection, from 1."""
    header: RequestHeader
    request: bytes
    """The request without its header."""
    answers: list[bytes] = field(default_factory=list)
    """The answers without their correlation ids, in order."""

    @property
    def api(self) -> Api[Any, Any] | None:
        """The API of the request; None if this project does not have it."""
        key = self.header.api_key
        offered = (api for api in APIS.values() if api.offered_by(self.server_kind))
        return next((api for api in offered if api.key == key), None)

    @property
    def server_kind(self) -> Literal["sc", "spu"]:
        """The kind of server; SC and SPU number their APIs separately."""
        return server_kind(self.server)

    @property
    def key(self) -> tuple[int, int]:
        """Connection and number, which name the exchange."""
        return self.connection, self.number


class ExchangeMatcher:
    """Gives each frame the exchange that it belongs to.

    An answer belongs to the latest request of its connection with its correlation id: the first
    request after ApiVersions has the id of ApiVersions again.
    """

    def __init__(self) -> None:
        self.exchanges: dict[tuple[int, int], RecordedExchange] = {}
        """The exchanges so far, by connection and number."""
        self.unasked: Counter[int] = Counter()
        """By connection, how many answers there were to no request."""
        self._latest: dict[tuple[int, int], RecordedExchange] = {}
        self._numbers: dict[int, int] = {}

    def add(self, event: RecordedEvent) -> RecordedExchange | None:
        """Take the next event; return its exchange, None for an answer to no request and for an
        event that is no frame.

        Raises:
            WireError: the header of a request does not decode.
        """
        connection = event.connection
        if event.what is What.REQUEST:
            header, body_at = decode_from(RequestHeader, event.frame, 0, 0)
            number = self._numbers[connection] = self._numbers.get(connection, 0) + 1
            exchange = RecordedExchange(
                connection, event.server, number, header, event.frame[body_at:]
            )
            self.exchanges[exchange.key] = exchange
            self._latest[connection, header.correlation_id] = exchange
            return exchange
        if event.what is not What.ANSWER:
            return None
        asked = self._latest.get((connection, event.correlation_id))
        if asked is None:
            self.unasked[connection] += 1
        else:
            asked.answers.append(event.frame[RESPONSE_BYTES_MIN:])
        return asked


@dataclass(frozen=True, slots=True)
class Recording:
    """One session."""

    name: str
    events: list[RecordedEvent]

    def exchanges(self) -> dict[tuple[int, int], RecordedExchange]:
        """Return the exchanges by connection and number, in the order of their requests.

        Raises:
            WireError: the header of a request does not decode.
        """
        return self._matched().exchanges

    def unasked(self) -> Counter[int]:
        """Return, by connection, how many answers there are to no request."""
        return self._matched().unasked

    def _matched(self) -> ExchangeMatcher:
        matcher = ExchangeMatcher()
        for event in self.events:
            matcher.add(event)
        return matcher

    def created_topics(self) -> set[str]:
        """Return the names of the topics that the client of the session creates."""
        names = set()
        for exchange in self.exchanges().values():
            if exchange.api is CREATE:
                version = exchange.header.api_version
                envelope = decode(CREATE.request, exchange.request, version).object
                if envelope.label == TOPIC:
                    names.add(envelope.open(CreateTopic, version).name)
        return names

    def server_ended_first(self) -> set[int]:
        """Return the connections that the server ended before the client did."""
        first: dict[int, What] = {}
        for event in self.events:
            if event.what in CLIENT_ENDS or event.what in SERVER_ENDS:
                first.setdefault(event.connection, event.what)
        return {connection for connection, what in first.items() if what in SERVER_ENDS}


def server_kind(server: str) -> Literal["sc", "spu"]:
    """Return the kind of a server by its name in a recording."""
    return "sc" if server == "sc" else "spu"


def load_recording(path: Path) -> Recording:
    """Load a recording; its name is that of the file.

    Raises:
        RecordingError: the file cannot be read, or a line is no event.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: {error}") from error
    events = []
    for number, line in enumerate(lines, start=1):
        try:
            events.append(_event(json.loads(line)))
        except (ValueError, KeyError, TypeError, WireError) as error:
            raise RecordingError(f"{path}:{number}: {type(error).__name__}: {error}") from error
    return Recording(path.stem, events)


def _event(written: Mapping[str, Any]) -> RecordedEvent:
    what = What(written["dir"])
    frame = bytes.fromhex(written["frame"]) if what in FRAMES else b""
    length, frame = frame[:LENGTH_BYTES], frame[LENGTH_BYTES:]
    if what in FRAMES and int.from_bytes(length, "big") != len(frame):
        raise ValueError("the length of the frame is not that of its bytes")
    return RecordedEvent(
        float(written["t"]), int(written["conn"]), str(written["server"]), what, frame
    )


def recording_lines(recording: Recording) -> Iterator[str]:
    """Yield the lines of the file of a recording."""
    for event in recording.events:
        written: dict[str, Any] = {
            "conn": event.connection,
            "server": event.server,
            "dir": event.what.value,
        }
        if event.what in FRAMES:
            written["frame"] = (len(event.frame).to_bytes(LENGTH_BYTES, "big") + event.frame).hex()
        yield json.dumps(written | {"t": event.at})
