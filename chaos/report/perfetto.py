"""A run as Chrome trace JSON, which https://ui.perfetto.dev and chrome://tracing open.

Tracks: the caller (its calls), records (from send to outcome, with each attempt), one for each
connection (requests and answers, faults as instants), one for each SPU (appends). Arrows lead from
a request to its appends and on to its answer. Times are those of the run, in microseconds.

Format: the Trace Event Format of the Chromium project.
"""

import json
from collections.abc import Iterator
from typing import Any

from chaos.history import History
from chaos.oracle.evidence import Evidence
from simulator.events import (
    Appended,
    ConnectionClosed,
    ConnectionOpened,
    FaultHit,
    FrameRead,
    FrameWritten,
    Healed,
)

RECORDS_MAX = 1_000
"""The records that have a track: more make the page of a viewer slow. The first ones are shown."""

CALLER, RECORDS, CONNECTIONS, SPUS = 1, 2, 3, 4
"""The processes of the trace, each a group of tracks."""

_GROUPS = {CALLER: "caller", RECORDS: "records", CONNECTIONS: "connections", SPUS: "SPUs"}

_MOMENT_US = 1
"""The length of a slice that stands for a moment: arrows begin and end at slices."""

Trace = dict[str, Any]
"""One event of the trace format."""


def perfetto_trace(history: History) -> str:
    """Return the trace of a run as JSON: the same history gives the same text."""
    events = [*_names(history), *_calls(history), *_records(history), *_exchanges(history)]
    text = ",\n".join(json.dumps(each, ensure_ascii=False) for each in events)
    return f'{{"displayTimeUnit": "ms", "traceEvents": [\n{text}\n]}}\n'


def _us(seconds: float) -> int:
    return round(seconds * 1e6)


def _end(history: History) -> float:
    """Return the time of the last event."""
    return max((each.t for each in history.events), default=0.0)


def _names(history: History) -> Iterator[Trace]:
    def named(what: str, pid: int, name: str, tid: int = 0) -> Trace:
        return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}

    for pid, name in _GROUPS.items():
        yield named("process_name", pid, name)
    for spu in range(history.scenario.cluster.spus):
        yield named("thread_name", SPUS, f"spu:{spu}", spu)
    for each in history.events:
        if isinstance(each, ConnectionOpened):
            name = f"#{each.connection} {each.server}"
            yield named("thread_name", CONNECTIONS, name, each.connection)


def _span(pid: int, name: str, key: str, start: float, end: float, **args: Any) -> Iterator[Trace]:
    """Yield a slice that may overlap others of its track."""
    common = {"cat": _GROUPS[pid], "id": key, "pid": pid, "tid": 0, "name": name}
    yield {"ph": "b", "ts": _us(start), **common, "args": args}
    yield {"ph": "e", "ts": _us(max(start, end)), **common}


def _calls(history: History) -> Iterator[Trace]:
    last = _end(history)
    for call in history.calls:
        times = (call.ended, call.given_up, call.cancelled_at, last)
        ended = next(t for t in times if t is not None)
        args = {"outcome": call.outcome, "error": call.error, "producer": call.producer}
        yield from _span(CALLER, call.op, f"call {call.n}", call.started, ended, **args)


def _records(history: History) -> Iterator[Trace]:
    evidence, last = Evidence(history), _end(history)
    for record in history.records[:RECORDS_MAX]:
        end = last if record.outcome_at is None else record.outcome_at
        key = f"record {record.id}"
        args = {"outcome": record.outcome, "partition": record.partition, "error": record.error}
        yield from _span(RECORDS, key, key, record.sent_at, end, **args)
        for n, attempt in enumerate(evidence.transmissions[record.id], 1):
            answered = evidence.answered_at.get(attempt.number, end)
            name = f"attempt {n}"
            args = {"connection": attempt.connection, "request": attempt.number}
            yield from _span(RECORDS, name, key, attempt.t, answered, **args)


def _exchanges(history: History) -> Iterator[Trace]:
    """Yield what happened on connections and SPUs."""
    opened: dict[int, ConnectionOpened] = {}
    for each in history.events:
        match each:
            case ConnectionOpened():
                opened[each.connection] = each
            case ConnectionClosed():
                if (start := opened.pop(each.connection, None)) is not None:
                    how = f"open, then {each.reason} by the {each.by}"
                    yield _lifetime(start, each.t, how)
            case FrameRead():
                yield _moment(each, f"> {each.api} id={each.correlation_id}", each.size)
                yield _flow("s", each)
            case Appended():
                where = f"{each.topic}/{each.partition}"
                name = f"+ {where} {each.records} at {each.base_offset}"
                spu = int(each.server.removeprefix("spu:"))
                args = {"request": each.transmission, "copied_by": each.copied_by}
                yield _slice(SPUS, spu, name, each.t, args)
                yield {**_flow("t", each), "pid": SPUS, "tid": spu}
            case FrameWritten():
                yield _moment(each, f"< {each.api} id={each.correlation_id}", each.size)
                yield _flow("f", each)
            case FaultHit(shadowed=False):
                name = f"! {each.kind} at {each.at.value} ({each.fault})"
                yield _instant(each.t, name, each.connection)
            case Healed():
                yield {**_instant(each.t, "healed", 0), "s": "g", "pid": CALLER}
    for start in opened.values():
        yield _lifetime(start, _end(history), "open")


def _lifetime(start: ConnectionOpened, end: float, name: str) -> Trace:
    duration = max(_us(end) - _us(start.t), _MOMENT_US)
    made = _slice(CONNECTIONS, start.connection, name, start.t, {"server": start.server})
    return {**made, "dur": duration}


def _slice(pid: int, tid: int, name: str, t: float, args: dict[str, Any]) -> Trace:
    made = {"ph": "X", "ts": _us(t), "dur": _MOMENT_US, "pid": pid, "tid": tid}
    return {**made, "name": name, "args": args}


def _moment(event: FrameRead | FrameWritten, name: str, size: int) -> Trace:
    args = {"request": event.transmission, "bytes": size}
    return _slice(CONNECTIONS, event.connection, name, event.t, args)


def _flow(phase: str, event: FrameRead | Appended | FrameWritten) -> Trace:
    made: Trace = {"ph": phase, "ts": _us(event.t), "pid": CONNECTIONS, "tid": event.connection}
    if phase == "f":
        made["bp"] = "e"
    return {**made, "cat": "exchange", "name": "exchange", "id": event.transmission}


def _instant(t: float, name: str, connection: int) -> Trace:
    made = {"ph": "i", "s": "t", "ts": _us(t), "pid": CONNECTIONS, "tid": connection}
    return {**made, "name": name}
