"""What is on its way over a connection: requests to be applied, answers to be written."""

from dataclasses import dataclass
from typing import Any

from simulator.faults.effects import Ending
from simulator.faults.plan import Exchange, FrameVerdict
from simulator.handlers import ServedApi
from simulator.handlers.served_api import Carried
from wire.connection import RequestFrame


@dataclass(slots=True)
class PendingRequest:
    """A request that was read, on its way to being applied."""

    exchange: Exchange
    frame: RequestFrame
    served_api: ServedApi
    transmission: int
    """The number of the request frame, counted over the whole run, from 1."""
    body: Any = None
    """The decoded request; None while it is not decoded."""
    verdict: FrameVerdict | None = None
    """What faults decided at the request."""
    delay_s: float = 0.0
    """How long they hold it back, in seconds."""

    @property
    def carried(self) -> Carried:
        """What the request brings to be stored; nothing of one that is not decoded."""
        return () if self.body is None else self.served_api.carried(self.body)

    @property
    def first_partition(self) -> tuple[str, int] | tuple[None, None]:
        """The first topic and partition that the request names."""
        return self.exchange.partitions[0] if self.exchange.partitions else (None, None)


@dataclass(slots=True)
class Application:
    """One application of a request; a fault may ask for several."""

    request: PendingRequest
    code: str | None = None
    """The error code that a fault answers with; what it concerns is not applied."""
    copied_by: str | None = None
    """The fault that made this copy of the request."""
    stored: int = 0
    """How many records the application has stored."""


@dataclass(slots=True)
class PendingAnswer:
    """An answer on its way to being written."""

    request: PendingRequest
    frame: bytes
    verdict: FrameVerdict | None
    """What faults decided at the response."""
    delay_s: float
    """How long they hold it back, in seconds."""
    stored: int
    """Records whose storing this frame acknowledges."""


@dataclass(slots=True)
class PendingEnd:
    """The end of the connection, in its turn between answers."""

    how: Ending
