"""What a producer promises, and how often it tries: the documented names.

>>> from producer.semantics import DeliverySemantic, RetryPolicy, RetryStrategy
>>> policy = RetryPolicy(max_retries=5, initial_delay=0.010, max_delay=2, timeout=10,
...                      strategy=RetryStrategy.EXPONENTIAL_BACKOFF)
>>> [policy.delay(retry) for retry in range(1, 6)]
[0.01, 0.1, 1.0, 2.0, 2.0]
>>> DeliverySemantic.at_least_once(policy).policy is policy
True

The sequences are the official client's to the digit. Its exponential strategy takes the *initial
delay in whole milliseconds as the base* of the power, so that 10 ms grows tenfold and 1 ms never.

The naive way lists all delays, or computes ``initial ** n`` and cuts it at the maximum afterwards:
a policy that retries a thousand million times then costs gigabytes. But every sequence becomes
constant after a few steps: it is constant from the start, or it grows until it meets its
cap. So only the steps before that are kept, and sums over the rest are one multiplication.

All arithmetic is on integer nanoseconds: 1.001 s times 1000 is 1000.9999999999999 ms in floats.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

ATTEMPT_TIMEOUT_MAX_S = 10.0
"""The longest wait for one attempt that is derived from a policy. A healthy SPU answers within
milliseconds; with the default policy 10 s leave room for all five attempts."""

ATTEMPT_TIMEOUT_MIN_S = 0.050
"""The shortest wait that is worth an attempt: some round trips around the world fit into it."""

CACHED_POLICIES = 128
"""Policies whose sequences are remembered; a program has a handful."""

_NS = 1_000_000_000
_NS_PER_MS = 1_000_000
_CAP_NS = (2**64 - 1) * _NS_PER_MS  # the official client counts milliseconds in 64 bits


class RetryStrategy(Enum):
    """How the delays between attempts grow; the values are Fluvio's names."""

    FIXED_DELAY = "FixedDelay"
    """The initial delay each time; the maximum is ignored."""
    EXPONENTIAL_BACKOFF = "ExponentialBackoff"
    """The n-th delay is the initial one, in whole milliseconds, to the power of n."""
    FIBONACCI_BACKOFF = "FibonacciBackoff"
    """The initial delay times 1, 1, 2, 3, 5, 8 and so on."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often at-least-once tries, and for how long. All times are in seconds.

    Args:
        max_retries: attempts after the first one; 4.
        initial_delay: what the strategy starts from; 0.020.
        max_delay: no delay is longer, except a fixed one; 200.
        timeout: the time for all attempts and the delays between them, counted from the start of
            the first attempt; 300.
        strategy: how the delays grow; exponentially.

    Raises:
        ValueError: a number is negative or not finite, or the timeout is zero.
    """

    max_retries: int = 4
    initial_delay: float = 0.020
    max_delay: float = 200.0
    timeout: float = 300.0
    strategy: RetryStrategy = RetryStrategy.EXPONENTIAL_BACKOFF

    def __post_init__(self) -> None:
        if self.max_retries < 0:
            raise ValueError(f"max_retries is {self.max_retries}; it must not be negative")
        for name in ("initial_delay", "max_delay", "timeout"):
            seconds = getattr(self, name)
            if not math.isfinite(seconds) or seconds < 0:
                raise ValueError(f"{name} is {seconds}; it must be a number of seconds, 0 or more")
        if not self.timeout:
            raise ValueError("timeout is 0; it must leave time for one attempt")

    def delay(self, retry: int) -> float:
        """Seconds before the given retry, the first of which is number 1."""
        sequence = _sequence(self.strategy, _ns(self.initial_delay), _ns(self.max_delay))
        return sequence.delay_ns(retry) / _NS

    def delays(self) -> Iterator[float]:
        """The delays before each retry, in seconds, computed one by one."""
        return map(self.delay, range(1, self.max_retries + 1))

    @property
    def attempt_timeout(self) -> float:
        """How long one attempt may take, in seconds.

        It is the share of each when as many attempts as possible fit into the timeout: n is the
        largest count up to ``1 + max_retries`` for which ``(timeout - the first n - 1 delays) / n``
        is at least 50 ms (and at least 1); the result is that quotient, or 10 s if that is less.
        """
        sequence = _sequence(self.strategy, _ns(self.initial_delay), _ns(self.max_delay))
        return _attempt_ns(sequence, _ns(self.timeout), 1 + self.max_retries) / _NS


