"""The codec by itself, on messages that Fluvio does not have."""

import linecache
from enum import IntEnum
from typing import Annotated, Any

import pytest

from wire.codec import (
    WireError,
    decode,
    decode_repeated,
    encode,
    message,
    read_varint,
    since,
    write_varint,
)
from wire.codec.generate import decoder, encoder
from wire.codec.message import REPEATED_BYTES_MAX
from wire.codec.schema import ITEMS_MAX
from wire.codec.types import Fixed, blob, i8, i16, i32, u8, u16, view


class Colour(IntEnum):
    RED = 1
    BLUE = 7


@message(tag=3)
class Square:
    side: u16


@message
class Inner:
    value: u8
    late: u8 = since(5, default=9)


@message
class Everything:
    flag: bool
    text: str
    raw: blob
    seen: view
    inner: Inner
    many: list[Inner]
    maybe: Inner | None
    table: dict[str, i8]
    colour: Colour
    shape: Square | Colour
    single: Annotated[Square, Fixed("B")]
    middle: i16 = since(2, until=4, default=-1)


EVERYTHING = Everything(
    flag=True,
    text="ä",
    raw=b"raw",
    seen=b"seen",
    inner=Inner(value=1),
    many=[Inner(value=2), Inner(value=3)],
    maybe=Inner(value=4),
    table={"b": 2, "a": -1},
    colour=Colour.BLUE,
    shape=Square(side=5),
    single=Square(side=6),
)
AT_VERSION_0 = (
    "01 0002c3a4 00000003726177 000000047365656e 01 00000002 02 03 01 04"
    "0002 000161 ff 000162 02 07 03 0005 03 0006"
)


def test_each_kind_of_field_has_its_bytes() -> None:
    assert encode(EVERYTHING, 0) == bytes.fromhex(AT_VERSION_0)
    assert decode(Everything, bytes.fromhex(AT_VERSION_0), 0) == EVERYTHING


@pytest.mark.parametrize(("version", "size"), [(1, 0), (2, 2), (4, 2), (5, 4), (6, 4), (-1, 0)])
def test_a_field_is_on_the_wire_in_its_versions_only(version: int, size: int) -> None:
    encoded = encode(EVERYTHING, version)
    assert len(encoded) == len(bytes.fromhex(AT_VERSION_0)) + size
    assert decode(Everything, encoded, version) == EVERYTHING


def test_a_field_that_is_not_on_the_wire_has_its_default() -> None:
    assert decode(Inner, b"\1\2", 4) == Inner(value=1, late=9)
    assert decode(Inner, b"\1\2", 5) == Inner(value=1, late=2)


def test_a_default_that_can_change_is_made_for_each_message() -> None:
    @message
    class Lists:
        items: list[u8] = since(1, default_factory=list)

    decode(Lists, b"", 0).items.append(1)
    assert decode(Lists, b"", 0).items == []


def test_bytes_behind_a_message_are_ignored() -> None:
    assert decode(Inner, b"\1\2\3\4", 5) == Inner(value=1, late=2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("02", "2 is not a bool"),
        ("01 0001ff", "a string is not UTF-8"),
        ("01 0000 00000000 ffffffff", "a length of -1 bytes"),
        ("01 0000 00000000 00000000 01 00000009 02", "9 items announced with 1 bytes left"),
        ("01 0000 00000000 00000000 01 00000000 07", "7 instead of 0 .none. or 1 .some."),
        ("01 0000 00000000 00000000 01 00000000 00 0000 02", "2 is not a Colour"),
        ("01 0000 00000000 00000000 01 00000000 00 0000 01 02", "unknown tag 2"),
        ("01 0005 61", "ends in the middle|ends . bytes early"),
        ("", "ends in the middle of a field"),
    ],
)
def test_an_error_tells_the_message_the_version_and_what_was_wrong(text: str, reason: str) -> None:
    with pytest.raises(WireError, match=f"^Everything at version 0: .*({reason})"):
        decode(Everything, bytes.fromhex(text), 0)


@pytest.mark.parametrize("length", ["ffff", "8000", "0000"])
def test_a_string_length_below_one_reads_as_empty(length: str) -> None:
    @message
    class Text:
        text: str

    assert decode(Text, bytes.fromhex(length), 0) == Text(text="")


