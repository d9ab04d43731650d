"""What a client reports of its records beside the calls that sent them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["ok", "failed", "unknown"]
"""What the client knows of an operation: *ok*; *failed*, certainly not stored; *unknown*, possibly
stored, or not reported within the bound."""

ReportSource = Literal["wait", "output"]
"""The source of an outcome: a call that waited for the record, or the output of the record."""


@dataclass(slots=True)
class OutcomeReport:
    """One more report of a client about a record, which contradicts the first one."""

    source: ReportSource
    t: float
    outcome: Outcome
    partition: int | None = None
    offset: int | None = None
    timestamp: int | None = None
    error: str | None = None


@dataclass(slots=True)
class DeliveryReported:
    """One call of the delivery callback, with the outcome of one batch."""

    t: float
    producer: int
    partition: int
    records: int
    outcome: Outcome
    offset: int | None = None
    """The offset of its first record, if it was stored."""


@dataclass(slots=True)
class ProducerReport:
    """What one producer of the client reported beside its calls."""

    calls_back: bool = False
    """Whether the producer was given a delivery callback."""
    closed_at: float | None = None
    """When the producer was closed or its block was left, and everything was settled."""
    counters: Mapping[str, int] = field(default_factory=dict)
    """The counters that it had then, by their names in ``COUNTERS``; empty if it has none."""


COUNTERS = ("records", "acknowledged", "failed", "requests", "retries")
"""The counters that the judge compares with what happened: the records that were taken for sending,
those that were acknowledged and given up; the requests of which a byte was transmitted; the
attempts after the first one of each request."""
