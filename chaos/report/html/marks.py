"""The marks of a space-time diagram: arrows between two lanes, points on one, lines across all.

A diagram shows the frames, calls and appends that concern one record, and no others; changes of the
cluster are lines across all lanes. A fault is
drawn on the arrow that it struck: where the frame was lost, the arrow ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chaos.history import Call, CallEnded, CallStarted, RecordSent, RecordSettled, SentRecord
from chaos.oracle.evidence import Evidence
from chaos.report.html.quantity import brief
from chaos.report.narrative import CLUSTER_CHANGES, Narrator, TimedLine
from simulator.events import (
    Appended,
    ClosedBy,
    ConnectionClosed,
    ConnectRefused,
    DialRefused,
    Event,
    FaultHit,
    FrameRead,
    FrameWritten,
    ListenerClosed,
)
from simulator.faults.effects import CutPoint, Effect

CALLER, CLIENT, LOG = "caller", "client", "log"
"""Lanes; others are named ``connection 2`` and ``spu:0``."""

CLUSTER = "cluster"
"""The start and the end of a change of the cluster, which crosses all lanes."""

_CUTS = {Effect.NOT_APPLIED, Effect.ENDS_CONNECTION, Effect.SILENCES, Effect.NOT_ANSWERED}
"""Effects of faults after which a frame does not arrive."""


@dataclass(frozen=True, slots=True)
class LaneMark:
    """One arrow, point or line across all lanes of a diagram."""

    t: float
    start: str
    """The lane at which the arrow begins."""
    end: str
    """The lane at which it ends; the same for a point."""
    label: str
    text: str
    """The sentence of the narrative."""
    through: str | None = None
    """The lane of the connection that the arrow crosses."""
    cut: bool = False
    """Whether the frame was lost on the connection."""
    fault: str = ""
    """What a fault did; empty if none struck."""
    kind: str = ""
    """What happened, without names and numbers: two runs are compared by it."""


def lane_of(connection: int) -> str:
    """Return the lane of a connection."""
    return f"connection {connection}"


def marks_of(evidence: Evidence, narrator: Narrator, record_id: int) -> list[LaneMark]:
    """Return the marks of the diagram of a record, in order."""
    return _Marks(evidence, record_id).of(
        [*narrator.timed(record_id), *_calls(evidence, record_id)]
    )


class _Marks:
    """Makes the marks of one record; the arrow of an answer depends on what came before."""

    def __init__(self, evidence: Evidence, record_id: int) -> None:
        self._attempts = {t.number for t in evidence.transmissions[record_id]}
        self._copies = evidence.copies[record_id]
        self._marks: list[LaneMark] = []
        self._requests: dict[int, int] = {}
        """By request, the index of its arrow."""
        self._codes: dict[int, str] = {}
        """By request, the error code of its answer."""
        self._applied: set[int] = set()

    def of(self, lines: list[TimedLine]) -> list[LaneMark]:
        for line in sorted(lines, key=lambda line: line[:3]):
            event = line.event
            match event:
                case FaultHit():
                    self._add_hit(line, event)
                case RecordSent() | RecordSettled() | CallStarted() | CallEnded():
                    self._marks.append(_of_call(line, event))
                case FrameRead() | Appended() | FrameWritten():
                    self._marks.append(self._of_frame(line, event))
                case ConnectionClosed():
                    lane = lane_of(event.connection)
                    if event.by is ClosedBy.FAULT and any(
                        m.cut and m.through == lane for m in self._marks
                    ):
                        continue  # the cross of that fault shows it
                    self._marks.append(
                        LaneMark(line.t, lane, lane, "ended", line.text, kind="closed")
                    )
                case _ if isinstance(event, CLUSTER_CHANGES):
                    self._marks.append(_of_cluster(line, event))
                case ConnectRefused() | DialRefused():
                    self._marks.append(_of_connect(line, event))
        return self._marks

    def _add_hit(self, line: TimedLine, hit: FaultHit) -> None:
        if hit.code is not None:
            self._codes[hit.transmission] = hit.code
        place = self._requests.get(hit.transmission)
        if place is not None and hit.at is CutPoint.REQUEST:
            self._marks[place] = _struck(self._marks[place], hit)
        elif hit.transmission in self._attempts:
            self._marks.append(_of_hit(line, hit))

    def _of_frame(self, line: TimedLine, event: FrameRead | Appended | FrameWritten) -> LaneMark:
        lane, number = lane_of(event.connection), event.transmission
        match event:
            case FrameRead():
                self._requests[number] = len(self._marks)
                label = f"request {number}"
                return LaneMark(
                    line.t, CLIENT, event.server, label, line.text, lane, kind="request"
                )
            case Appended():
                self._applied.add(number)
                inside = (
                    c.offset for c in self._copies if event.base_offset <= c.offset < event.end
                )
                label = f"@{next(inside, event.base_offset)}"
                fault = f"copy: {event.copied_by}" if event.copied_by else ""
                kind = "copy" if fault else "append"
                return LaneMark(line.t, event.server, LOG, label, line.text, fault=fault, kind=kind)
            case _:
                label = self._codes.get(number) or (
                    "answer" if number in self._applied else "error code"
                )
                kind = f"answer {label}"
                return LaneMark(line.t, event.server, CLIENT, label, line.text, lane, kind=kind)


def _struck(mark: LaneMark, hit: FaultHit) -> LaneMark:
    """Return the arrow of a request that a fault struck."""
    cut = mark.cut or (not _CUTS.isdisjoint(hit.effects) and hit.how != "half-close")
    fault = ", ".join(filter(None, (mark.fault, _in_short(hit))))
    return replace(mark, cut=cut, fault=fault, kind=f"{mark.kind} {hit.kind}")


def _of_hit(line: TimedLine, hit: FaultHit) -> LaneMark:
    """Return the arrow of an answer that a fault struck, or the point of another fault."""
    lane, short = lane_of(hit.connection), _in_short(hit)
    kind = f"{hit.at.value} {hit.kind}"
    if hit.at is CutPoint.RESPONSE and not _CUTS.isdisjoint(hit.effects):
        lost = Effect.FORGES_ANSWER not in hit.effects
        return LaneMark(
            line.t, hit.server, CLIENT, "answer", line.text, lane, lost, fault=short, kind=kind
        )
    return LaneMark(line.t, lane, lane, "", line.text, fault=short, kind=kind)


def _in_short(hit: FaultHit) -> str:
    """Return what a fault did, in two or three words and its name."""
    if hit.delay_s and _CUTS.isdisjoint(hit.effects) and hit.code is None:
        what = f"delayed {brief(hit.delay_s)}"
    elif hit.code is not None:
        what = hit.code
    elif Effect.ENDS_CONNECTION in hit.effects:
        what = {"fin": "closed", "half-close": "half-closed"}.get(hit.how or "", "reset")
    elif hit.what is not None:
        what = f"forged {hit.what}"
    else:
        what = {"drop": "dropped", "stall": "stalled", "duplicate": "twice"}.get(hit.kind, hit.kind)
    return what if hit.fault.startswith(hit.kind) else f"{what}: {hit.fault}"


def _of_call(line: TimedLine, event: Event) -> LaneMark:
    match event:
        case RecordSent():
            label = "probe" if event.probe else f"send {event.record}"
            return LaneMark(line.t, CALLER, CLIENT, label, line.text, kind="send")
        case RecordSettled():
            place = "" if event.offset is None else f" @{event.offset}"
            kind = f"settled {event.outcome}"
            return LaneMark(line.t, CLIENT, CALLER, event.outcome + place, line.text, kind=kind)
        case CallStarted():
            return LaneMark(line.t, CALLER, CLIENT, event.op, line.text, kind=event.op)
    return LaneMark(line.t, CLIENT, CALLER, line.text, line.text, kind=line.text)


def _of_cluster(line: TimedLine, event: Event) -> LaneMark:
    fault = line.text if isinstance(event, ListenerClosed) else ""
    kind = type(event).__name__
    return LaneMark(line.t, CLUSTER, CLUSTER, line.text, line.text, fault=fault, kind=kind)


def _of_connect(line: TimedLine, event: ConnectRefused | DialRefused) -> LaneMark:
    lane = CLIENT if event.server == "sc" else event.server
    struck = line.text if isinstance(event, ConnectRefused) else ""
    kind = type(event).__name__
    return LaneMark(
        line.t, lane, lane, "" if struck else line.text, line.text, fault=struck, kind=kind
    )


def _calls(evidence: Evidence, record_id: int) -> list[TimedLine]:
    """Return the start and the end of the first call that waited for the record."""
    record = evidence.records[record_id]
    call = next((c for c in evidence.history.calls if _covers(c, record)), None)
    if call is None or (record.outcome_at is not None and record.outcome_at < call.started):
        return []
    found: list[TimedLine] = []
    for position, event in enumerate(evidence.history.events):
        if isinstance(event, CallStarted) and event.call == call.n:
            found.append(TimedLine(position, event.t, f"{call.op} called", event))
        elif isinstance(event, CallEnded) and event.call == call.n:
            outcome = "given up" if event.given_up else event.outcome
            found.append(TimedLine(position, event.t, f"{call.op}: {outcome}", event))
    return found


def _covers(call: Call, record: SentRecord) -> bool:
    return (
        call.first > record.id
        and call.producer == record.producer
        and call.op in ("flush", "wait", "close", "leave")
    )


def first_difference(one: Sequence[LaneMark], other: Sequence[LaneMark]) -> int | None:
    """Return the index of the first mark in which two runs differ; None if there is none.

    The offset of an append counts only if nothing else differs: it depends on other records.
    """
    for n, (mine, its) in enumerate(zip(one, other, strict=False)):
        if mine.kind != its.kind:
            return n
    if len(one) != len(other):
        return min(len(one), len(other))
    for n, (mine, its) in enumerate(zip(one, other, strict=True)):
        if mine.end == LOG and mine.label != its.label:
            return n
    return None
