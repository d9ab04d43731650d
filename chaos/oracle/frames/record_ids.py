"""From bytes to record ids: which records a batch or a log holds.

All values but empty ones differ, so that a value says which record it is; where it is empty, the
key does. Parsing the id at the start of a value is slower than to look the value up, and both are
slower than to compare: the ids of records that follow one another usually differ by the same
number, and then the values of a batch are a slice of all values.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaos.history import SentRecord
from wire.batch import BatchColumns, BatchHeader, decode_columns
from wire.codec import WireError
from wire.codec.types import Buffer
from wire.record_set import iter_outlines

SLICE = 128
"""How many values are compared at once: a batch of 16 KiB holds as many of 100 bytes."""


@dataclass(frozen=True, slots=True, eq=False)
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
        self.without_id = frozenset(record.id for record in empty if not record.key)
        """The ids of the records that have neither a value nor a key, and are equal."""
        self._batches: dict[bytes, TransmittedBatch] = {}
        self._sets: dict[Buffer, list[TransmittedBatch]] = {}
        """By record set, its batches."""

    @property
    def batches(self) -> list[TransmittedBatch]:
        """Each batch that was decoded so far, once."""
        return list(self._batches.values())

    def of_key(self, key: bytes | None) -> int | None:
        """Return the id of the record without a value that has a key; None if there is none."""
        return self._id_of_key.get(key)

    def of_values(self, values: Sequence[bytes]) -> list[int | None]:
        """Return the id of each value; None for one that was never sent, or is empty."""
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
        found = self._sets.get(data)
        if found is None:
            found = self._sets[data] = [*self._cut(data)]
        return found

    def _cut(self, data: Buffer) -> Iterator[TransmittedBatch]:
        try:
            for *_, view in iter_outlines(data):
                # One batch in one piece has its hash already.
                raw = data if isinstance(data, bytes) and len(view) == len(data) else bytes(view)
                batch = self._batches.get(raw)
                if batch is None:
                    batch = self._batches[raw] = self._decoded(raw)
                yield batch
        except WireError:
            pass  # a batch that does not decode has no records

    def in_batches(self, data: Buffer) -> list[int]:
        """Return the ids of the records in a record set; records that were never sent are left
        out."""
        return [record_id for batch in self.batches_in(data) for record_id in batch.ids]

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
        if self._id_of_key:
            known = [
                record_id if value else self.of_key(key)
                for record_id, key, value in zip(known, columns.keys, columns.values, strict=True)
            ]
        return [record_id for record_id in known if record_id is not None]
