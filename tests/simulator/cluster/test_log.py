import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from simulator.cluster.log import (
    BATCH_BYTES_MAX,
    AppendedRecords,
    InterruptedAppend,
    PartitionLog,
)
from simulator.cluster.memory import BATCH_OVERHEAD_BYTES, Memory
from simulator.cluster.record_set import record_set
from tests.simulator.client import NOW_MS, batch
from wire.api.storage import TopicCompression
from wire.batch import HEADER, SCHEMA_BIT, encode_batch, encode_record
from wire.codec import WireError
from wire.compression import Codec
from wire.error_code import Code, ErrorCode


def new_log(
    stored_max: int = 1 << 30,
    compression: TopicCompression = TopicCompression.ANY,
    segment: int = 1 << 30,
) -> PartitionLog:
    memory = Memory()
    memory.stored_max = stored_max
    return PartitionLog(memory, compression, segment)


def append(
    log: PartitionLog, *batches: bytes
) -> AppendedRecords | InterruptedAppend | ErrorCode | None:
    return log.append(record_set(b"".join(batches)))


def empty_batch() -> bytes:
    """A batch that says it holds no records: last_offset_delta is -1."""
    data = bytearray(batch(b"x"))
    data[23:27] = b"\xff\xff\xff\xff"
    return bytes(data)


def of_size(size: int) -> bytes:
    found = batch(bytes(size - len(batch(b""))))
    return batch(bytes(size - len(batch(b"")) - (len(found) - size)))


def test_offsets_go_on_from_batch_to_batch_and_from_append_to_append() -> None:
    log = new_log()
    assert append(log, batch(b"a", b"b"), batch(b"c")) == AppendedRecords(0, 3)
    assert append(log, batch(b"d")) == AppendedRecords(3, 1)
    found = [(record.offset, record.value) for record in log]
    assert found == [(0, b"a"), (1, b"b"), (2, b"c"), (3, b"d")]
    assert len(log) == 4


def test_a_wrong_crc_is_replaced_by_a_right_one() -> None:
    log, arrived = new_log(), bytearray(batch(b"a"))
    arrived[17:21] = b"\xde\xad\xbe\xef"
    append(log, bytes(arrived))
    assert log.batches[0].data == log.read(0, 1, 1) == bytes(8) + batch(b"a")[8:]


@pytest.mark.parametrize("change", [-1, 1, 1000, -61])
def test_a_wrong_batch_len_is_replaced_by_the_one_of_the_bytes_taken(change: int) -> None:
    log, arrived = new_log(), bytearray(batch(b"abc"))
    arrived[8:12] = (len(arrived) - 12 + change).to_bytes(4, "big", signed=True)
    taken = len(arrived) - (1 if change == -1 else 0)
    assert append(log, bytes(arrived)) == AppendedRecords(0, 1)
    (stored,) = log.batches
    assert len(stored.data) == taken
    assert stored.data[8:12] == (taken - 12).to_bytes(4, "big")
    assert stored.data[21:] == batch(b"abc")[21:taken]


def test_a_stored_batch_keeps_every_byte_but_its_base_offset() -> None:
    log, arrived = new_log(), batch(b"first", codec=Codec.LZ4)
    append(log, batch(b"before"))
    append(log, arrived)
    stored = log.batches[1].data
    assert stored[:8] == (1).to_bytes(8, "big")
    assert stored[8:] == arrived[8:]


def test_a_record_has_the_key_and_the_time_that_the_producer_gave_it() -> None:
    log = new_log()
    append(log, batch(b"value"))
    (record,) = log
    assert (record.key, record.timestamp_ms) == (None, NOW_MS)


def test_the_count_of_a_batch_is_believed_right_or_wrong() -> None:
    log, lying = new_log(), bytearray(batch(b"only"))
    lying[23:27] = (9).to_bytes(4, "big")
    assert append(log, bytes(lying)) == AppendedRecords(0, 10)
    assert append(log, batch(b"next")) == AppendedRecords(10, 1)


@pytest.mark.parametrize("batches", [(), (empty_batch(),), (empty_batch(), empty_batch())])
def test_a_record_set_without_records_succeeds_and_stores_nothing(batches: tuple[bytes]) -> None:
    log = new_log()
    append(log, batch(b"a"))
    assert append(log, *batches) == AppendedRecords(0, 0)
    assert len(log.batches) == 1


