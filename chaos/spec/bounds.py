"""What the documentation promises about time, computed for the judge and nobody else.

Delays, waits and bounds are computed here from the words of a scenario, a second time and on
purpose: a judge that asked the producer for its own bounds would never find it wrong. Nothing here
imports the producer. All times are in seconds.

Every sequence of delays grows until it becomes constant, after a few steps or at once. So it is a
short list and the delay that comes ever after, and a policy with a thousand million retries costs
no more than one with five.
"""

from dataclasses import dataclass

from chaos.spec.scenario import ProducerOptions, RetryOptions

ATTEMPT_MIN_S = 0.050
"""Attempts are not planned shorter than this (contracts, the producer's bounds)."""

ATTEMPT_MAX_S = 10.0
"""Attempts are not planned longer than this."""

QUEUE_AT_MOST_ONCE_S = 30.0
"""How long ``send`` may wait for room under at-most-once."""

DIAL_BACKOFF_S = 0.020
DIAL_BACKOFF_MAX_S = 1.0
"""The pause between a failed dial to a server and the next one, twice as long each time."""

GRACE_S = 1.0
"""How long behind its bound the harness gives a call up: late is told from never."""

TOLERANCE_TCP_S = 0.5
"""How much later than its bound a call may end with real sockets: a loaded machine runs nobody for
tenths of a second."""

TOLERANCE_VIRTUAL_S = 1e-6
"""The same in virtual time: rounding."""

_ROUNDING_S = 1e-9


def tolerance_s(world: str) -> float:
    """How much later than its bound something may happen in a world, in seconds."""
    return TOLERANCE_TCP_S if world == "tcp" else TOLERANCE_VIRTUAL_S


@dataclass(frozen=True, slots=True)
class Delays:
    """The delays of a retry policy."""

    rising: tuple[float, ...]
    """Those before the sequence becomes constant."""
    steady: float
    """All others."""

    def before(self, retry: int) -> float:
        """The delay before a retry; the first one is number 1."""
        return self.rising[retry - 1] if retry <= len(self.rising) else self.steady

    def total(self, retries: int) -> float:
        """The sum of the delays before so many retries."""
        return sum(self.rising[:retries]) + max(0, retries - len(self.rising)) * self.steady


def delays(retry: RetryOptions) -> Delays:
    """The delays before each retry.

    Fluvio takes the initial delay in whole milliseconds as the base of the exponential strategy.
    """
    most, rising = retry.max_delay, list[float]()
    match retry.strategy:
        case "fixed-delay":
            return Delays((), retry.initial_delay)
        case "fibonacci-backoff":
            this, following = retry.initial_delay, retry.initial_delay
            if not this:
                return Delays((), 0.0)
            while this < most:
                rising.append(this)
                this, following = following, this + following
        case _:
            base = power = round(retry.initial_delay * 1_000_000) // 1000
            if base <= 1:  # to any power it is the same
                return Delays((), min(base / 1000, most))
            while power / 1000 < most:
                rising.append(power / 1000)
                power *= base
    return Delays(tuple(rising), most)


def attempt_timeout(producer: ProducerOptions) -> float:
    """How long one attempt of at-least-once may take."""
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
    # Each further attempt takes the steady delay from what is left and needs the least wait.
    room = left - ATTEMPT_MIN_S * attempts + _ROUNDING_S
    more = max(0, int(room / (sequence.steady + ATTEMPT_MIN_S)))
    more = min(more, 1 + retry.max_retries - attempts)
    return min((left - more * sequence.steady) / (attempts + more), ATTEMPT_MAX_S)


def send_bound(producer: ProducerOptions) -> float:
    """How long ``send`` of one record may wait for room."""
    return producer.retry.timeout if producer.retries else QUEUE_AT_MOST_ONCE_S


def settle_bound(producer: ProducerOptions, ahead: int) -> float:
    """How long a record may take to be settled, from its flush or ``wait`` on.

    Args:
        producer: its options.
        ahead: how many requests of its partition are to be settled before its own.
    """
    if producer.retries:
        return producer.linger + (ahead + 1) * producer.retry.timeout
    return producer.linger + producer.response_timeout
