"""Pending requests, which wait to be applied, and pending answers, which wait to be written."""

from dataclasses import dataclass
from typing import Any

from simulator.events import ClosedBy
from simulator.faults.armed import Exchange
from simulator.faults.effects import Ending
from simulator.faults.plan import FrameVerdict
from simulator.handlers import ServedApi
from simulator.handlers.served_api import Carried, CommitTerms
from wire.connection import RequestFrame


@dataclass(slots=True)
class PendingRequest:
    """A request that was read and is not applied yet."""

    exchange: Exchange
    frame: RequestFrame
    served_api: ServedApi
    transmission: int
    """The number of the request frame, counted over the whole run, from 1."""
    body: Any = None
    """The decoded request; None before it is decoded."""
    verdict: FrameVerdict | None = None
    """The verdict of the faults at the request."""
    delay_s: float = 0.0
    """The delay of the request, in seconds."""

    @property
    def carried(self) -> Carried:
        """The batches that the request carries; empty before it is decoded."""
        return () if self.body is None else self.served_api.carried(self.body)

    @property
    def commit_terms(self) -> CommitTerms | None:
        """When the client wants the answer; None if the request does not say, or before it is
        decoded."""
        return None if self.body is None else self.served_api.commit_terms(self.body)

    @property
    def first_partition(self) -> tuple[str, int] | tuple[None, None]:
        """The first topic and partition that the request names, or None for both."""
        return self.exchange.partitions[0] if self.exchange.partitions else (None, None)


@dataclass(slots=True)
class Application:
    """One application of a request; a fault may cause several."""

    request: PendingRequest
    code: str | None = None
    """The error code of a fault; the part of the request that it concerns is not applied."""
    copied_by: str | None = None
    """The fault that made this copy of the request."""
    stored: int = 0
    """The number of records that the application stored."""


@dataclass(slots=True)
class PendingAnswer:
    """An answer that is not written yet."""

    request: PendingRequest
    frame: bytes
    verdict: FrameVerdict | None
    """The verdict of the faults at the response."""
    delay_s: float
    """The delay of the answer, in seconds."""
    stored: int
    """The number of stored records that this answer acknowledges."""


@dataclass(slots=True)
class PendingEnd:
    """The end of the connection, queued between answers."""

    how: Ending
    by: ClosedBy = ClosedBy.FAULT
    """Who ends it: a fault, or the server behind a proxy."""
