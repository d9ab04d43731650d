"""Bounds on the skew between server-side timestamps and client-side events.

The judge knows when the simulator read a frame and when the client reported an outcome. The rules
are about when the client began and ended an attempt. In the virtual world the network takes exactly
as long as the scenario says, so that an event of one side lies between two known times of the other
side. With real sockets the machine adds delays, and every comparison allows for them.
"""

from chaos.oracle.evidence import Evidence
from chaos.spec.bounds import attempt_timeout, tolerance_s

WINDOW_BYTES = 256 * 1024
"""How many bytes the virtual network accepts from a sender before the peer reads."""

ROUNDING_S = 1e-5
"""Event times are rounded to a microsecond, and sums of them add up the rounding errors."""

READ_UNCOMMITTED = "read-uncommitted"

RECORD_BYTES = 100
"""The most bytes of a record in a request beside its key and value, its share of the batch
included."""

LEGS = 6
"""One-way trips until a request on a new connection is answered: the dial there and back,
ApiVersions there and back, the request, its answer."""


class Timing:
    """The bounds on the skew in one run; all times are in seconds.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        scenario = evidence.scenario
        producer, network = scenario.producer, scenario.network
        virtual = evidence.history.world == "virtual"
        self.exact = virtual
        """Whether the machine adds no delays."""
        self.slack = ROUNDING_S + tolerance_s(evidence.history.world)
        """The difference between two times that is too small to mean anything."""
        self.leg = network.latency if virtual else 0.0
        """The one-way latency of the network."""
        self.transfer = 0.0
        """The longest time that a frame and the bytes before it need to enter the network."""
        if virtual and network.bandwidth is not None:
            size = sum(len(r.value) + len(r.key or b"") + RECORD_BYTES for r in evidence.records)
            most = min(size, WINDOW_BYTES + producer.max_request_size)
            self.transfer = most / network.bandwidth
        self.dial = attempt_timeout(producer) if evidence.retries else producer.response_timeout
        """The longest duration of a dial, which is not ended by the policy of one record."""
        self.wait = min(self.dial, producer.retry.timeout) if evidence.retries else self.dial
        """The longest duration of an attempt; under at-most-once, of a batch."""
        self.patience = self.wait if evidence.retries else producer.linger + self.wait
        """How long after a failure of a connection no new request goes out on it."""
        self.trip = LEGS * self.leg + 2 * self.transfer
        """The longest duration of an attempt without a fault."""
        self._commit_max = min(self.wait, producer.timeout)
        self.commit = scenario.cluster.commit_delay
        """How long an SPU holds a request before its commit, leaving later requests unread; with
        replicas, the longest that it may hold each entry."""
        if scenario.cluster.replication is not None:
            self.commit = self._commit_max
        if producer.isolation == READ_UNCOMMITTED:
            self.commit = 0.0
        self._least = 0.0 if virtual else tolerance_s(evidence.history.world)
        self.too_slow = self.trip > self.wait / 2 or self.wait < self._least
        """Whether attempts may time out although nothing is held and no fault strikes."""

    def is_too_slow(self, held_s: float) -> bool:
        """Return whether attempts may time out without a fault.

        Args:
            held_s: how long a request may have to wait for commits, its own included, in seconds.
        """
        return self.too_slow or (held_s > 0 and held_s + self.trip > self._commit_max / 2)

    def begun_by(self, read_at: float) -> float:
        """Return when the client began, at the latest, to write a frame that was read at
        ``read_at``."""
        return read_at - self.leg

    def begun_from(self, arrived_at: float) -> float:
        """Return when the client began, at the earliest, to write a frame that arrived at
        ``arrived_at``; it may be read later (``holds.py``)."""
        return arrived_at - self.leg - self.transfer - self.slack

    def noticed_by(self, at: float) -> float:
        """Return when the client has noticed, at the latest, what the simulator did at ``at``."""
        return at + self.leg + self.transfer + self.slack


def timing(evidence: Evidence) -> Timing:
    """Return the timing bounds of a run; for ``Evidence.once``."""
    return Timing(evidence)
