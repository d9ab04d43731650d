"""A client has at most one dial under way and one connection in use to each SPU, and dials again
only after a pause.

A client begins no dial to an SPU while an earlier dial or connection of its own to that SPU is
usable, and begins no request on the older of two greeted connections. One connection serves every
partition and every producer: a client that dials for each of them makes a storm of connections when
the line is slow or the SPU restarts.

A connection is usable from its accept until the client may have a reason to give it up: either side
ends it, it is not greeted within the bound of a dial or after a second of silence, an answer on it
is overdue, a fault on it ends, silences, repeats or forges, its SPU stops, or the client is closed.
A dial counts from one network leg before its accept, and the end of a connection counts one leg and
the slack before the event that shows it. Only events of SPUs count, since the SC is asked by each
look-up in its own way.

Behind a refused dial the next one waits for the dial backoff, which doubles until the SPU answers a
request. It is judged in virtual time.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from math import inf

from chaos.history import Need
from chaos.oracle.attempts import record_groups, retry_timeline
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import Finding, Violations, at
from chaos.oracle.frames.dials import hasty_dials
from chaos.oracle.holds import holds
from chaos.oracle.timing import Timing, timing
from chaos.oracle.visibility import SC, visibility
from chaos.spec.bounds import DIAL_SILENCE_S
from simulator.events import ConnectionClosed, ConnectionOpened, FaultHit, FrameWritten
from simulator.faults.effects import CutPoint, Effect

NAME = "connections"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.FRAMES, Need.CALLS, Need.CLOCK)
EXCUSES = ()
CAUSES = ()

_HARMLESS = frozenset({Effect.LATE, Effect.ANSWERED_WITH_CODE, Effect.NOT_APPLIED})
"""The effects after which a client has no reason to give up a connection. A late answer may be
overdue, and an answer that never comes is overdue; both are judged as such."""


@dataclass(slots=True)
class _Use:
    """One connection to an SPU as the client uses it; times are the client's, in seconds."""

    number: int
    opened: float
    """When the SPU accepted it."""
    unusable_from: float = inf
    """When the client may have had a reason to give it up, at the earliest."""
    closed: float = inf
    """When the events show its end."""
    greeted_at: float = inf
    """When the client had certainly read the answer to its greeting."""
    held: list[tuple[float, float]] = field(default_factory=list)
    """Intervals in which the SPU held frames, so that it may have seen a close too late."""
    requests: list[tuple[float, float]] = field(default_factory=list)
    """When its produce requests arrived, at the earliest, and when they were read."""

    def end(self, t: float) -> None:
        """Note a reason to give the connection up."""
        self.unusable_from = min(self.unusable_from, t)


def check(evidence: Evidence) -> Finding:
    """Check every dial to an SPU, and every request on a connection that has a successor."""
    found = Violations(NAME)
    for text in hasty_dials(evidence):
        found.add(text)
    if _one_after_the_other(evidence):
        opened = evidence.events_of(ConnectionOpened)
        found.judged = sum(each.server != SC for each in opened)
        return found.finding()
    times = evidence.once(timing)
    for server, uses in _uses(evidence, times).items():
        earlier: list[_Use] = []
        for use in uses:
            found.judged += 1
            dialled = use.opened - times.leg
            earlier = [other for other in earlier if other.unusable_from > dialled]
            if earlier:
                other = earlier[-1]
                state = "is open" if other.greeted_at <= dialled else "is being dialled"
                found.add(
                    f"connection {use.number} to {server} was dialled {at(dialled)}, although "
                    f"connection {other.number} of {at(other.opened)[3:]} {state} and in use"
                )
            earlier.append(use)
        _look_at_older(uses, times, server, found)
    return found.finding()


def _one_after_the_other(evidence: Evidence) -> bool:
    """Return whether each connection to an SPU had ended before the SPU accepted the next one: then
    none was dialled, and no request was begun, while another one was in use."""
    closed = {each.connection: each.t for each in evidence.events_of(ConnectionClosed)}
    until: dict[str, float] = {}
    for opened in evidence.events_of(ConnectionOpened):
        server = opened.server
        if server == SC:
            continue
        if until.get(server, -inf) > opened.t:
            return False
        until[server] = closed.get(opened.connection, inf)
    return all(closed.get(read.connection, inf) >= read.t for read in evidence.requests)


