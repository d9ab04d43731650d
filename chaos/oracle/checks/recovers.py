"""After a transient fault delivery resumes while traffic goes on.

A probe shows only that a client works once it is idle and everything has healed. A client that one
lost greeting has broken for good, for as long as records keep coming, passes every probe. So the
check looks at quiet intervals: R after the last disturbance of the servers that a partition needs,
until the next disturbance, the healing, or the end. An SPU that stops disturbs a partition until it
serves the partition again. In such an interval at least one of the records that are sent to that
partition is delivered. It is a violation that records were sent in it, at least one of them was
given up in it, and no copy of any of them was stored.

R is the time of one attempt (at-most-once: ``response_timeout``), the longest retry pause and the
longest dial backoff that the client can have reached, one undisturbed dial and exchange, and two
seconds more if the SC was struck. Records in shorter intervals are excused. A client that the SC
could not tell of a new leader learns of it only from the rejection of a record, and has R from then
on.
"""

from collections import defaultdict
from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from chaos.history import Need, SentRecord
from chaos.oracle.blind_records import RECORD_CAUSES, blind_records
from chaos.oracle.blind_spots import SC_UNREACHABLE
from chaos.oracle.calls import closings
from chaos.oracle.checks.alive_after_heal import knew_no_leader
from chaos.oracle.disturbances import SC, Disturbances, disturbances
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import ACROSS_DELETION, Finding, Violations, listed, were
from chaos.oracle.frames.replicas import replicas
from chaos.oracle.holds import holds
from chaos.oracle.incarnations import incarnations, open_across_deletion
from chaos.oracle.timing import timing
from chaos.oracle.visibility import TOO_SLOW
from chaos.spec.bounds import DIAL_BACKOFF_MAX_S, DIAL_BACKOFF_S, DIAL_SILENCE_S, delays

NO_TIME = "no-quiet-interval"
"""The rule for records whose time was not part of a quiet interval."""

NAME = "recovers"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.CALLS, Need.FRAMES, Need.APPENDS, Need.LOGS, Need.CLOCK)
EXCUSES = (TOO_SLOW, NO_TIME, SC_UNREACHABLE, ACROSS_DELETION)
CAUSES = RECORD_CAUSES

SC_STRUCK_S = 2.0
"""How much longer recovery may take if the SC was struck: a look-up has a second, and the SC may
have to be dialled again."""


class _Quiet(NamedTuple):
    """An interval in which a client has recovered, in seconds."""

    start: float
    end: float
    recovery: float
    """R, the time that the client had to recover."""


def check(evidence: Evidence) -> Finding:
    """Check every quiet interval of every partition."""
    found = Violations(NAME, evidence.once(blind_records), evidence.once(open_across_deletion))
    struck, recovery = evidence.once(disturbances), _Recovery(evidence)
    stop = _end(evidence, struck)
    too_slow = evidence.once(timing).is_too_slow(evidence.once(holds).longest_s)
    for partition, records in _by_partition(evidence).items():
        if too_slow:
            found.excuse(TOO_SLOW, len(records))
            continue
        place = 0
        for quiet in _quiet(struck, recovery, stop, partition):
            before = place
            while place < len(records) and records[place].sent_at < quiet.start:
                place += 1
            found.excuse(NO_TIME, place - before)
            learning, first = records[before:place], place
            while place < len(records) and records[place].sent_at < quiet.end:
                place += 1
            learned = _learned(evidence, quiet, [*learning, *records[first:place]])
            _look_at(evidence, found, partition, quiet, learned, records[first:place])
        found.excuse(NO_TIME, len(records) - place)
    return found.finding()


def _look_at(
    evidence: Evidence,
    found: Violations,
    partition: int | None,
    quiet: _Quiet,
    learned: float,
    records: list[SentRecord],
) -> None:
    """Check one quiet interval, from the time at which the client has learned of the leader."""
    if found.set_aside:
        records = [record for record in records if found.sees(record.id)]
    others = [record for record in records if record.outcome != "ok"]
    given_up = [r for r in others if _was_given_up(evidence, r, quiet.end)]
    if not given_up and len(others) == len(records):
        found.excuse(NO_TIME, len(records))
        return
    every, records = records, [record for record in records if record.sent_at >= learned]
    given_up = [record for record in given_up if record.sent_at >= learned]
    found.excuse(SC_UNREACHABLE, len(every) - len(records))
    found.judged += len(records)
    if not given_up or any(map(evidence.once(replicas).was_stored, records)):
        return
    if partition is None and _anything_delivered(evidence, quiet):
        return
    ids = [record.id for record in given_up]
    where = "" if partition is None else f" of partition {partition}"
    found.add(
        f"{listed(ids)}{where} {were(ids)} given up, and nothing that was sent from "
        f"{quiet.start:.3f} s to {records[-1].sent_at:.3f} s was delivered, although nothing "
        "struck in that time and the client had recovered by then",
        ids,
    )


