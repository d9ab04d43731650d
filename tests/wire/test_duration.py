from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.duration import (
    DURATION_S_MAX,
    SHOWN_CHARS_MAX,
    UNITS_US,
    duration_text,
    parse_duration,
    seconds_text,
)

DAY_US = round(DURATION_S_MAX * UNITS_US["s"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("50ms", 0.05),
        ("200ms", 0.2),
        ("7us", 7e-6),
        ("1.5s", 1.5),
        ("0s", 0.0),
        ("2m", 120.0),
        ("0.5m", 30.0),
        ("10 ms", 0.01),
        ("1440m", DURATION_S_MAX),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "50", "ms", "-1s", "1h", "1e3s", "1.s", ".5s", "1,5s", "5ms ", " 5ms", "٣s", "5ms\n"),
        "1" * 19 + "s",
    ],
)
def test_what_is_no_duration_is_told_what_one_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration; write a number and one of us, ms, s"):
        parse_duration(text)


def test_a_duration_above_a_day_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'1440.1m' is longer than 1440m, the most"):
        parse_duration("1440.1m")


@given(st.integers(0, 10**6))
def test_a_duration_in_milliseconds_is_the_nearest_float(milliseconds: int) -> None:
    assert parse_duration(f"{milliseconds}ms") == milliseconds / 1000


@given(st.integers(0, DAY_US))
def test_a_duration_is_read_back_from_its_text(us: int) -> None:
    assert round(parse_duration(duration_text(us)) * UNITS_US["s"]) == us


def test_a_message_about_a_long_text_is_short_and_on_one_line() -> None:
    with pytest.raises(ValueError, match="is not a duration") as caught:
        parse_duration("5ms\n" * 1000)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 3 * SHOWN_CHARS_MAX


@given(st.floats(1e-6, 86_400))
def test_seconds_as_text_are_read_back_to_the_same_microsecond(seconds: float) -> None:
    assert abs(parse_duration(seconds_text(seconds)) - seconds) < 1e-6


@given(st.decimals(0, 86_400, places=9))
def test_seconds_of_a_nanosecond_grid_are_read_back_exactly(seconds: Decimal) -> None:
    assert parse_duration(seconds_text(float(seconds))) == float(seconds)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0ms"), (0.05, "50ms"), (0.815, "815ms"), (600.0, "10m")]
)
def test_seconds_have_a_short_text(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text
