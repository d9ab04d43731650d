"""The requests of one connection that were forwarded and are not answered yet.

Answers belong to requests by correlation id. Clients may use an id again before it is answered, for
example that of the greeting; a server answers such requests in order.

A server deals with the requests of a connection one after the other. What a fault does in place of
a server, an answer or an end, therefore waits until the requests before it are answered; those that
follow something, such as watches, are not waited for.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import NamedTuple

from simulator.serving.pending import Application, PendingAnswer, PendingEnd
from wire.api import STREAM_FETCH, WATCH
from wire.api.produce import ProduceRequest
from wire.codec import WireError
from wire.record_set import iter_outlines

CALLS_MAX = 10_000
"""The maximum number of forwarded requests without an answer. More are a defect of the client or
the server, and their memory would grow without bound."""

UNKNOWN_MAX = 1_000
"""The answered requests of unknown APIs that are remembered, as each may have more answers."""

OWN_IDS_FROM = 3 << 29
"""The first correlation id of a copy that a fault makes: clients count from 1, and a forged id has
another bit (``FOREIGN_ID_BIT``)."""

ANSWERED_OFTEN = frozenset({WATCH.name, STREAM_FETCH.name})
"""The APIs whose requests have any number of answers."""


class SentEntry(NamedTuple):
    """One entry of a produce request that was forwarded."""

    topic: str
    partition: int
    records: int
    """The number of records that its batches claim."""
    entry: int
    """Its position in the request of the client, from 0."""


@dataclass(slots=True)
class ForwardedCall:
    """One request that was forwarded; a copy that a fault made is one of its own."""

    application: Application
    number: int
    """Counts all calls of the connection."""
    sent: Sequence[SentEntry]
    """The entries of a produce request, in order; empty for other requests."""
    answers: int = 0
    """How many answers have come."""


class Calls:
    """The open calls of one connection, by correlation id."""

    def __init__(self) -> None:
        self._open: dict[int, deque[ForwardedCall]] = {}
        self._own_ids = count(OWN_IDS_FROM)
        self._count = 0
        self._numbers = count(1)
        self._awaited: dict[int, None] = {}
        """The numbers of the calls that have one answer and do not have it yet, in order."""
        self._held: deque[tuple[int, PendingAnswer | PendingEnd]] = deque()
        """What waits for the calls before it, with the number of the next call."""
        self._unknown: deque[int] = deque()
        """The correlation ids of answered calls of unknown APIs, the oldest first."""

    @property
    def awaiting(self) -> bool:
        """Whether the upstream owes an answer to a request that has one."""
        return bool(self._awaited)

    @property
    def untold(self) -> int:
        """The number of produce requests of which the upstream did not say whether it stored
        them."""
        waiting = (call for calls in self._open.values() for call in calls)
        return sum(1 for call in waiting if call.sent and not call.answers)

    @property
    def holding(self) -> bool:
        """Whether an answer or an end of a fault waits for earlier requests."""
        return bool(self._held)

    def add(self, application: Application, sent: Sequence[SentEntry]) -> int:
        """Add a request that is about to be forwarded; return its correlation id for the upstream.

        Args:
            application: the request, or a copy of it.
            sent: the entries of a produce request.

        Raises:
            WireError: too many requests are not answered.
        """
        if self._count >= CALLS_MAX:
            raise WireError(f"more than {CALLS_MAX} requests without an answer")
        if application.copied_by is None:
            correlation_id = application.request.frame.header.correlation_id
        else:
            correlation_id = next(self._own_ids)
        call = ForwardedCall(application, next(self._numbers), sent)
        self._open.setdefault(correlation_id, deque()).append(call)
        self._count += 1
        if application.request.frame.api.name not in ANSWERED_OFTEN:
            self._awaited[call.number] = None
        return correlation_id

    def hold(self, item: PendingAnswer | PendingEnd) -> None:
        """Hold an answer or an end until all requests before it are answered.

        Raises:
            WireError: too many are held.
        """
        if len(self._held) >= CALLS_MAX:
            raise WireError(f"more than {CALLS_MAX} answers behind a request without one")
        self._held.append((next(self._numbers), item))

    def released(self, *, all_of_them: bool = False) -> Iterator[PendingAnswer | PendingEnd]:
        """Yield what need not wait any longer.

        Args:
            all_of_them: whether no further answer will come.
        """
        while self._held:
            number, item = self._held[0]
            if not all_of_them and next(iter(self._awaited), number) < number:
                return
            self._held.popleft()
            yield item

    def answered(self, correlation_id: int) -> ForwardedCall | None:
        """Return the call that an answer belongs to, or None if no request is open."""
        waiting = self._open.get(correlation_id)
        if waiting is None:
            return None
        call = waiting[0]
        call.answers += 1
        # An id that is used again belongs to the later request once the earlier one is answered.
        api = call.application.request.frame.api
        ends = api.declared and api.name not in ANSWERED_OFTEN
        if not api.declared and call.answers == 1:
            self._remember(correlation_id)
        self._awaited.pop(call.number, None)
        if ends or (call.answers > 1 and len(waiting) > 1):
            waiting.popleft()
            self._count -= 1
            if not waiting:
                del self._open[correlation_id]
            if not ends:
                return self.answered(correlation_id)
        return call

    def _remember(self, correlation_id: int) -> None:
        """Keep an answered call of an unknown API, which may have more answers."""
        self._unknown.append(correlation_id)
        if len(self._unknown) > UNKNOWN_MAX:
            oldest = self._unknown.popleft()
            waiting = self._open.get(oldest)
            if (
                waiting
                and waiting[0].answers
                and not waiting[0].application.request.frame.api.declared
            ):
                waiting.popleft()
                self._count -= 1
                if not waiting:
                    del self._open[oldest]


def sent_entries(request: ProduceRequest, kept: Sequence[int] | None) -> Sequence[SentEntry]:
    """Return the entries of a request that is about to be forwarded.

    Args:
        request: the request.
        kept: the positions of its entries in the request of the client; None if it is that.
    """
    entries = [(topic.name, each) for topic in request.topics for each in topic.partitions]
    return [
        SentEntry(
            topic,
            each.partition_index,
            sum(records for _, records, _ in iter_outlines(each.records)),
            n if kept is None else kept[n],
        )
        for n, (topic, each) in enumerate(entries)
    ]


def without_records(request: ProduceRequest) -> ProduceRequest:
    """Return a request with its entries and without their records."""
    topics = [
        replace(topic, partitions=[replace(each, records=b"") for each in topic.partitions])
        for topic in request.topics
    ]
    return replace(request, topics=topics)
