"""Record sets: batches in a row, walked without being decoded."""

import struct

import pytest

from tests.wire.test_batch import ONE_RECORD, TWO_RECORDS, assert_refused, batch_of, sealed
from wire.batch import SCHEMA_BIT, decode_batch, encode_record
from wire.codec import WireError
from wire.compression import Codec
from wire.record_set import (
    as_stored,
    is_one_batch,
    iter_batches,
    iter_outlines,
    spu_reads,
    whole_batches,
)


def test_a_record_set_is_walked_without_copies() -> None:
    record = encode_record(None, b"a" * 300, 0, 0)
    batches = [batch_of(record), TWO_RECORDS, batch_of(record, codec=Codec.LZ4), ONE_RECORD]
    record_set = bytearray(b"".join(batches))
    walked = list(iter_batches(memoryview(record_set)))
    assert [bytes(view) for _, view in walked] == batches
    assert [header.record_count for header, _ in walked] == [1, 2, 1, 0]
    assert [header.codec_bits for header, _ in walked] == [0, 0, 3, 0]
    record_set[-1] ^= 0xFF
    assert bytes(walked[-1][1]) != batches[-1]


def test_an_outline_is_what_the_header_says_of_codec_and_count() -> None:
    record = encode_record(None, b"a" * 300, 0, 0)
    batches = [batch_of(record), TWO_RECORDS, batch_of(record, codec=Codec.LZ4), ONE_RECORD]
    record_set = b"".join(batches)
    outlines = [(codec, count, bytes(view)) for codec, count, view in iter_outlines(record_set)]
    headers = [(h.codec_bits, h.record_count, bytes(view)) for h, view in iter_batches(record_set)]
    assert outlines == headers


def test_an_empty_record_set_has_no_batches() -> None:
    assert list(iter_batches(b"")) == []


def with_len(batch_len: int, batch: bytes = TWO_RECORDS) -> bytes:
    return batch[:8] + struct.pack(">i", batch_len) + batch[12:]


def with_schema(batch: bytes) -> bytes:
    return batch[:22] + bytes([batch[22] | SCHEMA_BIT]) + batch[23:]


def both_walks(record_set: bytes) -> list[bytes]:
    """The batches, as both functions and the decoder of requests find them."""
    ends, _ = spu_reads(b"in front" + record_set, 8, 8 + len(record_set))
    walked = [bytes(view) for _, view in iter_batches(record_set)]
    assert walked == [bytes(view) for *_, view in iter_outlines(record_set)]
    assert sum(map(len, walked)) == ends - 8
    if is_one_batch(record_set):
        assert walked == [record_set]
    for header, view in iter_batches(record_set):
        assert header.batch_len == len(view) - 12 == struct.unpack_from(">i", view, 8)[0]
    return walked


def test_a_record_set_is_one_batch_or_not() -> None:
    assert is_one_batch(TWO_RECORDS)
    assert is_one_batch(memoryview(ONE_RECORD))
    for other in (b"", TWO_RECORDS[:-1], TWO_RECORDS + b"x", ONE_RECORD + TWO_RECORDS):
        assert not is_one_batch(other)


FULL = len(TWO_RECORDS) - 12  # the right batch_len


@pytest.mark.parametrize("batch_len", [-(1 << 31), -12, -1, 0, 44, FULL + 1, (1 << 31) - 1])
def test_a_batch_takes_all_there_is_if_its_length_is_too_large_or_less_than_a_header(
    batch_len: int,
) -> None:
    assert both_walks(with_len(batch_len)) == [TWO_RECORDS]
    if batch_len != FULL + 1:
        two = both_walks(with_len(batch_len) + ONE_RECORD)
        assert two == [with_len(FULL + len(ONE_RECORD)) + ONE_RECORD]


@pytest.mark.parametrize("short", [1, 2, 20])
def test_a_batch_whose_length_is_too_small_leaves_bytes_over(short: int) -> None:
    cut = with_len(FULL - short)
    assert both_walks(cut) == [cut[:-short]]


