"""What ``tail`` prints: a line for each record, and which records are copies of earlier ones.

A record is a copy if its partition has an earlier record with the same key and value. The timestamp
does not count: an application that sends a record again gives it a new one.
"""

from dataclasses import dataclass
from hashlib import blake2b

from simulator.documents.diagnostic import printable
from wire.batch import Record

REMEMBERED_MAX = 500_000
"""The maximum number of records that are remembered, by a digest of 16 bytes each: some 70 MB."""

SHOWN_CHARS_MAX = 60
"""The longest key or value that a line shows; of a longer one it shows the start and the size."""

_OFFSET_BITS = 63
_OFFSET_MASK = (1 << _OFFSET_BITS) - 1

_DIGEST_BYTES = 16  # two different records with one digest: never in practice


class RememberedRecords:
    """The first offset of each key and value in each partition.

    Args:
        limit: the number of records; when it is exceeded the earliest is forgotten.
    """

    def __init__(self, limit: int = REMEMBERED_MAX) -> None:
        self._limit = limit
        self._first: dict[bytes, int] = {}
        """Partition and offset of each, in one number."""

    @property
    def full(self) -> bool:
        """Whether the next new record makes an earlier one forgotten."""
        return len(self._first) >= self._limit

    def clear(self) -> None:
        """Forget all of them."""
        self._first.clear()

    def forget(self, partition: int, offset: int) -> None:
        """Forget the records of a partition from an offset on: its log does not have them."""
        self._first = {
            name: place
            for name, place in self._first.items()
            if place >> _OFFSET_BITS != partition or place & _OFFSET_MASK < offset
        }

    def first(self, partition: int, record: Record) -> int:
        """Remember a record; return the offset of its first copy, its own if it has no other."""
        key = b"-" if record.key is None else b"%d:%b" % (len(record.key), record.key)
        digest = blake2b(b"%d " % partition, digest_size=_DIGEST_BYTES)
        digest.update(key)
        digest.update(record.value)
        name = digest.digest()
        place = self._first.get(name)
        if place is not None and (known := place & _OFFSET_MASK) <= record.offset:
            return known
        if place is None and self.full:
            del self._first[next(iter(self._first))]
        self._first[name] = partition << _OFFSET_BITS | record.offset
        return record.offset


@dataclass(slots=True)
class TailTally:
    """How many records were printed."""

    records: int = 0
    resent: int = 0
    """How many of them are copies of earlier ones."""

    def __str__(self) -> str:
        """Return the tally as one line."""
        noun = "record" if self.records == 1 else "records"
        return f"{self.records:,} {noun}, {self.resent:,} of them resent"


def record_line(partition: int, record: Record, first: int) -> str:
    """Return the line of a record, with its mark if it is a copy.

    Args:
        partition: its partition.
        record: the record.
        first: the offset of its first copy; its own if it is the first.
    """
    key = "" if record.key is None else f"[{_shown(record.key)}] "
    mark = "" if first == record.offset else f"  <- resent, first at {partition}@{first}"
    return f"{partition}@{record.offset}  {key}{_shown(record.value)}{mark}"


def _shown(data: bytes) -> str:
    """Return bytes as text that moves no cursor; what is not UTF-8 is escaped."""
    # A character has at most four bytes.
    text = printable(data[: 4 * SHOWN_CHARS_MAX + 4].decode(errors="backslashreplace"))
    if len(text) <= SHOWN_CHARS_MAX:
        return text
    return f"{text[:SHOWN_CHARS_MAX]}... ({len(data):,} bytes)"
