"""The log of one partition: stored batches in memory, with offsets as an SPU assigns them.

The naive way decodes what arrives into records and stores those. It costs a microsecond for each
record and changes the bytes. An SPU does neither
(``crates/fluvio-storage/src/replica.rs``, ``segment.rs``): it reads the header of each batch,
believes its record count, writes the base offset into it and stores the rest as it came. So do we:
one copy for each batch, its records never looked at, its CRC still valid (the base offset is
outside its range). Records are decoded when somebody reads the log.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from wire.api.storage import TopicCompression
from wire.batch import CODEC_BITS, BatchHeader, Record, decode_batch, with_base_offset
from wire.compression import Codec
from wire.error_code import Code, ErrorCode

BATCH_BYTES_MAX = 32 * 1024 * 1024
"""The largest batch that an SPU stores, header included (``FileReplica::PREFER_MAX_LEN``)."""

SEGMENT_BYTES_DEFAULT = 1024 * 1024 * 1024
"""The size of a segment where the topic does not say (``fluvio-types/src/defaults.rs``)."""

_CODECS_OF: dict[TopicCompression, frozenset[int]] = {
    TopicCompression.ANY: frozenset(Codec),
    TopicCompression.NONE: frozenset((Codec.NONE,)),
    TopicCompression.GZIP: frozenset((Codec.GZIP,)),
    TopicCompression.SNAPPY: frozenset((Codec.SNAPPY,)),
    TopicCompression.LZ4: frozenset((Codec.LZ4,)),
    TopicCompression.ZSTD: frozenset((Codec.ZSTD,)),
}

Batch = tuple[BatchHeader, memoryview]
"""A batch that arrived: its header, and all its bytes."""


class StoredBatch(NamedTuple):
    """One batch as it stands in the log."""

    base_offset: int
    records: int
    data: bytes


class Appended(NamedTuple):
    """Where a record set was stored; both are 0 if it held no records."""

    base_offset: int
    records: int


class Disk:
    """The room that all logs of a cluster share.

    Args:
        bytes_max: how many bytes of batches may be stored; beyond that a partition is full.
    """

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.bytes_used = 0


class PartitionLog:
    """The stored batches of one partition.

    Args:
        disk: the room to store in.
        compression: what the topic allows in its batches.
        segment_bytes: the largest batch that the topic's segments take.
    """

    def __init__(
        self,
        disk: Disk,
        compression: TopicCompression = TopicCompression.ANY,
        segment_bytes: int = SEGMENT_BYTES_DEFAULT,
    ) -> None:
        self.batches: list[StoredBatch] = []
        self.end_offset = 0
        self.bytes = 0
        self._disk = disk
        self._codecs = _CODECS_OF[compression]
        self._batch_bytes_max = min(BATCH_BYTES_MAX, segment_bytes)
        self._short_circuited = False
        self._commits: deque[tuple[float, int]] = deque()
        self._committed = 0

    def append(
        self, batches: list[Batch], now: float = 0.0, commit_delay_s: float = 0.0
    ) -> Appended | ErrorCode | None:
        """Store a record set as a whole, or nothing of it.

        Args:
            batches: the batches, cut but not decoded.
            now: the time of the append, in seconds of the simulator's clock.
            commit_delay_s: how much later the high watermark passes the records, in seconds.

        Returns:
            Where the records are; or the code of the refusal; or None when the disk is full
            (the code for that names the partition, which the log does not know).
        """
        counts = [header.record_count for header, _ in batches]
        records = sum(counts)
        if not records:
            return Appended(0, 0)
        sizes = [len(data) for _, data in batches]
        refusal = self._refusal(batches, counts, max(sizes))
        if refusal is not None:
            return refusal
        size = sum(sizes)
        if self._disk.bytes_used + size > self._disk.bytes_max:
            return None
        base_offset = offset = self.end_offset
        for (_, data), count in zip(batches, counts, strict=True):
            self.batches.append(StoredBatch(offset, count, with_base_offset(data, offset)))
            offset += count
        self.end_offset = offset
        self.bytes += size
        self._disk.bytes_used += size
        if commit_delay_s > 0:
            self._commits.append((now + commit_delay_s, self.end_offset))
        else:
            self._committed = self.end_offset
        return Appended(base_offset, records)

    def _refusal(self, batches: list[Batch], counts: list[int], largest: int) -> Code | None:
        """The order of the checks is the SPU's (``produce_handler.rs``, ``replica.rs``)."""
        for header, _ in batches:
            if header.attributes & CODEC_BITS not in self._codecs:
                return Code.COMPRESSION_ERROR
        if largest > self._batch_bytes_max:
            return Code.MESSAGE_TOO_LARGE
        if self._short_circuited:
            return Code.PARTITION_SHORT_CIRCUITED
        if 0 in counts:
            # An empty batch among others makes the real storage fail, and all writes behind it.
            self._short_circuited = True
            return Code.STORAGE_ERROR
        return None

    def restarted(self) -> None:
        """The SPU came back: its storage writes again. The log is kept."""
        self._short_circuited = False

    def high_watermark(self, now: float) -> int:
        """The offset up to which records are committed, at a time of the simulator's clock."""
        while self._commits and self._commits[0][0] <= now:
            self._committed = self._commits.popleft()[1]
        return self._committed

    def read(self, offset: int, end: int, bytes_max: int) -> bytes:
        """Whole batches from the one that holds ``offset`` to ``end``; one at least, if any.

        A batch is never cut: official consumers lose records over a cut one.
        """
        found: list[bytes] = []
        size = 0
        for batch in self.batches[self._index_of(offset) :]:
            if batch.base_offset >= end or (found and size + len(batch.data) > bytes_max):
                break
            found.append(batch.data)
            size += len(batch.data)
        return b"".join(found)

    def _index_of(self, offset: int) -> int:
        low, high = 0, len(self.batches)
        while low < high:
            middle = (low + high) // 2
            batch = self.batches[middle]
            if batch.base_offset + batch.records <= offset:
                low = middle + 1
            else:
                high = middle
        return low

    def __iter__(self) -> Iterator[Record]:
        """Every record in order of offsets, decoded now.

        Raises:
            WireError: a producer stored a batch that does not decode.
        """
        for batch in self.batches:
            yield from decode_batch(batch.data)[1]

    def __len__(self) -> int:
        return self.end_offset
