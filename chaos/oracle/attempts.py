"""Records that shared their whole way, and how the attempts of at-least-once lie in time.

The records of a batch share every request and every outcome, so that a rule about attempts is
applied once to all of them, to a *lot*.

Of an attempt the simulator saw the moment at which it read the request. The rules speak of the
moments at which the client began and ended the attempt. So both are enclosed: an attempt cannot
begin before the end of the one before plus the delay, and cannot end before an answer or the loss
of its connection arrived, or its time was over. A promise is broken only if no moments within these
bounds keep it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from chaos.history import Outcome, SentRecord
from chaos.oracle.answers import Answers, answers
from chaos.oracle.evidence import Evidence, Transmission
from chaos.oracle.timing import Timing, timing
from chaos.oracle.visibility import Visibility, visibility
from chaos.spec.bounds import Delays, delays


@dataclass(slots=True)
class RecordGroup:
    """Some records of the workload with the same requests and the same outcome."""

    records: list[SentRecord]
    attempts: Sequence[Transmission]
    outcome: Outcome
    outcome_at: float | None
    earliest: float
    """When its first attempt began at the earliest."""
    settled_at: float | None = None
    """When it was settled; None if the client was only told later, or never. What is settled while
    the call that sends it goes on is told when that call returns."""

    @property
    def ids(self) -> list[int]:
        """The ids of its records."""
        return [record.id for record in self.records]


def record_groups(evidence: Evidence) -> list[RecordGroup]:
    """All records of the workload that the client took in; for ``Evidence.once``.

    A partition has one request in flight under at-least-once, so that the first attempt of one
    begins when the one before it is settled.
    """
    trails, trail_of = evidence.trails
    rough = (
        evidence.history.world != "virtual"
    )  # time passes while one record after another is told
    found: dict[tuple[int, Outcome, float | None], RecordGroup] = {}
    for record in evidence.sent:
        if record.taken_at is None:
            continue
        outcome_at = record.outcome_at
        if rough and outcome_at is not None:
            outcome_at = round(outcome_at, 2)
        key = trail_of[record.id], record.outcome, outcome_at
        group = found.get(key)
        if group is None:
            group = found[key] = RecordGroup(
                [], trails[key[0]], record.outcome, record.outcome_at, 0.0
            )
            group.settled_at = _settled_at(record, evidence.once(timing).slack)
        group.records.append(record)
    for group in found.values():
        group.earliest = group.records[-1].sent_at
    if evidence.scenario.producer.retries:
        _wait_for_predecessors(list(found.values()))
    return list(found.values())


def _settled_at(record: SentRecord, slack: float) -> float | None:
    """When a record was settled, if the moment at which the client was told says so."""
    known_from = record.taken_at if record.asked_at is None else record.asked_at + slack
    if record.outcome_at is None or known_from is None or record.outcome_at <= known_from:
        return None
    return record.outcome_at


def _wait_for_predecessors(found: list[RecordGroup]) -> None:
    """A lot whose first request is another than that of the lot before waits for its end."""
    settled: dict[int, float] = {}
    pending: dict[int, tuple[int, float]] = {}
    """By partition, the request looked at last, and when the latest of its lots was settled."""
    for group in found:
        if not group.attempts:
            continue
        first = group.attempts[0]
        number, until = pending.get(first.partition, (first.number, 0.0))
        if number != first.number:
            settled[first.partition] = max(settled.get(first.partition, 0.0), until)
            until = 0.0
        pending[first.partition] = first.number, max(until, group.settled_at or 0.0)
        if settled.get(first.partition, 0.0) <= first.t:
            group.earliest = max(group.earliest, settled.get(first.partition, 0.0))


@dataclass(slots=True)
class AttemptBounds:
    """The bounds of one attempt in the client's time."""

    transmission: Transmission
    start_from: float
    begun_from: float
    begun_by: float
    end_from: float
    end_by: float