def test_a_count_below_one_reads_as_empty() -> None:
    @message
    class Numbers:
        numbers: list[i32]
        raw: blob

    empty = Numbers(numbers=[], raw=b"")
    assert decode(Numbers, bytes.fromhex("ffffffff fffffffe"), 0) == empty


def test_a_huge_count_is_refused_without_a_loop() -> None:
    @message
    class Nested:
        lists: list[list[u8]]

    with pytest.raises(WireError, match="2147483647 items announced with 4 bytes left"):
        decode(Nested, bytes.fromhex("00000001 7fffffff 00000000"), 0)


def test_a_message_has_so_many_items_in_all_its_lists_and_not_one_more() -> None:
    @message
    class Nested:
        lists: list[list[u8]]

    half = bytes(ITEMS_MAX // 2 - 1)
    most = Nested(lists=[list(half), list(half)])
    assert decode(Nested, encode(most, 0), 0) == most
    most.lists[1].append(0)
    with pytest.raises(WireError, match=f"more than {ITEMS_MAX} items in one message"):
        decode(Nested, encode(most, 0), 0)


@pytest.mark.parametrize(
    "change",
    [
        {"inner": Inner(value=256)},
        {"text": "x" * 32768},
        {"text": "\ud800"},
        {"table": {str(number): 0 for number in range(65536)}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_value_that_does_not_fit_is_a_wire_error(change: dict[str, Any]) -> None:
    fields = {name: getattr(EVERYTHING, name) for name in Everything.__dataclass_fields__}
    with pytest.raises(WireError):
        encode(Everything(**(fields | change)), 0)


def test_the_longest_string_fits() -> None:
    @message
    class Text:
        text: str

    longest = Text(text="x" * 32767)
    assert decode(Text, encode(longest, 0), 0) == longest


def test_a_repeated_message_is_decoded_once_at_each_version_up_to_a_size() -> None:
    inner = encode(Inner(value=1, late=2), 5)
    first = decode_repeated(Inner, bytes(bytearray(inner)), 5)
    assert first == decode(Inner, inner, 5)
    assert decode_repeated(Inner, bytes(bytearray(inner)), 5) is first
    assert decode_repeated(Inner, inner, 4) == Inner(value=1)
    largest = inner + bytes(REPEATED_BYTES_MAX - len(inner))
    assert decode_repeated(Inner, largest, 5) is decode_repeated(Inner, largest, 5)
    larger = largest + b"\0"
    assert decode_repeated(Inner, larger, 5) is not decode_repeated(Inner, larger, 5)
    for _ in range(2):
        with pytest.raises(WireError, match="ends in the middle of a field"):
            decode_repeated(Inner, b"", 5)


def test_versions_of_one_shape_share_their_code() -> None:
    @message
    class Growing:
        old: u8
        new: u8 = since(3, default=0)

    before = decoder.cache_info().currsize, encoder.cache_info().currsize
    for version in (*range(-300, 300), 32767, -32768):
        decode(Growing, encode(Growing(old=1), version), version)
    after = decoder.cache_info().currsize, encoder.cache_info().currsize
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 2]


def test_a_traceback_shows_the_generated_line() -> None:
    decode(Inner, b"\1", 0)
    assert any("data[pos]" in line for line in linecache.getlines("<decode Inner v-1>"))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "00"),
        (-1, "01"),
        (1, "02"),
        (63, "7e"),
        (8191, "fe7f"),
        (-134217729, "8180808001"),
        (2**31 - 1, "feffffff0f"),
        (-(2**31), "ffffffff0f"),
    ],
)
def test_a_varint_is_zig_zag_in_groups_of_seven_bits(number: int, text: str) -> None:
    assert write_varint(number).hex() == text
    assert read_varint(bytes.fromhex("aa" + text), 1) == (number, 1 + len(text) // 2)


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1])
def test_a_varint_beyond_32_bits_is_not_written(number: int) -> None:
    with pytest.raises(WireError, match="outside 32 bits"):
        write_varint(number)


def test_a_varint_of_64_bits_is_read_and_a_longer_one_refused() -> None:
    assert read_varint(bytes.fromhex("ffffffffffffffffff01"), 0) == (-(2**63), 10)
    with pytest.raises(WireError, match="more than 64 bits"):
        read_varint(b"\xff" * 11, 0)
    with pytest.raises(IndexError):
        read_varint(b"\xff" * 3, 0)
