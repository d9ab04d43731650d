"""The time bounds that the documentation promises, computed for the judge.

The delays, waits and bounds follow from the options of a scenario. The producer computes them as
well; the duplication is deliberate, since a judge that used the producer's own bounds could not
find them wrong. Nothing here imports the producer. All times are in seconds.

Every sequence of delays grows until it becomes constant, after a few steps or at once. It is stored
as a short list and the constant delay after it, so that a policy with a billion retries costs no
more than one with five.
"""

from dataclasses import dataclass
from functools import lru_cache

from chaos.spec.scenario import ProducerOptions, RetryOptions

ATTEMPT_MIN_S = 0.050
"""The shortest planned attempt (contracts, the producer's bounds)."""

ATTEMPT_MAX_S = 10.0
"""The longest planned attempt."""

QUEUE_AT_MOST_ONCE_S = 30.0
"""How long ``send`` may wait for room under at-most-once."""

DIAL_BACKOFF_S = 0.020
DIAL_BACKOFF_MAX_S = 1.0
"""The first and the longest pause between a failed dial to a server and the next one; the pause
doubles after each failed dial."""

DIAL_SILENCE_S = 1.0
"""How long a server may be silent while it is dialled before the client may dial again."""

GRACE_S = 1.0
"""How long after its bound the harness gives a call up: late calls are thus distinguished from
calls that never end."""

TOLERANCE_TCP_S = 0.5
"""How much later than its bound a call may end with real sockets: a loaded machine may run no task
for tenths of a second."""

TOLERANCE_VIRTUAL_S = 1e-6
"""The same in virtual time, for rounding errors."""

_ROUNDING_S = 1e-9


def tolerance_s(world: str) -> float:
    """Return how much later than its bound something may happen in a world, in seconds."""
    return TOLERANCE_VIRTUAL_S if world == "virtual" else TOLERANCE_TCP_S


@dataclass(frozen=True, slots=True)
class Delays:
    """The delays of a retry policy."""

    rising: tuple[float, ...]
    """The delays before the sequence becomes constant."""
    steady: float
    """All further delays."""

    def before(self, retry: int) -> float:
        """Return the delay before a retry; the first retry is number 1."""
        return self.rising[retry - 1] if retry <= len(self.rising) else self.steady

    def total(self, retries: int) -> float:
        """Return the sum of the delays before the first ``retries`` retries."""
        return sum(self.rising[:retries]) + max(0, retries - len(self.rising)) * self.steady


def delays(retry: RetryOptions) -> Delays:
    """Return the delays before each retry.

    Fluvio uses the initial delay in whole milliseconds as the base of the exponential strategy.
    """
    return _delays(retry.strategy, retry.initial_delay, retry.max_delay)


@lru_cache(maxsize=256)
def _delays(strategy: str, initial: float, most: float) -> Delays:
    rising: list[float] = []
    match strategy:
        case "fixed-delay":
            return Delays((), initial)
        case "fibonacci-backoff":
            this, following = initial, initial
            if not this:
                return Delays((), 0.0)
            while this < most:
                rising.append(this)
                this, following = following, this + following
        case _:
            base = power = round(initial * 1_000_000) // 1000
            if base <= 1:  # all powers of 0 and 1 are equal
                return Delays((), min(base / 1000, most))
            while power / 1000 < most:
                rising.append(power / 1000)
                power *= base
    return Delays(tuple(rising), most)


def attempt_timeout(producer: ProducerOptions) -> float:
    """Return how long one attempt of at-least-once may take."""
    if producer.attempt_timeout is not None:
        return producer.attempt_timeout
    retry = producer.retry
    sequence, left, attempts = delays(retry), retry.timeout, 1
    for delay in sequence.rising:
        if attempts > retry.max_retries:
            break
        if (left - delay) / (attempts + 1) < ATTEMPT_MIN_S - _ROUNDING_S:
            return min(left / attempts, ATTEMPT_MAX_S)
        attempts, left = attempts + 1, left - delay
    # Each further attempt uses the steady delay, and at least the shortest planned attempt.
    room = left - ATTEMPT_MIN_S * attempts + _ROUNDING_S
    more = max(0, int(room / (sequence.steady + ATTEMPT_MIN_S)))
    more = min(more, 1 + retry.max_retries - attempts)
    return min((left - more * sequence.steady) / (attempts + more), ATTEMPT_MAX_S)


def send_bound(producer: ProducerOptions) -> float:
    """Return how long ``send`` of one record may wait for room."""
    return producer.retry.timeout if producer.retries else QUEUE_AT_MOST_ONCE_S


def settle_bound(producer: ProducerOptions, ahead: int) -> float:
    """Return how long a record may take to be settled, from its flush or ``wait`` on.

    Args:
        producer: the producer's options.
        ahead: how many requests of the partition must be settled before the record's own.
    """
    if producer.retries:
        return producer.linger + (ahead + 1) * producer.retry.timeout
    return producer.linger + producer.response_timeout