def _look_at_older(uses: list[_Use], times: Timing, server: str, found: Violations) -> None:
    """Report requests that began on a connection after its successor was greeted."""
    successor: _Use | None = None
    for use in reversed(uses):
        if successor is not None and not use.held:
            late = next(
                (
                    read
                    for arrived, read in use.requests
                    if successor.greeted_at < times.begun_from(arrived) < successor.unusable_from
                ),
                None,
            )
            if late is not None:
                found.add(
                    f"a request was begun on connection {use.number} to {server} {at(late)}, "
                    f"although the newer connection {successor.number} was greeted "
                    f"{at(successor.greeted_at)}"
                )
        if use.greeted_at < inf:
            successor = use


def _uses(evidence: Evidence, times: Timing) -> dict[str, list[_Use]]:
    """Return the connections to each SPU, in the order of their accepts."""
    view = evidence.once(visibility)
    uses = {
        span.number: _Use(span.number, span.opened, closed=span.closed)
        for span in view.connections.values()
        if span.server != SC
    }
    _greet(evidence, times, uses)
    _note_hits(evidence, times, uses)
    _note_overdue(evidence, times, uses)
    closing = max((c.started for c in evidence.history.calls if c.op == "close"), default=inf)
    found: dict[str, list[_Use]] = {}
    for number, use in uses.items():
        span = view.connections[number]
        use.end(_may_have_closed(use, times) - times.leg - times.transfer - times.slack)
        use.end(span.lost - times.slack)
        use.end(closing - times.slack)
        patience = use.opened - times.leg + min(times.wait, DIAL_SILENCE_S) - times.slack
        if use.greeted_at > patience:
            use.end(patience)
        found.setdefault(span.server, []).append(use)
    return found


def _may_have_closed(use: _Use, times: Timing) -> float:
    """Return when the client may have closed a connection at the earliest, by the SPU's clock.

    An SPU notes the end of a connection only when it holds no frame of it any more, and a request
    behind one that waits for its commit is read only then.
    """
    closed = use.closed
    if times.commit and use.requests:
        closed = min(closed, use.requests[-1][0])
    for start, end in reversed(use.held):
        if end + times.slack >= closed:
            closed = min(closed, start)
    return closed


def _greet(evidence: Evidence, times: Timing, uses: dict[int, _Use]) -> None:
    for written in evidence.events_of(FrameWritten):
        if written.api == "api-versions" and written.whole:
            use = uses.get(written.connection)
            if use is not None and use.greeted_at == inf:
                use.greeted_at = times.noticed_by(written.t)


def _note_hits(evidence: Evidence, times: Timing, uses: dict[int, _Use]) -> None:
    late: defaultdict[tuple[int, CutPoint], float] = defaultdict(float)
    """By request and cut point, the delays so far, which add up."""
    for hit in evidence.events_of(FaultHit):
        use = uses.get(hit.connection)
        if use is None or hit.shadowed:
            continue
        if not _HARMLESS.issuperset(hit.effects):
            use.end(hit.t - times.slack)
        elif hit.delay_s:
            late[hit.transmission, hit.at] += hit.delay_s
            use.held.append((hit.t, hit.t + late[hit.transmission, hit.at]))
            if hit.at is CutPoint.REQUEST and hit.api == "api-versions":
                use.end(hit.t - times.slack)


def _note_overdue(evidence: Evidence, times: Timing, uses: dict[int, _Use]) -> None:
    """End each connection when an answer on it may be overdue."""
    begun, answered = _begun(evidence), evidence.answered_at
    arrivals = evidence.once(holds)
    for read in evidence.requests:
        use = uses.get(read.connection)
        if use is None:
            continue
        arrived = arrivals.arrived_from(read.transmission, read.t)
        use.requests.append((arrived, read.t))
        overdue = begun[read.transmission] + times.wait - times.slack
        if times.noticed_by(answered.get(read.transmission, inf)) >= overdue:
            use.end(overdue)


def _begun(evidence: Evidence) -> dict[int, float]:
    """Return by request when its time began to run, at the earliest.

    At-least-once: the time of an attempt begins with the attempt, which carries several groups, and
    ends with the policy at the latest.
    At-most-once: the time of a batch begins with its first record.
    """
    retries = evidence.retries
    found: dict[int, float] = {}
    for number, ids in evidence.ids_by_transmission.items():
        sent = [evidence.records[n].sent_at for n in ids]
        found[number] = (max if retries else min)(sent, default=0.0)
    if not retries:
        return found
    timeline = evidence.once(retry_timeline)
    for group in evidence.once(record_groups):
        # The last attempt of a policy ends with it, however late the attempt began.
        latest = group.earliest + timeline.retry.timeout - timeline.timing.wait
        for attempt in timeline.attempts(group):
            number = attempt.transmission.number
            found[number] = max(found[number], min(attempt.start_from, latest))
    return found
