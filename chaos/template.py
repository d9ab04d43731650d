"""Templates: what a scenario file is read into, and the examples that are drawn from it.

Hypothesis draws every open value by itself, in the order of the file, and shrinks toward the low
end, the first option, and no fault at all. What was drawn is plain data with one value everywhere,
and so a scenario file again (``yamltext.py``). A combination that makes no valid scenario is not an
example; the loader made sure that each end and each option is part of a valid one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from chaos.openvalues import AnyOf, Range, SomeOf, Substitution
from chaos.scenario import Scenario

if TYPE_CHECKING:
    # Only who draws waits for Hypothesis to be imported.
    from hypothesis.strategies import SearchStrategy

SEED_MAX = 2**32 - 1
"""The largest seed that is drawn; people copy it from terminals."""


@dataclass(frozen=True, slots=True)
class Example:
    """A scenario that was drawn."""

    data: dict[str, Any]
    """As plain data, which can be written as a scenario file."""
    scenario: Scenario


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

    def strategy(self) -> "SearchStrategy[Example]":
        """What examples are drawn from; of a concrete scenario without a seed, only that."""
        from hypothesis import reject
        from hypothesis import strategies as st

        strategies: dict[Any, SearchStrategy[int]] = {}
        for node in self.nodes:
            steps = node.steps if isinstance(node, Range) else (0, len(node.options) - 1)
            strategies[node.path] = st.integers(*steps)
        seeds = st.integers(0, SEED_MAX)

        @st.composite
        def examples(draw: Callable[["SearchStrategy[Any]"], Any]) -> Example:
            data = Substitution(_Drawn(draw, strategies, st.booleans())).value(self.data)
            if "seed" not in data:
                data["seed"] = draw(seeds)
            try:
                return Example(data, Scenario.model_validate(data))
            except ValidationError:
                reject()

        return examples()


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Chooses by Hypothesis."""

    draw: Callable[["SearchStrategy[Any]"], Any]
    strategies: "dict[Any, SearchStrategy[int]]"
    booleans: "SearchStrategy[bool]"

    def value_in(self, node: Range) -> Any:
        return node.value(self.draw(self.strategies[node.path]))

    def option_of(self, node: AnyOf) -> int:
        return int(self.draw(self.strategies[node.path]))

    def members_of(self, node: SomeOf) -> list[bool]:
        return [self.draw(self.booleans) for _ in node.members]