@dataclass(frozen=True, slots=True)
class DeliverySemantic:
    """What the producer promises: made by ``at_most_once`` or ``at_least_once``."""

    policy: RetryPolicy | None
    """How at-least-once retries; None means at-most-once."""

    @classmethod
    def at_most_once(cls) -> "DeliverySemantic":
        """Each record is transmitted once or not at all: it can be lost and is never repeated."""
        return cls(None)

    @classmethod
    def at_least_once(cls, policy: RetryPolicy | None = None) -> "DeliverySemantic":
        """Each record is sent until an SPU confirms it, as far as the policy goes.

        Args:
            policy: how often and how long; ``RetryPolicy()`` if None.
        """
        return cls(policy or RetryPolicy())

    @property
    def retries(self) -> bool:
        """Whether it is at-least-once."""
        return self.policy is not None


@dataclass(frozen=True, slots=True)
class _Sequence:
    """A sequence of delays that is constant from some point on."""

    rising_ns: tuple[int, ...]
    steady_ns: int

    def delay_ns(self, retry: int) -> int:
        return self.rising_ns[retry - 1] if retry <= len(self.rising_ns) else self.steady_ns


@lru_cache(CACHED_POLICIES)
def _sequence(strategy: RetryStrategy, initial_ns: int, max_ns: int) -> _Sequence:
    cap = min(max_ns, _CAP_NS)
    match strategy:
        case RetryStrategy.FIXED_DELAY:
            return _Sequence((), initial_ns)
        case RetryStrategy.EXPONENTIAL_BACKOFF:
            base = initial_ns // _NS_PER_MS
            if base <= 1:  # to any power it is the same
                return _Sequence((), min(base * _NS_PER_MS, cap))
            return _Sequence(tuple(_below(cap, _powers(base))), cap)
        case RetryStrategy.FIBONACCI_BACKOFF:
            if not initial_ns:
                return _Sequence((), 0)
            return _Sequence(tuple(_below(cap, _fibonacci(initial_ns))), cap)


def _powers(base: int) -> Iterator[int]:
    power = base
    while True:
        yield power * _NS_PER_MS
        power *= base


def _fibonacci(unit: int) -> Iterator[int]:
    this, following = unit, unit
    while True:
        yield this
        this, following = following, this + following


def _below(cap: int, growing: Iterator[int]) -> Iterator[int]:
    for delay in growing:
        if delay >= cap:
            return
        yield delay


def _attempt_ns(sequence: _Sequence, timeout: int, attempts_max: int) -> int:
    """The wait of one attempt for a policy that allows ``attempts_max``."""
    least, most = _ns(ATTEMPT_TIMEOUT_MIN_S), _ns(ATTEMPT_TIMEOUT_MAX_S)
    attempts, left = 1, timeout
    for delay in sequence.rising_ns:
        if attempts >= attempts_max or (left - delay) < least * (attempts + 1):
            return min(left // attempts, most)
        attempts, left = attempts + 1, left - delay
    # Each further attempt takes the steady delay from what is left and needs the least wait.
    steady = sequence.steady_ns
    more = max(0, (left - least * attempts) // (steady + least))
    more = min(more, attempts_max - attempts)
    return min((left - more * steady) // (attempts + more), most)


def _ns(seconds: float) -> int:
    return round(seconds * _NS)
