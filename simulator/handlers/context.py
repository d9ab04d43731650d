"""What a handler is given besides the request, and what it may give back.

A handler is a synchronous function ``(request, context) -> response``. It knows no connection, no
clock and no faults. One that has to wait is a generator instead: it yields what it waits for, is
sent whether that came true, and returns the response. One whose work grows with the request is a
generator, too, and yields a ``Pause`` now and then: all connections share one thread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.cluster.cluster import Cluster, Partition, Spu


@dataclass(frozen=True, slots=True)
class CommitWait:
    """Wait until the high watermark has passed some records; sent back is whether it did."""

    committed_at: float
    """When it will, in seconds of the simulator's clock."""
    timeout_s: float
    """How long to wait at most, from now."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Let other connections go on first; what is sent back means nothing."""


PAUSE = Pause()

ENTRIES_PER_TURN = 500
"""Entries of a request that are dealt with between two pauses: a few milliseconds."""


@dataclass(slots=True)
class Context:
    """The surroundings of one request."""

    cluster: Cluster
    spu: Spu | None
    """The SPU that was asked, or None for the SC."""
    version: int
    """The API version of the request, and so of the response."""
    now: float
    """When the request is applied, in seconds of the simulator's clock."""
    appended: Callable[[Partition, int, int], None]
    """To be told of each append: partition, base offset, number of records."""
    push: Callable[[Any], None]
    """Takes one more response to the same request, at any later time."""
    at_close: list[Callable[[], None]]
    """What to call when the connection ends."""
