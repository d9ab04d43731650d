import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.duration import (
    DURATION_S_MAX,
    SHOWN_CHARS_MAX,
    UNITS_US,
    duration_text,
    parse_duration,
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
