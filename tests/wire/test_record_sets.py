"""Record sets: batches in a row, walked without being decoded."""

import struct

import pytest

from tests.wire.test_batch import ONE_RECORD, TWO_RECORDS, assert_refused, batch_of, sealed
from wire.batch import decode_batch, encode_record, iter_batches, iter_outlines
from wire.codec import WireError
from wire.compression import Codec


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
    for size in range(1, len(TWO_RECORDS)):
        with pytest.raises(WireError):
            list(iter_outlines(TWO_RECORDS[:size]))


def test_an_empty_record_set_has_no_batches() -> None:
    assert list(iter_batches(b"")) == []


def test_the_walker_gives_out_what_is_whole_before_it_fails() -> None:
    walk = iter_batches(TWO_RECORDS + ONE_RECORD[:-1])
    assert next(walk)[1] == TWO_RECORDS
    with pytest.raises(WireError, match="a batch_len of 60 with 71 bytes left"):
        next(walk)


@pytest.mark.parametrize("behind", [b"\0", bytes(57), TWO_RECORDS])
def test_exactly_one_batch_is_decoded(behind: bytes) -> None:
    with pytest.raises(WireError, match="exactly one batch"):
        decode_batch(TWO_RECORDS + behind, check_crc=False)
    assert_refused(TWO_RECORDS + behind)


@pytest.mark.parametrize("batch_len", [-(1 << 31), -12, -1, 0, 44, 74, (1 << 31) - 1])
def test_a_batch_len_that_cannot_be_is_an_error(batch_len: int) -> None:
    batch = bytearray(TWO_RECORDS)
    struct.pack_into(">i", batch, 8, batch_len)
    with pytest.raises(WireError, match=f"batch_len of {batch_len} "):
        list(iter_batches(bytes(batch)))
    assert_refused(bytes(batch))


def test_a_batch_of_a_header_alone_is_walked_over_but_has_no_count() -> None:
    batch = sealed(b"")
    assert len(batch) == 57
    assert len(list(iter_batches(batch))) == 1
    assert_refused(batch, "count")
