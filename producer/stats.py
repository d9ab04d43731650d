"""Figures for those who want to watch, and what a flush has to tell."""

from dataclasses import dataclass, fields
from operator import attrgetter

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

    def copy(self) -> "Counters":
        """The figures as they are now."""
        return Counters(*_figures(self))


_figures = attrgetter(*(each.name for each in fields(Counters)))


UNREPORTED_MAX = 1_000
"""Batches that were given up and that no flush reported are kept one by one up to this number, each
with its error; of earlier ones only their sum. They are not reported without a flush."""


class Tally:
    """The records that were given up, as one flush reports them."""

    def __init__(self) -> None:
        self._records = 0
        self._persisted = Persisted.NO
        self._first: tuple[str, Failure] | None = None

    def add(self, batch: Batch, failure: Failure) -> None:
        """Count a batch that was given up."""
        self._records += batch.count
        self._first = self._first or (batch.where, failure)
        if failure.persisted is Persisted.MAYBE:
            self._persisted = Persisted.MAYBE

    def raise_if_any(self) -> None:
        """Raise a FlushError if records were given up."""
        if self._first is None:
            return
        where, failure = self._first
        error = failure.to_error(where)
        noun = "record was" if self._records == 1 else "records were"
        text = f"{self._records} {noun} not delivered; the first: {error}"
        raise FlushError(text, persisted=self._persisted, records=self._records) from error


class FlushAccount:
    """What one flush under way covers, and what of it was given up.

    Args:
        through: for each partition the last batch that counts; None for every batch.
        given_up: what was given up before and not yet reported, all of which counts.
    """

    def __init__(self, through: dict[int, int] | None, given_up: dict[Batch, Failure]) -> None:
        self._through = through
        self.given_up = dict(given_up)

    def covers(self, batch: Batch) -> bool:
        """Whether a batch counts here."""
        return self._through is None or batch.number <= self._through.get(batch.partition, 0)


class Unreported:
    """The batches that were given up and that no flush has reported yet.

    A flush reports those that it covers: what was sent before it began and what no flush reported
    that had ended by then. A flush that is cancelled reports nothing, so that the next one will. Of
    flushes at the same time each reports what it covers, since each has a caller of its own.
    """

    def __init__(self) -> None:
        self._given_up: dict[Batch, Failure] = {}
        self._earlier = Tally()
        """The sum of those for which there was no room."""
        self._flushes: list[FlushAccount] = []

    def add(self, batch: Batch, failure: Failure) -> None:
        """A batch was given up."""
        if len(self._given_up) >= UNREPORTED_MAX:
            oldest = next(iter(self._given_up))
            self._earlier.add(oldest, self._given_up.pop(oldest))
            for flush in self._flushes:
                flush.given_up.pop(oldest, None)  # else it would count twice
        self._given_up[batch] = failure
        for flush in self._flushes:
            if flush.covers(batch):
                flush.given_up[batch] = failure

    def begin(self, through: dict[int, int] | None = None) -> FlushAccount:
        """A flush begins.

        Args:
            through: for each partition the last batch that it covers; None for every batch.
        """
        flush = FlushAccount(through, self._given_up)
        self._flushes.append(flush)
        return flush

    def cancel(self, flush: FlushAccount) -> None:
        """A flush did not come to its end."""
        self._flushes.remove(flush)

    def end(self, flush: FlushAccount) -> None:
        """A flush ends, and reports.

        Raises:
            FlushError: it covers records that were given up.
        """
        self._flushes.remove(flush)
        tally, self._earlier = self._earlier, Tally()
        for batch, failure in flush.given_up.items():
            self._given_up.pop(batch, None)
            tally.add(batch, failure)
        tally.raise_if_any()
