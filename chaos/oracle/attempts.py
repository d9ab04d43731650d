"""Record groups, and when their attempts under at-least-once began and ended.

The records of a batch share every request and every outcome. They form a *record group*, and a rule
about attempts is applied once to the whole group.

The events record when the simulator read the request of an attempt. The rules are about when the
client began and ended the attempt. Both times are therefore bounded: an attempt begins no earlier
than the end of the previous attempt plus the delay, and ends no earlier than the arrival of an
answer, the loss of its connection, or its timeout. A promise is broken only if no times within
these bounds keep it.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from chaos.history import Outcome, SentRecord
from chaos.oracle.answers import Answers, answers
from chaos.oracle.calls import Closing, closings
from chaos.oracle.evidence import Evidence, Transmission
from chaos.oracle.finding import CLIENT_ENDED, Ruling, blind, excused, violated
from chaos.oracle.holds import Holds, holds
from chaos.oracle.incarnations import homes, incarnations
from chaos.oracle.timing import Timing, timing
from chaos.oracle.visibility import Visibility, visibility
from chaos.spec.bounds import Delays, delays

USED_UP = "policy-used-up"
"""The rule for records that were given up after the last attempt, or the timeout, of the policy."""

BUDGET_RULES = (USED_UP, "final-code", "closed", CLIENT_ENDED)
"""The rules of ``RetryTimeline.unused_budget``."""


@dataclass(slots=True)
class RecordGroup:
    """Records of the workload with the same requests and the same outcome."""

    records: list[SentRecord]
    attempts: Sequence[Transmission]
    outcome: Outcome
    outcome_at: float | None
    earliest: float
    """When the first attempt began at the earliest."""
    ids: list[int] = field(default_factory=list)
    """The ids of the records."""
    settled_at: float | None = None
    """When the group was settled; None if the time is not certain. A client may report an outcome
    later than it knows it: the outcome of a record that is settled during its own send is reported
    when the send returns."""

    bounds: "list[AttemptBounds] | None" = None
    """What ``RetryTimeline.attempts`` found, for each check that asks."""

    @property
    def producer(self) -> int:
        """The number of the producer that sent them."""
        return self.records[0].producer


def record_groups(evidence: Evidence) -> list[RecordGroup]:
    """Return the groups of all workload records that the client accepted; for ``Evidence.once``.

    Under at-least-once a partition has one request in flight, so that the first attempt of a group
    begins when the previous group of the partition is settled.
    """
    trails, trail_of = evidence.trails
    # Over tcp the outcomes of one batch are reported at slightly different times.
    rough = evidence.history.world != "virtual"
    found: dict[tuple[int, Outcome, float | None, int], RecordGroup] = {}
    latest, group, slack = None, None, evidence.once(timing).slack
    for record in evidence.sent:
        if record.taken_at is None:
            continue
        outcome_at = record.outcome_at
        if rough and outcome_at is not None:
            outcome_at = round(outcome_at, 2)
        key = trail_of[record.id], record.outcome, outcome_at, record.producer
        if group is None or key != latest:  # most records are in the group of the one before them
            latest, group = key, found.get(key)
            if group is None:
                group = found[key] = RecordGroup(
                    [], trails[key[0]], record.outcome, record.outcome_at, 0.0
                )
                group.settled_at = _settled_at(record, slack)
        group.records.append(record)
    for group in found.values():
        group.ids = [record.id for record in group.records]
        group.earliest = group.records[-1].sent_at
    if evidence.retries:
        _wait_for_predecessors(list(found.values()))
    return list(found.values())


def _settled_at(record: SentRecord, slack: float) -> float | None:
    """Return when a record was settled, if the time of the client's report shows it."""
    known_from = record.taken_at if record.asked_at is None else record.asked_at + slack
    if record.outcome_at is None or known_from is None or record.outcome_at <= known_from:
        return None
    return record.outcome_at


