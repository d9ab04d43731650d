"""One fault of a plan: which exchanges it concerns, and which of their frames it strikes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from simulator.faults.draws import Draws
from simulator.faults.effects import CutPoint, Effect, StruckEntries
from simulator.faults.model import Placed


@dataclass(slots=True)
class FaultCount:
    """How often a fault fired, and how often it was shadowed."""

    fired: int | None = 0
    """None if it is not known: only a dialler can tell that a listener was closed."""
    shadowed: int = 0
    """How often the fault would have fired without an earlier terminal fault."""


class Mark(NamedTuple):
    """One fault that an exchange matches."""

    armed: "Armed"
    ordinal: int
    """Counts from 1."""
    partition: tuple[str, int] | None
    """The partition that the exchange counts for, or None if it counts for its connection."""

    @property
    def struck(self) -> StruckEntries | None:
        """The entries that the fault concerns, or None for the exchange as a whole."""
        if self.partition is None:
            return None
        return StruckEntries(*self.partition, self.armed.fault.match.entry)


@dataclass(slots=True)
class Exchange:
    """One request frame of a client and its responses."""

    connection: int
    spu: int | None
    """The index of the SPU that receives the request, or None for the SC."""
    api: str
    client_id: str
    partitions: Sequence[tuple[str, int]]
    """Topic and partition of each entry that the request names, in order."""
    carries_partitions: bool
    """Whether requests of the API have such entries, even if this request has none."""
    news: int = 0
    """The position of the response among those after the answer, from 1; 0 for the answer."""
    marks: Sequence[Mark] = ()
    """The faults that match, in the order of the file; ``FaultPlan.begin`` sets this."""
    changes: int = 0
    """How often the faults of the plan had been changed when it set them."""


class Armed:
    """A fault of a plan with the precomputed state of its evaluation."""

    __slots__ = (
        "_draws",
        "_effects",
        "_match",
        "_nth",
        "_retired",
        "_seed",
        "actions",
        "any_sender",
        "api",
        "count",
        "fault",
        "fired",
        "ordinals",
        "since_s",
    )

    def __init__(self, fault: Placed, seed: int, count: FaultCount, since_s: float) -> None:
        self.fault = fault
        self.count = count
        """The count by its name, which it shares with a removed fault that had the same name."""
        self.fired = 0
        """How often this fault fired, for its limit."""
        self.since_s = since_s
        """When it was added, in seconds of the faults' clock."""
        self.ordinals: dict[tuple[str, int], int] = {}
        """By partition, the latest ordinal."""
        self._match = match = fault.match
        self.api = match.api
        self.any_sender = match.spu is None and match.connection is None and match.client_id is None
        """Whether the fault matches every client, connection and server."""
        self._nth = frozenset(fault.nth or ())
        self._seed = seed
        self._retired = False
        self.actions = {at: fault.action(at) for at in fault.cut_points}
        # Made when they are needed: most faults draw nothing, and many never strike.
        self._draws: dict[CutPoint, Draws] = {}
        self._effects: dict[CutPoint, tuple[Effect, ...]] = {}

    def retire(self) -> None:
        """Strike no further frame: the fault was removed."""
        self._retired = True

    def effects(self, at: CutPoint) -> tuple[Effect, ...]:
        """Return the effects on a frame that the fault strikes at a cut point."""
        if at not in self._effects:
            self._effects[at] = self.actions[at].effects(at)
        return self._effects[at]

    def concerns_sender(self, exchange: Exchange) -> bool:
        """Return whether the fault matches the client, the connection and the server."""
        match = self._match
        return (
            (match.spu is None or match.spu == exchange.spu)
            and (match.connection is None or match.connection == exchange.connection)
            and (match.client_id is None or match.client_id == exchange.client_id)
        )

    def first_match(self, partitions: Sequence[tuple[str, int]]) -> tuple[str, int] | None:
        """Return the first partition that the fault matches, or None."""
        match = self._match
        if match.entry is not None:
            partitions = partitions[match.entry : match.entry + 1]
        wanted, number = match.topic, match.partition
        for topic, index in partitions:
            if (wanted is None or wanted == topic) and (number is None or number == index):
                return topic, index
        return None

    def wants_partition(self, exchange: Exchange) -> bool:
        """Return whether the fault excludes a request that names no partition."""
        match = self._match
        if any(key is not None for key in (match.topic, match.partition, match.entry)):
            return True
        return exchange.carries_partitions and not self.fault.empty

    def strikes(self, mark: Mark, exchange: Exchange, at: CutPoint, elapsed_s: float) -> bool:
        """Return whether the fault strikes a frame of a matching exchange."""
        fault = self.fault
        if self._retired or at not in self.actions:
            return False
        if not inside(fault.between, elapsed_s - self.since_s):
            return False
        if fault.limit is not None and self.fired >= fault.limit:
            return False
        if fault.probability is not None:
            return self.drawn(mark, exchange, at)[0] < fault.probability
        if fault.nth is not None:
            return mark.ordinal in self._nth
        return fault.every is None or mark.ordinal % fault.every == 0

    def delay_s(self, mark: Mark, exchange: Exchange, at: CutPoint) -> float:
        """Return the delay of a frame that the fault strikes, in seconds."""
        delay = self.actions[at].delay
        return delay.sample(self.drawn(mark, exchange, at)[1]) if delay is not None else 0.0

    def drawn(self, mark: Mark, exchange: Exchange, at: CutPoint) -> tuple[float, float]:
        """Return two independent draws: one for the trigger, one for the quantity or position."""
        draws = self._draws.get(at)
        if draws is None:
            draws = self._draws[at] = Draws(self._seed, self.fault.name, at.value)
        if mark.partition is None:
            if exchange.news:
                return draws.of_news(exchange.connection, mark.ordinal, exchange.news)
            return draws.of_connection(exchange.connection, mark.ordinal)
        if exchange.news:
            return draws.of_push(*mark.partition, mark.ordinal, exchange.news)
        return draws.of_partition(*mark.partition, mark.ordinal)


def inside(window: tuple[float, float] | None, elapsed_s: float) -> bool:
    """Return whether a time lies in a window; every time lies in None."""
    return window is None or window[0] <= elapsed_s < window[1]
