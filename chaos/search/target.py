"""Targeting: an example's faults, put on injection points that its run really reaches.

The naive way draws a probability or an ordinal for each fault, and most of the time hits nothing or
everything: a record that is sent again is a second exchange only if the first one was struck, and
nobody knows beforehand how many exchanges there are. Here a run without floating faults shows its
exchanges first. One fault is put on one of them, and run again; the world is the same up to that
moment, so it strikes there. What follows is new (a retry, another connection), and the second fault
is put on a later exchange of this run, and so on, as long as there are later ones.

A targeted example is one that the file allows: kinds, cut points, parameters, matches and windows
are those of its faults, as they were drawn. Only the trigger is placed. Faults that the file pins
to an exchange stay as they are.
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
"""How often a fault is put on the exchange that follows the last one struck in its partition: the
retry of a request that was lost is where two faults make more than each of them."""


REPEATED_SHARE = 0.5
"""How often the fault that was put last is put again: what is broken under two faults is broken
under two of one kind more often than under any two."""


class TargetedExample:
    """An example that is targeted: first without its floating faults, then with one more each time.

    Args:
        example: what was drawn.
        seed: decides which faults are put on which moments.
    """

    def __init__(self, example: Example, seed: int) -> None:
        self._example = example
        self._random = random.Random(seed)  # noqa: S311  nothing secret
        self._calm: InjectionPoints | None = None
        """Those of the run without floating faults."""
        self._placed: list[Data] = []
        self._placed_last: str | None = None
        """The name in the file of the fault that was placed last."""
        self._last: InjectionPoint | None = None
        self._times: Counter[str] = Counter()
        """How often each fault of the file was placed."""
        self.named_after: dict[str, str] = {}
        """By the names of faults here, the name that each has in the file."""
        self._floating = _models(example.floating)

    def scenario(self) -> tuple[Data, Scenario]:
        """The example as it is now, as data too.

        Raises:
            ValidationError: it is no scenario.
        """
        data = {**self._example.data, "faults": [*self._example.pinned, *self._placed]}
        return data, Scenario.model_validate(data)

    def place(self, history: History) -> bool:
        """Put one more fault on a moment of the last run.

        Where none is left behind the last one, it begins again with a first fault elsewhere.

        Returns:
            Whether there is a moment for any fault at all.
        """
        if self._calm is None:
            self._calm = InjectionPoints(history)
            return self._place(self._calm)
        if self._place(InjectionPoints(history)):
            return True
        self._placed, self._last = [], None
        self._times.clear()
        self.named_after.clear()
        return self._place(self._calm)

    def _place(self, moments: InjectionPoints) -> bool:
        for floating, fault in self._in_turn():
            if fault.limit is not None and self._times[fault.name] >= fault.limit:
                continue
            if possible := [m for m in moments.of(fault) if self._allows(m, floating, fault)]:
                self._put(floating, fault, moments, self._one_of(possible))
                return True
        return False

    def _in_turn(self) -> list[tuple[FloatingFault, Placed]]:
        """The floating faults in the order in which they are tried."""
        turn = self._random.sample(self._floating, len(self._floating))
        if self._random.random() < REPEATED_SHARE:
            turn.sort(key=lambda each: each[1].name != self._placed_last)
        return turn

    def _allows(self, moment: InjectionPoint, floating: FloatingFault, fault: Placed) -> bool:
        """Whether a fault may strike there, alone, and without a change to what was struck."""
        if moment.struck or (self._last is not None and not moment.is_after(self._last)):
            return False
        if floating.ordinals is not None:
            first, last = floating.ordinals
            if not first <= moment.ordinal <= last:
                return False
        return fault.between is None or fault.between[0] <= moment.t < fault.between[1]

    def _one_of(self, possible: Sequence[InjectionPoint]) -> InjectionPoint:
        last = self._last
        if last is not None and self._random.random() < NEXT_SHARE:
            following = [m for m in possible if m.partition == last.partition]
            if following:
                number = min(m.transmission for m in following)
                possible = [m for m in following if m.transmission == number]
        return self._random.choice(possible)

    def _put(
        self,
        floating: FloatingFault,
        fault: Placed,
        moments: InjectionPoints,
        moment: InjectionPoint,
    ) -> None:
        ((_, kind, fields),) = named_faults([floating.fault])
        self._times[fault.name] += 1
        name = self._free_name(fault.name)
        self.named_after[name] = fault.name
        self._last = moment
        self._placed_last = fault.name
        self._placed.append({kind: {**moments.exactly(fault, fields, moment), "name": name}})

    def _free_name(self, name: str) -> str:
        """A name for one more fault that is made of the one with this name."""
        if name not in self.named_after:
            return name
        of_others = {fault.name for _, fault in self._floating}
        taken = of_others | {name for name, _, _ in named_faults(self._example.pinned)}
        numbered = (f"{name}-{n}" for n in count(2))
        return next(each for each in numbered if each not in taken | self.named_after.keys())


def _models(floating: Sequence[FloatingFault]) -> list[tuple[FloatingFault, Placed]]:
    faults = _FAULTS.validate_python([each.fault for each in floating])
    return list(zip(floating, faults, strict=True))
