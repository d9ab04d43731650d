import dataclasses
import json
import struct
from pathlib import Path

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from wire.batch import (
    EMPTY_BATCH_BYTES,
    HEADER,
    RECORD_BYTES_MIN,
    SCHEMA_BIT,
    SMALL_VARINTS,
    BatchHeader,
    Record,
    decode_batch,
    decode_columns,
    encode_batch,
    encode_record,
)
from wire.codec.errors import WireError
from wire.codec.varint import write_varint
from wire.compression import Codec
from wire.record_set import as_stored, iter_batches

GOLDEN = Path(__file__).parents[1] / "golden" / "official-client-0.21.0.jsonl"

ONE_RECORD = bytes.fromhex(
    "0000000000000000 0000003c ffffffff 02 554a8968 0000 ffffffff 0000016a29be3e1b 0000016a29be3e1b"
    "ffffffffffffffff ffff ffffffff 00000001 14 00 00 00 00 08 74657374 00"
)
"""The test vector of the Rust sources; its last_offset_delta is -1 there too."""

TWO_RECORDS = bytes.fromhex(
    "0000000000000001 00000049 ffffffff 02 cb24a7a4 0000 00000001 0000018bcfe56800 0000018bcfe56805"
    "ffffffffffffffff ffff ffffffff 00000002 16 00 00 00 01 04 6b31 04 7631 00"
    "16 00 0a 02 01 04 6b32 04 7632 00"
)

RECORD_EXAMPLES = [
    ("120000020006646f6700", None, b"dog", 1),
    ("1600000001046b3104763100", b"k1", b"v1", 0),
    ("180000000100 0a68656c6c6f00", b"", b"hello", 0),
    ("1600000000 0a68656c6c6f00", None, b"hello", 0),
]

ATTRIBUTES_AT, LAST_OFFSET_DELTA_AT, COUNT_AT, FIRST_RECORD_AT = 21, 23, 57, 61


def sealed(payload: bytes, attributes: int = 0, first_timestamp_ms: int = 1000) -> bytes:
    """A batch around any payload, with a CRC that is right."""
    covered = struct.pack(">hiqqqhi", attributes, 0, first_timestamp_ms, 1000, -1, -1, -1) + payload
    return struct.pack(">qiibI", 0, 9 + len(covered), -1, 2, crc32c(covered)) + covered


def of_records(*records: str, count: int | None = None) -> bytes:
    """A batch around records in hexadecimal."""
    joined = bytes.fromhex("".join(records))
    return sealed(struct.pack(">i", len(records) if count is None else count) + joined)


def batch_of(*records: bytes, first: int = 1000, codec: Codec = Codec.NONE) -> bytes:
    """A batch around records, at offset 0."""
    return encode_batch(
        records, first_timestamp_ms=first, max_timestamp_ms=first, codec=codec, base_offset=0
    )


def values_of(batch: bytes) -> list[bytes]:
    """The values of a batch, which both decoders must agree on."""
    header, columns = decode_columns(batch)
    assert header == decode_batch(batch)[0]
    records = decode_batch(batch)[1]
    assert [record.key for record in records] == columns.keys
    assert [record.value for record in records] == columns.values
    return columns.values


def assert_refused(batch: bytes, why: str | None = None) -> None:
    for decode in (decode_batch, decode_columns):
        with pytest.raises(WireError, match=why):
            decode(batch)


def assert_decoded_alike_or_refused(batch: bytes) -> None:
    try:
        decode_batch(batch)
    except WireError:
        assert_refused(batch)
    else:
        values_of(batch)


def encoded_again(header: BatchHeader, records: list[Record]) -> bytes:
    """The same batch from what was decoded, by the way a producer takes."""
    first = header.first_timestamp_ms
    return encode_batch(
        [
            encode_record(record.key, record.value, index, record.timestamp_ms - first)
            for index, record in enumerate(records)
        ],
        first_timestamp_ms=first,
        max_timestamp_ms=header.max_timestamp_ms,
        codec=header.codec,
        base_offset=header.base_offset,
    )


def official_batches() -> list[bytes]:
    """Every record set in a captured Produce request; each holds exactly one batch."""
    found = []
    for line in GOLDEN.read_text().splitlines():
        capture = json.loads(line)
        if capture["server"] == "spu" and capture["api_key"] == 0:
            found += record_sets(bytes.fromhex(capture["frame"]))
    return found