def _wait_for_predecessors(found: list[RecordGroup]) -> None:
    """Raise ``earliest`` of each group to the time when the previous request was settled."""
    settled: dict[tuple[int, int], float] = {}
    pending: dict[tuple[int, int], tuple[int, float]] = {}
    """By producer and partition, the latest request, and when the last of its groups was
    settled."""
    for group in found:
        if not group.attempts:
            continue
        first = group.attempts[0]
        line = group.producer, first.partition
        number, until = pending.get(line, (first.number, 0.0))
        if number != first.number:
            settled[line] = max(settled.get(line, 0.0), until)
            until = 0.0
        pending[line] = first.number, max(until, group.settled_at or 0.0)
        if settled.get(line, 0.0) <= first.t:
            group.earliest = max(group.earliest, settled.get(line, 0.0))


@dataclass(slots=True)
class AttemptBounds:
    """Bounds for when the client began and ended one attempt, in seconds."""

    transmission: Transmission
    start_from: float
    begun_from: float
    begun_by: float
    end_from: float
    end_by: float


class RetryTimeline:
    """The attempts of at-least-once in one run, compared with the retry policy.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        producer = evidence.scenario.producer
        self._evidence = evidence
        self.timing: Timing = evidence.once(timing)
        self.visibility: Visibility = evidence.once(visibility)
        self.holds: Holds = evidence.once(holds)
        self.answers: Answers = evidence.once(answers)
        self.delays: Delays = delays(producer.retry)
        self.retry = producer.retry
        self.partitions = evidence.once(incarnations).partitions_max
        times = self.timing
        self.connecting = 2 * times.trip + self.partitions * times.transfer + 2 * times.slack
        """The longest time from the start of an attempt until its request is read, in seconds."""
        self._closing: Closing = evidence.once(closings)
        history = evidence.history
        self._abandoned = history.silent is not None or history.crash is not None
        self._end = evidence.history.events[-1].t if evidence.history.events else 0.0

    def attempts(self, group: RecordGroup) -> list[AttemptBounds]:
        """Return the bounds of each observed attempt of a group, in the order of reading.

        From an attempt on that may have been sent before the one that was read before it, the
        number of an attempt is not certain, and no delay is added.
        """
        if group.bounds is None:
            group.bounds = [*self._attempts(group)]
        return group.bounds

    def _attempts(self, group: RecordGroup) -> Iterator[AttemptBounds]:
        timing, start, in_order = self.timing, group.earliest, True
        for retry, transmission in enumerate(group.attempts, 1):
            if retry > 1 and not self.follows(group.attempts[retry - 2], transmission):
                start, in_order = group.earliest, False
            begun_from = max(start, self.begun_from(transmission))
            begun_by = timing.begun_by(transmission.t)
            answered = self.answers.at(transmission)
            end_from = min(
                answered + timing.leg,
                self.visibility.lost(transmission.connection) + timing.leg,
                start + timing.wait,
            )
            end_by = min(
                self._answered_by(transmission),
                self.visibility.lost_by(transmission.connection),
                begun_by + timing.wait,
            )
            end_from = max(end_from, begun_from)
            yield AttemptBounds(
                transmission, start, begun_from, begun_by, end_from, max(end_by, end_from)
            )
            start = end_from + (self.delays.before(retry) if in_order else 0.0)

    def answer_known_by(self, attempt: AttemptBounds) -> float:
        """Return when the client has certainly read the answer to an attempt; infinity if it may
        not have.

        A written answer may be lost with its connection, or arrive after the attempt's timeout.
        """
        known = self._answered_by(attempt.transmission)
        return known if known < attempt.start_from + self.timing.wait else inf

    def _answered_by(self, transmission: Transmission) -> float:
        known = self.timing.noticed_by(self.answers.at(transmission))
        return known if known < self.visibility.lost(transmission.connection) else inf

    def follows(self, first: Transmission, second: Transmission) -> bool:
        """Return whether the second of two requests was certainly begun after the first."""
        if first.connection == second.connection:
            return first.n < second.n
        return self.begun_from(second) > self.timing.begun_by(first.t)

    def begun_from(self, transmission: Transmission) -> float:
        """Return when the client began, at the earliest, to write a request."""
        arrived = self.holds.arrived_from(transmission.number, transmission.t)
        return self.timing.begun_from(arrived)

    def hidden(self, group: RecordGroup, end: float) -> str | None:
        """Return why an attempt of a group may have left no event until ``end``; None if each left
        one."""
        but = {t.connection for t in group.attempts if self.answers.at(t) == inf}
        return self.visibility.hidden(self._homes(group), group.earliest, end, but)

    def _homes(self, group: RecordGroup) -> Collection[int]:
        return homes(self._evidence, group.records)

    def unused_budget(self, group: RecordGroup) -> Ruling:
        """Return whether the policy was used up when a group was given up; if not, what was left.

        A policy is used up when all attempts were made, or when no further attempt could begin
        within its timeout. A final error code ends it, and so does a closing of the producer that
        was cancelled. A record that was never settled was given up after its last attempt: no call
        that waits for it may outlast the policy (``bounded``).
        """
        if self._is_final(group):
            return excused("final-code")
        end = group.outcome_at
        if end is None:
            if self._abandoned:
                return excused(CLIENT_ENDED)  # the client might have retried
            attempts = self.attempts(group)
            end = attempts[-1].end_by if attempts else self._end
        if self._closing.was_cancelled(group.producer, end):
            return excused("closed")
        made, most = len(group.attempts), 1 + self.retry.max_retries
        if made >= most:
            return excused(USED_UP)
        due = self.missing_retry_due(group)
        if due is not None:
            end, following = due - self.delays.before(made), made
        elif (cause := self.hidden(group, end)) is None:
            if not made:
                return violated("without a single attempt")
            following = made
        else:
            # Some attempts may be invisible; all of them together take at least their delays.
            if end - group.earliest + self.timing.slack >= self.delays.total(
                self.retry.max_retries
            ):
                return blind(cause)
            following = self.retry.max_retries
        left = group.earliest + self.retry.timeout - end - self.delays.before(following)
        if left <= self.timing.slack:
            return excused(USED_UP)
        number = "1 attempt" if made == 1 else f"{made} attempts"
        took = f"{end - group.earliest:.3f} s of {self.retry.timeout:g} s"
        return violated(f"after {number} of {most} and {took}")

    def missing_retry_due(self, group: RecordGroup) -> float | None:
        """Return the latest time at which a retry was due that did not happen.

        None if no retry was missing, or if that is not certain. An attempt ends at its timeout, and
        the next one begins a delay later. If the group was settled long after that, and every
        attempt must have left an event, then the client waited for an attempt that it should have
        given up.
        """
        made = len(group.attempts)
        if (
            not 0 < made <= self.retry.max_retries
            or group.settled_at is None
            or self._is_final(group)
        ):
            return None
        last = self.attempts(group)[-1]
        due = last.end_by + self.delays.before(made)
        seen_by = self._read_by(group, due + self.connecting)
        cancelled = self._closing.cancelled_at(group.producer)
        if seen_by >= min(group.settled_at, cancelled, group.earliest + self.retry.timeout):
            return None
        return due if self.hidden(group, seen_by) is None else None

    def _read_by(self, group: RecordGroup, arrived_by: float) -> float:
        """Return when a request of a group was read, at the latest, that arrived by
        ``arrived_by``."""
        servers = self.visibility.servers(self._homes(group), group.earliest, arrived_by)
        return max((self.holds.read_by(each, arrived_by) for each in servers), default=arrived_by)

    def _is_final(self, group: RecordGroup) -> bool:
        for transmission in group.attempts:
            if self.answers.at(transmission) == inf:
                continue
            if self.answers.final_code(transmission) is not None:
                return True
            if self.answers.code(transmission) is None and not self.answers.is_appended(
                transmission
            ):
                # The leader of the partition rejected the request without a fault.
                connection = self.visibility.connections[transmission.connection]
                if self.visibility.leads(connection.server, transmission.partition, transmission.n):
                    return True
        return False


def retry_timeline(evidence: Evidence) -> RetryTimeline:
    """Return the retry timeline of a run; for ``Evidence.once``."""
    return RetryTimeline(evidence)
