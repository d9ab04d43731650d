"""From bytes to record ids: which records a batch or a log holds.

A value says which record it is; where it is empty, the key does. Records that are equal have no id
of their own, and are counted: those with neither a value nor a key, and those of an application
that sends a value more than once by itself.

Parsing the id at the start of a value is slower than to look the value up, and both are slower than
to compare: the ids of records that follow one another usually differ by the same number, and then
the values of a batch are a slice of all values.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from chaos.history import SentRecord
from wire.batch import BatchColumns, BatchHeader, decode_columns
from wire.codec import WireError
from wire.codec.types import Buffer
from wire.record_set import is_one_batch, iter_outlines

SLICE = 128
"""How many values are compared at once: a batch of 16 KiB holds as many of 100 bytes."""


@dataclass(slots=True, eq=False)
class TransmittedBatch:
    """One batch that was transmitted, perhaps in several requests; compared by identity."""

    ids: list[int]
    """The ids of its records, in order, without records that were never sent."""
    header: BatchHeader
    count: int
    """The number of its records."""
    payload_bytes: int
    """Bytes behind the header, before compression."""
    timestamp_deltas: list[int]
    """Of each record, in milliseconds."""
    in_order: bool
    """Whether the offset deltas of the records are 0, 1, 2 and so on."""


def ids_of(batches: Sequence[TransmittedBatch]) -> list[int]:
    """Return the ids of the records of some batches, in order; the list is not for changing."""
    if len(batches) == 1:
        return batches[0].ids
    return [record_id for batch in batches for record_id in batch.ids]


class RecordIds:
    """The ids of the records of one run, by their values and keys.

    Args:
        records: all records that were sent, by id.
    """

    def __init__(self, records: Sequence[SentRecord]) -> None:
        self._values = [record.value for record in records]
        self._id_of_value = {value: n for n, value in enumerate(self._values) if value}
        self._all_differ = len(self._id_of_value) == len(records)
        empty = [] if self._all_differ else [record for record in records if not record.value]
        self._id_of_key: dict[bytes | None, int] = {
            record.key: record.id for record in empty if record.key
        }
        self.equal: dict[bytes, list[int]] = {}
        """By value, the ids of the records that are equal: they have the same value, or neither a
        value nor a key."""
        if without_key := [record.id for record in empty if not record.key]:
            self.equal[b""] = without_key
        if len(self._id_of_value) + len(empty) < len(records):
            self.equal |= _repeated(self._values)
            for value in self.equal:
                self._id_of_value.pop(value, None)
        self.without_id = frozenset(n for ids in self.equal.values() for n in ids)
        """The ids of all records that are equal to others."""
        self._batches: dict[bytes, TransmittedBatch] = {}
        self._sets: dict[bytes, list[TransmittedBatch]] = {}
        """By record set, its batches."""

    @property
    def batches(self) -> list[TransmittedBatch]:
        """Each batch that was decoded so far, once."""
        return list(self._batches.values())

    def is_equal(self, key: bytes | None, value: bytes) -> bool:
        """Return whether a key and a value are those of records that are equal."""
        return value in self.equal and bool(value or not key)

    def of_key(self, key: bytes | None, value: bytes = b"") -> int | None:
        """Return the id of the record that has a key and no value; None if there is a value, or no
        such record."""
        return None if value else self._id_of_key.get(key)

    def of_values(self, values: Sequence[bytes]) -> list[int | None]:
        """Return the id of each value; None for one that was never sent, is empty, or is that of
        several records."""
        id_of, found = self._id_of_value.get, list[int | None]()
        for start in range(0, len(values), SLICE):
            part = values[start : start + SLICE]
            first, second = id_of(part[0]), id_of(part[1]) if len(part) > 1 else None
            if first is not None and second is not None and first < second and self._all_differ:
                ids = range(first, first + len(part) * (second - first), second - first)
                if self._values[first : ids.stop : ids.step] == part:
                    found += ids
                    continue
            found += map(id_of, part)
        return found

    def batches_in(self, data: Buffer) -> list[TransmittedBatch]:
        """Return the batches of a record set, up to the first that does not decode.

        The CRC may be wrong: an SPU replaces it. A retry carries the same batches again, perhaps
        fewer of them; each batch is decoded once.
        """
        raw = bytes(data)  # a memoryview compares one byte after the other
        found = self._sets.get(raw)
        if found is None:
            found = self._sets[raw] = []
            try:
                if is_one_batch(raw):
                    found.append(self._batch(raw))
                else:
                    for *_, view in iter_outlines(raw):
                        found.append(self._batch(bytes(view)))
            except WireError:
                pass  # a batch that does not decode has no records
        return found

    def _batch(self, raw: bytes) -> TransmittedBatch:
        batch = self._batches.get(raw)
        if batch is None:
            batch = self._batches[raw] = self._decoded(raw)
        return batch

    def in_batches(self, data: Buffer) -> list[int]:
        """Return the ids of the records in a record set; records that were never sent are left
        out."""
        return ids_of(self.batches_in(data))

    def equal_in(self, data: Buffer) -> Iterator[bytes]:
        """Yield the values in a record set that are those of several records, as often as they are
        there, up to the first batch that does not decode."""
        with suppress(WireError):
            for *_, view in iter_outlines(data):
                columns = decode_columns(bytes(view), check_crc=False)[1]
                for key, value in zip(columns.keys, columns.values, strict=True):
                    if self.is_equal(key, value):
                        yield value

    def in_part(self, batch: bytes) -> list[int]:
        """Return the ids of the records in one batch, without those that were never sent.

        Raises:
            WireError: the batch does not decode.
        """
        return self._ids_in(decode_columns(batch, check_crc=False)[1])

    def _decoded(self, raw: bytes) -> TransmittedBatch:
        header, columns = decode_columns(raw, check_crc=False)
        return TransmittedBatch(
            self._ids_in(columns),
            header,
            len(columns.values),
            columns.payload_bytes,
            columns.timestamp_deltas,
            columns.in_order,
        )

    def _ids_in(self, columns: BatchColumns) -> list[int]:
        known = self.of_values(columns.values)
        if self._all_differ and None not in known:
            return cast("list[int]", known)
        if self._id_of_key:
            known = [
                record_id if value else self.of_key(key)
                for record_id, key, value in zip(known, columns.keys, columns.values, strict=True)
            ]
        return [record_id for record_id in known if record_id is not None]


def _repeated(values: Sequence[bytes]) -> dict[bytes, list[int]]:
    """Return where the values are that occur more than once, without the empty one."""
    found: defaultdict[bytes, list[int]] = defaultdict(list)
    for n, value in enumerate(values):
        found[value].append(n)
    return {value: ids for value, ids in found.items() if value and len(ids) > 1}
