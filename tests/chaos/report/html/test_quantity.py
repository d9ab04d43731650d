"""Durations and times in few characters."""

import pytest

from chaos.report.html.quantity import brief, decimals_of


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.000_000_4, "0 s"),
        (0.000_001, "1 us"),
        (0.000_211, "211 us"),
        (0.0104, "10.4 ms"),
        (0.815, "815 ms"),
        (0.999_9, "1 s"),
        (1.641, "1.64 s"),
        (300, "300 s"),
        (86_400, "86400 s"),
    ],
)
def test_a_duration_has_three_digits_and_a_unit(seconds: float, text: str) -> None:
    assert brief(seconds) == text


@pytest.mark.parametrize(
    ("times", "decimals"),
    [
        ([], 3),
        ([0.001, 0.001, 0.002], 3),
        ([0.001, 0.001_3], 4),
        ([1.0, 1.000_000_000_1], 3),
        ([0.001, 0.001_3, 1000], 3),
    ],
)
def test_times_that_differ_have_decimals_that_differ(times: list[float], decimals: int) -> None:
    assert decimals_of(times) == decimals