class RetryTimeline:
    """The attempts of at-least-once in one run, and whether they keep to the policy.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        producer = evidence.scenario.producer
        self.timing: Timing = evidence.once(timing)
        self.visibility: Visibility = evidence.once(visibility)
        self.answers: Answers = evidence.once(answers)
        self.delays: Delays = delays(producer.retry)
        self.retry = producer.retry
        self.partitions = evidence.scenario.topic.partitions
        times = self.timing
        self.connecting = 2 * times.trip + self.partitions * times.transfer + 2 * times.slack
        """How long it may take from the start of an attempt until its request is read."""
        closed = [call.started for call in evidence.history.calls if call.op == "close"]
        self._closed_at = closed[0] if closed else inf
        self._silent = evidence.history.silent is not None
        self._end = evidence.history.events[-1].t if evidence.history.events else 0.0

    def attempts(self, group: RecordGroup) -> Iterator[AttemptBounds]:
        """The attempts of a lot that were seen, in order."""
        timing, start = self.timing, group.earliest
        for retry, transmission in enumerate(group.attempts, 1):
            begun_from = max(start, timing.begun_from(transmission.t))
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
            start = end_from + self.delays.before(retry)

    def answer_known_by(self, attempt: AttemptBounds) -> float:
        """When the client has certainly read the answer to an attempt, within its time; or never.

        An answer that was written may still be lost with its connection, or come too late.
        """
        known = self._answered_by(attempt.transmission)
        return known if known < attempt.start_from + self.timing.wait else inf

    def _answered_by(self, transmission: Transmission) -> float:
        known = self.timing.noticed_by(self.answers.at(transmission))
        return known if known < self.visibility.lost(transmission.connection) else inf

    def follows(self, first: Transmission, second: Transmission) -> bool:
        """Whether the second of two requests was certainly begun after the first."""
        if first.connection == second.connection:
            return first.n < second.n
        return self.timing.begun_from(second.t) > self.timing.begun_by(first.t)

    def used_up_connections(self, group: RecordGroup) -> set[int]:
        """The connections that its attempts used up: no answer came, and no other attempt goes."""
        return {t.connection for t in group.attempts if self.answers.at(t) == inf}

    def unused_budget(self, group: RecordGroup) -> str | None:
        """What of the policy was left when a lot was given up; None if that is not certain.

        A policy is used up when all attempts were made, or when no further one could begin within
        its timeout. A final code ends it, and so does closing the producer.
        """
        if group.outcome == "ok" or self._is_final(group):
            return None
        end = group.outcome_at
        if end is None:
            if self._silent:
                return None  # it was ended, and might have gone on
            attempts = list(self.attempts(group))
            end = attempts[-1].end_by if attempts else self._end
            if end == inf or (attempts and end + self.delays.before(len(attempts)) >= self._end):
                return None
        if end >= self._closed_at:
            return None
        made, most = len(group.attempts), 1 + self.retry.max_retries
        if made >= most:
            return None
        due = self.missing_retry_due(group)
        if due is not None:
            end, following = due - self.delays.before(made), made
        elif self.visibility.clear(group.earliest, end, self.used_up_connections(group)):
            if not made:
                return "without a single attempt"
            following = made
        else:
            # Others may have gone unseen; all of them take at least the delays between them.
            if end - group.earliest + self.timing.slack >= self.delays.total(
                self.retry.max_retries
            ):
                return None
            following = self.retry.max_retries
        left = group.earliest + self.retry.timeout - end - self.delays.before(following)
        if left <= self.timing.slack:
            return None
        number = "1 attempt" if made == 1 else f"{made} attempts"
        took = f"{end - group.earliest:.3f} s of {self.retry.timeout:g} s"
        return f"after {number} of {most} and {took}"

    def missing_retry_due(self, group: RecordGroup) -> float | None:
        """When the attempt was due at the latest that should have followed those of a lot.

        None if none was missing, or if that is not certain. An attempt is over when its time is,
        and the next one begins a delay later. If the lot was settled long after that, and every
        attempt must have left a trace, then somebody waited for what should have been given up.
        """
        made = len(group.attempts)
        if (
            not 0 < made <= self.retry.max_retries
            or group.settled_at is None
            or self._is_final(group)
        ):
            return None
        *_, last = self.attempts(group)
        due = last.end_by + self.delays.before(made)
        seen_by = due + self.connecting
        if seen_by >= min(group.settled_at, self._closed_at, group.earliest + self.retry.timeout):
            return None
        return (
            due
            if self.visibility.clear(group.earliest, seen_by, self.used_up_connections(group))
            else None
        )

    def _is_final(self, group: RecordGroup) -> bool:
        for transmission in group.attempts:
            if self.answers.at(transmission) == inf:
                continue
            if self.answers.final_code(transmission) is not None:
                return True
            if self.answers.code(transmission) is None and not self.answers.is_appended(
                transmission
            ):
                # An SPU that leads the partition refused by itself, for a reason that is its own.
                connection = self.visibility.connections[transmission.connection]
                if self.visibility.leads(
                    connection.server, transmission.partition, transmission.n, transmission.t
                ):
                    return True
        return False


def retry_timeline(evidence: Evidence) -> RetryTimeline:
    """The attempts of a run; for ``Evidence.once``."""
    return RetryTimeline(evidence)
