"""Visibility: where every attempt of a client leaves an event, and the blind spots where it may
not.

The events contain every frame that was read, but a client may try more than that. A connect to a
closed listener leaves no event, nor does a frame behind a stall, before a reset, or cut in the
middle. An attempt without an event must not be taken for an attempt that was not made. Each cause
that can hide an attempt is therefore noted as a *blind spot*: an interval of time, with a margin on
both sides. Outside the blind spots, an attempt without an event did not happen.
"""

from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from typing import NamedTuple

from chaos.oracle.blind_records import has_unknown_effect, may_end_connection
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

BLIND_SPOTS_SEARCHED_MAX = 64
"""How many blind spots are searched for one interval. With more of them the interval counts as
blind, which can only hide a violation."""


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
"""The events about connections, leaders or faults."""


class BlindSpot(NamedTuple):
    """An interval in which an attempt may leave no event."""

    start: float
    end: float
    connection: int | None
    """The only connection concerned; None for all connections."""


@dataclass(slots=True)
class ConnectionSpan:
    """One connection, as the simulator saw it."""

    number: int
    server: str
    opened: float
    closed: float = inf
    lost: float = inf
    """When the simulator may have ended the connection at the earliest; infinity if only the client
    did."""


class Visibility:
    """Connections, leaders, and blind spots of one run.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._topic = evidence.scenario.topic.name
        self.timing: Timing = evidence.once(timing)
        self.connections: dict[int, ConnectionSpan] = {}
        self.blind = self.timing.commit > 0 or self.timing.too_slow
        """Whether an attempt may leave no event at any time."""
        self.leaders_unknown_from: float = inf
        """When a fault first hit the SC, so that the client may not know the leaders from then
        on."""
        self._leaders: dict[int, list[tuple[int, str]]] = {}
        """By partition, from which event on which SPU leads it."""
        self._stops: dict[str, list[tuple[int, bool]]] = {}
        """By SPU, the events at which it stopped (True) or started (False)."""
        self._closed: dict[tuple[str, str | None], float] = {}
        """By server and fault (None for a stopped SPU), since when its listener is closed."""
        self._hidden: list[tuple[float, float, int, bool]] = []
        self._failed_dials: list[tuple[float, float, str]] = []
        """Intervals in which a dial may have failed, with the server."""
        self._backoffs: list[tuple[float, float]] = []
        self._blind_spots: list[BlindSpot] = []
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
                self._add_blind_spot(start, min(end, closed), number if only else None)
            else:
                self._failed_dials.append((start, min(end, closed), connection.server))
        self._back_off()
        self._blind_spots.sort(key=lambda blind: blind[:2])
        self._ends = list(accumulate((t.end for t in self._blind_spots), max))

    # --- queries

    def clear(self, start: float, end: float, but: Collection[int] = ()) -> bool:
        """Return whether every attempt in an interval left an event.

        Args:
            start: the start of the interval, in seconds.
            end: its end, in seconds.
            but: connections that the attempts in question had used up by then.
        """
        if self.blind:
            return False
        last = bisect_right(self._blind_spots, end, key=_start) - 1
        for place in range(last, max(-1, last - BLIND_SPOTS_SEARCHED_MAX), -1):
            if self._ends[place] < start:
                return True
            blind = self._blind_spots[place]
            if blind.end >= start and blind.connection not in but:
                return False
        return (
            last < BLIND_SPOTS_SEARCHED_MAX or self._ends[last - BLIND_SPOTS_SEARCHED_MAX] < start
        )

    def backing_off(self, start: float, end: float) -> bool:
        """Return whether the client may have waited for the whole interval before it dialled
        again."""
        trip = self.timing.trip + self.timing.slack
        return any(since <= start and until + trip >= end for since, until in self._backoffs)

    def leads(self, server: str | None, partition: int, n: int, t: float) -> bool:
        """Return whether an SPU was running and led a partition at an event."""
        leader = ""
        for since, name in self._leaders.get(partition, ()):
            if since < n:
                leader = name
        if leader in self._stopped_at_heal and 0 <= t - self._healed_at <= self.timing.slack:
            return False  # the listener may reopen before the SPU has started
        return leader == server and not self._is_stopped(leader, n)

    def may_have_moved_later(self, server: str | None, partition: int, n: int) -> bool:
        """Return whether an SPU may have lost a partition, or stopped, after an event."""
        return any(since > n for since, _ in self._leaders.get(partition, ())) or any(
            since > n and gone for since, gone in self._stops.get(server or "", ())
        )

    def lost(self, number: int) -> float:
        """Return when a connection was lost at the earliest; from then on data in flight may not
        arrive."""
        connection = self.connections.get(number)
        return inf if connection is None else connection.lost

    def lost_by(self, number: int) -> float:
        """Return when the client has noticed the loss of a connection at the latest."""
        connection = self.connections.get(number)
        return (
            inf
            if connection is None or connection.lost == inf
            else self.timing.noticed_by(connection.closed)
        )

    # --- gathering

    def _is_stopped(self, server: str, n: int) -> bool:
        away = False
        for since, gone in self._stops.get(server, ()):
            if since < n:
                away = gone
        return away

    def _add_blind_spot(self, start: float, end: float, connection: int | None = None) -> None:
        room = 4 * self.timing.leg + self.timing.transfer + self.timing.slack
        self._blind_spots.append(BlindSpot(start - room, end + room, connection))

    def _back_off(self) -> None:
        """Add a blind spot from each dial that may have failed until the end of its backoff.

        The number of failed dials is not known. But the pauses between them add up to no more than
        the time since the first one, and the next pause is at most as long as all of them and the
        first pause together.
        """
        failing: dict[str, float] = {}
        for start, end, server in sorted(self._failed_dials):
            if server != "sc":
                since = failing.setdefault(server, start)
                end += min(DIAL_BACKOFF_MAX_S, end - since + DIAL_BACKOFF_S)
                self._backoffs.append((start, end))
            self._add_blind_spot(start, end)

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
        silences = Effect.SILENCES in hit.effects or has_unknown_effect(hit)
        if hit.server == "sc":
            self.leaders_unknown_from = min(self.leaders_unknown_from, hit.t)
            until = inf if silences or may_end_connection(hit) else until
        if may_end_connection(hit) or (
            Effect.REPEATED in hit.effects and hit.api == "api-versions"
        ):
            # A client that counts requests from the greeting on takes the second answer to the
            # greeting for an answer to its first request, and cannot decode it. This may end an
            # attempt at any time.
            connection = self.connections[hit.connection]
            connection.lost = min(connection.lost, hit.t)
        self._stalled |= silences
        if hit.api != "produce" or Effect.HIDES_ATTEMPTS in hit.effects or may_end_connection(hit):
            # A fault on a greeting delays every attempt that waits for the connection.
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
            self._add_blind_spot(healed.t, healed.t)
            for server in {connection.server: None for connection in self.connections.values()}:
                self._failed_dials.append((healed.t, healed.t, server))

    def _reopened(self, key: tuple[str, str | None], t: float) -> None:
        since = self._closed.pop(key, None)
        if since is not None:
            self._failed_dials.append((since, t, key[0]))


def _start(blind: BlindSpot) -> float:
    return blind.start


def visibility(evidence: Evidence) -> Visibility:
    """Return the visibility of a run; for ``Evidence.once``."""
    return Visibility(evidence)
