"""The log of one partition: stored batches in memory, with offsets assigned as by an SPU.

The naive approach decodes batches into records and stores the records. That costs a microsecond for
each record and changes the bytes. An SPU (``crates/fluvio-storage/src/replica.rs``, ``segment.rs``)
reads the header of each batch, trusts its record count, and encodes the batch anew: base offset,
``batch_len`` and CRC are its own, the rest is unchanged. A whole batch with a right CRC is encoded
to the same bytes; one with a wrong CRC is stored with a right one, so that the log never shows what
went wrong on the way. We keep what arrived, in one copy for each batch, and compute the CRC when
the batch is read, because most logs are read once or never. Records are decoded only then, too.

A log with a limit loses its oldest batches once it is longer (``evict``). To take one batch from
the front of a list of a million costs a millisecond, so an eighth of the limit goes at a time.

A log may hold millions of batches, so a batch is not a separate object: the bytes after the base
offset are in one list, and the base offsets are in an array. That halves the memory of a small
batch, and the garbage collector has nothing to traverse.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from math import inf
from typing import NamedTuple

from simulator.cluster.copies import Copies
from simulator.cluster.memory import Memory
from simulator.cluster.record_set import RecordSet
from simulator.cluster.topic_specs import SEGMENT_BYTES_DEFAULT
from simulator.storage.kept_log import KeptLog
from wire.api.storage import TopicCompression
from wire.batch import BASE_OFFSET_BYTES, SCHEMA_BIT, Record, decode_batch
from wire.compression import Codec
from wire.error_code import Code, ErrorCode
from wire.record_set import as_stored

BATCH_BYTES_MAX = 32 * 1024 * 1024
"""The largest batch that an SPU stores, header included (``FileReplica::PREFER_MAX_LEN``)."""

_CODECS_OF: dict[TopicCompression, tuple[Codec, ...]] = {
    TopicCompression.ANY: tuple(Codec),
    TopicCompression.NONE: (Codec.NONE,),
    TopicCompression.GZIP: (Codec.GZIP,),
    TopicCompression.SNAPPY: (Codec.SNAPPY,),
    TopicCompression.LZ4: (Codec.LZ4,),
    TopicCompression.ZSTD: (Codec.ZSTD,),
}


_BITS_OF = {
    compression: frozenset(bits for c in codecs for bits in (c, c | SCHEMA_BIT))
    for compression, codecs in _CODECS_OF.items()
}
"""The codec and schema bits that a topic takes."""


class StoredBatch(NamedTuple):
    """One batch of the log."""

    base_offset: int
    records: int
    data: bytes


class AppendedRecords(NamedTuple):
    """The position of a stored record set; both fields are 0 if it held no records."""

    base_offset: int
    records: int


class InterruptedAppend(NamedTuple):
    """A record set of which the SPU wrote the first batches and failed at the next one."""

    stored: AppendedRecords
    """The position of what is written; the high watermark does not pass it before the next
    append."""
    code: Code | None
    """The code of the answer; None if the SPU closes the connection instead."""


class PartitionLog:
    """The stored batches of one partition.

    Args:
        memory: what all logs of a cluster share.
        compression: what the topic allows in its batches.
        segment_bytes: the largest batch that the topic's segments take.
        segments_bytes_max: how long the log may be before its first segments go; None for any
            length.
        batches_bytes_max: how long it may be before its first batches go; None for any length.
    """

    def __init__(
        self,
        memory: Memory,
        compression: TopicCompression = TopicCompression.ANY,
        segment_bytes: int = SEGMENT_BYTES_DEFAULT,
        segments_bytes_max: int | None = None,
        batches_bytes_max: int | None = None,
    ) -> None:
        self.bodies: list[bytes] = []
        """Each batch behind its base offset."""
        self.base_offsets = array("q")
        """The offset of the first record of each batch."""
        self.start_offset = 0
        """The offset of the first record that is not evicted."""
        self.end_offset = 0
        self.bytes = 0
        """Bytes of all batches."""
        self.resent = 0
        """Records of batches whose bytes this log held when they came."""
        self.keep: KeptLog | None = None
        """What keeps the log across restarts, if anything does."""
        self._copies = Copies(self.bodies)
        self._memory = memory
        self._bits = _BITS_OF[compression]
        self._batch_bytes_max = min(BATCH_BYTES_MAX, segment_bytes)
        self._segment_bytes = self._segment_left = segment_bytes
        self._segments = [0]
        """Where in ``bodies`` each segment begins."""
        self._segments_bytes_max = inf if segments_bytes_max is None else segments_bytes_max
        self._batches_bytes_max = inf if batches_bytes_max is None else batches_bytes_max
        self._bytes_max = min(self._segments_bytes_max, self._batches_bytes_max)
        self._short_circuited = False
        self._commits: deque[tuple[float, int]] = deque()
        self._committed = 0
        self.replicate: Callable[[], None] | None = None
        """Called after each append if followers replicate the log: ``commit`` then says what is
        committed, and appends do not."""
        self.on_evict: Callable[[Sequence[StoredBatch]], None] | None = None
        """Called with the batches that are about to be evicted."""
        self.watchers: dict[Callable[[], None], None] = {}
        """Called after each append and each ``commit``, in the order in which they came."""

    @property
    def batches(self) -> list[StoredBatch]:
        """All batches, whole."""
        ends = [*self.base_offsets[1:], self.end_offset]
        return [
            StoredBatch(base, end - base, as_stored(base, body))
            for base, end, body in zip(self.base_offsets, ends, self.bodies, strict=False)
        ]

    @property
    def charge(self) -> int:
        """Bytes of memory that the log is charged with."""
        return self._memory.charge(len(self.bodies), self.bytes)

    def append(
        self, records: RecordSet, now: float = 0.0, commit_delay_s: float = 0.0
    ) -> AppendedRecords | InterruptedAppend | ErrorCode | None:
        """Store a record set: as a whole, nothing of it, or the batches before one that cannot be
        written.

        Args:
            records: the batches, cut to the end but not decoded.
            now: the time of the append, in seconds of the simulator's clock.
            commit_delay_s: how much later the high watermark passes the records, in seconds.

        Returns:
            Where the records are; or what is written of them; or the code of the refusal, which is
            StorageError if what keeps the log cannot write it; or None when the memory is full (the
            code for that names the partition, which the log does not know).
        """
        if not any(records.counts):
            return AppendedRecords(0, 0)
        refusal = self._refusal(records)
        if refusal is not None:
            return refusal
        if not records.can_be_written:
            return self._append_in_part(records)
        appended = self._store(records)
        if not isinstance(appended, AppendedRecords):
            return appended
        if self.replicate is not None:
            self.replicate()
        elif commit_delay_s > 0:
            self._commits.append((now + commit_delay_s, self.end_offset))
        else:
            self._committed = self.end_offset
        for call in tuple(self.watchers):
            call()
        return appended

    def _append_in_part(self, records: RecordSet) -> InterruptedAppend | Code | None:
        """Store the batches before the first one that cannot be written."""
        written = records.written()
        empty = not records.counts[len(written.counts)]
        stored = self._store(written)
        if not isinstance(stored, AppendedRecords):
            return stored
        # An empty batch makes the real storage fail, and all writes behind it; a batch with a
        # schema id makes the real encoder panic, and the storage does not notice.
        self._short_circuited = empty
        return InterruptedAppend(stored, Code.STORAGE_ERROR if empty else None)

    def _store(self, records: RecordSet) -> AppendedRecords | Code | None:
        """Store all batches, or return None if the memory is full, or a code."""
        if not self._memory.store(len(records.bodies), records.size):
            return None
        if (
            self.keep is not None
            and records.bodies
            and not self.keep.append(self.end_offset, records.bodies)
        ):
            self._memory.stored -= self._memory.charge(len(records.bodies), records.size)
            return Code.STORAGE_ERROR
        total = sum(records.counts)
        base_offset, position = self.end_offset, len(self.bodies)
        self._segment_left -= records.size
        if self._segment_left < 0:
            self._roll(records, position)
        offsets = accumulate(records.counts, initial=base_offset)
        self.bodies += records.bodies
        self.base_offsets.extend(offset for offset, _ in zip(offsets, records.bodies, strict=False))
        self.end_offset += total
        self.bytes += records.size
        self.resent += self._copies.count(records, position)
        return AppendedRecords(base_offset, total)

    def _roll(self, records: RecordSet, position: int) -> None:
        """Begin a new segment with each batch that does not fit into the latest one."""
        left = self._segment_left + records.size
        for place, body in enumerate(records.bodies, position):
            size = BASE_OFFSET_BYTES + len(body)
            if size > left:
                self._segments.append(place)
                left = self._segment_bytes
            left -= size
        self._segment_left = left

    def _refusal(self, records: RecordSet) -> Code | None:
        """The order of the checks is the SPU's (``produce_handler.rs``, ``replica.rs``)."""
        if not records.bits <= self._bits:
            return Code.COMPRESSION_ERROR
        if records.largest > self._batch_bytes_max:
            return Code.MESSAGE_TOO_LARGE
        if self._short_circuited:
            return Code.PARTITION_SHORT_CIRCUITED
        return None

    def restore(self, base_offset: int, records: RecordSet) -> bool:
        """Store batches again that were kept; they are committed.

        Returns:
            Whether there was memory for them.

        Raises:
            ValueError: they do not continue the log.
        """
        if base_offset < self.end_offset:
            self.truncate(base_offset)
        if base_offset != self.end_offset:
            raise ValueError(f"batches at offset {base_offset} behind offset {self.end_offset}")
        stored = self._store(records)
        self._committed = self.end_offset
        return stored is not None

    def evict(self, now: float) -> bool:
        """Remove the oldest batches if the log is longer than it may be.

        Then at least an eighth of the limit goes, in whole batches, or in whole segments. The
        latest batch, or segment, stays, and so does what is not committed.

        Returns:
            Whether batches were removed.
        """
        if self.bytes <= self._bytes_max:
            return False
        committed = bisect_left(self.base_offsets, self.high_watermark(now))
        most = min(committed, len(self.bodies) - 1)
        segments = self._segments[1 : bisect_right(self._segments, most)]
        count = max(
            self._beyond(self._batches_bytes_max, range(1, most + 1)),
            self._beyond(self._segments_bytes_max, segments),
        )
        if count:
            self._remove_first(count)
        return count > 0

    def evict_to(self, offset: int) -> None:
        """Remove the batches before an offset; a log without batches begins there."""
        if not self.bodies:
            self.start_offset = self.end_offset = self._committed = offset
        elif count := bisect_left(self.base_offsets, offset):
            self._remove_first(count)

    def _beyond(self, bytes_max: float, places: Iterable[int]) -> int:
        """Return how many batches go for a limit: up to one of the places in ``bodies``."""
        if self.bytes <= bytes_max:
            return 0
        size, count = self.bytes, 0
        for place in places:
            size -= sum(BASE_OFFSET_BYTES + len(body) for body in self.bodies[count:place])
            count = place
            if size <= bytes_max * 7 / 8:
                break
        return count

    def _remove_first(self, count: int) -> None:
        if self.on_evict is not None:
            self.on_evict(self.batches[:count])
        removed = self.bodies[:count]
        size = sum(BASE_OFFSET_BYTES + len(body) for body in removed)
        self._memory.stored -= self._memory.charge(count, size)
        self.bytes -= size
        del self.bodies[:count], self.base_offsets[:count]
        self._copies.forget_first(count)
        self.start_offset = self.base_offsets[0] if self.bodies else self.end_offset
        self._segments = [0, *(place - count for place in self._segments if place > count)]
        if self.keep is not None:
            self.keep.evicted(self.start_offset, size)

    def commit(self, end: int) -> None:
        """Move the high watermark to an offset, as the followers' fetches allow."""
        self._committed = end
        for call in tuple(self.watchers):
            call()

    def truncate(self, end: int) -> None:
        """Remove the batches from an offset on, and let the storage write again: another replica
        leads, which has the batches before it only."""
        kept = bisect_left(self.base_offsets, end)
        removed = self.bodies[kept:]
        size = sum(BASE_OFFSET_BYTES + len(body) for body in removed)
        self._memory.stored -= self._memory.charge(len(removed), size)
        self.bytes -= size
        del self.bodies[kept:], self.base_offsets[kept:]
        self._copies.forget(kept)
        self.end_offset = end
        if self.keep is not None:
            self.keep.truncated(end, size)
        self._segments = [place for place in self._segments if place < kept] or [0]
        latest = self.bodies[self._segments[-1] :]
        used = sum(BASE_OFFSET_BYTES + len(body) for body in latest)
        self._segment_left = self._segment_bytes - used
        self.restarted()

    def restarted(self) -> None:
        """The SPU came back: its storage writes again. The log is kept."""
        self._short_circuited = False

    def high_watermark(self, now: float) -> int:
        """The offset up to which records are committed, at a time of the simulator's clock."""
        while self._commits and self._commits[0][0] <= now:
            self._committed = self._commits.popleft()[1]
        return self._committed

    @property
    def next_commit(self) -> float | None:
        """When the high watermark passes more records, in seconds of the simulator's clock; None
        if it has reached the end."""
        return self._commits[0][0] if self._commits else None

    def read(self, offset: int, end: int, room: int, bytes_max: int | None = None) -> bytes:
        """Batches from the one that holds ``offset`` on, of one segment only, as in a real SPU.

        Args:
            offset: the offset of the first record wanted.
            end: the offset behind the last one.
            room: how many bytes of whole batches to return; the first batch may exceed that.
            bytes_max: where to cut the batches, if necessary in the middle of one; None for not.
        """
        found: list[bytes] = []
        size = 0
        if offset >= self.end_offset:
            return b""
        first = max(bisect_right(self.base_offsets, offset) - 1, 0)
        segment = bisect_right(self._segments, first)
        behind = self._segments[segment] if segment < len(self._segments) else len(self.bodies)
        for position in range(first, behind):
            enough = bytes_max is not None and size >= bytes_max
            base, body = self.base_offsets[position], self.bodies[position]
            size += BASE_OFFSET_BYTES + len(body)
            if base >= end or enough or (found and size > room):
                break
            found.append(as_stored(base, body))
        return b"".join(found)[:bytes_max]

    def __iter__(self) -> Iterator[Record]:
        """Every record in order of offsets, decoded now.

        Raises:
            WireError: a producer stored a batch that does not decode.
        """
        for base, body in zip(self.base_offsets, self.bodies, strict=False):
            yield from decode_batch(as_stored(base, body))[1]

    def __len__(self) -> int:
        return self.end_offset - self.start_offset
