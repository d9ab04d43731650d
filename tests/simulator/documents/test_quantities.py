import math

import pytest

from simulator.documents.quantities import (
    check_count,
    check_duration,
    check_index,
    check_probability,
    parse_probability,
    parse_size,
)
from simulator.documents.strict_model import SHOWN_CHARS_MAX, hint, shown


@pytest.mark.parametrize("value", ["50", 50, None, True, [1]])
def test_what_is_no_duration_is_told_what_one_is(value: object) -> None:
    with pytest.raises(ValueError, match=r"is not a duration; write a number and one of us, ms, s"):
        check_duration(value)


@pytest.mark.parametrize(
    ("value", "size"),
    [(0, 0), (100, 100), ("100", 100), ("4KiB", 4096), ("2 MiB", 2 * 1024 * 1024)],
)
def test_a_size_is_a_number_of_bytes_or_has_a_unit(value: object, size: int) -> None:
    assert parse_size(value) == size


@pytest.mark.parametrize("value", [-1, "1kB", "1.5KiB", "KiB", True, 1.5, None, "9" * 19, 10**18])
def test_what_is_no_size_is_told_what_one_is(value: object) -> None:
    with pytest.raises(ValueError, match="is not a size; write a number of bytes"):
        parse_size(value)


@pytest.mark.parametrize("value", [0, 1, 0.5, 0.0, 1.0])
def test_a_probability_is_a_number_in_0_to_1(value: float) -> None:
    assert check_probability(value) == value


@pytest.mark.parametrize("value", [1.5, -0.1, math.nan, math.inf, 2])
def test_a_number_outside_0_to_1_is_no_probability(value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{value} is outside 0\.\.1$"):
        check_probability(value)


@pytest.mark.parametrize("value", [True, "0.5", None, []])
def test_what_is_no_number_is_no_probability(value: object) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        check_probability(value)


def test_a_probability_is_read_from_the_command_line() -> None:
    assert parse_probability("0.25") == 0.25
    with pytest.raises(ValueError, match="'much' is not a number"):
        parse_probability("much")
    with pytest.raises(ValueError, match=r"1.5 is outside 0\.\.1"):
        parse_probability("1.5")


def test_an_index_starts_at_0_and_a_count_at_1() -> None:
    assert check_index(0) == 0
    assert check_count(1) == 1
    with pytest.raises(ValueError, match="-1 is not a whole number of at least 0"):
        check_index(-1)
    with pytest.raises(ValueError, match="0 is not a whole number of at least 1"):
        check_count(0)


@pytest.mark.parametrize("value", [1.0, "1", True, None])
def test_only_whole_numbers_count(value: object) -> None:
    with pytest.raises(ValueError, match="is not a whole number"):
        check_count(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        ("a", "'a'"),
        ("a\nb", r"'a\nb'"),
        ("\x85", r"'\x85'"),
        ({1: 2}, "a mapping"),
        ([1], "a list"),
        (1.5, "1.5"),
    ],
)
def test_a_value_is_shown_as_people_write_it(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_long_value_is_cut() -> None:
    assert len(shown("x" * 1000)) == SHOWN_CHARS_MAX
    assert shown("x" * 1000).endswith("...")


def test_a_hint_names_the_nearest_word_or_else_all_of_them() -> None:
    assert hint("dorp", ["drop", "stall"]) == "; did you mean 'drop'?"
    assert hint("qqq", ["drop", "stall"]) == "; write one of drop, stall"