def test_an_empty_batch_among_others_fails_this_write_and_all_behind_it_until_a_restart() -> None:
    log = new_log()
    append(log, batch(b"a"))
    failed = InterruptedAppend(AppendedRecords(1, 2), Code.STORAGE_ERROR)
    assert append(log, batch(b"b", b"c"), empty_batch(), batch(b"d")) == failed
    assert (log.high_watermark(0), log.end_offset) == (1, 3)
    assert append(log, batch(b"e")) is Code.PARTITION_SHORT_CIRCUITED
    log.restarted()
    assert append(log, batch(b"f")) == AppendedRecords(3, 1)
    assert (log.high_watermark(0), [r.value for r in log]) == (4, [b"a", b"b", b"c", b"f"])


def test_a_batch_with_a_schema_id_ends_its_record_set_and_harms_no_other() -> None:
    log, with_schema = new_log(), bytearray(batch(b"x"))
    with_schema[22] |= SCHEMA_BIT
    failed = InterruptedAppend(AppendedRecords(0, 1), None)
    assert append(log, batch(b"a"), bytes(with_schema), batch(b"b")) == failed
    assert (log.high_watermark(0), log.end_offset, len(log.batches)) == (0, 1, 1)
    assert append(log, batch(b"c")) == AppendedRecords(1, 1)
    assert log.high_watermark(0) == 2
    assert append(log, bytes(with_schema)) == InterruptedAppend(AppendedRecords(2, 0), None)


@pytest.mark.parametrize("allowed", list(TopicCompression))
@pytest.mark.parametrize("codec", list(Codec))
def test_a_topic_takes_its_own_compression_only(allowed: TopicCompression, codec: Codec) -> None:
    log = new_log(compression=allowed)
    fits = allowed is TopicCompression.ANY or allowed.name == codec.name
    expected = AppendedRecords(0, 1) if fits else Code.COMPRESSION_ERROR
    assert append(log, batch(b"a", codec=codec)) == expected


@pytest.mark.parametrize("bits", [5, 6, 7])
def test_a_codec_that_does_not_exist_is_a_compression_error_on_any_topic(bits: int) -> None:
    log, strange = new_log(), bytearray(batch(b"a"))
    strange[22] = bits
    assert append(log, bytes(strange)) is Code.COMPRESSION_ERROR


def test_one_batch_with_another_compression_refuses_the_whole_record_set() -> None:
    log = new_log(compression=TopicCompression.NONE)
    assert append(log, batch(b"a"), batch(b"b", codec=Codec.GZIP)) is Code.COMPRESSION_ERROR
    assert log.batches == []


@pytest.mark.parametrize(
    ("segment", "size", "expected"),
    [
        (2048, 2048, AppendedRecords(0, 1)),
        (2048, 2049, Code.MESSAGE_TOO_LARGE),
        (1 << 30, BATCH_BYTES_MAX, AppendedRecords(0, 1)),
        (1 << 30, BATCH_BYTES_MAX + 1, Code.MESSAGE_TOO_LARGE),
    ],
)
def test_the_largest_batch_is_stored_and_a_larger_one_refused(
    segment: int, size: int, expected: AppendedRecords | ErrorCode
) -> None:
    log, data = new_log(segment=segment), of_size(size)
    assert len(data) == size
    assert append(log, data) == expected


def test_one_batch_too_large_refuses_the_whole_record_set() -> None:
    log = new_log(segment=2048)
    assert append(log, batch(b"a"), of_size(2049)) is Code.MESSAGE_TOO_LARGE
    assert len(log) == 0


def test_a_full_memory_takes_nothing_more_and_holds_what_it_has() -> None:
    one = batch(b"a")
    log = new_log(stored_max=2 * (len(one) + BATCH_OVERHEAD_BYTES))
    assert append(log, one, one) == AppendedRecords(0, 2)
    assert append(log, one) is None
    assert len(log) == 2


def test_the_high_watermark_follows_a_delayed_commit() -> None:
    log = new_log()
    for now in (0.0, 1.0):
        log.append(record_set(batch(b"a")), now, commit_delay_s=5.0)
    assert [log.high_watermark(now) for now in (4.9, 5.0, 5.9, 6.0)] == [0, 1, 1, 2]


def test_without_a_delay_the_high_watermark_is_the_end() -> None:
    log = new_log()
    append(log, batch(b"a", b"b"))
    assert log.high_watermark(0.0) == 2


