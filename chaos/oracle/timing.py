"""How far the simulator's times and the client's can be apart.

The judge knows when the simulator read a frame and when the client was told something, and the
rules are about when the client began an attempt and when it ended. In the virtual world the network
takes exactly as long as the scenario says, so that a moment of one side lies between two moments of
the other. On real sockets the machine takes its time, and every comparison leaves room for it.
"""

from math import inf

from chaos.oracle.evidence import Evidence
from chaos.spec.bounds import attempt_timeout, tolerance_s

WINDOW_BYTES = 256 * 1024
"""What the virtual network takes from a sender before anything is read."""

ROUNDING_S = 1e-5
"""Times of events are rounded to a microsecond, and are added up."""

READ_UNCOMMITTED = "read-uncommitted"

RECORD_BYTES = 100
"""What a record may cost in a request beside its key and value, its share of a batch included."""

LEGS = 6
"""Trips over the network until a request on a new connection is answered: the dial there and back,
ApiVersions there and back, the request, its answer."""


class Timing:
    """The distances between the two sides' times in one run.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        scenario = evidence.scenario
        producer, network = scenario.producer, scenario.network
        virtual = evidence.history.world == "virtual"
        self.slack = ROUNDING_S + tolerance_s(evidence.history.world)
        """How much two times must differ at least for the difference to mean anything."""
        self.leg = network.latency if virtual else 0.0
        """How long a byte is under way at least, one way."""
        self.transfer = 0.0
        """How long the bytes before and of a frame take at most to get onto the network."""
        if virtual and network.bandwidth is not None:
            size = sum(len(r.value) + len(r.key or b"") + RECORD_BYTES for r in evidence.records)
            most = min(size, WINDOW_BYTES + producer.max_request_size)
            self.transfer = most / network.bandwidth
        self.wait = (
            min(attempt_timeout(producer), producer.retry.timeout)
            if producer.retries
            else producer.response_timeout
        )
        """How long an attempt may take; at-most-once: how long a batch may take."""
        self.patience = self.wait if producer.retries else producer.linger + self.wait
        """How long after something went wrong on a connection nothing new goes out on it."""
        self.trip = LEGS * self.leg + 2 * self.transfer
        """How long an attempt takes at most with nothing in its way."""
        self.commit = scenario.cluster.commit_delay if producer.isolation != READ_UNCOMMITTED else 0
        """How long an SPU waits with a request, and leaves unread those behind it."""
        self._commit_max = min(self.wait, producer.timeout)
        self._least = 0.0 if virtual else tolerance_s(evidence.history.world)
        self.too_slow = self.is_too_slow(len(evidence.requests))
        """Whether attempts may run out of time although nothing is in their way."""

    def is_too_slow(self, requests: int) -> bool:
        """Whether attempts may run out of time with so many requests under way at once."""
        if self.commit and requests * self.commit + self.trip > self._commit_max / 2:
            return True
        return self.trip > self.wait / 2 or self.wait < self._least

    def begun_by(self, read_at: float) -> float:
        """When the client began at the latest to write a frame that was read at a time."""
        return read_at - self.leg

    def begun_from(self, read_at: float) -> float:
        """When it began at the earliest; nobody knows that where an SPU leaves requests unread."""
        return -inf if self.commit else read_at - self.leg - self.transfer - self.slack

    def noticed_by(self, at: float) -> float:
        """When the client knows at the latest what the simulator did at a time."""
        return at + self.leg + self.transfer + self.slack


def timing(evidence: Evidence) -> Timing:
    """The distances in a run; for ``Evidence.once``."""
    return Timing(evidence)
