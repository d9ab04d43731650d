"""The opening of an exploration: the placements of up to two faults in its smallest example.

Drawing finds what many examples of a property have in common; a defect that takes two certain
faults in a row escapes it for long. So an exploration also tries the placements of the alphabet
``small`` in one small example, as ``certify`` does, but only letters that the file allows: a fault
of the same kind, cut point and values, with a probability or without a trigger, must be in it.

Which placement has which number depends on the runs before it. A process that begins in the middle
runs what it needs again, uncounted: the placements with fewer than two letters.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from chaos.history import History
from chaos.search.alphabet import Alphabet, FaultLetter, load_alphabet
from chaos.search.counterexample import Stage
from chaos.search.injection_points import Data
from chaos.search.placements import NAMED, Placement, Placing
from chaos.spec.generators import AnyOf, LowEnds, Range, Substitution, possible_faults
from chaos.spec.property import Example, Property
from chaos.spec.scenario import Scenario
from chaos.world.gc_pause import gc_paused
from simulator.faults.model import FAULTS

LETTERS_MAX: Final = 2
"""The largest number of letters in a placement: three take longer than drawing does."""

BINDING: Final = ("nth", "every", "between", "limit")
"""The keys of a fault in a file that bind it to certain exchanges or times."""


class Opening:
    """The placements in one example, by number.

    Args:
        prop: the property.
        example: its smallest example.
        stage: the world and the driver.
    """

    def __init__(self, prop: Property, example: Example, stage: Stage) -> None:
        self._stage = stage
        letters = tuple(letters_of(prop))
        self._names = {letter.kind: name for letter, name in reversed(letters)}
        """By kind, the name of the first fault of the file that allows a letter of it."""
        alphabet = Alphabet("small", "", tuple(letter for letter, _ in letters))
        data = {**example.data, "faults": list(example.pinned)}
        self._placing = Placing.of(data, alphabet)
        self._seed = self._placing.scenario.seed
        self._found: list[Placement] = [()] if letters else []
        self._following: dict[int, list[Data]] = {}
        """By number of a placement that was run, the letters that follow it."""
        self._expanded = 0

    def placement(self, number: int) -> Placement | None:
        """Return the placement with a number, from 0; None if there are fewer."""
        while len(self._found) <= number and self._expanded < len(self._found):
            placement = self._found[self._expanded]
            if len(placement) >= LETTERS_MAX:
                return None
            if self._expanded not in self._following:
                with gc_paused():
                    self.ran(self._expanded, self._stage.run(self.scenario(placement)[1]))
            letters = self._following.pop(self._expanded)
            self._found += ((*placement, letter) for letter in letters)
            self._expanded += 1
        return self._found[number] if number < len(self._found) else None

    def scenario(self, placement: Placement) -> tuple[Data, Scenario]:
        """Return a placement as plain data and as a scenario."""
        data = self._placing.data_with(placement)
        return data, self._placing.scenario_with(placement, self._seed)

    def names_in_file(self, placement: Placement) -> Mapping[str, str]:
        """Return by name of a placed fault the name of the fault of the file that allows it."""
        kinds = [next(iter(letter)) for letter in placement]
        return {f"{NAMED}{n}": self._names[kind] for n, kind in enumerate(kinds, 1)}

    def ran(self, number: int, history: History) -> None:
        """Take the run of a placement, whose letters then need no other run."""
        placement = self._found[number]
        if self._expanded <= number and len(placement) < LETTERS_MAX:
            self._following[number] = self._placing.following(placement, history)


def letters_of(prop: Property) -> Iterator[tuple[FaultLetter, str]]:
    """Yield the letters of ``small`` that a property allows, each with the name of the first fault
    that allows it."""
    seen: set[str] = set()
    for name, kind, fields in possible_faults(prop.data.get("faults", ())):
        bound = any(key in fields for key in BINDING) or _never(fields.get("probability"))
        for letter in () if bound else load_alphabet("small").faults:
            allowed = _allowed(letter, kind, fields)
            if allowed is not None and _word(allowed) not in seen:
                seen.add(_word(allowed))
                yield allowed, name


def _never(probability: Any) -> bool:
    """Return whether a probability, or the largest one of a range, is zero."""
    return (probability.high if isinstance(probability, Range) else probability) == 0


def _allowed(letter: FaultLetter, kind: str, fields: Mapping[str, Any]) -> FaultLetter | None:
    """Return a letter as a fault of a file allows it; None if it does not.

    What the letter leaves open is as in the file, with low ends and first options; a delay, too.
    """
    if kind != letter.kind:
        return None
    found = dict(letter.fields)
    for key, written in fields.items():
        if key in ("name", "probability", "optional", "at"):
            continue
        value = Substitution(LowEnds()).value(written)
        options = written.options if isinstance(written, AnyOf) else [value]
        if key == "by" or key not in found:
            found[key] = value
        elif found[key] not in options:
            return None
    defaults = FAULTS[kind].model_fields
    if any(
        defaults[key].default != found[key] for key in letter.fields.keys() - fields.keys() - {"at"}
    ):
        return None
    cut_points = _cut_points(fields) & _cut_points(letter.fields)
    if len(cut_points) == 1:
        (found["at"],) = cut_points
    try:
        return FaultLetter(kind, found, FAULTS[kind].model_validate(found))
    except ValidationError:
        return None  # no cut point that both have


def _cut_points(fields: Mapping[str, Any]) -> set[str]:
    written = fields.get("at", "both")
    options = written.options if isinstance(written, AnyOf) else [written]
    return {"request", "response"} if "both" in options else set(options)


def _word(letter: FaultLetter) -> str:
    return json.dumps([letter.kind, letter.fields], sort_keys=True, default=str)