def test_reading_gives_whole_batches_from_the_one_that_holds_the_offset() -> None:
    log = new_log()
    append(log, batch(b"a", b"b"), batch(b"c"), batch(b"d", b"e"))
    stored = [found.data for found in log.batches]
    everything = 1 << 20
    assert log.read(0, 5, everything) == b"".join(stored)
    assert log.read(1, 5, everything) == b"".join(stored)
    assert log.read(2, 5, everything) == b"".join(stored[1:])
    assert log.read(4, 5, everything) == stored[2]
    assert log.read(5, 5, everything) == b""
    assert log.read(0, 2, everything) == stored[0]


def test_reading_gives_one_batch_at_least_and_never_cuts_one() -> None:
    log = new_log()
    append(log, batch(b"a"), batch(b"b"))
    size = len(log.batches[0].data)
    assert log.read(0, 2, 1) == log.batches[0].data
    assert len(log.read(0, 2, 2 * size - 1)) == size
    assert len(log.read(0, 2, 2 * size)) == 2 * size


def test_a_stored_batch_that_does_not_decode_is_an_error_of_the_reader_only() -> None:
    log, broken = new_log(), bytearray(batch(b"a"))
    broken[HEADER.size :] = b"\x7f" * (len(broken) - HEADER.size)
    assert append(log, bytes(broken)) == AppendedRecords(0, 1)
    with pytest.raises(WireError):
        list(log)


class Watched(list[bytes]):
    """A list that counts what is taken out of it."""

    taken = 0

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        self.taken += len(found) if isinstance(index, slice) else 1
        return found

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("all of it")


def test_batches_are_cut_where_the_reader_wants_it() -> None:
    log = new_log()
    append(log, *[batch(b"a")] * 3)
    whole = b"".join(each.data for each in log.batches)
    for bytes_max in range(len(whole) + 2):
        assert log.read(0, 3, len(whole), bytes_max) == whole[:bytes_max]


