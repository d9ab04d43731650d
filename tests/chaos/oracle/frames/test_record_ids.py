"""Which records a batch or a log holds, by comparison of slices or by look-ups."""

from collections.abc import Sequence

import pytest

from chaos.history import SentRecord
from chaos.oracle.frames.record_ids import SLICE, RecordIds
from wire.batch import encode_batch, encode_record

MANY = 3 * SLICE


def sent(values: Sequence[bytes], keys: Sequence[bytes | None] = ()) -> list[SentRecord]:
    keys = keys or [None] * len(values)
    return [SentRecord(n, keys[n], value, 0, 0.0) for n, value in enumerate(values)]


VALUES = [b"%d." % n for n in range(MANY)]


@pytest.mark.parametrize(
    "ids",
    [
        [],
        [5],
        [7, 3],
        range(MANY),
        range(1, MANY, 3),
        range(MANY - 1, -1, -1),
        [*range(200), *range(300, MANY)],
        [0, 2, 4, 7, 8],
        [4, 4],
        [MANY - 2, MANY - 1, 0],
    ],
)
def test_values_say_which_records_they_are_in_any_order(ids: Sequence[int]) -> None:
    known = RecordIds(sent(VALUES))
    assert known.of_values([VALUES[n] for n in ids]) == [*ids]


@pytest.mark.parametrize("place", [0, 1, 2, SLICE - 1, SLICE, MANY - 1])
def test_a_value_that_was_never_sent_is_no_record(place: int) -> None:
    values: list[bytes] = [*VALUES]
    values[place] = b"another"
    expected: list[int | None] = [*range(MANY)]
    expected[place] = None
    assert RecordIds(sent(VALUES)).of_values(values) == expected


def test_more_values_than_were_sent_are_no_records() -> None:
    assert RecordIds(sent(VALUES)).of_values([*VALUES, b"", b"x"]) == [*range(MANY), None, None]


def test_an_empty_value_says_nothing_where_it_stands() -> None:
    records = sent([b"0.", b"1.", b"", b"3."], [None, None, b"2.", None])
    known = RecordIds(records)
    assert known.of_values([b"0.", b"1.", b"", b"3."]) == [0, 1, None, 3]
    batch = encode_batch(
        [encode_record(r.key, r.value, n, 0) for n, r in enumerate(records)],
        first_timestamp_ms=1,
        max_timestamp_ms=1,
    )
    assert known.in_batches(batch) == [0, 1, 2, 3]
    other = batch.replace(b"2.", b"9.")
    assert known.in_part(other) == [0, 1, 3]
    assert known.in_batches(other) == [0, 1, 3]  # its CRC is wrong, which an SPU puts right


def test_a_batch_is_decoded_once() -> None:
    known = RecordIds(sent(VALUES[:2]))
    batches = [
        encode_batch([encode_record(None, value, 0, 0)], first_timestamp_ms=1, max_timestamp_ms=1)
        for value in VALUES[:2]
    ]
    first, second = known.batches_in(b"".join(batches))
    assert [first.ids, second.ids] == [[0], [1]]
    assert known.batches_in(memoryview(batches[1])) == [second]
    assert known.batches == [first, second]
