"""The moments of a run: where a fault could strike, and the fault that strikes exactly there.

A moment is one exchange at one cut point. Which exchanges a fault concerns and how it counts them
is for the simulator's own fault plan to say: it is given the requests of the run once more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.history import CallEnded, History
from simulator.events import Appended, ExchangeEvent, FaultHit, FrameRead, FrameWritten, Healed
from simulator.faults.effects import CutPoint
from simulator.faults.model import Match, Placed
from simulator.faults.plan import Exchange, FaultPlan, Mark
from wire.api import APIS

Data = dict[str, Any]
"""A scenario, or a part of one, as plain data."""

TRIGGERS = ("probability", "nth", "every", "between", "limit")
"""What decides when a fault strikes, replaced by the exchange that it strikes."""


@dataclass(slots=True)
class _Seen:
    """An exchange that faults could strike."""

    exchange: Exchange
    reached: dict[CutPoint, float]
    """The cut points that it came to, and when; in seconds of the faults' clock."""
    struck: set[CutPoint] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class InjectionPoint:
    """One exchange at one cut point, as one fault counts it."""

    transmission: int
    """The number of the request frame."""
    at: CutPoint
    t: float
    """In seconds of the faults' clock."""
    api: str
    connection: int
    partition: tuple[str, int] | None
    """What the exchange counts for, or None where that is its connection."""
    ordinal: int
    struck: bool
    """Whether some fault struck there."""

    def is_after(self, other: "InjectionPoint") -> bool:
        """Whether it comes later in the run; requests of one time are in the order of reading."""
        return (self.t, self.transmission, self.at) > (other.t, other.transmission, other.at)


class InjectionPoints:
    """The moments of one run.

    Args:
        history: the run.
    """

    def __init__(self, history: History) -> None:
        self._seen: dict[int, _Seen] = {}
        self._marks: dict[tuple[Match, bool], dict[int, Mark]] = {}
        """By what a fault matches, how it counts each exchange."""
        since: float | None = None
        for event in history.events:
            if since is None:
                # Faults strike from the moment on at which the client is connected.
                if isinstance(event, CallEnded):
                    since = event.t
            elif isinstance(event, Healed):
                break
            elif isinstance(event, ExchangeEvent):
                self._take_in(event, event.t - since)

    def _take_in(self, event: ExchangeEvent, t: float) -> None:
        if isinstance(event, FrameRead):
            self._seen[event.transmission] = _Seen(_exchange(event), {CutPoint.REQUEST: t})
            return
        seen = self._seen.get(event.transmission)
        if seen is None:
            return  # its request came before faults could strike
        if isinstance(event, FaultHit):
            seen.struck.add(event.at)
            seen.reached.setdefault(event.at, t)
        elif isinstance(event, Appended | FrameWritten):
            seen.reached.setdefault(CutPoint.RESPONSE, t)

    def of(self, fault: Placed) -> Iterator[InjectionPoint]:
        """The moments that a fault concerns, whatever its trigger says, in order of requests."""
        for transmission, mark in self._counted(fault).items():
            for at in self._seen[transmission].reached:
                if at in fault.cut_points:
                    yield self._moment(transmission, at, mark)

    def at(self, fault: Placed, transmission: int, at: CutPoint) -> InjectionPoint | None:
        """One moment; None if the fault does not concern it."""
        mark = self._counted(fault).get(transmission)
        if mark is None or at not in self._seen[transmission].reached:
            return None
        return self._moment(transmission, at, mark)

    def exactly(
        self,
        fault: Placed,
        fields: Mapping[str, Any],
        moment: InjectionPoint,
        delay_s: float | None = None,
    ) -> dict[str, Any]:
        """The fields of a fault that strikes at one moment and never else.

        Args:
            fault: the one that it is made of.
            fields: the same, as plain data.
            moment: one of those that it concerns.
            delay_s: by how many seconds the frame was late, if that is known.
        """
        match = {key: value for key, value in fields.get("match", {}).items() if key != "api"}
        if moment.partition is not None:
            match["partition"] = moment.partition[1]
        else:
            match["connection"] = moment.connection
        if moment.api != Match().api:
            match["api"] = moment.api
        kept = {key: value for key, value in fields.items() if key not in (*TRIGGERS, "match")}
        kept = fault.pinned(kept, moment.at, delay_s)
        # A narrower match may count other exchanges than the one that was written.
        narrow = fault.model_copy(update={"match": Match.model_validate(match)})
        again = self.at(narrow, moment.transmission, moment.at)
        ordinal = again.ordinal if again is not None else moment.ordinal
        return {**kept, "at": moment.at.value, "nth": ordinal, "match": match}

    def _counted(self, fault: Placed) -> dict[int, Mark]:
        """The exchanges that a fault counts, by the numbers of their requests."""
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

    def _moment(self, transmission: int, at: CutPoint, mark: Mark) -> InjectionPoint:
        seen = self._seen[transmission]
        return InjectionPoint(
            transmission=transmission,
            at=at,
            t=seen.reached[at],
            api=seen.exchange.api,
            connection=seen.exchange.connection,
            partition=mark.partition,
            ordinal=mark.ordinal,
            struck=at in seen.struck,
        )


def _exchange(read: FrameRead) -> Exchange:
    """What the fault plan was asked about when a request was read."""
    named_faults = [(topic, partition) for topic, partition, _ in read.carried]
    if not named_faults and read.topic is not None and read.partition is not None:
        named_faults = [(read.topic, read.partition)]
    return Exchange(
        connection=read.connection,
        spu=int(read.server.removeprefix("spu:")) if read.server.startswith("spu:") else None,
        api=read.api,
        client_id=read.client_id,
        partitions=named_faults,
        carries_partitions=APIS[read.api].names_partitions,
    )
