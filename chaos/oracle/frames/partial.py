"""The records of produce requests that were read in part.

A connection can end within a frame. The client transmitted the bytes that arrived, and perhaps
more. A record was transmitted in part if a byte of it is among them: each record that begins in the
arrived part of an uncompressed batch, and all records of a batch of which compressed bytes arrived.

The arrived part of a batch says by itself which of its records are whole. The others, and those of
a compressed batch, are known if the client transmitted the same batch again: its bytes begin with
the arrived ones, the CRC of the whole batch included.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from chaos.oracle.evidence import Evidence
from simulator.events import FramePartlyRead
from wire.batch import (
    EMPTY_BATCH_BYTES,
    HEADER,
    PREAMBLE_BYTES,
    BatchHeader,
)
from wire.codec import WireError, decode_from, read_varint
from wire.framing import LENGTH_BYTES, RequestHeader

_BEFORE_TOPICS = struct.Struct(">Bhii")  # no transactional id, acks, timeout, count of topics
_NAME = struct.Struct(">h")
_COUNT = struct.Struct(">i")
_ENTRY = struct.Struct(">ii")  # partition, bytes
_PREAMBLE = struct.Struct(">qi")  # base offset, bytes behind it


class PartialTransmission(NamedTuple):
    """One request frame, read in part, that carried at least a byte of a record."""

    t: float
    """When the connection ended."""
    connection: int


def partial_transmissions(evidence: Evidence) -> dict[int, list[PartialTransmission]]:
    """Return the partial transmissions of each record that has any; for ``Evidence.once``."""
    found: dict[int, list[PartialTransmission]] = {}
    frames = [e for e in evidence.events_of(FramePartlyRead) if e.api == "produce"]
    if not frames:
        return found
    known = _known_batches(evidence)
    for frame in frames:
        transmission = PartialTransmission(frame.t, frame.connection)
        for record_id in _ids_in(evidence, known, frame.data):
            found.setdefault(record_id, []).append(transmission)
    return found


def _known_batches(evidence: Evidence) -> dict[bytes, bytes]:
    """Return the batches of whole requests, by their headers."""
    found: dict[bytes, bytes] = {}
    for read in evidence.requests:
        for _, _, data in read.carried:
            for batch in _batches_in(memoryview(data)):
                found.setdefault(bytes(batch[: HEADER.size]), bytes(batch))
    return found


def _ids_in(evidence: Evidence, known: dict[bytes, bytes], data: bytes) -> Iterator[int]:
    topic = evidence.scenario.topic.name
    try:
        for name, records in _entries(data):
            if name == topic:
                for batch in _batches_in(records):
                    yield from _ids_of(evidence, known, bytes(batch))
    except (WireError, struct.error, IndexError):
        return  # nothing more arrived


def _ids_of(evidence: Evidence, known: dict[bytes, bytes], arrived: bytes) -> list[int]:
    """Return the ids of the records of which a byte arrived, as far as they are known."""
    if len(arrived) <= EMPTY_BATCH_BYTES:
        return []
    compressed = BatchHeader(*HEADER.unpack_from(arrived)).codec_bits
    ends = [] if compressed else _ends_of_records(arrived)
    batch = known.get(arrived[: HEADER.size], b"")
    if batch.startswith(arrived):
        ids = evidence.record_ids.in_batches(batch)
        return ids if compressed else ids[: len(ends)]
    whole = [end for end in ends if end <= len(arrived)]
    if not whole:
        return []
    records = arrived[EMPTY_BATCH_BYTES : whole[-1]]
    size = EMPTY_BATCH_BYTES - PREAMBLE_BYTES + len(records)
    preamble = _PREAMBLE.pack(0, size)
    rest = arrived[PREAMBLE_BYTES : HEADER.size]
    complete = b"".join((preamble, rest, _COUNT.pack(len(whole)), records))
    return evidence.record_ids.in_part(complete)


def _ends_of_records(arrived: bytes) -> list[int]:
    """Return where each record ends that begins in the arrived part of an uncompressed batch."""
    ends, position = [], EMPTY_BATCH_BYTES
    while position < len(arrived):
        try:
            size, start = read_varint(arrived, position)
        except IndexError:
            size, start = len(arrived), position
        position = start + max(size, 0)
        ends.append(position)
    return ends


def _batches_in(records: memoryview) -> Iterator[memoryview]:
    """Yield each batch of a record set; the last one may be cut."""
    position = 0
    while len(records) - position >= HEADER.size:
        _, size = _PREAMBLE.unpack_from(records, position)
        end = position + _PREAMBLE.size + max(size, 0)
        yield records[position:end]
        position = end


def _entries(data: bytes) -> Iterator[tuple[str, memoryview]]:
    """Yield topic and record set of each entry of a produce request; the last one may be cut.

    Raises:
        WireError, struct.error, IndexError: the data ends before the next entry.
    """
    _, position = decode_from(RequestHeader, data, LENGTH_BYTES, 0)
    transactional, *_, topics = _BEFORE_TOPICS.unpack_from(data, position)
    if transactional:
        raise WireError("a transactional id")
    position += _BEFORE_TOPICS.size
    view = memoryview(data)
    for _ in range(topics):
        (length,) = _NAME.unpack_from(data, position)
        position += _NAME.size
        name = data[position : position + length].decode(errors="replace")
        (entries,) = _COUNT.unpack_from(data, position + length)
        position += length + _COUNT.size
        for _ in range(entries):
            _, size = _ENTRY.unpack_from(data, position)
            position += _ENTRY.size
            yield name, view[position : position + max(size, 0)]
            position += max(size, 0)
