"""Batches of records and what becomes of them: plain, synchronous state.

A batch does not wait, and does not know who does. It calls its callbacks once, when it is settled:
``producer/output.py`` gives it the ``set`` of a ``trio.Event``, and a test gives it any callable.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from producer.errors import DeliveryError, Persisted


@dataclass(frozen=True, slots=True)
class Accepted:
    """The outcome of a batch that an SPU confirmed."""

    base_offset: int


@dataclass(frozen=True, slots=True)
class Failure:
    """The outcome of a batch that was given up."""

    persisted: Persisted
    attempts: int
    seconds: float
    cause: BaseException | None
    error: Callable[..., DeliveryError] = DeliveryError
    """The class of error to raise."""

    def to_error(self, where: str) -> DeliveryError:
        """A fresh error that says all of it; ``where`` names topic and partition."""
        stored = "not stored" if self.persisted is Persisted.NO else "perhaps stored"
        tries = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        error = self.error(
            f"{where}: not delivered, {stored}, after {tries} in {self.seconds:.3f} s: "
            f"{self.cause or 'no reason known'}",
            persisted=self.persisted,
            attempts=self.attempts,
            seconds=self.seconds,
        )
        error.__cause__ = self.cause
        return error


BatchOutcome = Accepted | Failure


class Batch:
    """Records of one partition that share their fate.

    While it is open its records are a list of encoded ones; sealed, they are one piece of bytes;
    settled, they are gone.
    """

    __slots__ = (
        "_callbacks",
        "closed_at",
        "count",
        "created",
        "data",
        "first_ms",
        "number",
        "outcome",
        "partition",
        "records",
        "size",
        "topic",
    )

    def __init__(
        self, topic: str, partition: int, number: int, created: float, first_ms: int
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.number = number
        """From 1, in the order of the partition."""
        self.created = created
        """In seconds of the clock that waiting is measured with."""
        self.first_ms = first_ms
        self.closed_at = created
        self.records: list[bytes] = []
        self.data = b""
        self.count = 0
        self.size = 0
        """Of the records, in bytes before compression."""
        self.outcome: BatchOutcome | None = None
        self._callbacks: dict[Callable[[], None], None] = {}

    @property
    def where(self) -> str:
        """The topic and partition, for a person."""
        return f"{self.topic}/{self.partition}"

    def settle(self, outcome: BatchOutcome) -> None:
        """Record the outcome, drop the records and call every callback once."""
        assert self.outcome is None, "a batch is settled once"
        self.outcome = outcome
        self.data = b""
        callbacks, self._callbacks = self._callbacks, {}
        for callback in callbacks:
            callback()

    def add_done_callback(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called when the batch is settled, which it must not be yet.

        Callbacks are called in the order in which they were added.
        """
        assert self.outcome is None, "a settled batch calls no callback"
        self._callbacks[callback] = None

    def remove_done_callback(self, callback: Callable[[], None]) -> None:
        """Forget a callback; one that was called or never added is no error."""
        self._callbacks.pop(callback, None)


Position: TypeAlias = tuple[Batch, int, int]
"""Where a record is: its batch, its index there, its timestamp in milliseconds since 1970."""

RecordRange: TypeAlias = tuple[Batch, int, int, int]
"""Where consecutive records of one batch with the same timestamp are: the batch, the index of the
first one, how many there are, and the timestamp in milliseconds since 1970."""
