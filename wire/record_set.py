"""Record sets: batches in a row, as an SPU reads and stores them.

**Appending.** The SPU reads headers only: ``iter_batches`` takes 0.5 us a batch (0.9 us for a
record set of one) and copies nothing. Storing a batch needs three of the twelve fields:
``iter_outlines`` reads those alone, in a third of the time.

**Leniency.** An SPU does not refuse a record set that is no row of whole batches. A batch takes as
many bytes as its ``batch_len`` says, but never more than there are, and all of them if it says less
than a header. Bytes behind the last batch are the next one if they hold a header; fewer are read as
far as whole fields of a header fit, and what is left of them is read as the fields *behind* the
record set (``spu_reads``). The SPU then encodes each batch anew: ``batch_len`` and CRC in the log
are its own and always right. ``iter_batches`` and ``iter_outlines`` yield batches with the
``batch_len`` that the SPU writes; ``as_stored`` also sets base offset and CRC.

Source: ``crates/fluvio-protocol``, ``src/record/batch.rs`` and ``data.rs``.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator

from crc32c import crc32c

from wire.batch import (
    BASE_OFFSET_BYTES,
    CODEC_BITS,
    EMPTY_BATCH_BYTES,
    HEADER,
    PREAMBLE_BYTES,
    SCHEMA_BIT,
    BatchHeader,
)
from wire.codec.types import Buffer

OUTLINE_BITS = CODEC_BITS | SCHEMA_BIT  # the attribute bits that ``iter_outlines`` yields

SCHEMA_ID_BYTES = 4

_COVERED_FROM = 21  # the CRC covers everything from the attributes on
_BASE_OFFSET = struct.Struct(">q")
_LENGTH = struct.Struct(">i")
_CRC = struct.Struct(">I")
_BATCH_LEN = struct.Struct(">8xi")
_OUTLINE = struct.Struct(">8xi9xhi")  # batch_len, attributes, last_offset_delta
_HEADER_ENDS = (8, 12, 16, 17, 21, 23, 27, 35, 43, 51, 53, 57)
"""Where each field of a header ends."""


def iter_batches(record_set: Buffer) -> Iterator[tuple[BatchHeader, memoryview]]:
    """Yield the header, without schema id, and all bytes of each batch of a record set.

    The views share the memory of ``record_set`` and keep it alive, except for a batch whose
    ``batch_len`` is wrong: that is a copy with the right one. Bytes that are no batch are left
    out. Records, CRC and codec are not checked.
    """
    view = memoryview(record_set)
    start, length = 0, len(view)
    while length - start >= HEADER.size:
        header = BatchHeader(*HEADER.unpack_from(view, start))
        end = start + PREAMBLE_BYTES + header.batch_len
        if start + EMPTY_BATCH_BYTES <= end <= length:
            batch = view[start:end]
        elif (end := _end_of_batch(view, start, length)) > start:
            batch = _with_right_length(view[start:end])
            header.batch_len = len(batch) - PREAMBLE_BYTES
        else:
            return
        yield header, batch
        start = end


def is_one_batch(record_set: Buffer) -> bool:
    """Return whether a record set is exactly one batch, as most of them are."""
    size = len(record_set)
    return size >= EMPTY_BATCH_BYTES and _BATCH_LEN.unpack_from(record_set) == (
        size - PREAMBLE_BYTES,
    )


def iter_outlines(record_set: Buffer) -> Iterator[tuple[int, int, memoryview]]:
    """Yield the codec and schema bits, the claimed record count and all bytes of each batch of a
    record set, as ``iter_batches`` does."""
    view = memoryview(record_set)
    start, length = 0, len(view)
    outline, header_bytes = _OUTLINE.unpack_from, HEADER.size
    while length - start >= header_bytes:
        batch_len, attributes, last_delta = outline(view, start)
        end = start + PREAMBLE_BYTES + batch_len
        if start + EMPTY_BATCH_BYTES <= end <= length:
            batch = view[start:end]
        elif (end := _end_of_batch(view, start, length)) > start:
            batch = _with_right_length(view[start:end])
        else:
            return
        yield attributes & OUTLINE_BITS, last_delta + 1 if last_delta >= 0 else 0, batch
        start = end


def spu_reads(data: Buffer, start: int, end: int) -> tuple[int, int]:
    """Return the end of the last batch of a record set, and where an SPU stops reading the set.

    Both are ``end`` unless bytes are left over that are no batch. The SPU reads what is behind the
    second position as the fields that follow the record set.

    Args:
        data: a frame.
        start: the position of the first byte of the record set.
        end: the position behind its last byte.
    """
    batch_len = _BATCH_LEN.unpack_from
    while end - start >= HEADER.size:
        behind = start + PREAMBLE_BYTES + batch_len(data, start)[0]
        if not start + EMPTY_BATCH_BYTES <= behind <= end:
            behind = _end_of_batch(data, start, end)
            if behind == start:  # a whole header, but its schema id is cut off
                return start, start + HEADER.size
        start = behind
    read = bisect_right(_HEADER_ENDS, end - start)
    return start, start + (_HEADER_ENDS[read - 1] if read else 0)


def _end_of_batch(data: Buffer, start: int, end: int) -> int:
    """Return the end of the batch at ``start``; ``start`` if there is no whole header."""
    if end - start < HEADER.size:
        return start
    batch_len, attributes, _ = _OUTLINE.unpack_from(data, start)
    shortest = HEADER.size - PREAMBLE_BYTES
    if attributes & SCHEMA_BIT:
        shortest += SCHEMA_ID_BYTES
        if end - start < PREAMBLE_BYTES + shortest:
            return start
    # Less than a header is a huge length for the SPU: the subtraction wraps around.
    return end if batch_len < shortest else min(start + PREAMBLE_BYTES + int(batch_len), end)


def _with_right_length(batch: memoryview) -> memoryview:
    """Return a batch with the ``batch_len`` that its bytes have."""
    batch_len = len(batch) - PREAMBLE_BYTES
    if _BATCH_LEN.unpack_from(batch) == (batch_len,):
        return batch
    copy = bytearray(batch)
    _LENGTH.pack_into(copy, BASE_OFFSET_BYTES, batch_len)
    return memoryview(bytes(copy))


def as_stored(base_offset: int, body: Buffer) -> bytes:
    """Return a batch as an SPU stores it: at an offset, and with a CRC of its own.

    Args:
        base_offset: the offset of the first record.
        body: the batch without its first ``BASE_OFFSET_BYTES`` bytes, with a right ``batch_len``.
    """
    view = memoryview(body)
    covered = view[_COVERED_FROM - BASE_OFFSET_BYTES :]
    crc = _CRC.pack(crc32c(covered))
    uncovered = view[: _COVERED_FROM - _CRC.size - BASE_OFFSET_BYTES]
    return b"".join((_BASE_OFFSET.pack(base_offset), uncovered, crc, covered))


def whole_batches(record_set: Buffer) -> Iterator[tuple[BatchHeader, memoryview]]:
    """Yield what ``iter_batches`` yields, without a last batch whose end is missing.

    An SPU cuts the batches of an answer at ``max_bytes``, in the middle of a batch if need be.
    """
    at = 0
    for header, batch in iter_batches(record_set):
        (claimed,) = _BATCH_LEN.unpack_from(record_set, at)
        if claimed != header.batch_len:
            return
        yield header, batch
        at += len(batch)
