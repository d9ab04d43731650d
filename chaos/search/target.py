"""Targeting: put the faults of an example on injection points that its run reaches.

A probability or an ordinal that is drawn for each fault mostly hits no exchange or all of them: a
record is sent again only if the first request was struck, and the number of exchanges is not known
before the run. Here a run without floating faults shows the exchanges first. One fault is pinned to
one of them, and the example runs again; the run is the same up to that exchange, so that the fault
strikes there. The exchanges after it are new (a retry, another connection), and the second fault is
pinned to a later exchange of this run, and so on, as long as there are later ones.

A targeted example is one that the file allows: kinds, cut points, parameters, matches and windows
are those of its faults, as they were drawn. Only the trigger is replaced. Faults that the file
itself pins to an exchange stay as they are.
"""

import random
from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import Any

from pydantic import TypeAdapter

from chaos.history import History
from chaos.search.injection_points import Data, InjectionPoint, InjectionPoints
from chaos.spec.generators import named_faults
from chaos.spec.property import Example, FloatingFault
from chaos.spec.scenario import Scenario
from simulator.faults.fault_list import FaultList
from simulator.faults.model import Placed

_FAULTS: TypeAdapter[Any] = TypeAdapter(FaultList)

NEXT_SHARE = 0.75
"""The probability that a fault is pinned to the exchange after the last one that was struck in the
same partition: two faults have the largest joint effect on a request and its retry."""

REPEATED_SHARE = 0.5
"""The probability that the fault that was placed last is placed again: a defect that takes two
faults shows more often with two of one kind than with two of different kinds."""


class TargetedExample:
    """A targeted example: first without its floating faults, then with one more fault per run.

    Args:
        example: the drawn example.
        seed: the random seed for the choice of faults and injection points.
    """

    def __init__(self, example: Example, seed: int) -> None:
        self._example = example
        self._random = random.Random(seed)  # noqa: S311  nothing secret
        self._baseline: InjectionPoints | None = None
        """The injection points of the run without floating faults."""
        self._placed: list[Data] = []
        self._placed_last: str | None = None
        """The name in the file of the fault that was placed last."""
        self._last: InjectionPoint | None = None
        self._times: Counter[str] = Counter()
        """By fault of the file, how often it was placed."""
        self.names_in_file: dict[str, str] = {}
        """By the name of a placed fault, its name in the file."""
        self._floating = _models(example.floating)

    def scenario(self) -> tuple[Data, Scenario]:
        """Return the example with the faults placed so far, as plain data and as a scenario.

        Only the faults are validated: the rest of the example was, when it was drawn.
        """
        faults = [*self._example.pinned, *self._placed]
        models = {"faults": _FAULTS.validate_python(faults)}
        scenario = self._example.scenario.model_copy(update=models)
        return {**self._example.data, "faults": faults}, scenario

    def place(self, history: History) -> bool:
        """Pin one more fault to an injection point of the last run.

        If no point is left after the last placed fault, start again with a first fault elsewhere.

        Args:
            history: the last run of this example.

        Returns:
            False if no fault has an injection point.
        """
        if self._baseline is None:
            self._baseline = InjectionPoints(history)
            return self._place(self._baseline)
        if self._place(InjectionPoints(history)):
            return True
        self._placed, self._last = [], None
        self._times.clear()
        self.names_in_file.clear()
        return self._place(self._baseline)

    def _place(self, points: InjectionPoints) -> bool:
        for floating, fault in self._in_turn():
            if fault.limit is not None and self._times[fault.name] >= fault.limit:
                continue
            if possible := [p for p in points.of(fault) if self._allows(p, floating, fault)]:
                self._pin(floating, fault, points, self._one_of(possible))
                return True
        return False

    def _in_turn(self) -> list[tuple[FloatingFault, Placed]]:
        """Return the floating faults in the order in which they are tried."""
        turn = self._random.sample(self._floating, len(self._floating))
        if self._random.random() < REPEATED_SHARE:
            turn.sort(key=lambda each: each[1].name != self._placed_last)
        return turn

    def _allows(self, point: InjectionPoint, floating: FloatingFault, fault: Placed) -> bool:
        """Return whether a fault may be pinned to a point without a change to earlier faults."""
        if point.struck or (self._last is not None and not point.is_after(self._last)):
            return False
        if floating.ordinals is not None:
            first, last = floating.ordinals
            if not first <= point.ordinal <= last:
                return False
        return fault.between is None or fault.between[0] <= point.t < fault.between[1]

    def _one_of(self, possible: Sequence[InjectionPoint]) -> InjectionPoint:
        last = self._last
        if last is not None and self._random.random() < NEXT_SHARE:
            following = [p for p in possible if p.partition == last.partition]
            if following:
                number = min(p.transmission for p in following)
                possible = [p for p in following if p.transmission == number]
        return self._random.choice(possible)

    def _pin(
        self,
        floating: FloatingFault,
        fault: Placed,
        points: InjectionPoints,
        point: InjectionPoint,
    ) -> None:
        ((_, kind, fields),) = named_faults([floating.fault])
        self._times[fault.name] += 1
        name = self._free_name(fault.name)
        self.names_in_file[name] = fault.name
        self._last = point
        self._placed_last = fault.name
        self._placed.append({kind: {**points.pinned(fault, fields, point), "name": name}})

    def _free_name(self, name: str) -> str:
        """Return a free name for one more copy of the fault with this name in the file."""
        if name not in self.names_in_file:
            return name
        of_others = {fault.name for _, fault in self._floating}
        taken = of_others | {name for name, _, _ in named_faults(self._example.pinned)}
        numbered = (f"{name}-{n}" for n in count(2))
        return next(each for each in numbered if each not in taken | self.names_in_file.keys())


def _models(floating: Sequence[FloatingFault]) -> list[tuple[FloatingFault, Placed]]:
    faults = _FAULTS.validate_python([each.fault for each in floating])
    return list(zip(floating, faults, strict=True))
