"""Properties: the content of a scenario file, and the examples that are drawn from it.

A property is described once, by the generators in its data (``generators.py``), and drawn from in
two ways. ``Property.draw`` takes a seeded random generator: it is fast, and the search uses it
(``chaos/search/explore.py``). ``Property.strategy`` is a Hypothesis strategy for tests: Hypothesis
draws, shrinks toward the low end, the first option and no fault at all, and remembers failures.

An example is plain data with one value for each generator, and so a scenario file again
(``simulator/documents/emitter.py``). A combination of values that is not a valid scenario is
rejected and drawn again; the loader has checked that each end and each option occurs in a valid
scenario.

Each example comes with its floating faults, which ``chaos/search/target.py`` may pin: the faults
whose trigger does not determine which exchanges they hit, including those that the example leaves
out.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from chaos.spec.generators import AnyOf, Faults, Range, SomeOf, Substitution, named_faults
from chaos.spec.scenario import Scenario
from simulator.documents.diagnostic import PathInFile
from simulator.documents.emitter import to_yaml
from simulator.faults.model import FAULTS, Placed

if TYPE_CHECKING:
    # Hypothesis is imported by strategy() only, since the import is slow.
    from hypothesis.strategies import SearchStrategy

SEED_DRAWN_MAX = 2**32 - 1
"""The largest seed that is drawn; people copy seeds from terminals."""

DRAWS_MAX = 1_000
"""The most consecutive draws without a valid scenario. The loader has checked that valid ones
exist."""

WIDE = 128
"""Ranges with at least this many steps have their ends drawn more often: each end in one of ``WIDE
/ 2`` draws, as Hypothesis does. Narrower ranges reach their ends anyway."""


@dataclass(frozen=True, slots=True)
class FloatingFault:
    """A fault whose trigger does not determine which exchanges it hits: it has a probability, no
    trigger, or an ``nth`` that is drawn from a range."""

    fault: Any
    """The fault as plain data, with its name."""
    ordinals: tuple[int, int] | None = None
    """The range of its ``nth``, if it has one."""


@dataclass(frozen=True, slots=True)
class Example:
    """A scenario that was drawn."""

    data: dict[str, Any]
    """The scenario as plain data, which can be written as a scenario file."""
    scenario: Scenario
    pinned: tuple[Any, ...] = ()
    """Its faults that are not floating, as plain data with their names."""
    floating: tuple[FloatingFault, ...] = ()
    """The floating faults that it has, or that other examples have."""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Print a scenario file where Hypothesis reports the failing example."""
        printer.text(to_yaml(self.data))


