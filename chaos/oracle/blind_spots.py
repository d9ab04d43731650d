"""Blind spots: intervals in which an attempt to reach one server may leave no event.

A query asks whether any blind spot of a server is in reach of an interval, those of some
connections left out. Searching them one by one would make the judge quadratic in a run with many
faults. The spots of one connection (or of the server as a whole) are therefore merged until they
are disjoint. Then the number of spots in reach of an interval is the number of starts up to its end
less the number of ends before its start, which two binary searches give, for all connections
together as for one of them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable
from typing import NamedTuple

UNREACHABLE = "spu-unreachable"
"""The listener of an SPU was closed, or a connect or a greeting was struck, or a dial that failed
was not yet repeated."""

SC_UNREACHABLE = "sc-unreachable"
"""The same of the SC, which tells the client the leaders."""

LOST_CONNECTION = "lost-connection"
"""A connection ended or was silent, perhaps before its last frames were read."""

HELD_REQUEST = "held-request"
"""An SPU held a request until its commit, and did not read what was behind it, or not in time."""

CAUSES = (UNREACHABLE, SC_UNREACHABLE, LOST_CONNECTION, HELD_REQUEST)
"""The causes of blind spots."""


class BlindSpot(NamedTuple):
    """An interval in which an attempt may leave no event."""

    start: float
    end: float
    server: str
    cause: str
    connection: int | None = None
    """The only connection concerned; None for the server as a whole."""


class _Intervals:
    """Intervals, to count those in reach of another one."""

    def __init__(self, intervals: Iterable[tuple[float, float]]) -> None:
        found = list(intervals)
        self._starts = sorted(start for start, _ in found)
        self._ends = sorted(end for _, end in found)

    def reached(self, start: float, end: float) -> int:
        """Return how many intervals have a point in common with an interval."""
        return bisect_right(self._starts, end) - bisect_left(self._ends, start)


class BlindSpots:
    """The blind spots of one run.

    Args:
        spots: the spots, in any order.
    """

    def __init__(self, spots: Iterable[BlindSpot]) -> None:
        merged: dict[tuple[str, str], dict[int | None, list[tuple[float, float]]]] = {}
        for spot in sorted(spots, key=lambda spot: spot.start):
            of_connection = merged.setdefault((spot.server, spot.cause), {})
            intervals = of_connection.setdefault(spot.connection, [])
            if intervals and spot.start <= intervals[-1][1]:
                start, end = intervals[-1]
                intervals[-1] = start, max(end, spot.end)
            else:
                intervals.append((spot.start, spot.end))
        self._all = {
            key: _Intervals(interval for intervals in found.values() for interval in intervals)
            for key, found in merged.items()
        }
        self._of_connection = {
            (*key, connection): _Intervals(intervals)
            for key, found in merged.items()
            for connection, intervals in found.items()
            if connection is not None
        }

    def cause(
        self, servers: Collection[str], start: float, end: float, but: Collection[int] = ()
    ) -> str | None:
        """Return the cause of a blind spot in reach of an interval; None if there is none.

        Args:
            servers: the servers that the attempts may have been made to.
            start: the start of the interval, in seconds.
            end: its end, in seconds.
            but: connections whose own spots do not count.
        """
        start = min(start, end)
        for cause in CAUSES:
            for server in servers:
                found = self._all.get((server, cause))
                if found is None or not (reached := found.reached(start, end)):
                    continue
                own = (self._of_connection.get((server, cause, number)) for number in but)
                if reached > sum(each.reached(start, end) for each in own if each is not None):
                    return cause
        return None