def record_sets(frame: bytes) -> list[bytes]:
    """Read a Produce request by hand: length, header, transactional id, acks, timeout, topics."""
    (client_id_bytes,) = struct.unpack_from(">h", frame, 12)
    at = 14 + client_id_bytes
    none, _acks, _timeout_ms, topics = struct.unpack_from(">BhiI", frame, at)
    assert none == 0
    at += 11
    found = []
    for _ in range(topics):
        (name_bytes,) = struct.unpack_from(">h", frame, at)
        at += 2 + name_bytes
        (partitions,) = struct.unpack_from(">I", frame, at)
        at += 4
        for _ in range(partitions):
            _index, size = struct.unpack_from(">Ii", frame, at)
            found.append(frame[at + 8 : at + 8 + size])
            at += 8 + size
    assert len(frame) - at == 4  # the empty list of SmartModules
    return found


OFFICIAL = official_batches()


@pytest.mark.parametrize(("encoded", "key", "value", "offset_delta"), RECORD_EXAMPLES)
def test_records_look_as_in_the_reference(
    encoded: str, key: bytes | None, value: bytes, offset_delta: int
) -> None:
    assert encode_record(key, value, offset_delta, 0) == bytes.fromhex(encoded)
    assert decode_batch(of_records(encoded))[1] == [Record(key, value, 1000, 0)]


def test_the_rust_test_vector_decodes() -> None:
    header, records = decode_batch(ONE_RECORD)
    sent = 1555478494747
    assert header == BatchHeader(0, 60, -1, 2, 1430948200, 0, -1, sent, sent, -1, -1, -1, None)
    assert records == [Record(None, b"test", 1555478494747, 0)]
    assert header.record_count == 0  # as the SPU believes
    again = HEADER.pack(*dataclasses.astuple(header)[:-1]) + b"\0\0\0\1"
    assert again + encode_record(None, b"test", 0, 0) == ONE_RECORD


def test_two_records_decode_and_encode_as_in_the_reference() -> None:
    header, records = decode_batch(TWO_RECORDS)
    assert records == [
        Record(b"k1", b"v1", 1700000000000, 1),
        Record(b"k2", b"v2", 1700000000005, 2),
    ]
    assert encoded_again(header, records) == TWO_RECORDS
    # Without a base offset we write the one that the official client writes.
    parts = [encode_record(b"k1", b"v1", 0, 0), encode_record(b"k2", b"v2", 1, 5)]
    first, last = 1700000000000, 1700000000005
    assert encode_batch(parts, first_timestamp_ms=first, max_timestamp_ms=last) == TWO_RECORDS


def test_the_crc_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(ONE_RECORD[ATTRIBUTES_AT:]) == 1430948200


def test_the_captures_hold_batches_of_every_codec() -> None:
    assert {decode_batch(batch)[0].codec for batch in OFFICIAL} == set(Codec)
    assert len(OFFICIAL) >= 20


@pytest.mark.parametrize("batch", OFFICIAL, ids=range(len(OFFICIAL)))
def test_what_the_official_client_sent_encodes_again(batch: bytes) -> None:
    [(header, view)] = iter_batches(batch)
    assert view == batch
    decoded, records = decode_batch(batch)
    assert decoded == header
    assert len(records) == len(values_of(batch)) == header.record_count > 0
    again = encoded_again(header, records)
    if header.codec in (Codec.NONE, Codec.SNAPPY, Codec.ZSTD):
        assert again == batch
    else:  # other libraries pack otherwise
        again_header, again_records = decode_batch(again)
        assert again_records == records
        assert again_header.attributes == header.attributes


@pytest.mark.parametrize("batch", OFFICIAL, ids=range(len(OFFICIAL)))
def test_a_real_batch_that_ends_early_is_an_error_at_every_byte(batch: bytes) -> None:
    for size in range(len(batch)):
        assert_refused(batch[:size])


@pytest.mark.parametrize("codec", Codec)
def test_a_payload_that_ends_early_is_an_error_at_every_byte(codec: Codec) -> None:
    records = [
        encode_record(b"key", b"v" * 100, 0, 0),
        encode_record(None, b"w" * 10_000, 1, 70_000),
        encode_record(b"k" * 80, b"", 2, -1),
    ]
    whole = batch_of(*records, codec=codec)[COUNT_AT:]
    assert len(decode_batch(sealed(whole, codec))[1]) == 3
    for size in range(len(whole)):
        assert_refused(sealed(whole[:size], codec))


