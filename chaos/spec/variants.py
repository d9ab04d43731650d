"""Finds the mistakes of a file with generators.

A file without generators is a concrete scenario, and pydantic finds all its mistakes at once. A
file with generators is a property. The obvious way to validate it is to describe ranges and options
to pydantic, too; then every type has a second form, and checks of several fields have to calculate
with ranges. Here generators are replaced by values, and the resulting plain scenario is validated
as usual: one *variant* with the low ends and first options, and one more for each other end and
option. Mistakes are reported at their places in the file.

Some mistakes depend on a combination: an SPU that exists only in some examples, or a window whose
ends are drawn. Such an example is rejected when drawing (``property.py``), and is no mistake. So
each alternative is combined with several choices for all other generators, and only mistakes that
occur in all combinations are reported.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import ValidationError

from chaos.spec.generators import AnyOf, Range, SomeOf, Substitution
from chaos.spec.scenario import Scenario
from simulator.documents.diagnostic import Document, PathInFile, explained
from simulator.documents.strict_model import shown

WORK_MAX = 400_000
"""The most alternatives of generators times values of the file. Each alternative is validated, so
that the limit means a few seconds. A file of fifty values may have two thousand alternatives."""

CONTEXTS_MIN = 8
"""How many choices for all other generators an alternative is combined with, at least."""

CONTEXTS_MAX = 32
"""The same for generators with more options, at most."""

_Found: TypeAlias = dict[tuple[PathInFile, str], None]
"""Places and texts of mistakes, in the order in which they were found."""

_Choice: TypeAlias = tuple[type, Any]
"""An end or the index of an option, with its type: 1 and 1.0 are different ends."""


@dataclass(frozen=True, slots=True)
class _Context:
    """The choices for all generators outside an alternative."""

    number: int
    order: Mapping[PathInFile, int]
    """The position of each generator, so that contexts differ between generators."""
    chosen: Mapping[PathInFile, Any] = field(default_factory=dict)
    """Options by their index, ends by their value."""

    def value_in(self, generator: Range) -> Any:
        """Return an end; in the first two contexts the same end for all ranges."""
        bit, flip = divmod(self.number, 2)
        high = flip ^ (self.order[generator.path] >> (bit - 1) & 1 if bit else 0)
        return self.chosen.get(generator.path, generator.ends[high])

    def option_of(self, generator: AnyOf) -> int:
        """Return an option; each of the first contexts has a different one, the second context the
        last one."""
        last = len(generator.options) - 1
        index = (0, last)[self.number] if self.number < 2 else (self.number - 1) % (last + 1)
        return int(self.chosen.get(generator.path, index))

    def members_of(self, generator: SomeOf) -> Iterator[bool]:
        """Include all members: leaving faults out causes no mistake."""
        return (True for _ in generator.members)


class Variants:
    """Validates data with generators."""

    def __init__(self, document: Document, data: Any, generators: Sequence[Range | AnyOf]) -> None:
        self._document = document
        self._data = data
        self._generators = generators
        self._order = {each.path: n for n, each in enumerate(generators)}
        longest = max(
            (len(generator.options) for generator in generators if isinstance(generator, AnyOf)),
            default=0,
        )
        several = min(max(CONTEXTS_MIN, longest + 1), CONTEXTS_MAX)
        self._contexts = range(several if generators else 1)
        self._ranges = {
            generator.path: generator for generator in generators if isinstance(generator, Range)
        }
        self._names: dict[str, None] = {}
        self._any_valid = False
        self._usual = [self._usual_choices(number) for number in self._contexts]
        self._known: dict[tuple[_Choice, ...], _Found] = {}
        """By the choices for all generators, the mistakes: many variants are the same."""

    def validate(self) -> tuple[str, ...]:
        """Note all mistakes, and determine which ranges draw fractions.

        Returns:
            The names of all faults that occur in variants.
        """
        alternatives = list(self._alternatives())
        if len(alternatives) * len(self._document.places) > WORK_MAX:
            text = f"{len(alternatives)} ends and options of generators are too many for a file of"
            return self._refuse_all(f"{text} {len(self._document.places)} values; split it")
        mistakes: _Found = {}
        for chosen in alternatives or [{}]:
            mistakes |= self._mistakes(chosen)
        if not self._any_valid:
            mistakes = mistakes or self._found(_Context(0, self._order))
        self._note(mistakes)
        if not self._document.diagnostics:
            for generator in self._ranges.values():
                self._try_between(generator)
        return tuple(self._names)

    def _note(self, mistakes: _Found) -> None:
        """Note mistakes; a mistake that both ends of a range share is noted once."""
        noted = set()
        for path, text in mistakes:
            generator = self._ranges.get(path)
            sense = text
            for end in generator.ends if generator else ():
                sense = sense.removeprefix(shown(end))
            if (path, sense) not in noted:
                noted.add((path, sense))
                self._document.add(
                    path, f"{text} (in the range {generator.written})" if generator else text
                )

    def _refuse_all(self, text: str) -> tuple[str, ...]:
        self._document.add((), text)
        return ()

    def _alternatives(self) -> Iterator[Mapping[PathInFile, Any]]:
        """Yield each end and each option, with the options that contain it."""
        for generator in self._generators:
            several = (
                generator.ends if isinstance(generator, Range) else range(len(generator.options))
            )
            for choice in several:
                yield {**generator.above, generator.path: choice}

    def _mistakes(self, chosen: Mapping[PathInFile, Any]) -> _Found:
        """Return the mistakes that occur in every context."""
        common: _Found | None = None
        for number in self._contexts:
            found = self._found(_Context(number, self._order, chosen))
            if not found:
                return found
            common = found if common is None else {key: None for key in common if key in found}
            if not common and self._any_valid:
                break
        return common or {}

    def _found(self, context: _Context) -> _Found:
        """Return the mistakes of one variant, by their places in the file."""
        choices = [*self._usual[context.number]]
        for path, choice in context.chosen.items():
            choices[self._order[path]] = type(choice), choice
        known = tuple(choices)
        found = self._known.get(known)
        if found is None:
            found = self._known[known] = self._validated(context)
        return found

    def _usual_choices(self, number: int) -> list[_Choice]:
        """Return the choices of a context for all generators, those of an alternative included."""
        context = _Context(number, self._order)
        values = [
            context.value_in(each) if isinstance(each, Range) else context.option_of(each)
            for each in self._generators
        ]
        return [(type(value), value) for value in values]

    def _validated(self, context: _Context) -> _Found:
        substitution = Substitution(context)
        data, origins = substitution.value(self._data), substitution.origins
        try:
            scenario = Scenario.model_validate(data)
        except ValidationError as error:
            return {
                (origins[path], text): None
                for path, text in explained(error, origins)
                if not self._document.hides(origins[path])
            }
        self._any_valid = True
        self._names.update((fault.name, None) for fault in scenario.faults if not fault.optional)
        return {}

    def _try_between(self, generator: Range) -> None:
        """Determine whether a range draws fractions, and note a range in a field of text."""
        context = self._valid_context(generator)

        def takes(value: Any) -> bool:
            chosen = {**generator.above, generator.path: value}
            found = self._found(_Context(context, self._order, chosen))
            return all(path != generator.path for path, _ in found)

        if generator.kind == "number":
            generator.fractions |= generator.low < generator.high and takes(
                float(generator.low) + 0.5
            )
        elif takes("text"):
            text = "is a range, and here any text can stand; write any: with the texts"
            self._document.add(generator.path, f"{generator.written} {text}")

    def _valid_context(self, generator: Range) -> int:
        chosen = {**generator.above, generator.path: generator.ends[0]}
        return next(
            (
                number
                for number in self._contexts
                if not self._found(_Context(number, self._order, chosen))
            ),
            0,
        )