@pytest.mark.parametrize("size", [57, 58, 70])
def test_what_holds_a_header_is_a_batch(size: int) -> None:
    assert both_walks(TWO_RECORDS + bytes(size)) == [TWO_RECORDS, with_len(size - 12, bytes(size))]
    assert both_walks(TWO_RECORDS[:size]) == [with_len(size - 12, TWO_RECORDS[:size])]


@pytest.mark.parametrize(
    ("left", "read"),
    [
        *((n, 0) for n in range(8)),
        *((8, 8), (11, 8), (12, 12), (16, 16), (17, 17), (20, 17), (21, 21), (22, 21)),
        *((27, 27), (34, 27), (51, 51), (52, 51), (53, 53), (56, 53)),
    ],
)
def test_what_holds_no_header_is_read_field_by_field(left: int, read: int) -> None:
    record_set = TWO_RECORDS + bytes(left)
    size = len(TWO_RECORDS)
    assert spu_reads(record_set, 0, len(record_set)) == (size, size + read)
    assert both_walks(record_set) == [TWO_RECORDS]


def test_a_schema_id_is_a_part_of_the_header() -> None:
    header = with_schema(TWO_RECORDS[:57])
    for left in range(4):
        record_set = TWO_RECORDS + header + bytes(left)
        size = len(TWO_RECORDS)
        assert spu_reads(record_set, 0, len(record_set)) == (size, size + 57)
        assert both_walks(record_set) == [TWO_RECORDS]
    assert both_walks(header + bytes(4)) == [with_len(49, header + bytes(4))]
    for batch_len in (45, 48):
        whole = with_len(batch_len, with_schema(TWO_RECORDS))
        assert both_walks(whole) == [with_schema(TWO_RECORDS)]
    [(bits, _, _)] = iter_outlines(with_schema(TWO_RECORDS))
    assert bits == SCHEMA_BIT


def test_a_batch_that_cannot_be_decoded_by_itself_is_an_error() -> None:
    for batch_len in (-1, 0, 44, FULL - 1, FULL + 1):
        assert_refused(with_len(batch_len))


def test_a_batch_is_stored_with_a_right_crc_whatever_it_came_with() -> None:
    wrong = TWO_RECORDS[:17] + b"\xde\xad\xbe\xef" + TWO_RECORDS[21:]
    for batch in (TWO_RECORDS, wrong):
        assert as_stored(7, batch[8:]) == (7).to_bytes(8, "big") + TWO_RECORDS[8:]
    flipped = TWO_RECORDS[:-2] + bytes([TWO_RECORDS[-2] ^ 1]) + TWO_RECORDS[-1:]
    [_, altered] = decode_batch(as_stored(0, flipped[8:]))[1]
    assert altered.value != decode_batch(TWO_RECORDS)[1][1].value


@pytest.mark.parametrize("behind", [b"\0", bytes(57), TWO_RECORDS])
def test_exactly_one_batch_is_decoded(behind: bytes) -> None:
    with pytest.raises(WireError, match="exactly one batch"):
        decode_batch(TWO_RECORDS + behind, check_crc=False)
    assert_refused(TWO_RECORDS + behind)


def test_a_batch_of_a_header_alone_is_walked_over_but_has_no_count() -> None:
    batch = sealed(b"")
    assert len(batch) == 57
    assert len(list(iter_batches(batch))) == 1
    assert_refused(batch, "count")


def test_a_last_batch_whose_end_is_missing_is_no_whole_batch() -> None:
    last = batch_of(encode_record(None, b"a" * 300, 0, 0), codec=Codec.GZIP)
    record_set = TWO_RECORDS + last
    for cut in range(1, len(last)):
        assert [bytes(each) for _, each in whole_batches(record_set[:-cut])] == [TWO_RECORDS]
    assert [bytes(each) for _, each in whole_batches(record_set)] == [TWO_RECORDS, last]