@given(
    pairs=st.lists(
        st.tuples(
            st.none() | st.binary(max_size=70) | st.just(b"k" * 9000),
            st.binary(max_size=70) | st.just(b"v" * 9000),
            st.integers(-(1 << 31), (1 << 31) - 1) | st.integers(-70, 70),
        ),
        min_size=1,
        max_size=70,
    ),
    first=st.integers(1, 1 << 62),
    codec=st.sampled_from(Codec),
)
def test_what_was_encoded_decodes_to_the_same(
    pairs: list[tuple[bytes | None, bytes, int]], first: int, codec: Codec
) -> None:
    encoded = [encode_record(k, v, index, delta) for index, (k, v, delta) in enumerate(pairs)]
    batch = batch_of(*encoded, first=first, codec=codec)
    header, records = decode_batch(memoryview(batch))
    assert records == [
        Record(key, value, first + delta, index) for index, (key, value, delta) in enumerate(pairs)
    ]
    assert header.record_count == len(pairs)
    assert header.codec is codec
    assert decode_columns(memoryview(batch))[1].values == [value for _, value, _ in pairs]
    if codec is Codec.NONE:
        assert len(batch) == EMPTY_BATCH_BYTES + sum(map(len, encoded))


TIMES = (0, 1, 63, 64, 8191, 8192, 10**6, -1, -64, -65, -(10**6))


def test_timestamp_deltas_of_every_length_are_decoded() -> None:
    records = [encode_record(None, b"x" * 3, n, time) for n, time in enumerate(TIMES)]
    _, columns = decode_columns(batch_of(*records))
    assert (columns.timestamp_deltas, columns.in_order) == ([*TIMES], True)
    assert columns.payload_bytes == len(batch_of(*records)) - COUNT_AT


@pytest.mark.parametrize("size", [0, 50, 56, 57, 63, 64, 8000, 9000])
def test_many_records_of_any_size_are_in_order(size: int) -> None:
    records = [encode_record(b"key", b"." * size, n, n % 3) for n in range(70)]
    _, columns = decode_columns(batch_of(*records))
    assert (columns.timestamp_deltas, columns.in_order) == ([n % 3 for n in range(70)], True)


@pytest.mark.parametrize("offsets", [(0, 0), (1, 2), (0, 2), (0, 64), (0, 9000), (0, -1)])
def test_offsets_out_of_order_are_seen(offsets: tuple[int, int]) -> None:
    records = [encode_record(None, b"value", offset, 5) for offset in offsets]
    assert not decode_columns(batch_of(*records))[1].in_order


@pytest.mark.parametrize("size", [0, 63, 64, 8191, 8192, SMALL_VARINTS - 1, SMALL_VARINTS, 1 << 20])
def test_lengths_at_the_edges_of_varints_and_of_their_table_survive(size: int) -> None:
    key, value = b"k" * size, b"v" * size
    records = [encode_record(key, value, size, size), encode_record(None, value, size, -size)]
    assert decode_batch(batch_of(*records, first=10_000_000))[1] == [
        Record(key, value, 10_000_000 + size, 0),
        Record(None, value, 10_000_000 - size, 1),
    ]


@pytest.mark.parametrize("number", [-(1 << 31), (1 << 31) - 1])
def test_the_largest_varints_are_those_of_32_bits(number: int) -> None:
    batch = batch_of(encode_record(None, b"", 0, number), first=1 << 40)
    assert decode_batch(batch)[1][0].timestamp_ms == (1 << 40) + number
    too_large = number + (1 if number > 0 else -1)
    with pytest.raises(WireError, match="32 bits"):
        encode_record(None, b"", 0, too_large)
    with pytest.raises(WireError, match="32 bits"):
        encode_record(None, b"", too_large, 0)


def test_a_varint_of_64_bits_is_read_and_no_longer_one() -> None:
    longest = "feffffffffffffffff01"  # 2**63 - 1
    record = f"1e 00 {longest} 00 00 00 00"
    [read] = decode_batch(of_records(record))[1]
    assert read.timestamp_ms == 1000 + (1 << 63) - 1
    longer = of_records("20 00 feffffffffffffffffff01 00 00 00 00")
    assert_refused(longer, "record 0 of 1: a varint of more than 64 bits")


