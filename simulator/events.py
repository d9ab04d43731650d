"""The journal: ground truth of a run, every connection, frame, verdict and append in one order.

Entries go to *sinks* as they are made: a list in tests, a file as JSON Lines, the lines on a
terminal. Without a sink none is made and only the counts are kept, so that a long manual run costs
no memory.

An append names the *transmission* that stored it: the number of the client's request frame,
counted over the whole run. Two appends of one transmission are copies that the network made, and
the second one names the fault that made it; two transmissions are the client's own doing.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Literal, TextIO

from wire.codec.types import Buffer

Kind = Literal["connection", "frame", "verdict", "append", "cluster"]
Direction = Literal["request", "response"]


@dataclass(slots=True, kw_only=True)
class Entry:
    """One thing that happened. Fields that do not apply are None, and absent in JSON."""

    n: int = 0
    """Position in the total order, from 1; the journal fills it in."""
    t: float = 0.0
    """Seconds since the simulator was ready; the journal fills it in."""
    kind: Kind
    connection: int | None = None
    """Connections are numbered from 1 as they are accepted."""
    server: str | None = None
    """``sc``, or ``spu:0`` and so on."""
    direction: Direction | None = None
    """Of a frame, or the cut point of a verdict."""
    api: str | None = None
    api_version: int | None = None
    correlation_id: int | None = None
    client_id: str | None = None
    topic: str | None = None
    """Of a frame: the first topic that it names."""
    partition: int | None = None
    """Of a frame: the first partition that it names."""
    size: int | None = None
    """Bytes of the frame on the wire, its length field included."""
    fault: str | None = None
    """The fault that gave the verdict, or that made this copy of an append."""
    ordinal: int | None = None
    """Of a verdict: as which of its exchanges the fault counts this one, as ``nth`` has it."""
    base_offset: int | None = None
    records: int | None = None
    transmission: int | None = None
    """The number of the request frame that this entry belongs to, from 1."""
    detail: str | None = None
    """The rest, for a person."""
    carried: Sequence[tuple[str, int, Buffer]] = ()
    """Of a produce request: topic, partition and batches of each entry, as they arrived. Only for
    sinks in the same process; JSON leaves it out."""

    def to_json(self) -> str:
        """One line of JSON Lines, without its end."""
        present = {name: getattr(self, name) for name in _NAMES}
        return json.dumps({k: v for k, v in present.items() if v is not None}, ensure_ascii=False)


_NAMES = tuple(field.name for field in fields(Entry) if field.name != "carried")

Sink = Callable[[Entry], None]


class Journal:
    """Numbers and stamps what happens and hands it on.

    Args:
        clock: seconds since the simulator was ready.
        sinks: what takes the entries.
    """

    def __init__(self, clock: Callable[[], float], sinks: list[Sink]) -> None:
        self._clock = clock
        self._sinks = sinks
        self.active = bool(sinks)
        """Whether anybody reads entries; where not, the caller may save the work."""
        self._n = 0
        self.connections = 0
        """How many connections were accepted; one that a fault then refused has a number too."""
        self.frames = 0
        """How many frames were read and written."""
        self.unanswered_records = 0
        """Records that were stored and whose answer was not written in full, or not yet."""

    def record(self, entry: Entry) -> None:
        """Give an entry its number and time and hand it to the sinks."""
        if self._sinks:
            self._n += 1
            entry.n = self._n
            entry.t = round(self._clock(), 6)
            for sink in self._sinks:
                sink(entry)


def to_file(file: TextIO) -> Sink:
    """A sink that writes JSON Lines, each as soon as it happens."""

    def write(entry: Entry) -> None:
        file.write(entry.to_json() + "\n")

    return write
