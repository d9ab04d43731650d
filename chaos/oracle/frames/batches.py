"""The transmitted batches, decoded as far as no other check looks at them.

Values say which records a batch holds (``evidence.py``). Here are the other fields: the header, and
the deltas of each record, which a consumer may ignore. A record is skipped by its own length, so
that keys and values are not decoded a second time.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from chaos.oracle.evidence import Evidence
from chaos.oracle.holds import holds
from chaos.oracle.timing import timing
from simulator.events import FrameRead
from wire.batch import HEADER, SCHEMA_BIT, BatchHeader, iter_batches
from wire.codec import WireError, read_varint
from wire.compression import Codec, decompress

_COUNT = struct.Struct(">i")
_SCHEMA_ID_BYTES = 4


@dataclass(frozen=True, slots=True)
class SentBatch:
    """One batch, as its first request carried it."""

    read: FrameRead
    partition: int
    ids: Sequence[int]
    """The ids of its records, in order."""
    header: BatchHeader
    codec: Codec
    count: int
    """The number of records that its payload claims."""
    size: int
    """Bytes before compression, the header included."""
    timestamp_deltas: Sequence[int]
    """Of each record; empty if the lengths of the records are wrong."""
    in_order: bool
    """Whether the offset deltas of the records are 0, 1, 2 and so on."""


@dataclass(frozen=True, slots=True)
class CarryingRequest:
    """One produce request and the records of one partition in it."""

    read: FrameRead
    begun_from: float
    """When the client began to write it, at the earliest."""
    partition: int
    first_ids: Sequence[int]
    """The first record of each batch."""
    is_first: bool
    """Whether an earlier request carried none of its batches."""


class SentBatches:
    """The batches of one run and the requests that carried them.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self.batches: list[SentBatch] = []
        """Each distinct batch once, in the order of transmission."""
        self.requests: dict[tuple[int, int], list[CarryingRequest]] = {}
        """By producer and partition, in the order of reading."""
        self._known: dict[bytes, SentBatch | None] = {}
        topic = evidence.scenario.topic.name
        for read in evidence.requests:
            found: dict[int, list[int]] = {}
            new: dict[int, bool] = {}
            for name, partition, data in read.carried:
                if name == topic:
                    self._take_in(read, partition, data, found, new)
            for partition, first_ids in found.items():
                request = CarryingRequest(
                    read, begun_from(evidence, read), partition, first_ids, new[partition]
                )
                producer = evidence.records[first_ids[0]].producer
                self.requests.setdefault((producer, partition), []).append(request)

    def _take_in(
        self,
        read: FrameRead,
        partition: int,
        data: bytes,
        found: dict[int, list[int]],
        new: dict[int, bool],
    ) -> None:
        try:
            for header, view in iter_batches(data):
                raw = bytes(view)
                known = raw in self._known
                if not known:
                    ids = self._evidence.ids_of(raw)
                    batch = _decoded(read, partition, header, raw, ids)
                    self._known[raw] = batch
                    if batch is not None:
                        self.batches.append(batch)
                decoded = self._known[raw]
                if decoded is not None and decoded.ids:
                    found.setdefault(partition, []).append(decoded.ids[0])
                    new[partition] = new.get(partition, True) and not known
        except WireError:
            return  # the check no-phantom reports what does not decode


def _decoded(
    read: FrameRead, partition: int, header: BatchHeader, raw: bytes, ids: Sequence[int]
) -> SentBatch | None:
    """Return a batch; None if it does not decode."""
    start = HEADER.size + (_SCHEMA_ID_BYTES if header.attributes & SCHEMA_BIT else 0)
    try:
        codec = header.codec
        payload = decompress(codec, raw[start:])
        (count,) = _COUNT.unpack_from(payload)
        stamps, in_order = _deltas(payload, count)
    except (WireError, struct.error):
        return None
    size = start + len(payload)
    return SentBatch(read, partition, ids, header, codec, count, size, stamps, in_order)


def _deltas(data: bytes, count: int) -> tuple[list[int], bool]:
    """Return the timestamp delta of each record, and whether the offset deltas count from 0."""
    stamps: list[int] = []  # zig-zag encoded until all are known
    append, at, end, ordered = stamps.append, _COUNT.size, len(data), True
    try:
        for expected in range(0, 2 * min(count, end), 2):
            # Varints of one or two bytes are decoded here; the lowest bit is the sign.
            size = data[at]
            if size < 0x80:
                at += 1
            elif (high := data[at + 1]) < 0x80:
                size += (high << 7) - 0x80
                at += 2
            else:
                number, at = read_varint(data, at)
                size = 2 * number
            stamp, offset = data[at + 1], data[at + 2]
            if offset >= 0x80 or stamp >= 0x80:
                number, place = read_varint(data, at + 1) if stamp >= 0x80 else (0, at + 2)
                if stamp >= 0x80:
                    stamp = 2 * number if number >= 0 else -2 * number - 1
                    offset = data[place]
                if offset >= 0x80 and (high := data[place + 1]) < 0x80:
                    offset += (high << 7) - 0x80
                elif offset >= 0x80:
                    offset = 2 * read_varint(data, place)[0]
            if offset != expected:
                ordered = False
            at += size >> 1
            if size & 1 or at > end:
                return [], True
            append(stamp)
    except (IndexError, WireError):
        return [], True
    if any(stamps):
        stamps = [stamp >> 1 ^ -(stamp & 1) for stamp in stamps]
    return stamps, ordered


def begun_from(evidence: Evidence, read: FrameRead) -> float:
    """Return when the client began to write a request, at the earliest."""
    arrived_from = evidence.once(holds).arrived_from(read.transmission, read.t)
    return evidence.once(timing).begun_from(arrived_from)


def sent_batches(evidence: Evidence) -> SentBatches:
    """Return the batches of a run; for ``Evidence.once``."""
    return SentBatches(evidence)