def test_numbers_may_be_longer_than_they_need_to_be() -> None:
    zero, four, length = "808000", "888000", "b28000"
    record = f"{length} 00 {zero} {zero} 01 {four} 6b6b6b6b {four} 76767676 {zero}"
    batch = of_records(record, record)
    assert decode_batch(batch)[1] == [Record(b"kkkk", b"vvvv", 1000, n) for n in range(2)]
    assert values_of(batch) == [b"vvvv"] * 2


def test_a_size_is_known_before_the_batch_is_sealed() -> None:
    records: list[bytes] = []
    size = EMPTY_BATCH_BYTES
    assert size == 57 + 4
    for index in range(200):
        record = encode_record(b"key", b"value" * index, index, index)
        records.append(record)
        size += len(record)
        assert len(batch_of(*records)) == size


def test_a_batch_without_records_is_refused() -> None:
    with pytest.raises(WireError, match="without records"):
        batch_of()


def test_a_timestamp_that_does_not_fit_is_refused() -> None:
    with pytest.raises(WireError, match="header"):
        batch_of(encode_record(None, b"", 0, 0), first=1 << 63)


def test_offsets_count_positions_and_not_the_written_deltas() -> None:
    batch = batch_of(encode_record(None, b"a", 7, 0), encode_record(None, b"b", 7, 0))
    assert [record.offset for record in decode_batch(as_stored(40, batch[8:]))[1]] == [
        40,
        41,
    ]


@pytest.mark.parametrize(("first", "expected"), [(1, 6), (0, -1), (-1, -1)])
def test_a_batch_without_a_first_timestamp_has_records_without_one(
    first: int, expected: int
) -> None:
    batch = batch_of(encode_record(None, b"a", 0, 5), first=first)
    assert decode_batch(batch)[1][0].timestamp_ms == expected


def test_another_base_offset_leaves_the_rest_and_the_crc_alone() -> None:
    moved = as_stored(1 << 40, memoryview(TWO_RECORDS)[8:])
    assert moved[8:] == TWO_RECORDS[8:]
    assert [record.offset for record in decode_batch(moved)[1]] == [1 << 40, (1 << 40) + 1]


def test_a_wrong_crc_is_found_unless_nobody_asks() -> None:
    batch = TWO_RECORDS[:-2] + b"3\0"
    assert_refused(batch, "the CRC is cb24a7a4, of the bytes it is")
    assert decode_batch(batch, check_crc=False)[1][1].value == b"v3"
    assert decode_columns(batch, check_crc=False)[1].values == [b"v1", b"v3"]


@pytest.mark.parametrize("position", range(ATTRIBUTES_AT, len(TWO_RECORDS)))
def test_the_crc_covers_every_byte_from_the_attributes_on(position: int) -> None:
    batch = bytearray(TWO_RECORDS)
    batch[position] ^= 0x40
    assert_refused(bytes(batch), "CRC")


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.ZSTD])
def test_a_schema_id_is_read_before_the_payload(codec: Codec) -> None:
    payload = batch_of(encode_record(None, b"a", 0, 0), codec=codec)[COUNT_AT:]
    batch = sealed(b"\x80\0\0\7" + payload, attributes=SCHEMA_BIT | codec)
    header, _ = decode_batch(batch)
    assert header.schema_id == 0x80000007
    assert header.codec is codec
    assert values_of(batch) == [b"a"]


@pytest.mark.parametrize("size", range(4))
def test_a_schema_id_that_ends_early_is_an_error(size: int) -> None:
    assert_refused(sealed(b"\0" * size, attributes=SCHEMA_BIT), "schema id")


@pytest.mark.parametrize("codec_bits", [5, 6, 7])
def test_an_unknown_codec_is_walked_over_but_not_decoded(codec_bits: int) -> None:
    batch = sealed(b"????", attributes=codec_bits)
    [(header, view)] = iter_batches(batch)
    assert header.codec_bits == codec_bits
    assert view == batch
    assert_refused(batch, f"codec {codec_bits} does not exist")


