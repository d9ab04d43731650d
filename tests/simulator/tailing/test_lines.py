"""The lines of ``tail``, and which records it takes for copies."""

import pytest

from simulator.tailing.lines import (
    SHOWN_CHARS_MAX,
    RememberedRecords,
    TailTally,
    record_line,
)
from wire.batch import Record


def record(offset: int, value: bytes, key: bytes | None = None, timestamp_ms: int = 1) -> Record:
    return Record(key=key, value=value, timestamp_ms=timestamp_ms, offset=offset)


@pytest.mark.parametrize(
    ("first", "line"),
    [(5, "2@5  [k] v"), (3, "2@5  [k] v  <- resent, first at 2@3")],
)
def test_a_line_has_place_key_and_value_and_the_mark_of_a_copy(first: int, line: str) -> None:
    assert record_line(2, record(5, b"v", b"k"), first) == line


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"", ""),
        ("grüße".encode(), "grüße"),
        (b"a\xffb", "a\\xffb"),
        (b"\x1b[2Ja\nb", "\\x1b[2Ja\\nb"),
        (b"x" * SHOWN_CHARS_MAX, "x" * SHOWN_CHARS_MAX),
        (b"x" * 2000, "x" * SHOWN_CHARS_MAX + "... (2,000 bytes)"),
        ("é".encode() * 2000, "é" * SHOWN_CHARS_MAX + "... (4,000 bytes)"),
    ],
)
def test_a_value_moves_no_cursor_and_has_a_longest_length(value: bytes, shown: str) -> None:
    assert record_line(0, record(0, value), 0) == f"0@0  {shown}"


def test_an_empty_key_is_shown_and_no_key_is_not() -> None:
    assert record_line(0, record(0, b"v", b""), 0) == "0@0  [] v"
    assert record_line(0, record(0, b"v"), 0) == "0@0  v"


def test_copies_have_the_same_key_and_value_in_the_same_partition() -> None:
    remembered = RememberedRecords()
    assert remembered.first(0, record(3, b"v", b"k")) == 3
    assert remembered.first(0, record(4, b"v", b"k", timestamp_ms=9)) == 3
    assert remembered.first(0, record(5, b"v", b"k")) == 3
    others = [record(6, b"v"), record(7, b"v", b""), record(8, b"kv"), record(9, b"", b"kv")]
    assert [remembered.first(0, each) for each in others] == [6, 7, 8, 9]
    assert remembered.first(1, record(2, b"v", b"k")) == 2


def test_a_partition_and_a_key_do_not_run_into_each_other() -> None:
    remembered = RememberedRecords()
    assert remembered.first(1, record(0, b"v", b"1")) == 0
    assert remembered.first(11, record(1, b"v", b"")) == 1
    assert remembered.first(0, record(2, b"b", b"a")) == 2
    assert remembered.first(0, record(3, b"", b"ab")) == 3


def test_the_earliest_record_is_forgotten_at_the_limit() -> None:
    remembered = RememberedRecords(limit=2)
    fullness = []
    for offset, value in enumerate((b"a", b"b")):
        remembered.first(0, record(offset, value))
        fullness.append(remembered.full)
    assert fullness == [False, True]
    assert remembered.first(0, record(2, b"a")) == 0
    assert remembered.first(0, record(3, b"c")) == 3
    assert remembered.first(0, record(4, b"b")) == 1
    assert remembered.first(0, record(5, b"a")) == 5


def test_records_that_a_partition_has_no_more_are_forgotten() -> None:
    remembered = RememberedRecords()
    for partition in (0, 1):
        for offset, value in enumerate((b"a", b"b", b"c")):
            remembered.first(partition, record(offset, value))
    remembered.forget(1, 1)
    again = [record(offset, value) for offset, value in enumerate((b"a", b"b", b"c"), 5)]
    assert [remembered.first(0, each) for each in again] == [0, 1, 2]
    assert [remembered.first(1, each) for each in again] == [0, 6, 7]


def test_the_tally_is_one_line() -> None:
    assert str(TailTally(records=1)) == "1 record, 0 of them resent"
    assert str(TailTally(records=1200, resent=3)) == "1,200 records, 3 of them resent"
