"""Templates: what a scenario file is read into, and the examples that are drawn from it.

Hypothesis draws every open value by itself, in the order of the file, and shrinks toward the low
end, the first option, and no fault at all. What was drawn is plain data with one value everywhere,
and so a scenario file again (``yamltext.py``). A combination that makes no valid scenario is not an
example; the loader made sure that each end and each option is part of a valid one.

With each example comes what ``aim.py`` may change about it: the faults whose trigger leaves open
which exchanges they strike, those included that this example leaves out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from chaos.spec.generators import AnyOf, Faults, Range, SomeOf, Substitution, named
from chaos.spec.scenario import Scenario
from simulator.documents.diagnostic import PathInFile
from simulator.faults.model import FAULTS, Placed

if TYPE_CHECKING:
    # Only who draws waits for Hypothesis to be imported.
    from hypothesis.strategies import SearchStrategy

SEED_MAX = 2**32 - 1
"""The largest seed that is drawn; people copy it from terminals."""


@dataclass(frozen=True, slots=True)
class Loose:
    """A fault whose trigger leaves open which exchanges it strikes: a probability or none at all,
    or an ``nth`` that is drawn from a range."""

    fault: Any
    """As plain data, with its name."""
    ordinals: tuple[int, int] | None = None
    """The range of its ``nth``, if it has one."""


@dataclass(frozen=True, slots=True)
class Example:
    """A scenario that was drawn."""

    data: dict[str, Any]
    """As plain data, which can be written as a scenario file."""
    scenario: Scenario
    exact: tuple[Any, ...] = ()
    """Its other faults, which strike where the file says, as plain data with their names."""
    loose: tuple[Loose, ...] = ()
    """The loose faults that it has or could have."""


@dataclass(frozen=True, slots=True)
class Template:
    """A scenario file without mistakes."""

    filename: str
    text: str
    """What stands in the file."""
    data: dict[str, Any]
    """Plain data, with nodes (``openvalues.py``) for open values."""
    nodes: tuple[Range | AnyOf, ...] = ()
    """The open values that are one of several, the outer ones first."""
    open: bool = False
    """Whether it is a property."""
    faults: tuple[str, ...] = ()
    """The names of all faults that occur in examples."""

    @property
    def name(self) -> str:
        """What it shows."""
        return str(self.data["name"])

    @property
    def examples(self) -> int:
        """How many examples are drawn of it."""
        return int(self.data.get("examples", Scenario.model_fields["examples"].default))

    @property
    def worlds(self) -> tuple[str, ...]:
        """Where it runs."""
        return tuple(self.data.get("worlds", ("virtual", "tcp")))

    @property
    def slow(self) -> bool:
        """Whether it may take more than 3 s over tcp."""
        return bool(self.data.get("slow", False))

    def scenario(self) -> Scenario:
        """The scenario that a concrete file is.

        Raises:
            ValueError: it is a property; draw from ``strategy``.
        """
        if self.open:
            raise ValueError(f"{self.name!r} has open values; it is many scenarios")
        return Scenario.model_validate(self.data)

    def with_seed(self, seed: int) -> "Template":
        """The same with this seed, whatever the file says."""
        return replace(self, data={**self.data, "seed": seed})

    def strategy(self, share: Fraction = Fraction(1)) -> "SearchStrategy[Example]":
        """What examples are drawn from; of a concrete scenario without a seed, only that.

        Args:
            share: which part of its range each count and size is drawn from, from its low end on.
        """
        from hypothesis import reject
        from hypothesis import strategies as st

        strategies: dict[PathInFile, SearchStrategy[int]] = {}
        for node in self.nodes:
            steps = node.steps if isinstance(node, Range) else (0, len(node.options) - 1)
            if isinstance(node, Range) and node.counts:
                steps = (steps[0], steps[0] + int((steps[1] - steps[0]) * share))
            strategies[node.path] = st.integers(*steps)
        seeds = st.integers(0, SEED_MAX)

        @st.composite
        def examples(draw: Callable[["SearchStrategy[Any]"], Any]) -> Example:
            drawn = _Drawn(draw, strategies, st.booleans())
            substitution = Substitution(drawn)
            data = substitution.value(self.data)
            if "seed" not in data:
                data["seed"] = draw(seeds)
            try:
                scenario = Scenario.model_validate(data)
            except ValidationError:
                reject()
            exact = [fault for fault, loose in self._faults(data, substitution) if loose is None]
            if isinstance(self.data.get("faults"), Faults):
                drawn.leaves_out = False
                substitution = Substitution(drawn)
                data_in_full = substitution.value(self.data)
            else:
                data_in_full = data
            loose = [loose for _, loose in self._faults(data_in_full, substitution) if loose]
            return Example(data, scenario, tuple(exact), tuple(loose))

        return examples()

    def _faults(
        self, data: dict[str, Any], substitution: Substitution
    ) -> Iterator[tuple[Any, Loose | None]]:
        """The faults of an example by their names, and which of them are loose."""
        ranges = {node.path: node for node in self.nodes if isinstance(node, Range)}
        for n, (name, kind, fields) in enumerate(named(data.get("faults", ()))):
            fault = {kind: {**fields, "name": name}}
            nth = ranges.get(substitution.origins.get(("faults", n, kind, "nth"), ()))
            if nth is not None:
                yield fault, Loose(fault, nth.steps)
            elif not issubclass(FAULTS[kind], Placed) or "nth" in fields or "every" in fields:
                yield fault, None
            elif fields.get("probability") == 0:
                yield fault, None  # it is never to strike
            else:
                yield fault, Loose(fault)


@dataclass(slots=True)
class _Drawn:
    """Chooses by Hypothesis, and the same again when it is asked again."""

    draw: Callable[["SearchStrategy[Any]"], Any]
    strategies: "dict[PathInFile, SearchStrategy[int]]"
    booleans: "SearchStrategy[bool]"
    leaves_out: bool = True
    """Whether some faults are left out; else all are there."""
    _numbers: dict[PathInFile, int] = field(default_factory=dict)

    def value_in(self, node: Range) -> Any:
        return node.value(self._number(node.path))

    def option_of(self, node: AnyOf) -> int:
        return self._number(node.path)

    def members_of(self, node: SomeOf) -> list[bool]:
        if not self.leaves_out:
            return [True for _ in node.members]
        return [self.draw(self.booleans) for _ in node.members]

    def _number(self, path: PathInFile) -> int:
        if path not in self._numbers:
            self._numbers[path] = int(self.draw(self.strategies[path]))
        return self._numbers[path]
