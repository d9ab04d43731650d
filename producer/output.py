"""What a caller gets for a record, and what it waits on.

A record gets one small object, its output: its ``Position`` as a tuple of another class. Everything
else is kept once for each batch. As a class with attributes an output would cost twice the time to
make, a fifth of what a whole ``send`` may take.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import trio

from producer.delivery.batch import Accepted, Batch, BatchOutcome, Failure, Position, RecordRange
from producer.errors import DeliveryError


@dataclass(frozen=True, slots=True)
class RecordMetadata:
    """Where a record is."""

    offset: int
    """Its offset in the partition."""
    partition: int
    """The index of the partition."""
    timestamp: int
    """What it was stamped with, in milliseconds since 1970."""


class ProduceOutput(tuple[Batch, int, int]):
    """The promise of a record that was sent; ``send`` makes it from the record's ``Position``.

    It may be dropped: the record is delivered all the same.
    """

    __slots__ = ()

    async def wait(self) -> RecordMetadata:
        """Wait until the record is delivered or given up; it may be called any number of times.

        It ends within the bound of the delivery semantic: under at-least-once the linger plus the
        policy's timeout for this request and each one ahead of it, under at-most-once the linger
        plus ``response_timeout``.

        Raises:
            DeliveryError: the record was given up; ``persisted`` says whether it may be stored.
        """
        batch = self[0]
        if batch.outcome is None:
            settled = trio.Event()
            batch.add_done_callback(settled.set)
            try:
                await settled.wait()
            finally:
                batch.remove_done_callback(settled.set)
        else:
            await trio.lowlevel.checkpoint()
        return self.result()

    def result(self) -> RecordMetadata:
        """What ``wait`` returns or raises, of a record that is settled.

        Raises:
            RuntimeError: it is not; see ``done``.
            DeliveryError: the record was given up.
        """
        batch, index, timestamp = self
        outcome = batch.outcome
        if outcome is None:
            raise RuntimeError(f"{batch.where}: the record is not settled yet")
        if isinstance(outcome, Failure):
            raise outcome.to_error(batch.where)
        return RecordMetadata(outcome.base_offset + index, batch.partition, timestamp)

    @property
    def done(self) -> bool:
        """Whether ``wait`` would return or raise at once."""
        return self[0].outcome is not None

    def __repr__(self) -> str:
        batch, index, _ = self
        state = "open" if batch.outcome is None else type(batch.outcome).__name__.lower()
        return f"<ProduceOutput {batch.where}, record {index} of batch {batch.number}, {state}>"


class ProduceOutputs(Sequence[ProduceOutput]):
    """The promises of many records, each made when it is looked at.

    Millions of small objects that are never read would cost more than sending the records.
    """

    def __init__(self) -> None:
        self._runs: list[Position] = []
        self._ends: list[int] = []
        self._length = 0

    def add(self, records: RecordRange) -> None:
        """Append the promises of consecutive records."""
        batch, first, count, timestamp = records
        self._runs.append((batch, first - self._length, timestamp))
        self._length += count
        self._ends.append(self._length)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> ProduceOutput: ...
    @overload
    def __getitem__(self, index: slice) -> list[ProduceOutput]: ...
    def __getitem__(self, index: int | slice) -> ProduceOutput | list[ProduceOutput]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(self._length))]
        position = index + self._length if index < 0 else index
        if not 0 <= position < self._length:
            raise IndexError(f"{index} of {self._length} outputs")
        batch, offset, timestamp = self._runs[bisect_right(self._ends, position)]
        return ProduceOutput((batch, position + offset, timestamp))


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What a delivery callback is told about a batch."""

    topic: str
    partition: int
    records: int
    size: int
    """Bytes of the records, before compression."""
    base_offset: int | None
    """The offset of the first record, None if the batch was given up."""
    error: DeliveryError | None
    """Why it was given up, None if it was delivered."""
    queued_s: float
    """From its first record until its first attempt began, in seconds."""
    delivery_s: float
    """From there until it was settled, in seconds."""

    @classmethod
    def of(
        cls, batch: Batch, outcome: BatchOutcome, taken_at: float, now: float
    ) -> "DeliveryReport":
        """What became of a batch.

        Args:
            batch: the batch.
            outcome: what it was settled with.
            taken_at: when it was taken for sending, in seconds of trio's clock.
            now: when it was settled, by the same clock.
        """
        error = outcome.to_error(batch.where) if isinstance(outcome, Failure) else None
        base_offset = outcome.base_offset if isinstance(outcome, Accepted) else None
        return cls(
            topic=batch.topic,
            partition=batch.partition,
            records=batch.count,
            size=batch.size,
            base_offset=base_offset,
            error=error,
            queued_s=taken_at - batch.created,
            delivery_s=now - taken_at,
        )
