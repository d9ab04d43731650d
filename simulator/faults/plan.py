"""The evaluation of faults: which faults strike a frame, and the combined verdict.

The evaluation of a fault depends on its *ordinal* and on draws that depend on their subject alone
(``draws.py``), so neither other connections nor other faults change its verdicts.

The ordinal counts, for each fault, the matching exchanges of each partition. An exchange gets its
ordinals when its request is read and keeps them: ``at: response, nth: 2`` means the response to the
second matching request even if another fault swallowed the first request. Copies of a response get
the verdict of the response. The news of a watch and the pushes of a stream are further responses
of its exchange and have its ordinal, but each has draws of its own: a probability strikes some.

Every matching fault is evaluated for every frame, in the order of the file. The first terminal
fault decides the frame. Later terminal faults and all duplicates of that frame would have no effect
and are *shadowed*: they neither fire nor count towards a limit. Delays always apply and add up: the
terminal action happens after the delay.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from simulator.faults.draws import Draws
from simulator.faults.effects import (
    NOTHING,
    Action,
    CutPoint,
    Effect,
    Ending,
    Forgery,
    StruckEntries,
)
from simulator.faults.fault_list import with_names
from simulator.faults.model import ALL_APIS, Fault, Placed, Refusal

ORDINALS_MAX = 100_000
"""The maximum number of ordinals that a plan keeps for partitions. A peer may name any topic, known
or not, and could otherwise grow the table without bound. Beyond the limit, new partitions share one
ordinal for each fault: faults still strike them, but do not count them separately."""

TOPIC_CHARS_MAX = 255
"""The longest topic name that is counted separately. Fluvio's own limit is shorter; the wire allows
32 KiB, and ``ORDINALS_MAX`` such names would take gigabytes."""

_OTHERS = ("", -1)
"""The shared key of partitions that are not counted separately; no frame can name it."""


@dataclass(slots=True)
class FaultCount:
    """How often a fault fired, and how often it was shadowed."""

    fired: int | None = 0
    """None if it is not known: only a dialler can tell that a listener was closed."""
    shadowed: int = 0
    """How often the fault would have fired without an earlier terminal fault."""


class Mark(NamedTuple):
    """One fault that an exchange matches."""

    armed: "_Armed"
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


class Decision(NamedTuple):
    """The decision of one fault about a frame."""

    fault: str
    """The name of the fault."""
    kind: str
    shadowed: bool
    struck: StruckEntries | None
    """The entries that the fault concerns, of the partition that the exchange counts for; None if
    it counts for its connection."""
    ordinal: int
    """The ordinal of the exchange, from 1."""
    effects: tuple[Effect, ...]
    """The effects of the fault if it is not shadowed."""
    delay_s: float
    """The delay of the frame, in seconds."""
    code: str | None
    """The error code of the response."""
    how: Ending | None
    """How the connection ends."""
    after_bytes: int | None
    """The number of response bytes that are written before the connection ends."""
    what: Forgery | None
    """What is false about the response."""


@dataclass(slots=True)
class FrameVerdict:
    """The combined decision for one frame: a delay, then at most one terminal action, or copies."""

    delay_s: float = 0.0
    terminal: Action = NOTHING
    """The action of the terminal fault, or ``NOTHING``."""
    target: StruckEntries | None = None
    """The entries that the terminal fault concerns, or None for the exchange as a whole."""
    duplicated_by: tuple[str, ...] = ()
    """The name of the fault that makes each copy, one name for each copy."""
    flips: tuple[tuple[StruckEntries | None, float], ...] = ()
    """For each flipped bit, the entries whose records hold it, and a uniform draw in [0, 1) for
    its position."""
    forgeries: tuple[tuple[StruckEntries | None, Forgery], ...] = ()
    """For each forgery, the entries that it concerns."""
    decisions: tuple[Decision, ...] = ()
    """Every fault that struck or was shadowed, for the events."""

    @property
    def copies(self) -> int:
        """The number of deliveries of the frame."""
        return 1 + len(self.duplicated_by)


class FaultPlan:
    """Evaluates faults. It has no clock: the caller passes the elapsed time.

    Args:
        faults: the faults in the order of the file.
        seed: the random seed.

    Raises:
        ValueError: two faults have the same name.
    """

    def __init__(self, faults: Sequence[Fault], seed: int) -> None:
        self.faults: Sequence[Fault] = with_names(faults)
        """All faults, each with its name."""
        self.counts: Mapping[str, FaultCount] = {
            each.name: FaultCount(None if _closes_listeners(each) else 0) for each in self.faults
        }
        """Counts by the name of the fault, in the order of the file."""
        armed = [
            _Armed(index, fault, seed, self.counts[fault.name])
            for index, fault in enumerate(self.faults)
            if isinstance(fault, Placed)
        ]
        self._for_all = [each for each in armed if each.fault.match.api == ALL_APIS]
        """The faults that concern an API that no fault names."""
        self._by_api = {
            api: [each for each in armed if each.fault.match.api in (api, ALL_APIS)]
            for api in {each.fault.match.api for each in armed}
        }
        self._refusals = [
            each
            for each in self.faults
            if isinstance(each, Refusal) and not _closes_listeners(each)
        ]
        self.active = True
        """Whether faults strike and exchanges count; earlier verdicts stay in force."""
        self._by_partition: dict[tuple[int, str, int], int] = {}
        self._by_connection: dict[int, dict[int, int]] = {}

    def begin(self, exchange: Exchange) -> None:
        """Assign ordinals to an exchange; call this once, when its request has been read."""
        if not self.active:
            return
        marks = []
        for armed in self._by_api.get(exchange.api, self._for_all):
            if not armed.concerns_sender(exchange):
                continue
            if exchange.partitions:
                partition = armed.first_match(exchange.partitions)
                if partition is None:
                    continue
                ordinal = self._next_of_partition(armed.index, partition)
            elif armed.wants_partition(exchange):
                continue
            else:
                partition = None
                ordinal = self._next_of_connection(armed.index, exchange.connection)
            marks.append(Mark(armed, ordinal, partition))
        if marks:
            exchange.marks = marks

    def verdict(self, exchange: Exchange, at: CutPoint, elapsed_s: float) -> FrameVerdict | None:
        """Return the verdict for a frame, or None if no fault strikes; count the faults.

        Args:
            exchange: the exchange of the frame, after ``begin``.
            at: whether the frame is the request or a response.
            elapsed_s: seconds since the faults' clock started.
        """
        if not exchange.marks or not self.active:
            return None
        striking = [
            mark for mark in exchange.marks if mark.armed.strikes(mark, exchange, at, elapsed_s)
        ]
        return _combined(striking, exchange, at) if striking else None

    def at_accept(self, spu: int | None, elapsed_s: float) -> Refusal | None:
        """Return the fault that resets or hangs a connection that was just accepted, or None.

        ``how: refuse`` is not evaluated here: a closed listener accepts no connection.

        Args:
            spu: the SPU that accepted the connection, or None for the SC.
            elapsed_s: seconds since the faults' clock started.
        """
        decided: Refusal | None = None
        for refuse in self._refusals if self.active else ():
            if refuse.covers(spu) and _inside(refuse.between, elapsed_s):
                if decided is None:
                    decided = refuse
                    self._count(refuse.name, 1)
                else:
                    self.counts[refuse.name].shadowed += 1
        return decided

    def expect_dials(self) -> None:
        """Count refused connects from now on: a dialler reports them."""
        for fault in self.faults:
            if _closes_listeners(fault):
                self._count(fault.name, 0)

    def count_refused(self, names: Collection[str]) -> None:
        """Count a connect that found the listener closed by the faults with these names."""
        for name in names:
            self._count(name, 1)

    def _count(self, name: str, times: int) -> None:
        self.counts[name].fired = (self.counts[name].fired or 0) + times

    def forget(self, connection: int) -> None:
        """Discard the ordinals of a connection; call this when the connection has ended."""
        self._by_connection.pop(connection, None)

    def _next_of_partition(self, index: int, partition: tuple[str, int]) -> int:
        key = (index, *partition)
        ordinals = self._by_partition
        if key not in ordinals and (
            len(ordinals) >= ORDINALS_MAX or len(partition[0]) > TOPIC_CHARS_MAX
        ):
            key = (index, *_OTHERS)
        ordinal = ordinals[key] = ordinals.get(key, 0) + 1
        return ordinal

    def _next_of_connection(self, index: int, connection: int) -> int:
        ordinals = self._by_connection.setdefault(connection, {})
        ordinal = ordinals[index] = ordinals.get(index, 0) + 1
        return ordinal


class _Armed:
    """A fault of a plan with the precomputed state of its evaluation."""

    __slots__ = ("_draws", "_nth", "actions", "count", "effects", "fault", "index")

    def __init__(self, index: int, fault: Placed, seed: int, count: FaultCount) -> None:
        self.index = index
        self.fault = fault
        self.count = count
        self._nth = frozenset(fault.nth or ())
        self._draws = {at: Draws(seed, fault.name, at.value) for at in fault.cut_points}
        self.actions = {at: fault.action(at) for at in fault.cut_points}
        self.effects = {at: fault.effects(at) for at in fault.cut_points}

    def concerns_sender(self, exchange: Exchange) -> bool:
        """Return whether the fault matches the client, the connection and the server."""
        match = self.fault.match
        return (
            (match.spu is None or match.spu == exchange.spu)
            and (match.connection is None or match.connection == exchange.connection)
            and (match.client_id is None or match.client_id == exchange.client_id)
        )

    def first_match(self, partitions: Sequence[tuple[str, int]]) -> tuple[str, int] | None:
        """Return the first partition that the fault matches, or None."""
        match = self.fault.match
        if match.entry is not None:
            partitions = partitions[match.entry : match.entry + 1]
        for topic, index in partitions:
            if match.topic in (None, topic) and match.partition in (None, index):
                return topic, index
        return None

    def wants_partition(self, exchange: Exchange) -> bool:
        """Return whether the fault excludes a request that names no partition."""
        match = self.fault.match
        if any(key is not None for key in (match.topic, match.partition, match.entry)):
            return True
        return exchange.carries_partitions and not self.fault.empty

    def strikes(self, mark: Mark, exchange: Exchange, at: CutPoint, elapsed_s: float) -> bool:
        """Return whether the fault strikes a frame of a matching exchange."""
        fault = self.fault
        if at not in self._draws or not _inside(fault.between, elapsed_s):
            return False
        if (
            fault.limit is not None
            and self.count.fired is not None
            and (self.count.fired >= fault.limit)
        ):
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
        if mark.partition is None:
            if exchange.news:
                return self._draws[at].of_news(exchange.connection, mark.ordinal, exchange.news)
            return self._draws[at].of_connection(exchange.connection, mark.ordinal)
        if exchange.news:
            return self._draws[at].of_push(*mark.partition, mark.ordinal, exchange.news)
        return self._draws[at].of_partition(*mark.partition, mark.ordinal)


def _closes_listeners(fault: Fault) -> bool:
    """Return whether a fault acts by closing listeners, which leaves no event of a connect."""
    return isinstance(fault, Refusal) and fault.how == "refuse"


def _inside(window: tuple[float, float] | None, elapsed_s: float) -> bool:
    return window is None or window[0] <= elapsed_s < window[1]


def _combined(striking: Sequence[Mark], exchange: Exchange, at: CutPoint) -> FrameVerdict:
    """Combine the decisions of the striking faults, and count the faults."""
    winner = next((mark for mark in striking if mark.armed.actions[at].terminal), None)
    verdict = FrameVerdict()
    decisions = []
    for mark in striking:
        armed, action = mark.armed, mark.armed.actions[at]
        delay_s = armed.delay_s(mark, exchange, at)
        shadowed = winner is not None and mark is not winner and not action.only_delays
        decisions.append(_decision(mark, at, delay_s=delay_s, shadowed=shadowed))
        if shadowed:
            armed.count.shadowed += 1
            continue
        armed.count.fired = (armed.count.fired or 0) + 1
        verdict.delay_s += delay_s
        verdict.duplicated_by += (armed.fault.name,) * action.copies
        if action.flips_bit:
            verdict.flips += ((mark.struck, armed.drawn(mark, exchange, at)[1]),)
        if action.forges is not None:
            verdict.forgeries += ((mark.struck, action.forges),)
        if mark is winner:
            verdict.terminal, verdict.target = action, mark.struck
    verdict.decisions = tuple(decisions)
    return verdict


def _decision(mark: Mark, at: CutPoint, *, delay_s: float, shadowed: bool) -> Decision:
    armed, action = mark.armed, mark.armed.actions[at]
    return Decision(
        fault=armed.fault.name,
        kind=armed.fault.kind,
        shadowed=shadowed,
        struck=mark.struck,
        ordinal=mark.ordinal,
        effects=armed.effects[at],
        delay_s=delay_s,
        code=action.code,
        how=action.ending,
        after_bytes=action.after_bytes if action.ending and at is CutPoint.RESPONSE else None,
        what=action.forges,
    )
