"""The client tells one story: every source reports the same of a record.

- Every wait for a record, in any order and any number of times, reports the same outcome,
  partition, offset and timestamp, and the timestamp is the one that is stored at that offset.
- The delivery callback comes once for each batch. The offsets that it reports are those of the
  records, each once. When a producer is closed, nothing is missing.
- The counters of a closed producer agree with the outcomes of its records (``acknowledged``,
  ``failed``, and ``records`` for their sum), and with what was transmitted: there are at least as
  many ``requests`` as request frames, and at least as many ``retries`` as frames that repeat a
  request.

A source that the client does not have is not judged. Where an election left a record out, another
one is stored at its offset. A send that was cancelled, or failed without
saying which records were accepted, leaves that many records open in each sum.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from chaos.history import DeliveryReported, Need, SentRecord
from chaos.oracle.blind_records import RECORD_CAUSES, blind_records
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import Finding, Violations, at, listed
from chaos.oracle.frames.replicas import LOST_IN_ELECTION, replicas

NAME = "told-once"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.CALLS,)
EXCUSES = ("no-other-source", LOST_IN_ELECTION)
CAUSES = RECORD_CAUSES


def check(evidence: Evidence) -> Finding:
    """Check every record, and every producer."""
    found = Violations(NAME, evidence.once(blind_records))
    for record in [record for record in evidence.records if record.contradictions]:
        _look_at_contradictions(record, found)
    _look_at_timestamps(evidence, found)
    reports: dict[int, list[DeliveryReported]] = {}
    for report in evidence.history.reports:
        reports.setdefault(report.producer, []).append(report)
    for number, records in _by_producer(evidence.records).items():
        if number >= len(evidence.history.producers):
            found.excuse("no-other-source", len(records))
            continue
        told = evidence.history.producers[number]
        heard = told.calls_back or number in reports
        if not heard and not told.counters:
            found.excuse("no-other-source", len(records))
            continue
        found.judged += len(records)
        tally = _tally(records)
        if heard:
            closed = told.closed_at is not None
            _look_at_reports(number, reports.get(number, []), tally, found, closed=closed)
        for text in _miscounted(evidence, number, tally) if told.counters else ():
            found.add(f"the counters of producer {number}: {text}")
    return found.finding()


def _by_producer(records: Sequence[SentRecord]) -> dict[int, list[SentRecord]]:
    """Return the records of each producer, by its number."""
    found: dict[int, list[SentRecord]] = {}
    number, of_number = -1, list[SentRecord]()  # of the record before
    for record in records:
        if record.producer != number:
            number = record.producer
            of_number = found.setdefault(number, [])
        of_number.append(record)
    return found


class _Tally(NamedTuple):
    """What the calls told of the records of one producer."""

    all: list[SentRecord]
    offsets: dict[int, list[int]]
    """By partition, the offsets of the acknowledged records."""
    outcomes: dict[str, int]
    """How many accepted records had each outcome; ``open`` for those that have none."""
    uncertain: list[SentRecord]
    """Records that the client may have accepted although their send did not return."""


def _tally(records: list[SentRecord]) -> _Tally:
    """Return what the calls told of some records."""
    outcomes = {"ok": 0, "failed": 0, "unknown": 0, "open": 0}
    offsets: defaultdict[int, list[int]] = defaultdict(list)
    uncertain: list[SentRecord] = []
    acknowledged = 0
    for record in records:
        outcome = record.outcome
        if outcome == "ok":
            if record.outcome_at is not None:
                acknowledged += 1
            else:
                outcomes["open"] += 1
            partition, offset = record.partition, record.offset
            if partition is not None and offset is not None:
                offsets[partition].append(offset)
        elif record.taken_at is not None:
            outcomes[outcome if record.outcome_at is not None else "open"] += 1
        elif outcome == "unknown":
            uncertain.append(record)
    outcomes["ok"] = acknowledged
    return _Tally(records, offsets, outcomes, uncertain)


def _look_at_contradictions(record: SentRecord, found: Violations) -> None:
    """Report the reports that differ from the first one, in what both of them say."""
    first = record.outcome, record.partition, record.offset, record.timestamp
    for told in record.contradictions:
        other = told.outcome, told.partition, told.offset, told.timestamp
        if all(a == b or a is None or b is None for a, b in zip(first, other, strict=True)):
            continue
        when = at(record.outcome_at or 0.0)
        found.add(
            f"{listed([record.id])} was reported as {_words(*first)} {when}, "
            f"and as {_words(*other)} {at(told.t)} (by its {told.source})",
            [record.id],
        )
        return


def _words(outcome: str, partition: int | None, offset: int | None, timestamp: int | None) -> str:
    return f"stored at {partition}@{offset} ({timestamp} ms)" if outcome == "ok" else outcome


def _look_at_timestamps(evidence: Evidence, found: Violations) -> None:
    """Report records whose stored timestamp is not the one that the client reported."""
    stored_at: dict[tuple[int, int], list[int]] | None = None
    for record, copy in zip(evidence.records, evidence.reported_copies, strict=True):
        if (copy is not None and copy[5] == record.timestamp) or record.timestamp is None:
            continue
        if record.partition is None or record.offset is None:
            continue
        if stored_at is None:  # another record may be stored there
            stored_at = _timestamps(evidence)
        here = stored_at.get((record.partition, record.offset), [])
        if not here or record.timestamp in here:
            continue
        if evidence.once(replicas).lost(record):
            found.excuse(LOST_IN_ELECTION)  # what is stored there now is another record
            continue
        stored = here[-1]
        if not found.set_aside or found.sees(record.id):
            found.add(
                f"{listed([record.id])} was reported with the timestamp {record.timestamp} ms, but "
                f"{record.partition}@{record.offset} has {stored} ms",
                [record.id],
            )


def _timestamps(evidence: Evidence) -> dict[tuple[int, int], list[int]]:
    """Return the timestamps that are stored at each partition and offset, by incarnation."""
    found: dict[tuple[int, int], list[int]] = {}
    for _, partition, log in evidence.logs:
        for record in log:
            found.setdefault((partition, record.offset), []).append(record.timestamp_ms)
    return found


def _look_at_reports(
    number: int, reports: list[DeliveryReported], tally: _Tally, found: Violations, *, closed: bool
) -> None:
    """Compare the calls of the delivery callback with the outcomes of the records."""
    callback = f"the delivery callback of producer {number}"
    spare = len(tally.uncertain)
    told: dict[int, list[range]] = {}
    sums = {"ok": 0, "failed": 0, "unknown": 0}
    for report in reports:
        sums[report.outcome] += report.records
        if report.offset is not None:
            covered = range(report.offset, report.offset + report.records)
            told.setdefault(report.partition, []).append(covered)
    for partition in sorted({*told, *tally.offsets}):
        offsets, ranges = tally.offsets.get(partition, []), told.get(partition, [])
        reported = list(chain.from_iterable(ranges))
        if offsets == reported or sorted(offsets) == sorted(reported):
            continue
        more, fewer = Counter(reported), Counter(offsets)
        extra, missing = more - fewer, fewer - more
        if extra.total() > spare:
            found.add(
                f"{callback} reported {extra.total()} records of partition {partition} too many, "
                f"the first at {partition}@{min(extra)}",
                times=extra.total(),
            )
        if missing and closed:
            found.add(
                f"{callback} never reported {missing.total()} records of partition {partition}, "
                f"the first at {partition}@{min(missing)}",
                times=missing.total(),
            )
    for outcome in ("failed", "unknown"):
        reported_n, known = sums[outcome], tally.outcomes[outcome]
        if reported_n > known + tally.outcomes["open"] + spare or (closed and reported_n < known):
            found.add(
                f"{callback} reported {reported_n} records as {outcome}, their outputs {known}"
            )


def _miscounted(evidence: Evidence, number: int, tally: _Tally) -> Iterator[str]:
    """Yield what is wrong with the counters of a producer that was closed."""
    counters = evidence.history.producers[number].counters
    outcomes, spare = tally.outcomes, len(tally.uncertain) + tally.outcomes["open"]
    given_up = outcomes["failed"] + outcomes["unknown"]
    for name, known in (
        ("acknowledged", outcomes["ok"]),
        ("failed", given_up),
        ("records", outcomes["ok"] + given_up),
    ):
        if not known <= counters[name] <= known + spare:
            yield f"{name} is {counters[name]}, but the records say {known}"
    acknowledged, failed = counters["acknowledged"], counters["failed"]
    if acknowledged + failed != counters["records"]:
        yield f"records is {counters['records']}, but acknowledged {acknowledged}, failed {failed}"
    trails, trail_of = evidence.trails
    seen = {trail_of[record.id] for record in tally.all}
    frames = {transmission.number for trail in seen for transmission in trails[trail]}
    firsts = {trails[trail][0].number for trail in seen if trails[trail]}
    if counters["requests"] < len(frames):
        yield f"requests is {counters['requests']}, but {len(frames)} frames were read"
    if counters["retries"] < len(frames) - len(firsts):
        yield (
            f"retries is {counters['retries']}, but {len(frames) - len(firsts)} frames repeated a "
            "request"
        )
