"""How many batches wait for their request, and for how long.

``batch_queue_size`` bounds the batches of a partition that no request has taken yet. A client takes
several batches into one request, and may then wait for a connection before a byte of them leaves;
so the batches of the next request are not counted. What waits is certain only for a batch whose
request was begun later than the moment in question.

``linger`` bounds how long a batch that is not full waits, and ends when the previous request of the
partition is answered, if that is later. A batch waits for nothing once a flush or a close covers
it, nor once a later record of the partition stands in the next batch, as no record joins it then.
It is judged until the first event that can hold a client up: afterwards a batch may wait for a
connection or a retry.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from math import inf

from chaos.history import CLIENT_EVENTS, Call, SentRecord
from chaos.oracle.calls import FLUSHING
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import at, lasting, listed
from chaos.oracle.frames.batches import CarryingRequest, sent_batches
from chaos.oracle.holds import holds
from chaos.oracle.timing import timing
from simulator.events import (
    Appended,
    ConnectionOpened,
    Event,
    FrameRead,
    FrameWritten,
    Healed,
    ListenerReopened,
    ReplicaCaughtUp,
    TopicCreated,
)

Complaint = tuple[str, Sequence[int]]
"""A sentence and the ids of the records concerned."""

_HARMLESS: tuple[type[Event], ...] = (
    ConnectionOpened,
    FrameRead,
    FrameWritten,
    Appended,
    TopicCreated,
    ListenerReopened,
    ReplicaCaughtUp,
    Healed,
    *CLIENT_EVENTS,
)
"""The events that hold no client up; any other one may."""


def struck_at(evidence: Evidence) -> float:
    """Return when something may first have held the client up; for ``Evidence.once``."""
    return evidence.first_of_others(_HARMLESS)


def overfull_queues(evidence: Evidence) -> Iterator[Complaint]:
    """Yield the partitions whose queue held more batches than ``batch_queue_size``."""
    most = evidence.scenario.producer.batch_queue_size
    records = evidence.records
    for (_, partition), requests in evidence.once(sent_batches).requests.items():
        firsts = [request for request in requests if request.is_first]
        if sum([len(request.first_ids) for request in firsts]) <= most:
            continue  # all of them together are not too many
        firsts.sort(key=lambda request: request.begun_from)
        opened = sorted(
            (taken, n, record_id)
            for n, request in enumerate(firsts)
            for record_id in request.first_ids
            if (taken := records[record_id].taken_at) is not None
        )
        counts, waiting, following, last = [0] * len(firsts), 0, 0, 0
        for taken, n, record_id in opened:
            while following < len(firsts) and firsts[following].begun_from <= taken:
                waiting -= counts[following]
                following += 1
            if n < following:
                continue
            counts[n] += 1
            waiting += 1
            last = max(last, n)
            if waiting <= most:
                continue
            # Which of them is next is not certain: the order of the times may be another one.
            behind = waiting - max(counts[following : last + 1])
            if behind > most:
                besides = f"waited for partition {partition} besides those of its next request"
                yield f"{at(taken)} {behind} batches {besides}; the limit is {most}", [record_id]
                break


def late_requests(evidence: Evidence) -> Iterator[Complaint]:
    """Yield the batches that lingered too long."""
    times, until = evidence.once(timing), evidence.once(struck_at)
    if times.is_too_slow(len(evidence.requests) * times.commit):
        return
    linger, records = evidence.scenario.producer.linger, evidence.records
    partitions, flushed = evidence.scenario.topic.partitions, evidence.once(_first_flushes)
    unread = evidence.once(holds)
    connecting = 2 * times.trip + partitions * times.transfer + 2 * times.slack
    for requests in evidence.once(sent_batches).requests.values():
        free_at: float = 0.0
        for n, request in enumerate(requests):
            first = records[request.first_ids[0]]
            taken = first.taken_at
            if taken is None or not request.is_first:
                break
            end, why = taken + linger, f"linger is {lasting(linger)}"
            if linger:
                for ended, because in (flushed.of(first), _next_batch(evidence, requests, n)):
                    if ended < end:
                        end, why = ended, because
            due = max(end, free_at) + connecting
            if unread.read_by(request.read.server, due) >= until:
                break  # what an SPU had not read when something struck is lost, and sent again
            if request.begun_from > due:
                record = f"{listed(request.first_ids[:1])}, accepted {at(taken)}"
                when = f"{at(request.read.t)}, although nothing held it up"
                text = f"{record}, was first transmitted {when}; {why}"
                yield text, request.first_ids[:1]
            answered = evidence.answered_at.get(request.read.transmission, inf)
            free_at = times.noticed_by(answered)


def _next_batch(
    evidence: Evidence, requests: Sequence[CarryingRequest], n: int
) -> tuple[float, str]:
    """Return when the first batch of a request was complete, at the latest, because the next batch
    of the partition had begun; inf if that does not show."""
    ids = requests[n].first_ids[:2]
    if len(ids) < 2 and n + 1 < len(requests):
        ids = [*ids, requests[n + 1].first_ids[0]]
    if len(ids) < 2:
        return inf, ""
    first, following = (evidence.records[record_id] for record_id in ids)
    assert first.taken_at is not None
    begun = following.taken_at
    together = first.call == following.call and first.id < following.id
    if begun is None or begun < first.taken_at or (begun == first.taken_at and not together):
        return inf, ""  # the order in which the client accepted them is not known
    return begun, f"record {following.id}, accepted {at(begun)}, began the next batch"


class _Flushes:
    """The flushes and closes of one run that were not cancelled, by producer.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._calls = evidence.history.calls
        self._by_producer: dict[int, list[Call]] = {}
        for call in self._calls:
            if call.op in FLUSHING and call.cancelled_at is None:
                self._by_producer.setdefault(call.producer, []).append(call)

    def of(self, record: SentRecord) -> tuple[float, str]:
        """Return when the first flush began that covers a record for certain; inf without one."""
        found = self._by_producer.get(record.producer)
        if found is None or record.taken_at is None:
            return inf, ""
        n = bisect_right(found, record.taken_at, key=_started)
        following = self._calls[record.call].next
        if following is not None:
            n = min(n, bisect_left(found, following, key=_number))
        if n == len(found):
            return inf, ""
        return found[n].started, f"the {found[n].op} {at(found[n].started)} covers it"


def _started(call: Call) -> float:
    return call.started


def _number(call: Call) -> int:
    return call.n


def _first_flushes(evidence: Evidence) -> _Flushes:
    """Return the flushes of a run; for ``Evidence.once``."""
    return _Flushes(evidence)
