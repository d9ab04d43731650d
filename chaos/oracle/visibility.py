"""What the simulator's side could not see, and when.

The events have every frame that was read, and a client may have tried more than that: a connect to
a closed listener leaves no trace, nor does a frame behind a stall, on its way into a reset, or cut
in the middle. An attempt that left no trace must not be taken for an attempt that was not made. So
each thing that can hide an attempt is noted as a *trouble*, an interval of time with some room on
both sides. Where there was none, what was not seen was not done.
"""

from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from typing import NamedTuple

from chaos.oracle.blind_spots import breaks, surprises
from chaos.oracle.evidence import Evidence
from chaos.oracle.timing import Timing, timing
from chaos.spec.bounds import DIAL_BACKOFF_MAX_S, DIAL_BACKOFF_S
from simulator.events import (
    ClosedBy,
    ConnectionClosed,
    ConnectionOpened,
    ConnectRefused,
    Event,
    FaultHit,
    Healed,
    LeaderMoved,
    ListenerClosed,
    ListenerReopened,
    SpuStarted,
    SpuStopped,
    TopicCreated,
)
from simulator.faults.effects import Effect

INTERVALS_SEARCHED_MAX = 64
"""How many troubles are looked at for one interval; behind that it counts as troubled, which only
makes a check say less."""


_RELEVANT = frozenset(
    {
        ConnectRefused,
        ConnectionClosed,
        ConnectionOpened,
        FaultHit,
        Healed,
        LeaderMoved,
        ListenerClosed,
        ListenerReopened,
        SpuStarted,
        SpuStopped,
        TopicCreated,
    }
)
"""The events that say something of connections, leaders or faults."""


class BlindInterval(NamedTuple):
    """An interval in which an attempt may have left no trace."""

    start: float
    end: float
    connection: int | None
    """The only connection that it is about, if there is one."""


@dataclass(slots=True)
class ConnectionSpan:
    """One connection, as the simulator saw it."""

    number: int
    server: str
    opened: float
    closed: float = inf
    lost: float = inf
    """When the simulator may have ended it at the earliest; never if only the client did."""


