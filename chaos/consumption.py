"""What consumers read: each reading of one partition, and the events of it.

A step ``consume`` is one *consumption* for each partition that it reads. An event holds a digest of
each record and not the record: the judge compares it with the digest of what the log holds.
"""

from dataclasses import dataclass
from hashlib import blake2b
from math import inf
from typing import Literal

from simulator.events import Event, event
from wire.batch import Record

ConsumptionEnd = Literal["count", "end", "bound", "error"]
"""How a consumption ended: it had read as many records as were asked for; or all that was committed
when it began; or its time was over; or an error that another attempt does not repair."""

DIGEST_BYTES = 8
"""Two different records with one digest: never in practice."""


@dataclass(slots=True)
class Consumption:
    """One reading of one partition by a consumer, from its start to its end.

    A consumer that loses its connection goes on in the same consumption.
    """

    n: int
    """From 0, in the order of starting."""
    step: int
    """The number of the step, from 0; the partitions of one step share it."""
    consumer: str
    """The name of the consumer."""
    partition: int
    started: float
    isolation: str = "read-uncommitted"
    start: str = "beginning"
    """Where it began if no offset was stored: ``beginning``, ``end`` or ``absolute``."""
    offset: int = 0
    """How many records behind the beginning or before the end, or the absolute offset."""
    consumer_id: str | None = None
    """The id under which it stored its offsets."""
    count: int | None = None
    """How many records the partitions of its step were to read together; None for all that was
    committed when it began."""
    final: bool = False
    """Whether it began after healing, to test whether the partition can be read."""
    ended: float | None = None
    """When it ended; None if it never did."""
    end: ConsumptionEnd | None = None
    error: str | None = None

    @property
    def client_id(self) -> str:
        """The client id of its connections."""
        return consumer_client_id(self.consumer)

    @property
    def until(self) -> float:
        """When it ended; infinity if it never did."""
        return inf if self.ended is None else self.ended


def consumer_client_id(consumer: str) -> str:
    """Return the client id of the connections of a consumer."""
    return f"consumer-{consumer}"


def digest_of(record: Record) -> str:
    """Return the digest of the key, the value and the timestamp of a record."""
    key = b"-" if record.key is None else b"%d:%b" % (len(record.key), record.key)
    digest = blake2b(b"%d " % record.timestamp_ms, digest_size=DIGEST_BYTES)
    digest.update(key)
    digest.update(record.value)
    return digest.hexdigest()


@event
class ConsumerDialled(Event):
    """A consumer made a connection."""

    consumption: int
    """The number of the consumption."""
    port: int
    """The port of the consumer, as the server sees it."""


@event
class RecordsConsumed(Event):
    """A consumer was delivered records."""

    consumption: int
    offsets: tuple[int, ...]
    digests: tuple[str, ...]
    """The digest of each record, in the order of ``offsets``."""


@event
class OffsetSent(Event):
    """A consumer asked an SPU to store how far it has read."""

    consumption: int
    offset: int
    """The offset of the last record that it has read."""


@event
class OffsetStored(Event):
    """An SPU answered that it has stored an offset of a consumer."""

    consumption: int
    offset: int


CONSUMER_EVENTS = (ConsumerDialled, RecordsConsumed, OffsetSent, OffsetStored)
"""The events of consumers. Their ``n`` stays 0, since the simulator numbers its own events."""
