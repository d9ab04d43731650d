"""What the examples of one property came to.

A property is judged over all its examples: each fault must have struck in some of them, and each
expected outcome must have occurred in some.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos.oracle.judge import Result, Verdict
from chaos.search.counterexample import Counterexample
from chaos.search.injection_points import Data
from chaos.spec.scenario import Scenario
from chaos.world.world import WorldName


@dataclass(slots=True)
class Exploration:
    """What the examples of one property came to."""

    name: str
    world: WorldName
    examples: int = 0
    fired: Counter[str] = field(default_factory=Counter)
    """How often each fault struck, in all examples together."""
    by_firings: Counter[int] = field(default_factory=Counter)
    """How many examples had how many firings."""
    figures: Counter[str] = field(default_factory=Counter)
    """How many records had which outcome, in all examples together."""
    met: Counter[str] = field(default_factory=Counter)
    """In how many examples each expected outcome occurred."""
    doubts: Counter[str] = field(default_factory=Counter)
    """Why examples were inconclusive."""
    failed: Data | None = None
    """The first example that fails, as it was drawn."""
    counterexample: Counterexample | None = None
    """What that example was shrunk to, or a counterexample that was saved earlier."""

    def add(
        self, scenario: Scenario, result: Result, named_after: Mapping[str, str] | None = None
    ) -> None:
        """Take in one example.

        Args:
            scenario: what was run.
            result: the verdict on it.
            named_after: for faults that have another name than in the file, the name there.
        """
        self.examples += 1
        for name, times in result.fired.items():
            self.fired[(named_after or {}).get(name, name)] += times
        self.by_firings[sum(result.fired.values())] += 1
        self.figures.update(result.figures)
        self.doubts.update(result.reasons)
        for what, wanted in scenario.expect:
            if wanted is not None:
                had = result.figures[what]
                self.met[what] += had > 0 if wanted == "some" else had == wanted

    def merge(self, other: "Exploration") -> None:
        """Take in the examples of another batch."""
        self.examples += other.examples
        self.fired.update(other.fired)
        self.by_firings.update(other.by_firings)
        self.figures.update(other.figures)
        self.met.update(other.met)
        self.doubts.update(other.doubts)

    @property
    def reasons(self) -> list[str]:
        """Why it is inconclusive, if no promise was broken."""
        found = [
            f"{times} of {self.examples} examples: {why}" for why, times in self.doubts.items()
        ]
        found += [
            f"fault {name} struck in no example" for name, times in self.fired.items() if not times
        ]
        found += [
            f"{what} was in no example as expected" for what, times in self.met.items() if not times
        ]
        if self.counterexample is not None and self.counterexample.flaky:
            found.append("an example failed, but not each time that it was run")
        return found if self.examples else ["no example was run"]

    @property
    def verdict(self) -> Verdict:
        """The verdict on the property."""
        if self.counterexample is not None and not self.counterexample.flaky:
            return "invalid"
        return "inconclusive" if self.reasons else "valid"
