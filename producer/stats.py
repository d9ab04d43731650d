"""Figures for those who want to watch, and what a flush has to tell."""

from dataclasses import dataclass

from producer.delivery.batch import Batch, Failure
from producer.errors import FlushError, Persisted


@dataclass(slots=True)
class Counters:
    """What a producer did so far. Records count once their batch was taken for sending."""

    records: int = 0
    """Records whose batch was taken for sending or given up before."""
    bytes: int = 0
    """Bytes of these records as they stand in batches, before compression."""
    batches: int = 0
    """Batches of these records."""
    acknowledged: int = 0
    """Records that an SPU confirmed."""
    failed: int = 0
    """Records that were given up."""
    requests: int = 0
    """Produce requests of which at least the first byte was transmitted."""
    retries: int = 0
    """Attempts after the first one of their request."""
    errors: int = 0
    """Attempts that failed: without a connection, without an answer, or by an error code."""
    queued_s: float = 0.0
    """Seconds that batches spent from their first record until they were taken, in all."""
    round_trip_s: float = 0.0
    """Seconds from the first byte of a request to its answer, in all."""
    answers: int = 0
    """Requests that were answered; what ``round_trip_s`` is the sum of."""


class Tally:
    """The records that were given up, as a flush will report them.

    Args:
        through: for each partition the last batch that counts; None for every batch.
    """

    def __init__(self, through: dict[int, int] | None = None) -> None:
        self._through = through
        self.reset()

    def reset(self) -> None:
        """Forget what was counted."""
        self.records = 0
        self.persisted = Persisted.NO
        self.first: tuple[str, Failure] | None = None

    def covers(self, batch: Batch) -> bool:
        """Whether a batch counts here."""
        return self._through is None or batch.number <= self._through.get(batch.partition, 0)

    def add(self, batch: Batch, failure: Failure) -> None:
        """A batch was given up."""
        self.records += batch.count
        self.first = self.first or (batch.where, failure)
        if failure.persisted is Persisted.MAYBE:
            self.persisted = Persisted.MAYBE

    def merge(self, other: "Tally") -> None:
        """Add what another tally has."""
        self.records += other.records
        self.first = self.first or other.first
        if other.persisted is Persisted.MAYBE:
            self.persisted = Persisted.MAYBE

    def raise_if_any(self) -> None:
        """Raise a FlushError if records were given up."""
        if self.first is None:
            return
        where, failure = self.first
        error = failure.to_error(where)
        noun = "record was" if self.records == 1 else "records were"
        text = f"{self.records} {noun} not delivered; the first: {error}"
        raise FlushError(text, persisted=self.persisted, records=self.records) from error


def count_failure(tallies: list[Tally], batch: Batch, failure: Failure) -> None:
    """Count a batch that was given up where it will be told.

    Args:
        tallies: of the flushes under way, behind the one for what none of them covers.
        batch: the batch.
        failure: what became of it.
    """
    covering = [tally for tally in tallies[1:] if tally.covers(batch)]
    for tally in covering or tallies[:1]:
        tally.add(batch, failure)
