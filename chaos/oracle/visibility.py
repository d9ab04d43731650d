"""Visibility: where every attempt of a client leaves an event, and the blind spots where it may
not.

The events contain every frame that was read, but a client may try more than that. A connect to a
closed listener leaves no event, nor does a frame behind a stall, before a reset, or cut in the
middle. An attempt without an event must not be taken for an attempt that was not made. Each cause
that can hide an attempt is therefore noted as a *blind spot* of one server, perhaps of one
connection: an interval of time, with a margin on both sides. Outside the blind spots, an attempt
without an event did not happen.

An attempt for a partition goes to an SPU that leads it, or to one that led it until shortly before,
since news take their time; where something struck the SC, to any that ever did. And before it goes
anywhere the client may have to ask the SC. The blind spots of other servers do not concern it.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import NamedTuple

from chaos.oracle.blind_records import has_unknown_effect, may_end_connection
from chaos.oracle.blind_spots import (
    HELD_REQUEST,
    LOST_CONNECTION,
    SC_UNREACHABLE,
    UNREACHABLE,
    BlindSpot,
    BlindSpots,
)
from chaos.oracle.evidence import Evidence
from chaos.oracle.frames.leaders import LEADER_EVENTS, Leaders
from chaos.oracle.holds import Holds, holds
from chaos.oracle.incarnations import Incarnations, incarnations
from chaos.oracle.timing import Timing, timing
from chaos.spec.bounds import DIAL_BACKOFF_MAX_S, DIAL_BACKOFF_S
from simulator.events import (
    AddressChanged,
    ClosedBy,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionsCut,
    ConnectRefused,
    Event,
    FaultHit,
    Healed,
    ListenerClosed,
    ListenerReopened,
    SpuStarted,
    SpuStopped,
)
from simulator.faults.effects import Effect

SC = "sc"

TOO_SLOW = "too-slow"
"""The cause where the whole run is blind: an attempt is shorter than the network may take, or than
a loaded machine, so that attempts may end before a server sees them."""

EXPLAINING_CAUSES = (UNREACHABLE, SC_UNREACHABLE, LOST_CONNECTION, TOO_SLOW)
"""The causes that hide attempts and may also explain a loss."""

HIDING_CAUSES = (*EXPLAINING_CAUSES, HELD_REQUEST)
"""Every cause of ``Visibility.hidden``."""

NEW_ADDRESS = "new-address"
"""Stands for a fault where a client may not know where a server listens, or is not connected."""

_RELEVANT = frozenset(
    {
        AddressChanged,
        ConnectionsCut,
        ConnectRefused,
        ConnectionClosed,
        ConnectionOpened,
        FaultHit,
        Healed,
        ListenerClosed,
        ListenerReopened,
        *LEADER_EVENTS,
    }
)
"""The events about connections, leaders or faults."""


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


class _Unseen(NamedTuple):
    """Where attempts may leave no event."""

    spots: BlindSpots
    backoffs: list[tuple[float, float, str]]
    """Intervals in which a client may wait before it dials a server again."""


class Visibility:
    """Connections, leaders, and blind spots of one run.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.timing: Timing = evidence.once(timing)
        self.holds: Holds = evidence.once(holds)
        self._incarnations: Incarnations = evidence.once(incarnations)
        self.connections: dict[int, ConnectionSpan] = {}
        self.leaders_unknown_from: float = inf
        """When a fault first hit the SC, so that the client may not know the leaders from then
        on."""
        self._now = Leaders(evidence.scenario.topic.name)
        self._leaders: dict[int, list[tuple[int, float, str]]] = {}
        """By partition, from which event and time on which SPU leads it."""
        self._serving: dict[int, list[tuple[int, str]]] = {}
        """By partition, from which event on which SPU serves it; an empty name for none."""
        self._stops: dict[str, list[int]] = {}
        """By SPU, the events at which it stopped."""
        self._closed: dict[tuple[str, str | None], float] = {}
        """By server and fault (None for a stopped SPU), since when its listener is closed."""
        self._hidden: list[tuple[float, float, int, bool]] = []
        self._delayed: set[int] = set()
        """Connections on which a frame was delayed, so that they may be closed long after they
        ended."""
        self._failed_dials: list[tuple[float, float, str]] = []
        """Intervals in which a dial may have failed, with the server."""
        self._stalled: dict[str, None] = {}
        """The servers with a silent connection, or one that is left hanging."""
        self._healed_at = inf
        for happened in evidence.server_events:
            if type(happened) in _RELEVANT:  # skips frames, the bulk of them
                self._add(happened)
        for key in tuple(self._closed):
            self._reopened(key, inf)
        self._room = 4 * self.timing.leg + self.timing.transfer + self.timing.slack
        self._news = self.timing.patience + self._room
        """How long after a leader moved a client may still go to the old one."""

    @cached_property
    def _unseen(self) -> _Unseen:
        """Where attempts may leave no event; most runs do not ask."""
        room, backoffs = self._room, list[tuple[float, float, str]]()
        spots = BlindSpots(
            BlindSpot(start - room, end + room, server, cause, connection)
            for start, end, server, cause, connection in (
                *self._lost_connections(),
                *self._held_requests(),
                *self._failures(backoffs),
                *(BlindSpot(*gone, SC, SC_UNREACHABLE) for gone in self._incarnations.gone()),
            )
        )
        return _Unseen(spots, backoffs)

    # --- queries

    def hidden(
        self,
        partitions: Collection[int],
        start: float,
        end: float,
        but: Collection[int] = (),
    ) -> str | None:
        """Return why an attempt may have left no event in an interval; None if each left one.

        Args:
            partitions: the partitions that the attempts may have been for.
            start: the start of the interval, in seconds.
            end: its end, in seconds.
            but: connections that the attempts in question had used up by then.
        """
        if self.timing.too_slow:
            return TOO_SLOW
        servers = (*self.servers(partitions, start, end), SC)
        return self._unseen.spots.cause(servers, start, end, but)

    def servers(self, partitions: Collection[int], start: float, end: float) -> Collection[str]:
        """Return the SPUs to which a client may have gone for some partitions in an interval."""
        news = self._news if end < self.leaders_unknown_from else inf
        found: dict[str, None] = {}
        for partition in partitions:
            until = inf
            for _, since, server in reversed(self._leaders.get(partition, ())):
                if since <= end and until >= start:
                    found[server] = None
                until = since + news
        return found

    def backing_off(self, partitions: Collection[int], start: float, end: float) -> bool:
        """Return whether the client may have waited for the whole interval before it dialled
        again."""
        trip = self.timing.trip + self.timing.slack
        servers = self.servers(partitions, start, end)
        return any(
            since <= start and until + trip >= end and server in servers
            for since, until, server in self._unseen.backoffs
        )

    def leads(self, server: str | None, partition: int, n: int) -> bool:
        """Return whether an SPU led and served a partition at an event."""
        leader = ""
        for since, name in self._serving.get(partition, ()):
            if since < n:
                leader = name
        return leader == server

    def may_have_moved_later(self, server: str | None, partition: int, n: int) -> bool:
        """Return whether an SPU may have lost a partition, or stopped, after an event."""
        return any(since > n for since, _, _ in self._leaders.get(partition, ())) or any(
            since > n for since in self._stops.get(server or "", ())
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

    def _lost_connections(self) -> Iterator[BlindSpot]:
        """Yield a blind spot for each connection that ended or fell silent; a fault on another
        request than a produce request is a dial that may have failed."""
        for start, end, number, only in self._hidden:
            connection = self.connections[number]
            until = min(end, connection.closed)
            if only:
                yield BlindSpot(start, until, connection.server, LOST_CONNECTION, number)
            else:
                self._failed_dials.append((start, until, connection.server))

    def _held_requests(self) -> Iterator[BlindSpot]:
        """Yield a blind spot for each busy period at the end of a connection, whose last frames may
        be unread, and for each that is long beside an attempt: the network may not take a request
        while it lasts."""
        at_end = {period.connection: period for period in self.holds.periods}
        for period in self.holds.periods:
            number = period.connection
            closed = self.connections[number].closed
            idle = period.end + self.timing.leg + self.timing.slack < closed
            if (
                at_end[number] is period and (not idle or number in self._delayed)
            ) or period.end - period.start > self.timing.wait / 2:
                yield BlindSpot(period.start, period.end, period.server, HELD_REQUEST, number)

    def _failures(self, backoffs: list[tuple[float, float, str]]) -> Iterator[BlindSpot]:
        """Yield a blind spot from each dial that may have failed until the end of its backoff, and
        add it to ``backoffs``.

        The number of failed dials is not known. But the pauses between them add up to no more than
        the time since the first one, and the next pause is at most as long as all of them and the
        first pause together.
        """
        failing: dict[str, float] = {}
        for start, end, server in sorted(self._failed_dials):
            if server == SC:
                yield BlindSpot(start, end, SC, SC_UNREACHABLE)
                continue
            since = failing.setdefault(server, start)
            until = end + min(DIAL_BACKOFF_MAX_S, end - since + DIAL_BACKOFF_S)
            backoffs.append((start, until, server))
            yield BlindSpot(start, until, server, UNREACHABLE)

    def _add(self, happened: Event) -> None:
        match happened:
            case ConnectionOpened(connection=number):
                self.connections[number] = ConnectionSpan(number, happened.server, happened.t)
                self._reopened((happened.server, NEW_ADDRESS), happened.t)
            case ConnectionClosed():
                connection = self.connections[happened.connection]
                connection.closed = happened.t
                if happened.by is not ClosedBy.CLIENT:
                    connection.lost = min(connection.lost, happened.t, self._healed_at)
            case FaultHit(shadowed=False):
                self._hit(happened)
            case ConnectRefused():
                self._stalled[happened.server] = None
                if happened.server == "sc":
                    self.leaders_unknown_from = min(self.leaders_unknown_from, happened.t)
                until = happened.t + max(self.timing.patience, self.timing.dial)
                self._failed_dials.append((happened.t, until, happened.server))
            case Healed():
                self._healed(happened)
            case _:
                self._change(happened)

    def _hit(self, hit: FaultHit) -> None:
        of_request = hit.api == "produce"
        patience = self.timing.patience
        until = hit.t + (patience if of_request else max(patience, self.timing.dial))
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
        if silences:
            self._stalled[hit.server] = None
        if Effect.LATE in hit.effects or has_unknown_effect(hit):
            self._delayed.add(hit.connection)
        if not of_request or Effect.HIDES_ATTEMPTS in hit.effects or may_end_connection(hit):
            # A fault on a greeting delays every attempt that waits for the connection.
            self._hidden.append((hit.t, until, hit.connection, of_request))

    def _change(self, happened: Event) -> None:
        match happened:
            case ConnectionsCut(server=server):
                self._cut(server, happened.t)
            case AddressChanged(spu=spu):
                # A client that does not know the new address yet dials the old one.
                self._cut(f"spu:{spu}", happened.t)
                self._closed[f"spu:{spu}", NEW_ADDRESS] = happened.t
            case SpuStopped(spu=spu):
                server = f"spu:{spu}"
                self._stops.setdefault(server, []).append(happened.n)
                self._closed.setdefault((server, None), happened.t)
                for connection in self.connections.values():
                    if connection.server == server and connection.closed == inf:
                        connection.lost = min(connection.lost, happened.t)
            case SpuStarted(spu=spu):
                self._reopened((f"spu:{spu}", None), happened.t)
            case ListenerClosed(server=server, fault=fault):
                self._closed.setdefault((server, fault), happened.t)
                if server == "sc":
                    self.leaders_unknown_from = min(self.leaders_unknown_from, happened.t)
            case ListenerReopened(server=server, fault=fault):
                self._reopened((server, fault), happened.t)
        if isinstance(happened, LEADER_EVENTS):
            self._lead(happened)

    def _lead(self, happened: Event) -> None:
        """Note which SPU leads and serves which partition; none does of a deleted topic."""
        n, t, now = happened.n, happened.t, self._now
        for partition in now.follow(happened):
            leader = _named(now.assigned.get(partition))
            known = self._leaders.setdefault(partition, [])
            if not known or known[-1][2] != leader:
                known.append((n, t, leader))
            serving = _named(now.serving_of(partition))
            self._serving.setdefault(partition, []).append((n, serving))

    def _cut(self, server: str, t: float) -> None:
        """Note that the connections of a server were reset, those that are not accepted yet too."""
        for connection in self.connections.values():
            if connection.server == server and connection.closed == inf:
                connection.lost = min(connection.lost, t)
                self._hidden.append((t, t + self.timing.patience, connection.number, True))
        self._failed_dials.append((t, t, server))
        if server == SC:
            self.leaders_unknown_from = min(self.leaders_unknown_from, t)
            self._closed[server, NEW_ADDRESS] = t  # until it is connected again

    def _healed(self, healed: Healed) -> None:
        self._healed_at = healed.t
        for key in tuple(self._closed):
            if key[1] not in (NEW_ADDRESS, None):  # an SPU that was stopped is started
                self._reopened(key, healed.t)
        for server in self._stalled:  # what was stalled or left hanging is reset
            self._failed_dials.append((healed.t, healed.t, server))

    def _reopened(self, key: tuple[str, str | None], t: float) -> None:
        since = self._closed.pop(key, None)
        if since is not None:
            if key[1] == NEW_ADDRESS:
                t = min(t, self._incarnations.known_by(since))
            self._failed_dials.append((since, t, key[0]))


def _named(spu: int | None) -> str:
    return "" if spu is None else f"spu:{spu}"


def visibility(evidence: Evidence) -> Visibility:
    """Return the visibility of a run; for ``Evidence.once``."""
    return Visibility(evidence)