def test_a_segment_is_full_when_the_next_batch_does_not_fit() -> None:
    one = batch(b"a")
    log = new_log(segment=3 * len(one))
    append(log, one, one)
    append(log, one, one, one, one, one)
    read = [len(log.read(offset, 7, 1 << 20)) // len(one) for offset in range(7)]
    assert read == [3, 2, 1, 3, 2, 1, 1]


def test_reading_touches_what_it_gives_and_one_batch_more() -> None:
    log, one = new_log(), batch(b"a")
    append(log, *[one] * 1000)
    log.bodies = watched = Watched(log.bodies)
    for bytes_max, touched in ((1, 2), (10 * len(one), 11)):
        watched.taken = 0
        log.read(300, 1000, bytes_max)
        assert watched.taken == touched
    watched.taken = 0
    assert log.read(300, 0, 1 << 20) == b""  # nothing is committed
    assert log.read(1000, 1000, 1 << 20) == b""
    assert watched.taken <= 1


def test_a_batch_costs_no_more_memory_than_it_is_charged_with() -> None:
    small = batch(b"")

    def at_a_time(timestamp: int) -> bytes:
        """A header that claims one record and holds none."""
        length, times = (HEADER.size - 12).to_bytes(4, "big"), timestamp.to_bytes(8, "big")
        return small[:8] + length + small[12:27] + times + small[35 : HEADER.size]

    log = new_log()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for first in range(0, 30_000, 1000):
        append(log, *map(at_a_time, range(first, first + 1000)))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(log.bodies) == 30_000
    assert grown <= log.charge == 30_000 * (BATCH_OVERHEAD_BYTES + HEADER.size)
    assert grown > log.charge / 2  # and not many times less


def test_records_of_a_batch_that_was_stored_before_are_resent() -> None:
    log = new_log()
    append(log, batch(b"a", b"b"), batch(b"c"))
    assert log.resent == 0
    append(log, batch(b"a", b"b"))
    assert log.resent == 2
    append(log, batch(b"new"), batch(b"c"), batch(b"new"))
    assert log.resent == 4


def test_a_batch_with_another_time_is_no_copy() -> None:
    log, later = (
        new_log(),
        encode_batch(
            [encode_record(None, b"tick", 0, 0)],
            first_timestamp_ms=NOW_MS + 1,
            max_timestamp_ms=NOW_MS + 1,
        ),
    )
    append(log, batch(b"tick"))
    append(log, later)
    assert log.resent == 0


def test_batches_that_are_alike_in_their_headers_alone_are_compared() -> None:
    log, good = new_log(), batch(b"abc")
    spoilt = [good[:-2] + bytes((byte,)) + good[-1:] for byte in range(3)]
    append(log, good)
    append(log, *spoilt)
    assert log.resent == 0
    append(log, spoilt[1])
    append(log, good, spoilt[2])
    assert log.resent == 3


def limited_log(
    *, segments: int | None = None, batches: int | None = None, segment: int = 1 << 30
) -> PartitionLog:
    return PartitionLog(Memory(), TopicCompression.ANY, segment, segments, batches)


def fill(log: PartitionLog, batches: int, size: int = 100) -> Iterator[int]:
    """Append batches one by one; yield the start offset after each."""
    for _ in range(batches):
        append(log, of_size(size))
        log.evict(0.0)
        yield log.start_offset


def test_a_log_that_is_too_long_loses_an_eighth_of_its_limit_in_whole_batches() -> None:
    log = limited_log(batches=1600)
    assert [*fill(log, 20)] == [0] * 16 + [3, 3, 3, 6]
    assert (log.start_offset, log.end_offset, len(log), log.bytes) == (6, 20, 14, 1400)
    assert [record.offset for record in log] == [*range(6, 20)]
    assert log.charge == 14 * (100 + BATCH_OVERHEAD_BYTES)


def test_a_log_without_a_limit_keeps_everything() -> None:
    log = limited_log()
    assert set(fill(log, 100)) == {0}


def test_the_latest_batch_stays_however_long_it_is() -> None:
    log = limited_log(batches=150)
    assert [*fill(log, 3, size=200)] == [0, 1, 2]


def test_what_is_evicted_is_charged_no_longer() -> None:
    memory = Memory()
    log = PartitionLog(memory, batches_bytes_max=500)
    for _ in fill(log, 50):
        assert memory.stored == log.charge


def test_whole_segments_go_and_the_latest_one_stays() -> None:
    log = limited_log(segments=1000, segment=400)
    assert [*fill(log, 16)] == [0] * 10 + [4] * 4 + [8] * 2
    log = limited_log(segments=1000, segment=1000)
    assert [*fill(log, 32)] == [0] * 10 + [10] * 10 + [20] * 10 + [30] * 2


def test_the_stricter_of_two_limits_decides() -> None:
    log = limited_log(segments=400, segment=400, batches=1000)
    assert [*fill(log, 10)] == [0, 0, 0, 0, 4, 4, 4, 4, 8, 8]
    log = limited_log(segments=1000, segment=400, batches=400)
    assert [*fill(log, 6)] == [0, 0, 0, 0, 2, 2]


def test_what_is_not_committed_stays() -> None:
    log = limited_log(batches=300)
    for now in range(6):
        log.append(record_set(of_size(100)), now, commit_delay_s=2.5)
        assert log.evict(now) == (now >= 3)
        assert log.start_offset == max(0, min(log.high_watermark(now), now - 1 if now > 2 else 0))
    assert log.start_offset == 3


def test_a_segment_stays_until_all_of_it_is_committed() -> None:
    log = limited_log(segments=400, segment=400)
    log.replicate = lambda: None  # followers decide what is committed
    assert set(fill(log, 10)) == {0}
    for committed, start in ((3, 0), (4, 4), (7, 4), (10, 8)):
        log.commit(committed)
        log.evict(0.0)
        assert log.start_offset == start


def test_a_copy_of_an_evicted_batch_is_not_resent() -> None:
    log = limited_log(batches=400)
    first, others = batch(b"first"), [batch(b"%d" % n) for n in range(9)]
    append(log, first)
    append(log, *others[:5])
    assert log.evict(0.0)
    append(log, first, others[4])
    assert log.resent == 1


def test_reading_goes_on_behind_what_is_evicted() -> None:
    log = limited_log(batches=1000, segment=400)
    for start in fill(log, 40):
        read = log.read(start, log.end_offset, 1 << 20)
        assert int.from_bytes(read[:8], "big") == start
        last = log.read(log.end_offset - 1, log.end_offset, 1 << 20)
        assert int.from_bytes(last[:8], "big") == log.end_offset - 1
