"""The results of the examples of one property, and the verdict on the property.

A property is judged over all its examples: each fault that is not optional must have fired in at
least one of them, each expectation under ``sometimes`` must have occurred in at least one, each
under ``always`` must have been judged in at least one, and some record must have been sent.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chaos.oracle.judge import Result, Verdict
from chaos.search.counterexample import Counterexample
from chaos.search.injection_points import Data
from chaos.spec.scenario import Scenario
from chaos.world.world import WorldName

SAVED = -1
"""The number of a counterexample that was saved earlier, which runs before the first example."""

_NONE = {"always": "was judged", "sometimes": "occurred"}
"""By kind of expectation, what must happen in at least one example."""


@dataclass(slots=True)
class Exploration:
    """The results of the examples of one property, added up."""

    name: str
    world: WorldName
    first: int = 0
    """The number of its first example; ``SAVED`` for a counterexample that was saved earlier."""
    partial: bool = False
    """Whether it is one of several shards, none of which can tell what never happened."""
    examples: int = 0
    fired: Counter[str] = field(default_factory=Counter)
    """By fault, the number of its firings in all examples."""
    optional: set[str] = field(default_factory=set)
    """The faults that need not fire: optional ones, and those of which it is not known."""
    by_firings: Counter[int] = field(default_factory=Counter)
    """By number of firings, the number of examples with so many."""
    figures: Counter[str] = field(default_factory=Counter)
    """By outcome, the number of records in all examples."""
    met: Counter[str] = field(default_factory=Counter)
    """By expectation, the number of examples in which it occurred; by one under ``always``, in
    which it was judged."""
    known: Counter[str] = field(default_factory=Counter)
    """By known defect, the number of examples in which it explains a broken promise."""
    doubts: Counter[str] = field(default_factory=Counter)
    """By reason for an inconclusive verdict, the number of examples."""
    failed: Data | None = None
    """The first example that fails, as it was drawn."""
    failed_checks: tuple[str, ...] = ()
    """The checks that found a broken promise in that example which is not known."""
    failed_number: int | None = None
    """The number of that example."""
    confirmed: bool | None = None
    """Whether that example failed in each of its runs; None if none failed."""
    counterexample: Counterexample | None = None
    """The shrunk form of that example, or a counterexample that was saved earlier."""
    loop_defect: bool = False
    """Whether trio gave another history of an example that failed on the fast loop; trio's
    counts."""

    def add(
        self,
        scenario: Scenario,
        result: Result,
        names_in_file: Mapping[str, str] | None = None,
        known: Iterable[str] = (),
    ) -> None:
        """Add the result of one example.

        Args:
            scenario: the example.
            result: the verdict on it.
            names_in_file: by the name of a fault in the example, its name in the file, if the two
                differ.
            known: the known defects that explain broken promises.
        """
        self.examples += 1
        optional = {fault.name for fault in scenario.faults if fault.optional}
        for name, times in result.fired.items():
            in_file = (names_in_file or {}).get(name, name)
            self.fired[in_file] += times or 0
            if times is None or name in optional:
                self.optional.add(in_file)
        self.by_firings[sum(times or 0 for times in result.fired.values())] += 1
        self.figures.update(result.figures)
        self.doubts.update(result.reasons)
        self.known.update(known)
        for each in result.expectations:
            self.met[each.name] += each.met if each.kind == "sometimes" else each.figure is not None

    def merge(self, other: "Exploration") -> None:
        """Add the results of another batch of examples."""
        self.examples += other.examples
        self.fired.update(other.fired)
        self.optional |= other.optional
        self.by_firings.update(other.by_firings)
        self.figures.update(other.figures)
        self.met.update(other.met)
        self.doubts.update(other.doubts)
        self.known.update(other.known)
        self.loop_defect |= other.loop_defect
        if other.failed_number is not None:
            self.take_end(other)

    def take_end(self, other: "Exploration") -> None:
        """Take the example that failed in another batch, and its counterexample."""
        self.failed, self.failed_checks = other.failed, other.failed_checks
        self.failed_number = other.failed_number
        self.counterexample, self.confirmed = other.counterexample, other.confirmed
        self.loop_defect |= other.loop_defect

    def fail(self, number: int, data: Data, checks: tuple[str, ...]) -> None:
        """Take the example that fails; the first one of a batch ends it."""
        self.failed_number, self.failed, self.failed_checks = number, data, checks

    def settle(self, found: Counterexample) -> None:
        """Take the counterexample to which the failing example was shrunk."""
        self.loop_defect |= found.loop_defect
        if found.loop_defect and found.flaky:  # trio breaks no promise
            self.failed = self.failed_number = None
            self.failed_checks = ()
            return
        self.counterexample, self.confirmed = found, not found.flaky

    @property
    def reasons(self) -> list[str]:
        """The reasons for an inconclusive verdict; they count only if no promise is broken."""
        found = [
            f"{times} of {self.examples} examples: {why}" for why, times in self.doubts.items()
        ]
        if self.confirmed is False:
            checks = f" ({', '.join(self.failed_checks)})" if self.failed_checks else ""
            found.append(f"an example failed in some of its runs only{checks}")
        return found if self.partial else [*found, *self._missing]

    @property
    def _missing(self) -> list[str]:
        """What never happened."""
        if not self.examples:
            return ["no example was run"]
        found = [
            f"fault {name} fired in no example"
            for name, times in self.fired.items()
            if not times and name not in self.optional
        ]
        found += [
            f"{name} {_NONE[name.partition(':')[0]]} in no example"
            for name, times in self.met.items()
            if not times
        ]
        if not self.figures["sent"]:
            found.append("nothing was sent")
        return found

    @property
    def verdict(self) -> Verdict:
        """The verdict on the property."""
        if self.confirmed:
            return "invalid"
        return "inconclusive" if self.reasons else "valid"
