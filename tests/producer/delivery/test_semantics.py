import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer import DeliverySemantic, RetryPolicy, RetryStrategy

FIXED = RetryStrategy.FIXED_DELAY
EXPONENTIAL = RetryStrategy.EXPONENTIAL_BACKOFF
FIBONACCI = RetryStrategy.FIBONACCI_BACKOFF


def policy(
    initial: float, most: float, retries: int, strategy: RetryStrategy, timeout: float = 300
) -> RetryPolicy:
    return RetryPolicy(retries, initial, most, timeout, strategy)


@pytest.mark.parametrize(
    ("given_policy", "delays_ms"),
    [
        (policy(0.010, 2, 5, EXPONENTIAL), [10, 100, 1000, 2000, 2000]),
        (RetryPolicy(), [20, 400, 8_000, 160_000]),
        (policy(0.001, 200, 3, EXPONENTIAL), [1, 1, 1]),
        (policy(0.0005, 200, 3, EXPONENTIAL), [0, 0, 0]),
        (policy(0.0105, 2, 3, EXPONENTIAL), [10, 100, 1000]),
        (policy(0.1, 2000, 3, EXPONENTIAL), [100, 10_000, 1_000_000]),
        (policy(1.001, 0.5, 2, EXPONENTIAL), [500, 500]),
        (policy(0.010, 0.030, 5, FIBONACCI), [10, 10, 20, 30, 30]),
        (policy(0.0015, 1, 6, FIBONACCI), [1.5, 1.5, 3, 4.5, 7.5, 12]),
        (policy(0, 1, 2, FIBONACCI), [0, 0]),
        (policy(0.010, 0, 2, FIBONACCI), [0, 0]),
        (policy(0.010, 0.001, 3, FIXED), [10, 10, 10]),
        (policy(0.010, 1, 0, FIXED), []),
    ],
)
def test_the_delays_are_those_of_the_official_client(
    given_policy: RetryPolicy, delays_ms: list[float]
) -> None:
    assert list(given_policy.delays()) == [delay / 1000 for delay in delays_ms]


@pytest.mark.parametrize("strategy", RetryStrategy)
@pytest.mark.parametrize("timeout", [0.001, 300, 10.0**9])
def test_a_thousand_million_retries_cost_nothing(strategy: RetryStrategy, timeout: float) -> None:
    endless = policy(0.010, 2.0, 10**9, strategy, timeout)
    assert len(list(itertools.islice(endless.delays(), 100))) == 100
    assert endless.delay(10**9) in (0.010, 2.0)
    assert 0 < endless.attempt_timeout <= 10


def test_the_documented_policy_leaves_each_of_its_six_attempts_815_milliseconds() -> None:
    assert policy(0.010, 2, 5, EXPONENTIAL, timeout=10).attempt_timeout == 0.815


def test_the_default_policy_leaves_each_attempt_ten_seconds() -> None:
    assert RetryPolicy().attempt_timeout == 10


@given(
    st.sampled_from(RetryStrategy),
    st.integers(0, 400),
    st.integers(0, 5_000),
    st.integers(1, 20_000),
    st.integers(0, 60),
)
def test_the_wait_of_an_attempt_is_what_the_contract_defines(
    strategy: RetryStrategy, initial_ms: int, most_ms: int, timeout_ms: int, retries: int
) -> None:
    given_policy = RetryPolicy(
        retries, initial_ms / 1000, most_ms / 1000, timeout_ms / 1000, strategy
    )
    quotient: Fraction = Fraction(timeout_ms)
    for attempts in range(1, retries + 2):
        delays = sum(round(given_policy.delay(n) * 1e6) for n in range(1, attempts))
        share = (timeout_ms - Fraction(delays, 1000)) / attempts
        if attempts == 1 or share >= 50:
            quotient = share
    expected = min(quotient, Fraction(10_000)) / 1000
    assert given_policy.attempt_timeout == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_retries": -1},
        {"initial_delay": -0.1},
        {"max_delay": math.inf},
        {"timeout": math.nan},
        {"timeout": 0},
    ],
)
def test_an_impossible_policy_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetryPolicy(**wrong)  # type: ignore[arg-type]  # one of them is an int


def test_at_least_once_has_a_policy_and_at_most_once_has_none() -> None:
    assert DeliverySemantic.at_least_once().policy == RetryPolicy()
    assert DeliverySemantic.at_least_once().retries
    assert DeliverySemantic.at_most_once().policy is None
    assert not DeliverySemantic.at_most_once().retries
