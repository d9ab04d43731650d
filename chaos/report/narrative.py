"""The story of one record, in plain words with times: what a broken promise looks like close up.

The client's events and the simulator's stand in one list, in the order in which they happened.
The story of a record is a walk along that list: its sending, each request that carried it, what
faults did to that request and to its answer, each copy that was stored, the outcome that the client
told. What happened to the cluster meanwhile belongs to it too: an SPU that is stopped explains a
record that went nowhere.

Naively each narrative is a pass over the whole history. ``Narrator`` looks at the history once and
notes where everything stands; then a narrative costs as much as it is long.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from chaos.history import RecordSent, RecordSettled, SentRecord
from chaos.oracle.evidence import Copy, Evidence
from chaos.report import phrases
from simulator.console import closing
from simulator.events import (
    Appended,
    ConnectionClosed,
    ConnectRefused,
    Event,
    ExchangeEvent,
    FaultHit,
    FrameRead,
    FrameWritten,
    Healed,
    LeaderMoved,
    ListenerClosed,
    ListenerReopened,
    SpuStarted,
    SpuStopped,
)

CLUSTER_EVENTS = (
    ConnectRefused,
    Healed,
    LeaderMoved,
    ListenerClosed,
    ListenerReopened,
    SpuStarted,
    SpuStopped,
)
"""What concerns no request and yet explains what became of one."""

LINES_MAX = 40
"""Lines of a story in a summary. A record that was sent a hundred times has a story that nobody
reads to its end; ``python -m chaos replay`` tells all of it."""

LINES_LAST = 12
"""How many of them are the last ones, where the end of a long story is told."""

TimedLine = tuple[int, float, str]
"""Position in the history, time, what happened."""


@dataclass(frozen=True, slots=True)
class Narrative:
    """What happened to one record."""

    record: int
    """Its id."""
    lines: tuple[str, ...]
    """Time and event, in order."""
    alike: int = 0
    """How many other records of the same broken promises have much the same story."""

    def shortened(self, most: int = LINES_MAX) -> tuple[str, ...]:
        """Its lines, those in the middle left out if they are more than this."""
        if len(self.lines) <= most:
            return self.lines
        first = most - LINES_LAST - 1
        left_out = len(self.lines) - first - LINES_LAST
        gap = f"{'...':>9}    {left_out} lines more; python -m chaos replay tells them"
        return (*self.lines[:first], gap, *self.lines[-LINES_LAST:])


class Narrator:
    """Tells the stories of the records of one run.

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
        """By connection, where its end stands."""
        self._around: list[tuple[int, Event]] = []
        """What concerned no request: the cluster, and connects that a fault refused."""
        for position, event in enumerate(evidence.history.events):
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
        """What two records have in common that have much the same story."""
        evidence = self._evidence
        record = evidence.records[record_id]
        transmissions = {t.number for t in evidence.transmissions[record_id]}
        settled = record.outcome, record.outcome_at is None, record.taken_at is None
        return frozenset(transmissions), settled, len(evidence.copies[record_id])

    def of(self, record_id: int, alike: int = 0) -> Narrative:
        """The story of a record.

        Args:
            record_id: which one.
            alike: how many others have much the same.
        """
        record = self._evidence.records[record_id]
        moments = sorted([*self._meanwhile(record), *self._own(record)])
        lines = [f"{t:9.3f} s  {text}" for _, t, text in moments]
        lines += [f"{'':9}    {text}" for text in self._end(record)]
        return Narrative(record_id, tuple(map(phrases.printable, lines)), alike)

    # --- what the record went through

    def _own(self, record: SentRecord) -> Iterator[TimedLine]:
        start = self._sent.get(record.id, -1)
        what = "probe" if record.probe else "record"
        key = "" if record.key is None else f" with the key {phrases.key(record.key)}"
        yield start, record.sent_at, f"{what} {record.id} sent{key}"
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
                        text = self._append(record, event, stored)
                        stored += text is not None
                    case FaultHit():
                        if phrases.concerns(event, self._topic, transmission.partition):
                            text = phrases.struck(event)
                    case FrameRead():
                        text = self._transmitted(event, again)
                    case FrameWritten() if event.whole:
                        text = self._answer(record, transmission.number, transmission.partition)
                if text is not None:
                    yield position, event.t, text
            yield from self._connection_end(record, transmission.number, transmission.connection)
        if record.outcome_at is not None:
            text = phrases.outcome(record, self._topic)
            yield self._settled.get(record.id, start), record.outcome_at, text

    def _transmitted(self, read: FrameRead, again: bool) -> str:
        number = read.transmission
        others = len(self._evidence.ids_by_transmission.get(number, ())) - 1
        company = f", with {phrases.counted(others, 'other')}" if others > 0 else ""
        where = f" to {read.server}" if self._many_spus else ""
        verb = "sent again" if again else "transmitted"
        return f"{verb} on connection {read.connection}{where} (request {number}{company})"

    def _append(self, record: SentRecord, append: Appended, before: int) -> str | None:
        """Where an append put the record; None if it holds others only."""
        again = " again" if before else ""
        by = f", a copy made by fault {append.copied_by}" if append.copied_by else ""
        copies = self._evidence.copies[record.id]
        for copy in copies:
            if (
                copy.partition == append.partition
                and append.base_offset <= copy.offset < append.end
            ):
                return f"stored{again} at {self._place(copy)}{by}"
        if any(copy.transmission == append.transmission for copy in copies):
            return None
        # The log does not hold it, although the SPU had stored what came with this request.
        records = phrases.counted(append.records, "record")
        place = f"{append.topic}/{append.partition}@{append.base_offset}"
        return f"{records} of request {append.transmission} stored{again} from {place} on{by}"

    def _answer(self, record: SentRecord, number: int, partition: int) -> str:
        events = [event for _, event in self._by_transmission[number]]
        for event in events:
            if isinstance(event, FaultHit) and event.code is not None:
                hit = phrases.concerns(event, self._topic, partition)
                if hit:
                    return f"answered with {event.code}"
        for event in events:
            if isinstance(event, Appended) and self._append(record, event, 0) is not None:
                return "answered"
        return "answered with an error code, not stored"

    def _connection_end(
        self, record: SentRecord, number: int, connection: int
    ) -> Iterator[TimedLine]:
        """The end of a connection that still owed the answer."""
        ended = self._ended.get(connection)
        if ended is None or number in self._evidence.answered_at:
            return
        position, closed = ended
        if position < self._settled.get(record.id, len(self._evidence.history.events)):
            yield position, closed.t, f"connection {connection} ended: {closing(closed)}"

    # --- what happened meanwhile

    def _meanwhile(self, record: SentRecord) -> Iterator[TimedLine]:
        """The cluster's part: what was in force at the sending, and what came until the end."""
        start = self._sent.get(record.id, 0)
        end = self._settled.get(record.id, len(self._evidence.history.events))
        first = bisect_left(self._around_at, start)
        yield from self._in_force(first)
        for position, event in self._around[first : bisect_right(self._around_at, end)]:
            if not isinstance(event, LeaderMoved) or event.partition in self._partitions(record):
                yield position, event.t, phrases.around(event)

    def _in_force(self, until: int) -> Iterator[TimedLine]:
        """Trouble that began before and had not ended."""
        lasting: dict[tuple[object, ...], TimedLine] = {}
        for position, event in self._around[:until]:
            match event:
                case Healed():
                    lasting.clear()
                case SpuStopped():
                    lasting[(event.spu,)] = position, event.t, phrases.around(event)
                case SpuStarted():
                    lasting.pop((event.spu,), None)
                case ListenerClosed():
                    key = event.server, event.fault
                    lasting[key] = position, event.t, phrases.around(event)
                case ListenerReopened():
                    lasting.pop((event.server, event.fault), None)
        yield from lasting.values()

    def _partitions(self, record: SentRecord) -> set[int]:
        """Where the record went or was stored; all partitions if it went nowhere."""
        evidence = self._evidence
        found = {t.partition for t in evidence.transmissions[record.id]}
        found.update(copy.partition for copy in evidence.copies[record.id])
        if record.partition is not None:
            found.add(record.partition)
        return found or set(range(evidence.scenario.topic.partitions))

    # --- how it ended

    def _end(self, record: SentRecord) -> Iterator[str]:
        evidence = self._evidence
        if record.taken_at is None and record.outcome_at is None:
            yield "the call that sent it never took it in"
        if not evidence.transmissions[record.id]:
            yield "no request with it ever arrived"
        if record.outcome_at is None:
            yield "never settled: the client was told nothing"
        copies = evidence.copies[record.id]
        if copies:
            yield f"in the end: stored at {phrases.joined([self._place(copy) for copy in copies])}"
        elif evidence.history.logs:
            yield "in the end: not in the log"
        else:
            yield "in the end: not known, since the logs were never read"

    def _place(self, copy: Copy) -> str:
        return f"{self._topic}/{copy.partition}@{copy.offset}"
