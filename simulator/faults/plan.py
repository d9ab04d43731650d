"""The evaluation of faults: which of them strike a frame, and what becomes of it.

A fault is evaluated by its *ordinal* and by draws that depend on nothing but what they are about
(``draws.py``), so that neither other connections nor other faults change its verdicts.

The ordinal counts, for each fault, the exchanges that match it, partition by partition. An exchange
gets its ordinals once, when its request is read, and keeps them: ``at: response, nth: 2`` means the
answer to the second matching request even if another fault swallowed the first request. All answers
to one exchange (copies that a fault made, news that a watch pushes) get the same verdict.

Every matching fault is evaluated at every frame, in the order of the file. The first terminal one
decides what becomes of the frame; later terminal ones and all duplicates on that frame would have
no effect and are *shadowed*: neither fired nor counted towards a limit. Delays always apply and add
up: the frame is late, and then the terminal thing happens to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from simulator.faults.draws import Draws
from simulator.faults.effects import NOTHING, Action, CutPoint, Effect, Ending
from simulator.faults.fault_list import with_names
from simulator.faults.model import ALL_APIS, Fault, Placed, Refusal

ORDINALS_MAX = 100_000
"""How many ordinals a plan keeps for partitions. A peer may name any topic, known or not, so that
it could grow the table for ever. Past this, partitions that were not seen before share one ordinal
for each fault: they are still struck, but no longer counted apart."""

TOPIC_CHARS_MAX = 255
"""The longest topic that is counted apart. Fluvio's own limit is shorter; the wire allows 32 KiB,
and ``ORDINALS_MAX`` of those would be gigabytes."""

_OTHERS = ("", -1)
"""The shared place of what is not counted apart; no frame can name it."""


@dataclass(slots=True)
class FaultCount:
    """How often a fault did something."""

    fired: int = 0
    shadowed: int = 0
    """How often it would have struck, had another fault not decided first."""


class Mark(NamedTuple):
    """One fault that an exchange matches."""

    armed: "_Armed"
    ordinal: int
    """Counts from 1."""
    partition: tuple[str, int] | None
    """What the exchange counts for, or None where it counts for its connection."""


@dataclass(slots=True)
class Exchange:
    """One request frame of a client and what answers it."""

    connection: int
    spu: int | None
    """The index of the SPU that was asked, or None for the SC."""
    api: str
    client_id: str
    partitions: Sequence[tuple[str, int]]
    """Topic and partition of each entry that the request names, in order."""
    carries_partitions: bool
    """Whether the API has such entries, even if this request names none."""
    marks: Sequence[Mark] = ()
    """The faults that it matches, in the order of the file; ``FaultPlan.begin`` fills it in."""


class Given(NamedTuple):
    """What one fault said about a frame."""

    fault: str
    """Its name."""
    kind: str
    shadowed: bool
    partition: tuple[str, int] | None
    """What the exchange counts for with this fault, or None where that is its connection."""
    ordinal: int
    """As which it counts there, from 1."""
    effects: tuple[Effect, ...]
    """What it does, unless it is shadowed."""
    delay_s: float
    """Seconds by which it delays the frame."""
    code: str | None
    """The error code that it gives."""
    how: Ending | None
    """How it ends the connection."""
    after_bytes: int | None
    """Bytes of the answer that are written before the connection ends."""


@dataclass(slots=True)
class FrameVerdict:
    """The combined decision for one frame: a delay, then at most one terminal action, or copies."""

    delay_s: float = 0.0
    terminal: Action = NOTHING
    """The action of the terminal fault that strikes."""
    target: tuple[str, int] | None = None
    """The partition that the terminal fault counts for, or None for the exchange as a whole."""
    duplicated_by: tuple[str, ...] = ()
    """The names of the faults that make a copy, one for each copy."""
    flips: tuple[tuple[tuple[str, int] | None, float], ...] = ()
    """For each bit that is flipped, the partition whose records it is among, and a uniform draw in
    [0, 1) for its position."""
    given: tuple[Given, ...] = ()
    """Every fault that struck or was shadowed, for the events."""

    @property
    def copies(self) -> int:
        """How often the frame is delivered."""
        return 1 + len(self.duplicated_by)


class FaultPlan:
    """Evaluates faults. It knows no clock: the caller says how late it is.

    Args:
        faults: in the order of the file.
        seed: what all draws come from.

    Raises:
        ValueError: two faults have the same name.
    """

    def __init__(self, faults: Sequence[Fault], seed: int) -> None:
        self.faults: Sequence[Fault] = with_names(faults)
        """All of them, each with its name."""
        self.counts: Mapping[str, FaultCount] = {each.name: FaultCount() for each in self.faults}
        """By the name of the fault, in the order of the file."""
        armed = [
            _Armed(index, fault, seed, self.counts[fault.name])
            for index, fault in enumerate(self.faults)
            if isinstance(fault, Placed)
        ]
        self._for_all = [each for each in armed if each.fault.match.api == ALL_APIS]
        """What concerns an API that no fault names."""
        self._by_api = {
            api: [each for each in armed if each.fault.match.api in (api, ALL_APIS)]
            for api in {each.fault.match.api for each in armed}
        }
        self._refusals = [
            each for each in self.faults if isinstance(each, Refusal) and each.how != "refuse"
        ]
        self.active = True
        """Whether faults strike and exchanges count; what was decided before goes on."""
        self._by_partition: dict[tuple[int, str, int], int] = {}
        self._by_connection: dict[int, dict[int, int]] = {}

    def begin(self, exchange: Exchange) -> None:
        """Give an exchange its ordinals; to be called once, when its request has been read."""
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
        """Decide what becomes of a frame, or None where nothing does; counts what strikes.

        Args:
            exchange: what the frame belongs to, begun before.
            at: whether it is the request or an answer.
            elapsed_s: seconds since the faults' clock started.
        """
        if not exchange.marks or not self.active:
            return None
        striking = [
            mark for mark in exchange.marks if mark.armed.strikes(mark, exchange, at, elapsed_s)
        ]
        return _combined(striking, exchange, at) if striking else None

    def at_accept(self, spu: int | None, elapsed_s: float) -> Refusal | None:
        """Decide what becomes of a connection just accepted: a reset, a hang, or None for nothing.

        ``how: refuse`` is not decided here, since nothing is accepted while a listener is closed.

        Args:
            spu: the SPU that it was made to, or None for the SC.
            elapsed_s: seconds since the faults' clock started.
        """
        decided: Refusal | None = None
        for refuse in self._refusals if self.active else ():
            if refuse.covers(spu) and _inside(refuse.between, elapsed_s):
                if decided is None:
                    decided = refuse
                    self.counts[refuse.name].fired += 1
                else:
                    self.counts[refuse.name].shadowed += 1
        return decided

    def count_fired(self, refuse: Refusal) -> None:
        """Count a fault of ``faults`` that the server acted out itself, by closing a listener."""
        self.counts[refuse.name].fired += 1

    def forget(self, connection: int) -> None:
        """Drop what was counted for a connection; to be called when it has ended."""
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
    """A fault at its place in a plan, with what its evaluation needs at hand."""

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
        """Whether it matches who sent a request and to which server."""
        match = self.fault.match
        return (
            (match.spu is None or match.spu == exchange.spu)
            and (match.connection is None or match.connection == exchange.connection)
            and (match.client_id is None or match.client_id == exchange.client_id)
        )

    def first_match(self, partitions: Sequence[tuple[str, int]]) -> tuple[str, int] | None:
        """The first partition that it matches."""
        match = self.fault.match
        for topic, index in partitions:
            if match.topic in (None, topic) and match.partition in (None, index):
                return topic, index
        return None

    def wants_partition(self, exchange: Exchange) -> bool:
        """Whether a request that names no partition is not its concern."""
        match = self.fault.match
        if match.topic is not None or match.partition is not None:
            return True
        return exchange.carries_partitions and not self.fault.empty

    def strikes(self, mark: Mark, exchange: Exchange, at: CutPoint, elapsed_s: float) -> bool:
        """Whether it strikes a frame of an exchange that it matches."""
        fault = self.fault
        if at not in self._draws or not _inside(fault.between, elapsed_s):
            return False
        if fault.limit is not None and self.count.fired >= fault.limit:
            return False
        if fault.probability is not None:
            return self.drawn(mark, exchange, at)[0] < fault.probability
        if fault.nth is not None:
            return mark.ordinal in self._nth
        return fault.every is None or mark.ordinal % fault.every == 0

    def delay_s(self, mark: Mark, exchange: Exchange, at: CutPoint) -> float:
        """How long it delays a frame that it strikes."""
        delay = self.actions[at].delay
        return delay.sample(self.drawn(mark, exchange, at)[1]) if delay is not None else 0.0

    def drawn(self, mark: Mark, exchange: Exchange, at: CutPoint) -> tuple[float, float]:
        """Two independent draws: whether it strikes, and how much or where."""
        if mark.partition is None:
            return self._draws[at].of_connection(exchange.connection, mark.ordinal)
        return self._draws[at].of_partition(*mark.partition, mark.ordinal)


def _inside(window: tuple[float, float] | None, elapsed_s: float) -> bool:
    return window is None or window[0] <= elapsed_s < window[1]


def _combined(striking: Sequence[Mark], exchange: Exchange, at: CutPoint) -> FrameVerdict:
    """Put together what the striking faults say, and count them."""
    winner = next((mark for mark in striking if mark.armed.actions[at].terminal), None)
    verdict = FrameVerdict()
    given = []
    for mark in striking:
        armed, action = mark.armed, mark.armed.actions[at]
        delay_s = armed.delay_s(mark, exchange, at)
        shadowed = winner is not None and mark is not winner and not action.only_delays
        given.append(_given(mark, at, delay_s=delay_s, shadowed=shadowed))
        if shadowed:
            armed.count.shadowed += 1
            continue
        armed.count.fired += 1
        verdict.delay_s += delay_s
        verdict.duplicated_by += (armed.fault.name,) * action.copies
        if action.flips_bit:
            verdict.flips += ((mark.partition, armed.drawn(mark, exchange, at)[1]),)
        if mark is winner:
            verdict.terminal, verdict.target = action, mark.partition
    verdict.given = tuple(given)
    return verdict


def _given(mark: Mark, at: CutPoint, *, delay_s: float, shadowed: bool) -> Given:
    armed, action = mark.armed, mark.armed.actions[at]
    return Given(
        fault=armed.fault.name,
        kind=armed.fault.kind,
        shadowed=shadowed,
        partition=mark.partition,
        ordinal=mark.ordinal,
        effects=armed.effects[at],
        delay_s=delay_s,
        code=action.code,
        how=action.ending,
        after_bytes=action.after_bytes if action.ending and at is CutPoint.RESPONSE else None,
    )