def _learned(evidence: Evidence, quiet: _Quiet, records: list[SentRecord]) -> float:
    """Return when a client has learned of a leader of which the SC could not tell it."""
    since = quiet.start - quiet.recovery
    for record in records:
        if record.outcome != "ok" and record.sent_at >= since and knew_no_leader(evidence, record):
            return (record.outcome_at or record.sent_at) + quiet.recovery
    return quiet.start


def _was_given_up(evidence: Evidence, record: SentRecord, end: float) -> bool:
    """Return whether the client gave up a record, which was not acknowledged, before the end of an
    interval."""
    settled = record.outcome_at
    if record.taken_at is None or settled is None:
        return False
    if evidence.once(closings).was_cancelled(record.producer, settled):
        return False  # its caller gave it up
    return settled + evidence.once(timing).slack < end


def _anything_delivered(evidence: Evidence, quiet: _Quiet) -> bool:
    return any(
        quiet.start <= record.sent_at < quiet.end and evidence.once(replicas).was_stored(record)
        for record in evidence.sent
    )


def _by_partition(evidence: Evidence) -> dict[int | None, list[SentRecord]]:
    """Return the workload records of each partition; those of unknown partition are under None.

    A record that was transmitted shows its partition, and so does one with the same key, as long as
    the number of partitions does not change.
    """
    lives = evidence.once(incarnations)
    only = 0 if lives.partitions_max == 1 else None
    trails, trail_of = evidence.trails
    first = [trail[0].partition if trail else None for trail in trails]
    of_key: dict[bytes | None, int | None] | None = None
    found: defaultdict[int | None, list[SentRecord]] = defaultdict(list)
    for record in evidence.sent:
        partition = first[trail_of[record.id]]
        if partition is None:
            if of_key is None:
                keyed = [each for each in evidence.sent if each.key and trail_of[each.id]]
                keyed = keyed if lives.partitions_fixed else []
                of_key = {each.key: first[trail_of[each.id]] for each in keyed}
            partition = of_key.get(record.key or None, only)
        found[partition].append(record)
    return found


def _quiet(
    struck: Disturbances, recovery: "_Recovery", stop: float, partition: int | None
) -> Iterator[_Quiet]:
    """Yield the intervals until ``stop`` in which a client has recovered from every disturbance."""
    began = 0.0
    last = 0.0
    first_sc = min([start for start, _ in struck.by_server.get(SC, ())], default=inf)
    first: float | None = None
    for start, end in [*struck.of(partition), (stop, stop)]:
        start = min(start, stop)
        recovered = began + recovery.after(last, first)
        if began >= first_sc:
            recovered += SC_STRUCK_S
        if recovered < start:
            yield _Quiet(recovered, start, recovered - began)
        if start >= stop:
            return
        first = start if first is None else first
        began = last = max(began, end)


def _end(evidence: Evidence, struck: Disturbances) -> float:
    """Return when the last interval ends: at the healing, or with the client."""
    ends = [struck.healed_at]
    ends += [call.started for call in evidence.history.calls if call.op == "close"][-1:]
    ends += [call.given_up for call in evidence.history.calls if call.given_up is not None]
    return min(ends)


class _Recovery:
    """R in one run.

    A pause is only reached when the pauses before it are over, all of them since the first
    disturbance.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._times, retry = evidence.once(timing), evidence.scenario.producer.retry
        self._pauses: list[tuple[float, float]] = []
        """For each retry, the sum of the pauses before its own, and the longest one with its own.
        """
        if evidence.retries:
            sequence, passed, longest = delays(retry), 0.0, 0.0
            for pause in (*sequence.rising, sequence.steady)[: retry.max_retries]:
                longest = max(longest, pause)
                self._pauses.append((passed, longest))
                passed += pause

    def after(self, last: float, first: float | None) -> float:
        """Return R after a disturbance that ended at ``last``, the first one having begun at
        ``first``."""
        times = self._times
        elapsed = 0.0 if first is None else last + times.dial - first
        pause = 0.0
        for passed, longest in self._pauses:
            if passed > elapsed:
                break
            pause = longest
        backoff = min(DIAL_BACKOFF_MAX_S, elapsed + DIAL_BACKOFF_S)
        silence = min(times.dial, DIAL_SILENCE_S)
        return times.wait + pause + backoff + silence + times.trip + times.slack