@pytest.mark.parametrize(
    ("last_offset_delta", "count"), [(-(1 << 31), 0), (-1, 0), (0, 1), (1, 2), (2**31 - 1, 2**31)]
)
def test_the_count_of_records_is_believed_from_the_last_delta(
    last_offset_delta: int, count: int
) -> None:
    batch = bytearray(TWO_RECORDS)
    struct.pack_into(">i", batch, LAST_OFFSET_DELTA_AT, last_offset_delta)
    [(header, _)] = iter_batches(bytes(batch))
    assert header.record_count == count
    assert len(decode_batch(bytes(batch), check_crc=False)[1]) == 2


def test_a_count_may_be_as_large_as_the_shortest_records_allow() -> None:
    shortest = "0c 00 00 00 00 00 00"
    assert len(bytes.fromhex(shortest)) == RECORD_BYTES_MIN == len(encode_record(None, b"", 0, 0))
    assert len(decode_batch(of_records(*[shortest] * 100))[1]) == 100
    assert_refused(of_records(*[shortest] * 100, count=101), "101 records in 700 bytes")
    assert_refused(of_records(shortest, count=(1 << 31) - 1), "2147483647 records")


@pytest.mark.parametrize("count", [0, -1, -(1 << 31)])
def test_a_count_below_1_is_an_empty_list(count: int) -> None:
    assert values_of(of_records("0c000000000000", count=count)) == []


def test_bytes_behind_the_last_record_are_ignored() -> None:
    batch = of_records("0c000000000000", "ffff", count=1)
    assert decode_batch(batch)[1] == [Record(None, b"", 1000, 0)]


def test_a_record_ends_where_its_fields_end_and_not_by_its_length() -> None:
    # The first length is too large, but no larger than what is left; the second is too small.
    batch = of_records("10 00 00 00 00 02 61 00", "00 00 00 02 00 02 62 00")
    assert values_of(batch) == [b"a", b"b"]
    batch = of_records("0e 00 00 00 00 02 61 00", "10 00 00 02 00 02 62 00")
    assert_refused(batch, "record 1 of 2: a length of 8 with 7 bytes left")


NEGATIVE = ["01", "03", "81 01", "ff 7f", write_varint(-(1 << 31)).hex(), "ff" * 9 + "01"]
TOO_LONG = ["0a", "7e", "fe 7f", write_varint((1 << 31) - 1).hex(), "fe" + "ff" * 8 + "01"]


@pytest.mark.parametrize("length", NEGATIVE + TOO_LONG)
@pytest.mark.parametrize(
    "record",
    ["{} 00 00 00 00 02 61 00", "0e 00 00 00 01 {} 6b 02 61 00", "0e 00 00 00 00 {} 61 00"],
    ids=["record", "key", "value"],
)
def test_a_negative_length_and_one_past_the_end_are_errors(record: str, length: str) -> None:
    if record.startswith("{}") and length == "0a":
        length = "10"  # 5 is right for a record of this size
    batch = of_records(record.format(length))
    assert_refused(batch, "record 0 of 1")


@pytest.mark.parametrize("present", ["02", "7f", "80", "ff"])
def test_a_key_is_there_or_not(present: str) -> None:
    batch = of_records(f"12 00 00 00 {present} 02 6b 02 61 00")
    assert_refused(batch, "a key")


def test_attributes_and_the_count_of_headers_mean_nothing() -> None:
    batch = of_records("0e ff 00 00 00 02 61 06", "12 00 00 02 00 02 62 808001")
    assert values_of(batch) == [b"a", b"b"]


@given(
    batch=st.sampled_from(OFFICIAL),
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), min_size=1, max_size=4),
)
def test_corrupt_batches_raise_nothing_but_wire_error(
    batch: bytes, flips: list[tuple[int, int]]
) -> None:
    corrupt = bytearray(batch)
    for position, flip in flips:
        corrupt[position % len(batch)] ^= flip
    struct.pack_into(">I", corrupt, ATTRIBUTES_AT - 4, crc32c(corrupt[ATTRIBUTES_AT:]))
    assert_decoded_alike_or_refused(bytes(corrupt))


@given(payload=st.binary(max_size=100), count=st.integers(-1, 14))
def test_random_records_raise_nothing_but_wire_error(payload: bytes, count: int) -> None:
    batch = sealed(struct.pack(">i", count) + payload)
    assert_decoded_alike_or_refused(batch)
