"""The narrative of one record: the events that concern it, as sentences with times.

The events of the client and of the simulator are in one list, in the order in which they happened.
The narrative of a record follows that list: the call that sent it, each request that carried it,
the effects of faults on that request and on its answer, each stored copy, and the outcome that the
client reported. It includes changes of the cluster in the same time: a stopped SPU explains why a
record was not stored.

A pass over the whole history for each narrative would be slow. ``Narrator`` reads the history once
and indexes it; the cost of a narrative is then proportional to its length.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from chaos.history import History, RecordSent, RecordSettled, SentRecord
from chaos.oracle.evidence import Copy, Evidence, Transmission
from chaos.oracle.judge import Result
from chaos.report import phrases
from simulator.documents.diagnostic import printable
from simulator.events import (
    AddressChanged,
    Appended,
    ConnectionClosed,
    ConnectionsCut,
    ConnectRefused,
    DialRefused,
    Event,
    Evicted,
    ExchangeEvent,
    FaultHit,
    FrameRead,
    FrameWritten,
    Healed,
    LeaderElected,
    LeaderMoved,
    ListenerClosed,
    ListenerReopened,
    PartitionsAdded,
    PartitionServed,
    SpuStarted,
    SpuStopped,
    TopicCreated,
    TopicDeleted,
)
from simulator.reporting.console import closing

CLUSTER_CHANGES = (
    AddressChanged,
    ConnectionsCut,
    Evicted,
    Healed,
    LeaderElected,
    LeaderMoved,
    ListenerClosed,
    ListenerReopened,
    PartitionsAdded,
    PartitionServed,
    SpuStarted,
    SpuStopped,
    TopicCreated,
    TopicDeleted,
)
"""Changes of the cluster."""

CLUSTER_EVENTS = (*CLUSTER_CHANGES, ConnectRefused, DialRefused)
"""Events that belong to no request but can explain the outcome of one."""

_OF_PARTITION = (Evicted, LeaderElected, LeaderMoved, PartitionServed)
"""Those of them that concern the records of one partition."""

LINES_MAX = 40
"""The most lines of a narrative in a summary: that of a record that was sent a hundred times is too
long to read. ``python -m chaos replay`` prints all lines."""

NARRATIVES_MAX = 3
"""The most narratives in a summary; no two of them are similar."""

LINES_LAST = 12
"""The number of last lines that a shortened narrative keeps."""


class TimedLine(NamedTuple):
    """One line of a narrative, with the event that it describes."""

    position: int
    """The position of the event in the history."""
    t: float
    """Seconds since the start of the run."""
    text: str
    event: Event


@dataclass(frozen=True, slots=True)
class Narrative:
    """The events that concern one record."""

    record: int
    """The id of the record."""
    lines: tuple[str, ...]
    """Times and sentences, in order."""
    alike: int = 0
    """The number of other records of the same broken promises with a similar narrative."""

    def shortened(self, most: int = LINES_MAX) -> tuple[str, ...]:
        """Return its lines; if there are more than ``most``, without those in the middle."""
        if len(self.lines) <= most:
            return self.lines
        first = most - LINES_LAST - 1
        left_out = len(self.lines) - first - LINES_LAST
        gap = f"{'...':>9}    {left_out} more lines; python -m chaos replay prints them"
        return (*self.lines[:first], gap, *self.lines[-LINES_LAST:])


class Narrator:
    """Builds the narratives of the records of one run.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._topic = evidence.scenario.topic.name
        self._many_spus = evidence.scenario.cluster.spus > 1
        self._sent: dict[int, int] = {}
        self._settled: dict[int, int] = {}
        self._by_transmission: dict[int, list[tuple[int, ExchangeEvent]]] = {}
        self._ended: dict[int, tuple[int, ConnectionClosed]] = {}
        """By connection, the position and the event of its end."""
        self._around: list[tuple[int, Event]] = []
        """The positions and events that belong to no request (``CLUSTER_EVENTS``)."""
        for position, event in enumerate(evidence.history.events):
            if not evidence.consumers.own(event):
                self._note(position, event)
        self._around_at = [position for position, _ in self._around]

    def _note(self, position: int, event: Event) -> None:
        match event:
            case ExchangeEvent():
                self._by_transmission.setdefault(event.transmission, []).append((position, event))
            case RecordSent():
                self._sent.setdefault(event.record, position)
            case RecordSettled():
                self._settled.setdefault(event.record, position)
            case ConnectionClosed():
                self._ended[event.connection] = (position, event)
            case _ if isinstance(event, CLUSTER_EVENTS):
                self._around.append((position, event))

    def plot(self, record_id: int) -> object:
        """Return a key that is equal for records with similar narratives."""
        evidence = self._evidence
        record = evidence.records[record_id]
        transmissions = {t.number for t in evidence.transmissions[record_id]}
        settled = record.outcome, record.outcome_at is None, record.taken_at is None
        return frozenset(transmissions), settled, len(evidence.copies[record_id])

    def of(self, record_id: int, alike: int = 0, decimals: int = 3) -> Narrative:
        """Return the narrative of a record.

        Args:
            record_id: the id of the record.
            alike: the number of other records with a similar narrative.
            decimals: the decimals of the times, which are in seconds.
        """
        lines = [f"{line.t:9.{decimals}f} s  {line.text}" for line in self.timed(record_id)]
        lines += [f"{'':9}    {text}" for text in self.end(record_id)]
        return Narrative(record_id, tuple(map(printable, lines)), alike)

    def timed(self, record_id: int) -> list[TimedLine]:
        """Return the lines of the narrative of a record that have times, in order."""
        record = self._evidence.records[record_id]
        return sorted([*self._meanwhile(record), *self._own(record)], key=lambda line: line[:3])

    def exchange(self, transmission: int) -> list[ExchangeEvent]:
        """Return the events of a request frame and its answers, in order."""
        return [event for _, event in self._by_transmission.get(transmission, ())]

    def closed(self, connection: int) -> ConnectionClosed | None:
        """Return the end of a connection; None if it was open to the end."""
        ended = self._ended.get(connection)
        return None if ended is None else ended[1]

    # --- events of the record

    def _own(self, record: SentRecord) -> Iterator[TimedLine]:
        start = self._sent.get(record.id, -1)
        key = "" if record.key is None else f" with the key {phrases.key(record.key)}"
        sent = RecordSent(t=record.sent_at, record=record.id, probe=record.probe)
        yield TimedLine(start, record.sent_at, f"{phrases.named(record)} sent{key}", sent)
        seen: set[int] = set()
        stored = 0
        for transmission in self._evidence.transmissions[record.id]:
            if transmission.number in seen:
                continue
            again = bool(seen)
            seen.add(transmission.number)
            for position, event in self._by_transmission.get(transmission.number, ()):
                text: str | None = None
                match event:
                    case Appended():
                        text = self._append(record, event, transmission.entry, stored)
                        stored += text is not None
                    case FaultHit():
                        if phrases.concerns(event, self._topic, transmission):
                            text = phrases.struck(event)
                    case FrameRead():
                        text = self._transmitted(event, again)
                    case FrameWritten() if event.whole:
                        text = self._answer(record, transmission)
                if text is not None:
                    yield TimedLine(position, event.t, text, event)
            yield from self._connection_end(record, transmission.number, transmission.connection)
        if record.outcome_at is not None:
            text = phrases.outcome(record, self._topic)
            settled = RecordSettled(
                t=record.outcome_at,
                record=record.id,
                outcome=record.outcome,
                partition=record.partition,
                offset=record.offset,
                error=record.error,
            )
            yield TimedLine(self._settled.get(record.id, start), settled.t, text, settled)

    def _transmitted(self, read: FrameRead, again: bool) -> str:
        number = read.transmission
        others = len(self._evidence.ids_by_transmission.get(number, ())) - 1
        company = f", with {phrases.counted(others, 'other')}" if others > 0 else ""
        where = f" to {read.server}" if self._many_spus else ""
        verb = "sent again" if again else "transmitted"
        return f"{verb} on connection {read.connection}{where} (request {number}{company})"

    def _append(self, record: SentRecord, append: Appended, entry: int, before: int) -> str | None:
        """Return the sentence for an append; None if it does not contain the record, which came
        with an entry of the request."""
        again = " again" if before else ""
        by = f", a copy made by fault {append.copied_by}" if append.copied_by else ""
        copies = self._evidence.copies[record.id]
        for copy in copies:
            if (
                copy.partition == append.partition
                and append.base_offset <= copy.offset < append.end
            ):
                return f"stored{again} at {self._place(copy)}{by}"
        if append.entry != entry or any(c.transmission == append.transmission for c in copies):
            return None
        # The log lacks the record, although the SPU stored the records of this request.
        records = phrases.counted(append.records, "record")
        place = f"{append.topic}/{append.partition}@{append.base_offset}"
        return f"{records} of request {append.transmission} stored{again} from {place} on{by}"

    def _answer(self, record: SentRecord, transmission: Transmission) -> str:
        events = [event for _, event in self._by_transmission[transmission.number]]
        for event in events:
            if (
                isinstance(event, FaultHit)
                and event.code is not None
                and phrases.concerns(event, self._topic, transmission)
            ):
                return f"answered with {event.code}"
        for event in events:
            if (
                isinstance(event, Appended)
                and self._append(record, event, transmission.entry, 0) is not None
            ):
                return "answered"
        return "answered with an error code, not stored"

    def _connection_end(
        self, record: SentRecord, number: int, connection: int
    ) -> Iterator[TimedLine]:
        """Yield the end of a connection on which the answer was still outstanding."""
        ended = self._ended.get(connection)
        if ended is None or number in self._evidence.answered_at:
            return
        position, closed = ended
        if position < self._settled.get(record.id, len(self._evidence.history.events)):
            text = f"connection {connection} ended: {closing(closed)}"
            yield TimedLine(position, closed.t, text, closed)

    # --- events of the cluster in the same time

    def _meanwhile(self, record: SentRecord) -> Iterator[TimedLine]:
        """Yield the state of the cluster when the record was sent, and its later changes."""
        start = self._sent.get(record.id, 0)
        end = self._settled.get(record.id, len(self._evidence.history.events))
        first = bisect_left(self._around_at, start)
        yield from self._in_force(record, first)
        for position, event in self._around[first : bisect_right(self._around_at, end)]:
            if self.concerns(event, record):
                yield _around(position, event)

    def concerns(self, event: Event, record: SentRecord) -> bool:
        """Return whether an event of ``CLUSTER_EVENTS`` can explain the outcome of a record: it
        concerns no single partition, or one of the record's."""
        return not isinstance(event, _OF_PARTITION) or (
            event.topic == self._topic and event.partition in self.partitions(record)
        )

    def _in_force(self, record: SentRecord, until: int) -> Iterator[TimedLine]:
        """Yield the disturbances that began before an index and have not ended there, and the
        last changes of leaders, of addresses and by healing."""
        lasting: dict[tuple[object, ...], TimedLine] = {}
        changed: dict[tuple[object, ...], TimedLine] = {}
        for position, event in self._around[:until]:
            match event:
                case LeaderMoved() | LeaderElected() if self.concerns(event, record):
                    changed[("leader", event.partition)] = _around(position, event)
                case AddressChanged():
                    changed[("address", event.spu)] = _around(position, event)
                case Healed():
                    changed[("healed",)] = _around(position, event)
                    lasting.clear()
                case SpuStopped():
                    lasting[(event.spu,)] = _around(position, event)
                case SpuStarted():
                    lasting.pop((event.spu,), None)
                case ListenerClosed():
                    key = event.server, event.fault
                    lasting[key] = _around(position, event)
                case ListenerReopened():
                    lasting.pop((event.server, event.fault), None)
        yield from changed.values()
        yield from lasting.values()

    def partitions(self, record: SentRecord) -> set[int]:
        """Return the partitions to which the record was sent; all of them if it was never sent."""
        evidence = self._evidence
        found = {t.partition for t in evidence.transmissions[record.id]}
        found.update(copy.partition for copy in evidence.copies[record.id])
        if record.partition is not None:
            found.add(record.partition)
        return found or set(range(evidence.scenario.topic.partitions))

    # --- the final state

    def end(self, record_id: int) -> Iterator[str]:
        """Yield the lines about the final state of a record, which have no times."""
        evidence = self._evidence
        record = evidence.records[record_id]
        if record.taken_at is None and record.outcome_at is None:
            yield "the call that sent the record never accepted it"
        if record.id in evidence.without_id:
            yield "it is equal to other records, and cannot be told apart from them"
            return
        if not evidence.transmissions[record.id]:
            yield "no request with the record arrived"
        if record.outcome_at is None:
            yield "never settled: no outcome was reported"
        copies = evidence.copies[record.id]
        last = len(evidence.history.removed)
        if gone := [self._place(copy) for copy in copies if copy.incarnation < last]:
            yield f"deleted with the topic: {phrases.joined(gone)}"
        if kept := [self._place(copy) for copy in copies if copy.incarnation == last]:
            yield f"in the end: stored at {phrases.joined(kept)}"
        elif gone:
            return
        elif evidence.history.logs:
            yield "in the end: not in the log"
        else:
            yield "in the end: unknown, since the logs were not read"

    def _place(self, copy: Copy) -> str:
        return f"{self._topic}/{copy.partition}@{copy.offset}"