@dataclass(frozen=True, slots=True)
class Property:
    """A valid scenario file."""

    filename: str
    text: str
    """The content of the file."""
    data: dict[str, Any]
    """Plain data with generators in place of values."""
    generators: tuple[Range | AnyOf, ...] = ()
    """The generators that choose one of several values, outer ones before inner ones."""
    concrete: bool = True
    """Whether the file has no generator and is therefore a single scenario."""
    faults: tuple[str, ...] = ()
    """The names of all faults that occur in examples and are not optional."""

    @property
    def name(self) -> str:
        """The name in the file."""
        return str(self.data["name"])

    @property
    def examples(self) -> int:
        """How many examples are drawn by default."""
        return int(self.data.get("examples", Scenario.model_fields["examples"].default))

    @property
    def worlds(self) -> tuple[str, ...]:
        """The worlds in which it runs."""
        return tuple(self.data.get("worlds", ("virtual", "tcp")))

    @property
    def slow(self) -> bool:
        """Whether an example may take more than 3 s over tcp."""
        return bool(self.data.get("slow", False))

    @property
    def kinds(self) -> dict[str, str]:
        """By name, the kind of each fault; of one that varies, the first kind."""
        choices = _Choices(lambda low, _: low, takes_all=True)
        faults = Substitution(choices).value(self.data).get("faults", ())
        return {name: kind for name, kind, _ in named_faults(faults)}

    def scenario(self) -> Scenario:
        """Return the scenario of a concrete file.

        Raises:
            ValueError: the file has generators; use ``draw`` or ``strategy``.
        """
        if not self.concrete:
            raise ValueError(f"{self.name!r} has generators; it is many scenarios")
        return Scenario.model_validate(self.data)

    def with_seed(self, seed: int) -> "Property":
        """Return the same property with this seed in place of its own."""
        return replace(self, data={**self.data, "seed": seed})

    def draw(self, rng: random.Random, share: Fraction = Fraction(1)) -> Example:
        """Draw an example; for a concrete scenario without a seed, only the seed is drawn.

        Args:
            rng: the only source of randomness; its state determines the example.
            share: the part of its range from which each count and size is drawn, counted from the
                low end. If that gives no valid scenario, the whole range is used.

        Raises:
            ValueError: ``DRAWS_MAX`` consecutive draws gave no valid scenario.
        """
        for _ in range(DRAWS_MAX):
            try:
                return self._example(_Choices(_integers(rng), share))
            except ValidationError:
                share = Fraction(1)  # a valid scenario may need larger counts
        raise ValueError(
            f"{DRAWS_MAX:,} examples drawn in a row were no scenarios; "
            "write ranges and options that go together more often"
        )

    def strategy(self) -> "SearchStrategy[Example]":
        """Return the same examples as a Hypothesis strategy, for ``@given``."""
        from hypothesis import note, reject
        from hypothesis import strategies as st

        @st.composite
        def examples(draw: Callable[["SearchStrategy[int]"], int]) -> Example:
            choices = _Choices(lambda low, high: draw(st.integers(low, high)))
            try:
                example = self._example(choices)
            except ValidationError:
                reject()
            note(example)  # only the reported example is rendered as text
            return example

        return examples()

    def _example(self, choices: "_Choices") -> Example:
        """Put a value in the place of each generator.

        Raises:
            ValidationError: the values together are not a valid scenario.
        """
        substitution = Substitution(choices)
        data = substitution.value(self.data)
        if "seed" not in data:
            data["seed"] = choices.integer(0, SEED_DRAWN_MAX)
        scenario = Scenario.model_validate(data)
        faults = list(self._faults(data, substitution))
        pinned = [fault for fault, floating in faults if floating is None]
        if isinstance(written := self.data.get("faults"), Faults):
            choices.takes_all = True
            substitution = Substitution(choices)
            every = {"faults": substitution.value(written, ("faults",), ("faults",))}
            faults = list(self._faults(every, substitution))
        return Example(data, scenario, tuple(pinned), tuple(f for _, f in faults if f is not None))

    def _faults(
        self, data: dict[str, Any], substitution: Substitution
    ) -> Iterator[tuple[Any, FloatingFault | None]]:
        """Yield the faults of an example with their names, and the floating ones as such."""
        ranges = {each.path: each for each in self.generators if isinstance(each, Range)}
        for n, (name, kind, fields) in enumerate(named_faults(data.get("faults", ()))):
            fault = {kind: {**fields, "name": name}}
            nth = ranges.get(substitution.origins.get(("faults", n, kind, "nth"), ()))
            if nth is not None:
                yield fault, FloatingFault(fault, nth.steps)
            elif not issubclass(FAULTS[kind], Placed) or "nth" in fields or "every" in fields:
                yield fault, None
            elif fields.get("probability") == 0:
                yield fault, None  # it never fires
            else:
                yield fault, FloatingFault(fault)


@dataclass(slots=True)
class _Choices:
    """Draws integers; the same generator gets the same value when asked again."""

    integer: Callable[[int, int], int]
    """Draws an integer between two bounds, both included."""
    share: Fraction = Fraction(1)
    """The part of its range from which each count and size is drawn."""
    takes_all: bool = False
    """Whether every fault is included, also those that the example leaves out."""
    _drawn: dict[PathInFile, int] = field(default_factory=dict)

    def value_in(self, generator: Range) -> Any:
        low, high = generator.steps
        if generator.counts:
            high = low + int((high - low) * self.share)
        return generator.value(self._once(generator.path, low, high))

    def option_of(self, generator: AnyOf) -> int:
        return self._once(generator.path, 0, len(generator.options) - 1)

    def members_of(self, generator: SomeOf) -> list[bool]:
        return [self.takes_all or bool(self.integer(0, 1)) for _ in generator.members]

    def _once(self, path: PathInFile, low: int, high: int) -> int:
        if path not in self._drawn:
            self._drawn[path] = self.integer(low, high)
        return self._drawn[path]


def _integers(rng: random.Random) -> Callable[[int, int], int]:
    """Return a function that draws integers uniformly, but the ends of wide ranges more often,
    since mistakes are frequent there."""

    def integer(low: int, high: int) -> int:
        if high - low >= WIDE:
            chosen = rng.randrange(WIDE)
            if chosen < 4:
                return low if chosen < 2 else high
        return rng.randint(low, high)

    return integer
