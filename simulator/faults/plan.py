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

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from simulator.faults.armed import Armed, Exchange, FaultCount, Mark, inside
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

FAULTS_MAX = 1_000
"""The maximum number of faults at a time: each is evaluated for the frames that it matches."""

COUNTS_MAX = 10_000
"""The maximum number of names with a count. Beyond it the count of the earliest removed fault is
forgotten; faults are added by a peer of the control API."""

_OTHERS = ("", -1)
"""The shared key of partitions that are not counted separately; no frame can name it."""


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
    healings: int = 0
    """How often the cluster had healed before."""

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
        self._seed = seed
        self._faults: dict[str, Fault] = {}
        self._since_s: dict[str, float] = {}
        """By name, when the fault was added, in seconds of the faults' clock."""
        self._armed: dict[str, Armed] = {}
        self._added = 0
        """The number of faults that were ever added; it numbers those without a name."""
        self._ordinals = 0
        """The number of partitions that are counted, over all faults."""
        self._by_connection: dict[int, dict[Armed, int]] = {}
        self._accepted: dict[str, Counter[int | None]] = {}
        """By the name of a refusal, and by SPU, None for the SC, the connects that it counted."""
        self._dials_reported = False
        self.counts: dict[str, FaultCount] = {}
        """Counts by the name of the fault, in the order of adding; also of removed faults."""
        self.active = True
        """Whether faults strike and exchanges count; earlier verdicts stay in force."""
        self.changes = 0
        """How often the faults were changed."""
        self.healings = 0
        """How often the cluster has healed."""
        self.add(faults)

    @property
    def faults(self) -> Sequence[Fault]:
        """All faults in the order of evaluation, each with its name."""
        return [*self._faults.values()]

    # --- changes

    def add(self, faults: Sequence[Fault], elapsed_s: float = 0.0) -> list[Fault]:
        """Add faults behind those that are there, and return them with their names.

        An unnamed fault is named by its kind and its position among all that were ever added.
        Windows and ordinals of the new faults begin now.

        Args:
            faults: the new faults.
            elapsed_s: seconds since the faults' clock started.

        Raises:
            ValueError: a name is taken, or there would be more than ``FAULTS_MAX``; nothing was
                added.
        """
        named = with_names(faults, self._added)
        for fault in named:
            if fault.name in self._faults:
                raise ValueError(f"the name {fault.name!r} is taken; write another name")
        if len(self._faults) + len(named) > FAULTS_MAX:
            raise ValueError(f"there would be more than {FAULTS_MAX} faults; remove some first")
        for fault in named:
            self._put(fault, elapsed_s)
        self._added += len(named)
        self._arrange()
        return named

    def change(self, name: str, fault: Fault, elapsed_s: float = 0.0) -> Fault:
        """Put a fault in the place of another one, under its name, and return it.

        It counts as a new fault: its windows and ordinals begin now.

        Raises:
            ValueError: there is no fault of that name, or the new one has another name.
        """
        self._check(name)
        if fault.name not in ("", name):
            raise ValueError(f"the fault is named {name!r}; remove the name {fault.name!r}")
        self._retire(name)
        fault = fault.model_copy(update={"name": name})
        self._put(fault, elapsed_s)
        self._arrange()
        return fault

    def remove(self, name: str) -> None:
        """Remove a fault; what it has struck stays struck.

        Raises:
            ValueError: there is no fault of that name.
        """
        self._check(name)
        self._retire(name)
        del self._faults[name], self._since_s[name]
        self._arrange()

    def heal(self) -> None:
        """Remove all faults; none strikes until another is added."""
        for name in self._faults:
            self._retire(name)
        self._faults.clear()
        self._since_s.clear()
        self._arrange()
        self.active = False
        self.healings += 1

    def restart(self, faults: Sequence[Fault]) -> None:
        """Begin anew with other faults: their counts and ordinals start from nothing."""
        self.heal()
        self.counts.clear()
        self._by_connection.clear()
        self._added = 0
        self.add(faults)

    def _check(self, name: str) -> None:
        if name not in self._faults:
            known = ", ".join(self._faults) or "none"
            raise ValueError(f"no fault {name!r}; there are {known}")

    def _put(self, fault: Fault, elapsed_s: float) -> None:
        """Keep a fault under its name, in the place of one of that name."""
        name = fault.name
        self._faults[name] = fault
        self._since_s[name] = elapsed_s
        unknown = fault.closes_listeners and not self._dials_reported
        count = self.counts.setdefault(name, FaultCount(None if unknown else 0))
        if isinstance(fault, Placed):
            self._armed[name] = Armed(fault, self._seed, count, elapsed_s)
        else:
            self._accepted[name] = Counter()
        if len(self.counts) > COUNTS_MAX:
            del self.counts[next(each for each in self.counts if each not in self._faults)]

    def _retire(self, name: str) -> None:
        self._accepted.pop(name, None)
        armed = self._armed.pop(name, None)
        if armed is not None:
            armed.retire()
            self._ordinals -= len(armed.ordinals)
            for ordinals in self._by_connection.values():
                ordinals.pop(armed, None)

    def _arrange(self) -> None:
        """Sort the faults by what they concern, after a change."""
        self.changes += 1
        armed = [self._armed[name] for name in self._faults if name in self._armed]
        self._for_all = [each for each in armed if each.api == ALL_APIS]
        """The faults that concern an API that no fault names."""
        self._by_api = {
            api: [each for each in armed if each.api in (api, ALL_APIS)]
            for api in {each.api for each in armed}
        }
        self._refusals = [
            each
            for name, each in self._faults.items()
            if name not in self._armed and isinstance(each, Refusal) and not each.closes_listeners
        ]

    # --- verdicts

    def concerns(self, api: str) -> bool:
        """Return whether a fault concerns requests of an API, as far as that alone decides."""
        return self.active and bool(self._by_api.get(api, self._for_all))

    def begin(self, exchange: Exchange) -> None:
        """Assign ordinals to an exchange, when its request has been read.

        Further responses of the exchange also meet faults that were added after that; the exchange
        gets its ordinals of those when this is called again.
        """
        exchange.changes = self.changes
        candidates = self._by_api.get(exchange.api, self._for_all)
        if not self.active or not (candidates or exchange.marks):
            return
        known = {mark.armed: mark for mark in exchange.marks}
        marks = []
        for armed in candidates:
            if armed in known:
                marks.append(known[armed])
                continue
            if not armed.any_sender and not armed.concerns_sender(exchange):
                continue
            if exchange.partitions:
                partition = armed.first_match(exchange.partitions)
                if partition is None:
                    continue
                ordinal = self._next_of_partition(armed, partition)
            elif armed.wants_partition(exchange):
                continue
            else:
                partition = None
                ordinal = self._next_of_connection(armed, exchange.connection)
            marks.append(Mark(armed, ordinal, partition))
        exchange.marks = marks

    def verdict(self, exchange: Exchange, at: CutPoint, elapsed_s: float) -> FrameVerdict | None:
        """Return the verdict for a frame, or None if no fault strikes; count the faults.

        Args:
            exchange: the exchange of the frame, after ``begin``.
            at: whether the frame is the request or a response.
            elapsed_s: seconds since the faults' clock started.
        """
        if not self.active or not exchange.marks:
            return None
        striking = [
            mark for mark in exchange.marks if mark.armed.strikes(mark, exchange, at, elapsed_s)
        ]
        return _combined(striking, exchange, at, self.healings) if striking else None

    def at_accept(self, spu: int | None, elapsed_s: float) -> Refusal | None:
        """Return the fault that resets or hangs a connection that was just accepted, or None.

        ``how: refuse`` is not evaluated here: a closed listener accepts no connection.

        Args:
            spu: the SPU that accepted the connection, or None for the SC.
            elapsed_s: seconds since the faults' clock started.
        """
        decided: Refusal | None = None
        for refuse in self._refusals if self.active else ():
            if not refuse.covers(spu):
                continue
            accepted = self._accepted[refuse.name]
            accepted[spu] += 1
            meant = refuse.nth is None or accepted[spu] in refuse.nth
            if meant and inside(refuse.between, elapsed_s - self._since_s[refuse.name]):
                if decided is None:
                    decided = refuse
                    self._count(refuse.name, 1)
                else:
                    self.counts[refuse.name].shadowed += 1
        return decided

    def expect_dials(self) -> None:
        """Count refused connects from now on: a dialler reports them."""
        if self._dials_reported:
            return
        self._dials_reported = True
        for fault in self._faults.values():
            if fault.closes_listeners:
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

    def _next_of_partition(self, armed: Armed, partition: tuple[str, int]) -> int:
        ordinals = armed.ordinals
        if partition not in ordinals:
            if self._ordinals >= ORDINALS_MAX or len(partition[0]) > TOPIC_CHARS_MAX:
                partition = _OTHERS
            self._ordinals += partition not in ordinals
        ordinal = ordinals[partition] = ordinals.get(partition, 0) + 1
        return ordinal

    def _next_of_connection(self, armed: Armed, connection: int) -> int:
        ordinals = self._by_connection.setdefault(connection, {})
        ordinal = ordinals[armed] = ordinals.get(armed, 0) + 1
        return ordinal


def _combined(
    striking: Sequence[Mark], exchange: Exchange, at: CutPoint, healings: int
) -> FrameVerdict:
    """Combine the decisions of the striking faults, and count the faults."""
    winner = None
    for mark in striking:
        if mark.armed.actions[at].terminal:
            winner = mark
            break
    verdict = FrameVerdict(healings=healings)
    decisions = []
    for mark in striking:
        armed, action = mark.armed, mark.armed.actions[at]
        delay_s = armed.delay_s(mark, exchange, at)
        shadowed = winner is not None and mark is not winner and not action.only_delays
        decisions.append(_decision(mark, at, delay_s=delay_s, shadowed=shadowed))
        if shadowed:
            armed.count.shadowed += 1
            continue
        armed.fired += 1
        armed.count.fired = (armed.count.fired or 0) + 1
        verdict.delay_s += delay_s
        if action.copies:
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
        effects=armed.effects(at),
        delay_s=delay_s,
        code=action.code,
        how=action.ending,
        after_bytes=action.after_bytes if action.ending and at is CutPoint.RESPONSE else None,
        what=action.forges,
    )
