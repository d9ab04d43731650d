"""The injection points of a run, and the pinned faults that strike there.

An injection point is one exchange at one cut point, or one connect to a server. The simulator's own
fault plan decides which exchanges concern a fault and how it counts them: the plan receives the
requests of the run again. Points are ordered by the events of the run: a fault at one point changes
nothing before it, so that the points before it are those of the run without that fault.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from chaos.history import CallEnded, History
from simulator.events import (
    Appended,
    ConnectionOpened,
    ConnectRefused,
    ExchangeEvent,
    FaultHit,
    FrameRead,
    FrameWritten,
    Healed,
)
from simulator.faults.armed import Exchange, Mark
from simulator.faults.effects import CutPoint
from simulator.faults.model import Match, Placed, Refusal
from simulator.faults.plan import FaultPlan
from wire.api import APIS

Data = dict[str, Any]
"""A scenario, or a part of one, as plain data."""

TRIGGERS = ("probability", "nth", "every", "between", "limit")
"""The fields that decide when a fault strikes; a pinned fault has ``nth`` in their place."""


@dataclass(slots=True)
class _Seen:
    """An exchange at which faults can strike."""

    exchange: Exchange
    reached: dict[CutPoint, tuple[int, float]]
    """By cut point that the exchange reached, the position of the event among all events, and its
    time in seconds of the faults' clock."""
    commit_s: float = 0.0
    """The longest time in seconds from the append to the answer, which waits for the commit."""
    struck: set[CutPoint] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class InjectionPoint:
    """One exchange at one cut point, as one fault counts it."""

    transmission: int
    """The number of the request frame."""
    at: CutPoint
    order: int
    """The position among all events of the run."""
    t: float
    """In seconds of the faults' clock."""
    api: str
    connection: int
    partition: tuple[str, int] | None
    """The partition for which the exchange is counted; None if it counts for its connection."""
    ordinal: int
    struck: bool
    """Whether a fault struck there."""

    def is_after(self, other: "InjectionPoint") -> bool:
        """Return whether it comes later in the run."""
        return self.order > other.order


@dataclass(frozen=True, slots=True)
class ConnectPoint:
    """One connect that a server accepted while faults could strike."""

    server: str
    ordinal: int
    """Counts the connects to this server, from 1."""
    order: int
    """The position among all events of the run."""


