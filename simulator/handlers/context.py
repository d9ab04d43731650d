"""The context of a request, and the waits that a handler may yield.

A handler is a synchronous function ``(request, context) -> response``. It knows no connection, no
clock and no faults. A handler that waits is a generator instead: it yields a ``CommitWait``,
receives whether the commit came in time, and returns the response. A handler that waits for
something else yields a ``WaitUntil`` and looks again. A handler whose work grows with the request
is also a generator and regularly yields a ``Pause``, because all connections share one thread.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulator.cluster.cluster import Cluster, Partition, Spu
from simulator.cluster.log import PartitionLog
from simulator.handlers.streams import Streams


@dataclass(frozen=True, slots=True)
class CommitWait:
    """Wait until the high watermark passes some records; the handler receives whether it did."""

    log: PartitionLog
    """The log that holds the records."""
    end: int
    """The offset behind the last one."""
    committed_at: float | None
    """The time of the commit, in seconds of the simulator's clock; None if the followers decide."""
    timeout_s: float
    """The timeout of the wait, in seconds from now."""


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Wait until a time; the handler ignores the value that it receives."""

    time: float
    """In seconds of the simulator's clock."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Let other connections continue first; the handler ignores the value that it receives."""


PAUSE = Pause()

ENTRIES_PER_TURN = 500
"""The number of entries that a handler processes between two pauses: a few milliseconds."""


@dataclass(slots=True)
class Held:
    """What one connection holds beyond its requests."""

    clock: Callable[[], float]
    """The time, in seconds of the simulator's clock."""
    call_at: Callable[[float, Callable[[], None]], None]
    """Calls a function at a time of that clock, or soon if the time has passed."""
    when_room: Callable[[Callable[[], None]], None]
    """Calls a function soon, once the connection has room for one more response."""
    at_close: list[Callable[[], None]] = field(default_factory=list)
    """Functions that are called when the connection ends."""
    streams: Streams = field(default_factory=Streams)


@dataclass(slots=True)
class Context:
    """The context of one request."""

    cluster: Cluster
    spu: Spu | None
    """The SPU that received the request, or None for the SC."""
    version: int
    """The API version of the request and the response."""
    now: float
    """The time at which the request is applied, in seconds of the simulator's clock."""
    appended: Callable[[Partition, int, int, int], None]
    """Must be called for each append with partition, base offset, number of records, and the
    position of the entry in the request, from 0."""
    push: Callable[[Any], None]
    """Sends one more response to the same request, at any later time."""
    held: Held
    """What the connection holds beyond its requests."""
