"""Held requests: when a frame arrived that an SPU left unread.

Under read-committed an SPU holds a request until its commit, and reads nothing else from that
connection meanwhile. A frame that is read as soon as the hold ends may have waited for it: its
arrival lies between the beginning of the hold and the reading. Holds that follow one another form a
*busy period* of the connection; a frame in it arrived at any time since its beginning. A frame that
is read later than the end of the last hold found the SPU idle, and arrived when it was read.

A frame that waits is never read if the connection ends before. And a busy period may outlast the
client's patience: the network then takes no more of what the client writes.
"""

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from math import inf

from chaos.oracle.evidence import Evidence
from chaos.oracle.timing import timing
from simulator.events import FaultHit, FrameRead
from simulator.faults.effects import CutPoint, Effect


@dataclass(slots=True)
class BusyPeriod:
    """A time in which an SPU may have left frames of one connection unread."""

    connection: int
    server: str
    start: float
    end: float


@dataclass(slots=True)
class _Server:
    """The busy periods of all connections of one server, by start."""

    starts: list[float] = field(default_factory=list)
    latest_ends: list[float] = field(default_factory=list)


class Holds:
    """The busy periods of one run; none if nothing is held.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.periods: list[BusyPeriod] = []
        """All busy periods; those of one connection are in order."""
        self._arrived: dict[int, float] = {}
        self._servers: dict[str, _Server] = {}
        times = evidence.once(timing)
        if times.commit:
            self._gather(evidence, times.commit, times.slack)

    def arrived_from(self, number: int, read_at: float) -> float:
        """Return when the request with a number, which was read at ``read_at``, arrived at the SPU
        at the earliest."""
        return self._arrived.get(number, read_at)

    @property
    def longest_s(self) -> float:
        """The longest busy period, in seconds; 0 if nothing is held."""
        return max((period.end - period.start for period in self.periods), default=0.0)

    def read_by(self, server: str, arrived_by: float) -> float:
        """Return when a frame was read, at the latest, that arrived by ``arrived_by`` on some
        connection of a server."""
        found = self._servers.get(server)
        if found is None:
            return arrived_by
        place = bisect_right(found.starts, arrived_by) - 1
        return arrived_by if place < 0 else max(arrived_by, found.latest_ends[place])

    def _gather(self, evidence: Evidence, commit: float, slack: float) -> None:
        copies: Counter[int] = Counter(
            hit.transmission
            for hit in evidence.events_of(FaultHit)
            if hit.at is CutPoint.REQUEST and Effect.REPEATED in hit.effects and not hit.shadowed
        )
        current: dict[int, BusyPeriod] = {}
        replicated = evidence.scenario.cluster.replication is not None
        for read in evidence.events_of(FrameRead):
            if read.api != "produce":
                continue
            held = commit if not replicated else len(read.carried) * (read.timeout_ms or 0) / 1000
            until = read.t + held * (1 + copies[read.transmission])
            if not copies[read.transmission]:
                until = min(until, evidence.answered_at.get(read.transmission, inf))
            period = current.get(read.connection)
            if period is not None and read.t <= period.end + slack:
                self._arrived[read.transmission] = period.start
                period.end = max(period.end, until)
                continue
            period = BusyPeriod(read.connection, read.server, read.t, until)
            current[read.connection] = period
            self.periods.append(period)
        for period in self.periods:  # in the order of their starts
            server = self._servers.setdefault(period.server, _Server())
            server.starts.append(period.start)
            server.latest_ends.append(period.end)
        for server in self._servers.values():
            server.latest_ends = list(accumulate(server.latest_ends, max))


def holds(evidence: Evidence) -> Holds:
    """Return the holds of a run; for ``Evidence.once``."""
    return Holds(evidence)