class InjectionPoints:
    """The injection points of one run.

    Args:
        history: the run.
    """

    def __init__(self, history: History) -> None:
        self._seen: dict[int, _Seen] = {}
        self._marks: dict[tuple[Match, bool], dict[int, Mark]] = {}
        """By the match of a fault, and by transmission, how the fault counts the exchange."""
        self._connects: list[ConnectPoint] = []
        self._struck_by: dict[str, int] = {}
        """By the name of a fault, the position of the first point that it struck."""
        self._commit_delay_s = history.scenario.cluster.commit_delay
        healed = (event.t for event in history.events if isinstance(event, Healed))
        self._healed_t = next(healed, inf)
        since: float | None = None
        for order, event in enumerate(history.events):
            if since is None:
                # Faults can strike as soon as the client is connected.
                if isinstance(event, CallEnded):
                    since = event.t
            elif isinstance(event, Healed):
                break
            elif isinstance(event, ExchangeEvent):
                self._add(event, (order, event.t - since))
            elif isinstance(event, ConnectionOpened | ConnectRefused):
                self._add_connect(event, order)

    def _add(self, event: ExchangeEvent, reached: tuple[int, float]) -> None:
        if isinstance(event, FrameRead):
            commit_s = event.commit_wait_s(self._commit_delay_s)
            reached_at = {CutPoint.REQUEST: reached}
            self._seen[event.transmission] = _Seen(_exchange(event), reached_at, commit_s)
            return
        seen = self._seen.get(event.transmission)
        if seen is None:
            return  # the request arrived before faults could strike
        if isinstance(event, FaultHit):
            seen.struck.add(event.at)
            order, _ = seen.reached.setdefault(event.at, reached)
            self._struck_by.setdefault(event.fault, order)
        elif isinstance(event, FrameWritten) or (
            # Its answer may never be written, but is made; after healing no fault strikes it.
            isinstance(event, Appended) and event.t + seen.commit_s < self._healed_t
        ):
            seen.reached.setdefault(CutPoint.RESPONSE, reached)

    def _add_connect(self, event: ConnectionOpened | ConnectRefused, order: int) -> None:
        ordinal = 1 + sum(each.server == event.server for each in self._connects)
        self._connects.append(ConnectPoint(event.server, ordinal, order))
        if isinstance(event, ConnectRefused):
            self._struck_by.setdefault(event.fault, order)

    def order_of(self, fault: str) -> int | None:
        """Return the position of the first point that a fault struck; None if it never fired."""
        return self._struck_by.get(fault)

    def connects(self, fault: Refusal) -> Iterator[ConnectPoint]:
        """Yield the connects to the servers that a fault concerns, in order."""
        for point in self._connects:
            if fault.server in (point.server, point.server.partition(":")[0]):
                yield point

    def of(self, fault: Placed) -> Iterator[InjectionPoint]:
        """Yield the injection points that match a fault, whatever its trigger, by request."""
        for transmission, mark in self._counted(fault).items():
            for at in self._seen[transmission].reached:
                if at in fault.cut_points:
                    yield self._point(transmission, at, mark)

    def at(self, fault: Placed, transmission: int, at: CutPoint) -> InjectionPoint | None:
        """Return the injection point of a transmission; None if the fault does not match it."""
        mark = self._counted(fault).get(transmission)
        if mark is None or at not in self._seen[transmission].reached:
            return None
        return self._point(transmission, at, mark)

    def pinned(
        self,
        fault: Placed,
        fields: Mapping[str, Any],
        point: InjectionPoint,
        delay_s: float | None = None,
    ) -> dict[str, Any]:
        """Return the fields of a fault that is pinned to one injection point.

        Args:
            fault: the fault to pin.
            fields: the fields of that fault, as plain data.
            point: an injection point that the fault matches.
            delay_s: the delay of the frame in seconds, if it is known.
        """
        match = {key: value for key, value in fields.get("match", {}).items() if key != "api"}
        if point.partition is not None:
            match["partition"] = point.partition[1]
        else:
            match["connection"] = point.connection
        if point.api != Match().api:
            match["api"] = point.api
        kept = {key: value for key, value in fields.items() if key not in (*TRIGGERS, "match")}
        kept = fault.pinned(kept, point.at, delay_s)
        # A narrower match may count fewer exchanges than the match in the file.
        narrow = fault.model_copy(update={"match": Match.model_validate(match)})
        again = self.at(narrow, point.transmission, point.at)
        ordinal = again.ordinal if again is not None else point.ordinal
        return {**kept, "at": point.at.value, "nth": ordinal, "match": match}

    def _counted(self, fault: Placed) -> dict[int, Mark]:
        """Return, by transmission, how a fault counts the exchanges that it matches."""
        key = fault.match, fault.empty
        if key not in self._marks:
            plan = FaultPlan([fault], seed=0)
            counted = self._marks[key] = {}
            for transmission, seen in self._seen.items():
                seen.exchange.marks = ()
                plan.begin(seen.exchange)
                marks: Sequence[Mark] = seen.exchange.marks
                if marks:
                    counted[transmission] = marks[0]
        return self._marks[key]

    def _point(self, transmission: int, at: CutPoint, mark: Mark) -> InjectionPoint:
        seen = self._seen[transmission]
        return InjectionPoint(
            transmission=transmission,
            at=at,
            order=seen.reached[at][0],
            t=seen.reached[at][1],
            api=seen.exchange.api,
            connection=seen.exchange.connection,
            partition=mark.partition,
            ordinal=mark.ordinal,
            struck=at in seen.struck,
        )


def _exchange(read: FrameRead) -> Exchange:
    """Return the exchange as the fault plan saw it when the request was read."""
    partitions = [(topic, partition) for topic, partition, _ in read.carried]
    if not partitions and read.topic is not None and read.partition is not None:
        partitions = [(read.topic, read.partition)]
    return Exchange(
        connection=read.connection,
        spu=int(read.server.removeprefix("spu:")) if read.server.startswith("spu:") else None,
        api=read.api,
        client_id=read.client_id,
        partitions=partitions,
        carries_partitions=APIS[read.api].names_partitions,
    )
