import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from simulator.faults.distributions import (
    DELAY_S_MAX,
    Constant,
    Distribution,
    Normal,
    Pareto,
    Uniform,
    parse_distribution,
)

_ADAPTER: TypeAdapter[Constant | Uniform | Normal | Pareto] = TypeAdapter(Distribution)

_U_LAST = 1 - 2.0**-53
"""The largest draw below 1."""

_DRAWS = st.floats(0, 1, exclude_max=True)
_MILLISECONDS = st.integers(0, int(DELAY_S_MAX * 1000))


@st.composite
def _distributions(draw: st.DrawFn) -> Constant | Uniform | Normal | Pareto:
    first, second = sorted((draw(_MILLISECONDS), draw(_MILLISECONDS)))
    shape = draw(st.floats(0, exclude_min=True, allow_infinity=False))
    forms = [
        f"{first}ms",
        {"uniform": [f"{first}ms", f"{second}ms"]},
        {"normal": {"mean": f"{first}ms", "deviation": f"{second}ms"}},
        {"pareto": {"scale": f"{max(second, 1)}ms", "shape": shape}},
    ]
    return _ADAPTER.validate_python(draw(st.sampled_from(forms)))


@pytest.mark.parametrize(
    ("yaml", "cli"),
    [
        ("50ms", "50ms"),
        ({"uniform": ["10ms", "200ms"]}, "uniform(10ms,200ms)"),
        ({"uniform": ["10ms", "200ms"]}, " uniform(10ms, 200ms) "),
        ({"normal": {"mean": "50ms", "deviation": "10ms"}}, "normal(50ms,10ms)"),
        ({"pareto": {"scale": "20ms", "shape": 1.5}}, "pareto(20ms,1.5)"),
        ({"pareto": {"scale": "20ms", "shape": 2}}, "pareto(20ms,2)"),
    ],
)
def test_yaml_and_command_line_write_the_same_distribution(yaml: Any, cli: str) -> None:
    assert _ADAPTER.validate_python(yaml) == parse_distribution(cli)


@pytest.mark.parametrize(
    ("text", "u", "seconds"),
    [
        ("50ms", 0.0, 0.05),
        ("50ms", 0.9, 0.05),
        ("uniform(10ms,200ms)", 0.0, 0.01),
        ("uniform(10ms,200ms)", 0.5, 0.105),
        ("normal(50ms,10ms)", 0.5, 0.05),
        ("normal(50ms,10ms)", 0.8413447460685429, 0.06),  # one deviation above the mean
        ("normal(50ms,0ms)", 0.9, 0.05),
        ("normal(50ms,10ms)", 0.0, 0.0),  # far below the mean, cut off at zero
        ("pareto(20ms,1.5)", 0.0, 0.02),
        ("pareto(20ms,1)", 0.5, 0.04),
        ("pareto(20ms,2)", 0.75, 0.04),
    ],
)
def test_a_sample_is_the_inverse_of_the_distribution(text: str, u: float, seconds: float) -> None:
    assert parse_distribution(text).sample(u) == pytest.approx(seconds)


@given(_distributions(), _DRAWS)
def test_a_sample_is_never_negative_and_never_above_an_hour(
    distribution: Constant | Uniform | Normal | Pareto, u: float
) -> None:
    for draw in (u, 0.0, _U_LAST):
        assert 0 <= distribution.sample(draw) <= DELAY_S_MAX


@given(_distributions(), _DRAWS, _DRAWS)
def test_a_larger_draw_never_gives_a_shorter_delay(
    distribution: Constant | Uniform | Normal | Pareto, u: float, v: float
) -> None:
    low, high = sorted((u, v))
    assert distribution.sample(low) <= distribution.sample(high) + 1e-9


@pytest.mark.parametrize("text", ["pareto(1ms,0.000001)", "normal(60m,60m)", "pareto(60m,1)"])
def test_the_longest_samples_are_cut_at_an_hour(text: str) -> None:
    assert parse_distribution(text).sample(_U_LAST) == DELAY_S_MAX


def test_half_of_many_even_draws_are_below_the_median() -> None:
    draws = [n / 1000 for n in range(1000)]
    for text, median in (("normal(50ms,10ms)", 0.05), ("pareto(20ms,1)", 0.04)):
        samples = [parse_distribution(text).sample(u) for u in draws]
        assert sum(s < median - 1e-9 for s in samples) == 500
        assert all(a < b for a, b in itertools.pairwise(samples) if 0 < a < DELAY_S_MAX)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("50", "'50' is not a duration"),
        ("", "'' is not a duration"),
        ("-5ms", "'-5ms' is not a duration"),
        ("61m", "a delay is at most 60m"),
        ("uniform(10ms)", "'uniform(10ms)' is not a distribution"),
        ("uniform(10ms,20ms,30ms)", "is not a distribution"),
        ("uniform(10ms,200)", "'200' is not a duration"),
        ("uniform(20ms,10ms)", "the shortest delay is above the longest"),
        ("normal(50ms,10)", "'10' is not a duration"),
        ("pareto(0ms,1)", "the scale must be above zero"),
        ("pareto(20ms,0)", "0.0 is not a number above zero"),
        ("pareto(20ms,inf)", "inf is not a number above zero"),
        ("pareto(20ms,nan)", "nan is not a number above zero"),
        ("pareto(20ms,x)", "'x' is not a number"),
        ("gamma(1ms,2)", "'gamma' is not a distribution"),
        ("1ms..2ms", "'1ms..2ms' is not a duration"),
    ],
)
def test_bad_text_is_answered_with_one_line_that_shows_the_forms(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=r"uniform\(10ms,200ms\), normal\(50ms,10ms\)") as caught:
        parse_distribution(text)
    assert wrong in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("yaml", "where", "wrong"),
    [
        (5, (), "5 is not a delay"),
        ({"uniform": ["1ms", "2ms"], "normal": {}}, (), "a mapping is not a delay"),
        ({"unifrom": ["1ms", "2ms"]}, (), "did you mean 'uniform'"),
        ({"uniform": "1ms"}, ("<uniform>", "uniform"), "'1ms' is not a pair"),
        ({"uniform": ["1ms"]}, ("<uniform>", "uniform"), "a list is not a pair"),
        ({"uniform": ["1ms", 2]}, ("<uniform>", "uniform", 1), "2 is not a duration"),
        ({"normal": {"mean": "1ms"}}, ("<normal>", "normal", "deviation"), "Field required"),
        (
            {"pareto": {"scale": "1ms", "shape": "1"}},
            ("<pareto>", "pareto", "shape"),
            "'1' is not a number",
        ),
    ],
)
def test_bad_yaml_is_located(yaml: Any, where: tuple[str | int, ...], wrong: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _ADAPTER.validate_python(yaml)
    [found] = caught.value.errors()
    assert found["loc"] == where
    assert wrong in found["msg"]


def test_a_sample_that_would_overflow_is_cut_too() -> None:
    assert parse_distribution("pareto(60m,1e-300)").sample(_U_LAST) == DELAY_S_MAX
    assert math.isfinite(parse_distribution("pareto(1us,1e300)").sample(_U_LAST))