def _around(position: int, event: Event) -> TimedLine:
    return TimedLine(position, event.t, phrases.around(event), event)


def is_remarkable(evidence: Evidence, record: SentRecord) -> bool:
    """Return whether a fault struck a record, or it was not stored once and acknowledged."""
    transmissions = evidence.transmissions[record.id]
    struck = any(t.number in evidence.hits_by_transmission for t in transmissions)
    return struck or record.outcome != "ok" or len(evidence.copies[record.id]) != 1


def narratives_of(
    history: History, result: Result, most: int = NARRATIVES_MAX, *, else_remarkable: bool = False
) -> list[Narrative]:
    """Return narratives of records, no two of them similar.

    Args:
        history: the run.
        result: its verdict.
        most: how many at most.
        else_remarkable: whether they are those of remarkable records if no broken promise names
            one; else there are none then.
    """
    ids = dict.fromkeys(i for f in result.broken for v in f.violations for i in v.records)
    if not most or not (ids or else_remarkable):
        return []
    evidence = Evidence(history)
    narratives = Narrator(evidence)
    kinds: dict[object, list[int]] = {}
    for record_id in ids or [r.id for r in evidence.sent if is_remarkable(evidence, r)]:
        kinds.setdefault(narratives.plot(record_id), []).append(record_id)
    return [narratives.of(first, len(others)) for first, *others in list(kinds.values())[:most]]
