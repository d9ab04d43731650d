"""The deltas of records, decoded beside the values."""

import pytest

from chaos.oracle.frames.batches import _deltas
from wire.batch import encode_record


def payload(*records: bytes) -> bytes:
    return len(records).to_bytes(4, "big") + b"".join(records)


TIMES = (0, 1, 63, 64, 8191, 8192, 10**6, -1, -64, -65, -(10**6))


def test_every_length_of_a_varint_is_decoded() -> None:
    records = [encode_record(None, b"x" * 3, n, time) for n, time in enumerate(TIMES)]
    assert _deltas(payload(*records), len(records)) == ([*TIMES], True)


@pytest.mark.parametrize("size", [0, 50, 56, 57, 63, 64, 8000, 9000])
def test_many_records_of_any_size_are_in_order(size: int) -> None:
    records = [encode_record(b"key", b"." * size, n, n % 3) for n in range(70)]
    assert _deltas(payload(*records), 70) == ([n % 3 for n in range(70)], True)


@pytest.mark.parametrize("offsets", [(0, 0), (1, 2), (0, 2), (0, 64), (0, 9000), (0, -1)])
def test_offsets_out_of_order_are_seen(offsets: tuple[int, int]) -> None:
    records = [encode_record(None, b"value", offset, 5) for offset in offsets]
    assert _deltas(payload(*records), 2) == ([5, 5], False)


def test_deltas_that_do_not_follow_the_lengths_are_not_judged() -> None:
    whole = payload(encode_record(None, b"value", 0, 5))
    assert _deltas(whole, 2) == ([], True)
    assert _deltas(whole[:-1], 1) == ([], True)