class Visibility:
    """Connections, leaders, and troubles of one run.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._topic = evidence.scenario.topic.name
        self.timing: Timing = evidence.once(timing)
        self.connections: dict[int, ConnectionSpan] = {}
        self.blind = self.timing.commit > 0 or self.timing.too_slow
        """Whether an attempt may go unseen at any time."""
        self.leaders_unknown_from: float = inf
        """When a fault first struck the SC, so that the client may not know the leaders."""
        self._leaders: dict[int, list[tuple[int, str]]] = {}
        """By partition, from which event on which SPU leads it."""
        self._stops: dict[str, list[tuple[int, bool]]] = {}
        """By SPU, at which events it stopped, and (False) started."""
        self._closed: dict[tuple[str, str | None], float] = {}
        """By server and fault (None: the SPU is stopped), since when its listener is closed."""
        self._hidden: list[tuple[float, float, int, bool]] = []
        self._failed_dials: list[tuple[float, float, str]] = []
        """When a dial may have failed: from when on, until when, to which server."""
        self._backoffs: list[tuple[float, float]] = []
        self._blind_intervals: list[BlindInterval] = []
        self._stalled = False
        self._healed_at = inf
        self._stopped_at_heal: set[str] = set()
        for happened in evidence.history.events:
            if type(happened) in _RELEVANT:  # skips records and frames, the bulk of the events
                self._add(happened)
        for key in tuple(self._closed):
            self._reopened(key, inf)
        for start, end, number, only in self._hidden:
            connection = self.connections.get(number)
            closed = inf if connection is None else connection.closed
            if only or connection is None:
                self._add_blind(start, min(end, closed), number if only else None)
            else:
                self._failed_dials.append((start, min(end, closed), connection.server))
        self._back_off()
        self._blind_intervals.sort(key=lambda blind: blind[:2])
        self._ends = list(accumulate((t.end for t in self._blind_intervals), max))

    # --- what is asked

    def clear(self, start: float, end: float, but: Collection[int] = ()) -> bool:
        """Whether every attempt left its trace in an interval.

        Args:
            start: from when on, in seconds.
            end: until when.
            but: connections that the attempts in question had been through with by then.
        """
        if self.blind:
            return False
        last = bisect_right(self._blind_intervals, end, key=_start) - 1
        for place in range(last, max(-1, last - INTERVALS_SEARCHED_MAX), -1):
            if self._ends[place] < start:
                return True
            blind = self._blind_intervals[place]
            if blind.end >= start and blind.connection not in but:
                return False
        return last < INTERVALS_SEARCHED_MAX or self._ends[last - INTERVALS_SEARCHED_MAX] < start

    def backing_off(self, start: float, end: float) -> bool:
        """Whether the client may have waited all that time before it dialled again."""
        trip = self.timing.trip + self.timing.slack
        return any(since <= start and until + trip >= end for since, until in self._backoffs)

    def leads(self, server: str | None, partition: int, n: int, t: float) -> bool:
        """Whether an SPU led a partition, and was there, at an event."""
        leader = ""
        for since, name in self._leaders.get(partition, ()):
            if since < n:
                leader = name
        if leader in self._stopped_at_heal and 0 <= t - self._healed_at <= self.timing.slack:
            return False  # its listener may be open again before it is
        return leader == server and not self._is_stopped(leader, n)

    def may_have_moved_later(self, server: str | None, partition: int, n: int) -> bool:
        """Whether it may have lost that partition, or stopped, after that event."""
        return any(since > n for since, _ in self._leaders.get(partition, ())) or any(
            since > n and gone for since, gone in self._stops.get(server or "", ())
        )

    def lost(self, number: int) -> float:
        """When a connection was lost at the earliest; what is under way then may not arrive."""
        connection = self.connections.get(number)
        return inf if connection is None else connection.lost

    def lost_by(self, number: int) -> float:
        """When it has noticed at the latest."""
        connection = self.connections.get(number)
        return (
            inf
            if connection is None or connection.lost == inf
            else self.timing.noticed_by(connection.closed)
        )

    # --- how it is gathered

    def _is_stopped(self, server: str, n: int) -> bool:
        away = False
        for since, gone in self._stops.get(server, ()):
            if since < n:
                away = gone
        return away

    def _add_blind(self, start: float, end: float, connection: int | None = None) -> None:
        room = 4 * self.timing.leg + self.timing.transfer + self.timing.slack
        self._blind_intervals.append(BlindInterval(start - room, end + room, connection))

    def _back_off(self) -> None:
        """From a dial that may have failed until the end of its backoff nothing is seen.

        How many failed nobody knows. But the pauses between them add up to no more than the time
        that has passed since the first one, and the next pause is as long as all of them and one.
        """
        failing: dict[str, float] = {}
        for start, end, server in sorted(self._failed_dials):
            if server != "sc":
                since = failing.setdefault(server, start)
                end += min(DIAL_BACKOFF_MAX_S, end - since + DIAL_BACKOFF_S)
                self._backoffs.append((start, end))
            self._add_blind(start, end)

    def _add(self, happened: Event) -> None:
        match happened:
            case ConnectionOpened(connection=number):
                self.connections[number] = ConnectionSpan(number, happened.server, happened.t)
            case ConnectionClosed():
                connection = self.connections[happened.connection]
                connection.closed = happened.t
                if happened.by is not ClosedBy.CLIENT:
                    connection.lost = min(connection.lost, happened.t, self._healed_at)
            case FaultHit(shadowed=False):
                self._hit(happened)
            case ConnectRefused():
                self._stalled = True
                if happened.server == "sc":
                    self.leaders_unknown_from = min(self.leaders_unknown_from, happened.t)
                until = happened.t + self.timing.patience
                self._failed_dials.append((happened.t, until, happened.server))
            case Healed():
                self._healed(happened)
            case _:
                self._change(happened)

    def _hit(self, hit: FaultHit) -> None:
        until = hit.t + self.timing.patience
        silences = Effect.SILENCES in hit.effects or surprises(hit)
        if hit.server == "sc":
            self.leaders_unknown_from = min(self.leaders_unknown_from, hit.t)
            until = inf if silences or breaks(hit) else until
        if breaks(hit) or (Effect.REPEATED in hit.effects and hit.api == "api-versions"):
            # To a client that counts its requests from the greeting on, the second answer to that
            # is one to the first request, and undecodable. This ends an attempt at any time.
            connection = self.connections[hit.connection]
            connection.lost = min(connection.lost, hit.t)
        self._stalled |= silences
        if hit.api != "produce" or Effect.HIDES_ATTEMPTS in hit.effects or breaks(hit):
            # What happens to a greeting holds up whoever waits for the connection.
            only = hit.api == "produce"
            self._hidden.append((hit.t, until, hit.connection, only))

    def _change(self, happened: Event) -> None:
        match happened:
            case TopicCreated() if happened.topic == self._topic:
                for partition, spu in enumerate(happened.leaders):
                    self._leaders.setdefault(partition, []).append((happened.n, f"spu:{spu}"))
            case LeaderMoved():
                leaders = self._leaders.setdefault(happened.partition, [])
                leaders.append((happened.n, f"spu:{happened.spu}"))
            case SpuStopped(spu=spu):
                server = f"spu:{spu}"
                self._stops.setdefault(server, []).append((happened.n, True))
                self._closed.setdefault((server, None), happened.t)
                for connection in self.connections.values():
                    if connection.server == server and connection.closed == inf:
                        connection.lost = min(connection.lost, happened.t)
            case SpuStarted(spu=spu):
                self._stops.setdefault(f"spu:{spu}", []).append((happened.n, False))
                self._reopened((f"spu:{spu}", None), happened.t)
            case ListenerClosed(server=server, fault=fault):
                self._closed.setdefault((server, fault), happened.t)
                if server == "sc":
                    self.leaders_unknown_from = min(self.leaders_unknown_from, happened.t)
            case ListenerReopened(server=server, fault=fault):
                self._reopened((server, fault), happened.t)

    def _healed(self, healed: Healed) -> None:
        self._healed_at = healed.t
        for key in tuple(self._closed):
            self._reopened(key, healed.t)
        for server, stops in self._stops.items():
            if stops[-1][1]:
                self._stopped_at_heal.add(server)
            stops.append((healed.n, False))
        if self._stalled:  # what was stalled or left hanging is reset
            self._add_blind(healed.t, healed.t)
            for server in {connection.server: None for connection in self.connections.values()}:
                self._failed_dials.append((healed.t, healed.t, server))

    def _reopened(self, key: tuple[str, str | None], t: float) -> None:
        since = self._closed.pop(key, None)
        if since is not None:
            self._failed_dials.append((since, t, key[0]))


def _start(blind: BlindInterval) -> float:
    return blind.start


def visibility(evidence: Evidence) -> Visibility:
    """What could be seen of a run; for ``Evidence.once``."""
    return Visibility(evidence)
