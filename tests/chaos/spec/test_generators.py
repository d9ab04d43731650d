"""Ranges: the field reads the value of every step back as that step."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.spec.generators import Range, read_range, size_text
from simulator.documents.quantities import parse_size


def _range(text: str) -> Range:
    found = read_range(text, (), {})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "kind", "steps", "values"),
    [
        ("1..200", "number", (1, 200), (1, 200)),
        ("0..0.3", "number", (0, 300), (0, 0.3)),
        ("0.0001..1", "number", (1, 10_000), (0.0001, 1)),
        ("1.50..2", "number", (1500, 2000), (1.5, 2)),
        ("0ms..2s", "duration", (0, 2000), ("0ms", "2s")),
        ("1m..2m", "duration", (60_000, 120_000), ("1m", "2m")),
        ("5us..1ms", "duration", (5, 1000), ("5us", "1ms")),
        ("1000us..2000us", "duration", (1, 2), ("1ms", "2ms")),
        ("1KiB..64KiB", "size", (1024, 65_536), ("1KiB", "64KiB")),
        ("0..1MiB", "size", (0, 1_048_576), (0, "1MiB")),
    ],
)
def test_a_range_is_whole_steps(
    text: str, kind: str, steps: tuple[int, int], values: tuple[object, object]
) -> None:
    found = _range(text)
    assert (found.kind, found.steps) == (kind, steps)
    assert tuple(map(found.value, found.steps)) == values


@pytest.mark.parametrize("text", ["1", "1..", "..2", "1...2", "a..b", "1..2..3", "1e3..2e3", ""])
def test_other_text_is_no_range(text: str) -> None:
    assert read_range(text, (), {}) is None


@given(st.integers(0, 10**12) | st.integers(0, 2**20).map(lambda n: n * 1024))
def test_a_size_is_read_back(size: int) -> None:
    assert parse_size(size_text(size)) == size


@given(st.decimals(0, 1000, places=3), st.decimals(0, 1000, places=3), st.data())
def test_every_fraction_of_a_range_is_within_it(
    one: Decimal, other: Decimal, data: st.DataObject
) -> None:
    low, high = sorted((one, other))
    found = _range(f"{low}..{high}")
    value = found.value(data.draw(st.integers(*found.steps)))
    assert low <= Decimal(str(value)) <= high
