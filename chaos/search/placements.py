"""Placements: a scenario with letters of an alphabet placed in it, one after the other.

A placement begins with the run without letters. A further fault goes on an injection point of the
run that the earlier letters made, after the last of them. Since a fault changes nothing that
happened before it, this reaches every set of faults that a run can meet, each exactly once: the
faults of such a run, in the order of their points, are its only way here. Steps between the steps
of the workload do not depend on the run, so that they are placed before the faults.

What is not reached: two letters at one injection point, and a letter inside a step.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError

from chaos.history import History
from chaos.search.alphabet import Alphabet, FaultLetter
from chaos.search.injection_points import Data, InjectionPoints
from chaos.spec.scenario import Scenario
from simulator.faults.fault_list import FaultList
from simulator.faults.model import Placed, Refusal

BEFORE = "before"
"""The key of placed steps: the position of the step of the workload before which they stand."""

Placement: TypeAlias = tuple[Data, ...]
"""The placed letters in order: ``{KIND: {...}}``, a pinned fault without a name, or ``{before: N,
steps: [...]}``."""

NAMED = "placed-"
"""The start of the names of placed faults."""

_FAULTS: TypeAdapter[Any] = TypeAdapter(FaultList)


@dataclass(frozen=True, slots=True)
class Placing:
    """Places letters in one scenario."""

    data: Data
    """The scenario as plain data."""
    scenario: Scenario
    alphabet: Alphabet

    @classmethod
    def of(cls, data: Data, alphabet: Alphabet) -> "Placing":
        """Return what places letters in a scenario.

        Lists of steps that this scenario cannot have, such as one about an SPU that it lacks, are
        no letters.

        Args:
            data: a concrete scenario as plain data.
            alphabet: the letters.
        """
        placing = cls(data, Scenario.model_validate(data), alphabet)
        steps = tuple(steps for steps in alphabet.steps if placing._can_have(steps))
        return cls(data, placing.scenario, replace(alphabet, steps=steps))

    def _can_have(self, steps: list[Any]) -> bool:
        try:
            Scenario.model_validate(self.data_with(({BEFORE: 0, "steps": steps},)))
        except ValidationError:
            return False
        return True

    def data_with(self, placement: Placement) -> Data:
        """Return the scenario with a placement, as plain data."""
        faults = [*self.data.get("faults", ()), *_named(placement)]
        workload: list[Any] = []
        for position in range(len(self.data["workload"]) + 1):
            for letter in placement:
                if letter.get(BEFORE) == position:
                    workload += letter["steps"]
            workload += self.data["workload"][position : position + 1]
        return {**self.data, "faults": faults, "workload": workload}

    def scenario_with(self, placement: Placement, seed: int) -> Scenario:
        """Return the scenario with a placement and a seed."""
        if any(BEFORE in letter for letter in placement):
            return Scenario.model_validate({**self.data_with(placement), "seed": seed})
        faults = [*self.scenario.faults, *_FAULTS.validate_python(_named(placement))]
        return self.scenario.model_copy(update={"faults": faults, "seed": seed})

    def following(self, placement: Placement, history: History) -> list[Data]:
        """Return the letters that can be placed behind the last one, in the order of their points.

        Args:
            placement: the letters so far.
            history: the run with them.
        """
        points = InjectionPoints(history)
        found: list[tuple[int, Data]] = []
        faults = _named(placement)
        after: int | None = -1
        if faults:
            after = points.order_of(_name(len(faults)))
        if after is None:
            return []  # the last fault never fired, which is possible over real sockets only
        for letter in self.alphabet.faults:
            found += [each for each in _placed(letter, points) if each[0] > after]
        found.sort(key=lambda each: each[0])
        steps = [] if faults else self._steps_behind(placement)
        return [*steps, *(letter for _, letter in found)]

    def _steps_behind(self, placement: Placement) -> Iterator[Data]:
        """Yield the steps that can be placed at the last placed ones or later."""
        last = placement[-1][BEFORE] if placement else 0
        for position in range(last, len(self.data["workload"]) + 1):
            for steps in self.alphabet.steps:
                yield {BEFORE: position, "steps": steps}


def _placed(letter: FaultLetter, points: InjectionPoints) -> Iterator[tuple[int, Data]]:
    """Yield a letter at each injection point that it can have, with the order of the point."""
    match letter.fault:
        case Placed() as fault:
            for point in points.of(fault):
                if not point.struck:
                    fields = points.pinned(fault, letter.fields, point)
                    yield point.order, {letter.kind: _short(fields)}
        case Refusal() as fault:
            for connect in points.connects(fault):
                fields = {**letter.fields, "server": connect.server, "nth": connect.ordinal}
                yield connect.order, {letter.kind: fields}


def _short(fields: Mapping[str, Any]) -> Data:
    """Return the fields of a pinned fault in a fixed order."""
    first = {"at": fields["at"], "nth": fields["nth"], "match": fields["match"]}
    return {**{key: value for key, value in fields.items() if key not in first}, **first}


def _named(placement: Sequence[Data]) -> list[Data]:
    """Return the faults of a placement, each with a name."""
    faults = [letter for letter in placement if BEFORE not in letter]
    return [
        {kind: {**fields, "name": _name(n)}}
        for n, fault in enumerate(faults, 1)
        for kind, fields in fault.items()
    ]


def _name(n: int) -> str:
    return f"{NAMED}{n}"
