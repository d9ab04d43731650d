"""The expectations of a scenario, held against a run: ``always`` and ``sometimes``.

Each expectation names a figure of the run and an interval. A figure that the run does not have (the
longest ``flush`` of a run without one) cannot be judged. A call that never ended, and a client that
never acknowledged anything again, took at least the time until the harness gave up: such a figure
may exceed an interval, and is never too small.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Literal

from chaos.history import CallEnded, Need
from chaos.oracle.evidence import Evidence
from chaos.spec.bounds import send_bound
from chaos.spec.expectations import Expectations, Wanted, is_timed
from simulator.events import (
    AddressChanged,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionsCut,
    ConnectRefused,
    Event,
    FaultHit,
    Healed,
    LeaderElected,
    LeaderMoved,
    ListenerReopened,
    PartitionsAdded,
    PartitionServed,
    TopicCreated,
)
from simulator.faults.effects import CutPoint, Effect

ExpectationKind = Literal["always", "sometimes"]

SLACK_S = 1e-6
"""Times of events are rounded to a microsecond."""

RECORDS_MAX = 100
"""The most records that a missed expectation names; a report has narratives of a few."""

OUTCOMES = {"acknowledged": "ok", "failed": "failed", "unknown": "unknown"}
"""By expectation, the outcome of the records that it counts."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a run."""

    value: float
    """A number, or seconds."""
    at_least: bool = False
    """Whether only a lower bound of the figure is known."""


@dataclass(frozen=True, slots=True)
class Assessed:
    """One expectation, held against a run."""

    kind: ExpectationKind
    path: str
    """Its path in the scenario, for example ``lost`` or ``flush.p99``."""
    wanted: Wanted
    figure: Figure | None
    """None if the run does not have this figure."""

    @property
    def exceeded(self) -> bool:
        """Whether the figure is above the interval."""
        slack = SLACK_S if is_timed(self.path) else 0
        return self.figure is not None and self.figure.value > self.wanted.high + slack

    @property
    def met(self) -> bool:
        """Whether the figure is in the interval."""
        if self.figure is None or self.exceeded:
            return False
        slack = SLACK_S if is_timed(self.path) else 0
        return self.figure.at_least or self.figure.value >= self.wanted.low - slack

    @property
    def name(self) -> str:
        """The expectation as in the file, for example ``always: flush.p99 ..1s``."""
        return f"{self.kind}: {self.path} {self.wanted.text}"

    @property
    def found(self) -> str:
        """The figure as text."""
        if self.figure is None:
            return "the run has no such figure"
        least = "at least " if self.figure.at_least else ""
        if is_timed(self.path):
            return f"it was {least}{self.figure.value:.6g} s"
        return f"it was {least}{self.figure.value:g}"


def assessed(evidence: Evidence) -> tuple[Assessed, ...]:
    """Return every expectation of a run that can be judged in its world; for ``Evidence.once``."""
    scenario = evidence.scenario
    if not (scenario.always.model_fields_set or scenario.sometimes.model_fields_set):
        return ()
    times = evidence.history.world == "virtual" or len(scenario.worlds) == 1
    found: list[Assessed] = []
    groups: tuple[tuple[ExpectationKind, Expectations], ...] = (
        ("always", scenario.always),
        ("sometimes", scenario.sometimes),
    )
    for kind, expectations in groups:
        for path, wanted in expectations.each():
            if times or not is_timed(path):
                found.append(Assessed(kind, path, wanted, _figure(evidence, path)))
    return tuple(found)


def records_of(evidence: Evidence, missed: Assessed) -> list[int]:
    """Return the records to look at for a missed expectation: those that are counted if there are
    too many of them, else those that are not."""
    path, exceeded = missed.path, missed.exceeded
    if path in ("lost", "duplicated", *OUTCOMES):
        ids = [r.id for r in evidence.sent if _counts(evidence, path, r.id) == exceeded]
        return ids[:RECORDS_MAX]
    if path == "attempts" and exceeded:
        return [r.id for r in evidence.sent if _attempts(evidence, r.id) > missed.wanted.high][:1]
    return []


def _figure(evidence: Evidence, path: str) -> Figure | None:
    """Return the figure that an expectation names; None if the run does not have it."""
    if any(need in evidence.history.lacks for need in _needs(path)):
        return None
    if path in ("lost", "duplicated") and not evidence.history.drained:
        return None  # the logs are not final
    if path in OUTCOMES and not evidence.sees_calls and evidence.history.exit is not None:
        return None  # an application says nothing of its records
    if path in evidence.figures:
        return Figure(evidence.figures[path])
    name, _, which = path.partition(".")
    if which:
        return _of_calls(evidence, name, which)
    return _OTHERS[path](evidence)


def _needs(path: str) -> Sequence[Need]:
    """Return what a figure needs of a history."""
    match path:
        case "lost" | "duplicated":
            return (Need.LOGS,)
        case _ if path in OUTCOMES:
            return ()
        case "attempts" | "connections":
            return (Need.FRAMES,)
        case "recovery":
            return (Need.FRAMES, Need.CALLS, Need.CLOCK)
    return (Need.CALLS,)


def _counts(evidence: Evidence, path: str, record_id: int) -> bool:
    if path in OUTCOMES:
        return evidence.records[record_id].outcome == OUTCOMES[path]
    if record_id in evidence.without_id:
        return False  # which one of those that are equal it is cannot be told
    copies = len(evidence.copies[record_id])
    return not copies if path == "lost" else copies > 1


# --- attempts and connections


def _attempts(evidence: Evidence, record_id: int) -> int:
    return len(evidence.transmissions[record_id])


def _most_attempts(evidence: Evidence) -> Figure:
    return Figure(max((_attempts(evidence, record.id) for record in evidence.sent), default=0))


def _connections(evidence: Evidence) -> Figure:
    """Count the connections that were accepted between the connect and healing."""
    connected, count = False, 0
    for event in evidence.history.events:
        if isinstance(event, CallEnded):
            connected = True  # the first call is the connect
        elif evidence.consumers.own(event):
            continue
        elif isinstance(event, Healed):
            break
        elif isinstance(event, ConnectionOpened):
            count += connected
    return Figure(count)


# --- times


def _of_calls(evidence: Evidence, op: str, which: str) -> Figure | None:
    took = sorted(_sends(evidence) if op == "send" else _calls(evidence, op))
    if not took:
        return None
    seconds, _ = took[-1 if which == "max" else ceil(0.99 * len(took)) - 1]
    return Figure(seconds, at_least=not all(ended for _, ended in took))


def _calls(evidence: Evidence, op: str) -> Iterator[tuple[float, bool]]:
    """Yield the time of each call of the workload, and of the last close, and whether it ended."""
    history = evidence.history
    healed = inf if history.healed_at is None else history.healed_at
    for call in history.calls:
        if call.op == op and (op == "close" or call.started < healed):
            end = call.ended if call.ended is not None else call.given_up
            if end is not None and not (call.ended is None and history.crash):
                yield end - call.started, call.ended is not None and call.cancelled_at is None


def _sends(evidence: Evidence) -> Iterator[tuple[float, bool]]:
    calls, bound = evidence.history.calls, send_bound(evidence.scenario.producer)
    for record in evidence.sent:
        call = calls[record.call]
        if call.op != "send":
            continue
        end = record.taken_at if record.taken_at is not None else record.outcome_at
        if end is not None:
            yield end - record.sent_at, True
        elif record.cancelled_at is not None:
            yield record.cancelled_at - record.sent_at, False
        elif not evidence.history.crash and evidence.history.silent is None:
            yield bound, False


def _recovery(evidence: Evidence) -> Figure | None:
    """Return the longest time from the end of an effect to the next acknowledgement.

    Time without an open record does not count: the client had nothing to do.
    """
    taken = [r for r in evidence.sent if r.taken_at is not None or r.outcome_at is not None]
    sent = [record.sent_at for record in taken]
    settled = sorted(r.outcome_at for r in taken if r.outcome_at is not None)
    acks = sorted(r.outcome_at for r in taken if r.outcome == "ok" and r.outcome_at is not None)
    healed = evidence.history.healed_at
    longest: Figure | None = None
    for end in _ends_of_effects(evidence):
        begun, over = bisect_right(sent, end), bisect_right(settled, end)
        if begun == over and begun == len(sent):
            continue  # nothing is left to acknowledge
        start = end if begun > over else sent[begun]
        following = bisect_right(acks, start)
        if following < len(acks):
            figure = Figure(acks[following] - start)
        else:
            last = settled[-1] if len(settled) == len(sent) else healed
            if last is None:
                continue
            figure = Figure(max(0.0, last - start), at_least=True)
        if longest is None or (figure.value, figure.at_least) > (longest.value, longest.at_least):
            longest = figure
    return longest


def _ends_of_effects(evidence: Evidence) -> Iterator[float]:
    """Yield when each effect of a fault or a step ended, before healing."""
    healed = min((event.t for event in evidence.events_of(Healed)), default=inf)
    closed = {event.connection: event.t for event in evidence.events_of(ConnectionClosed)}
    ends: list[float] = []
    late: dict[tuple[int, CutPoint], float] = {}
    """By request and cut point, when the frame goes on; delays add up."""
    for hit in evidence.events_of(FaultHit):
        if hit.shadowed:
            continue
        if Effect.SILENCES in hit.effects:
            ends.append(closed.get(hit.connection, inf))
        else:
            frame = hit.transmission, hit.at
            late[frame] = late.get(frame, hit.t) + hit.delay_s
    ends += late.values()
    connects = (call.ended for call in evidence.history.calls if call.op == "connect")
    began = next(connects, None) or 0.0
    for cls in _STEPS:
        ends += [event.t for event in evidence.events_of(cls) if event.t > began]
    yield from (end for end in ends if end < healed)


_STEPS: tuple[type[Event], ...] = (
    AddressChanged,
    ConnectRefused,
    ConnectionsCut,
    LeaderElected,
    LeaderMoved,
    ListenerReopened,
    PartitionsAdded,
    PartitionServed,
    TopicCreated,
)
"""The events with which an effect ends, beside the fault hits on frames."""

_OTHERS: Mapping[str, Callable[[Evidence], Figure | None]] = {
    "attempts": _most_attempts,
    "connections": _connections,
    "recovery": _recovery,
}


def missed(kind: ExpectationKind, expectations: Sequence[Assessed]) -> Iterator[Assessed]:
    """Yield the expectations of a kind that a run has the figure for, and that it missed."""
    return (
        each
        for each in expectations
        if each.kind == kind and each.figure is not None and not each.met
    )
