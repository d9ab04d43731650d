"""The hunt for one mutant: explore open properties with the defect in place until one is caught.

The zoo has properties of its own, beside the mutants. The naive way explores one to its end and
then the next, and a defect that shows in the last of them only takes all the time of the others
first. So they take turns, some examples each. What is caught is made as small as it gets, and that
must not be much more than what the mutant says it takes.

The time to the catch and the time to make it small are two things: the budget is for the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from itertools import count
from typing import TYPE_CHECKING

from chaos.mutants import MUTANTS
from chaos.mutants.mutant import BOTH
from chaos.search.shrink import Data
from chaos.spec.loader import parse_scenario
from chaos.spec.property import Template
from chaos.world.stopwatch import Stopwatch

if TYPE_CHECKING:
    # Who only asks for help does not wait for Hypothesis to be imported.
    from chaos.search.explore import Exploration

TURN = 16
"""Examples of one property before the next one's turn: two rounds, a few tenths of a second."""

RECORDS_OVER = 1
FAULTS_OVER = 1
"""How much larger than its minimum the smallest scenario of a mutant may be."""

SMALLER = 3
"""How many budgets a hunt may take in all, if what was caught within one did not become small."""

_DISTURBANCES = ("move_leader", "stop_spu", "start_spu")
"""Steps that count as faults: they are what goes wrong in a scenario, as much as a lost answer. An
SPU that is brought back has started anew, even if it was not away."""


@dataclass(frozen=True, slots=True)
class Catch:
    """What became of the hunt for one mutant."""

    mutant: str
    examples: int = 0
    """How many were run until it was caught, or in all."""
    seconds: float = 0.0
    """How long that took, in real time."""
    checks: tuple[str, ...] = ()
    """Which checks caught it: those that its smallest scenario breaks."""
    records: int = 0
    faults: int = 0
    """The size of the smallest scenario."""
    data: Data | None = None
    """That scenario; None if it was not caught."""
    reason: str = ""
    """Why it does not count as caught; empty if it does."""

    @property
    def caught(self) -> bool:
        """Whether it was caught by one of its checks, and made small enough."""
        return not self.reason


def hunt(name: str, budget_s: float, seed: int = 0) -> Catch:
    """Look for a mutant until it is caught.

    Args:
        name: the mutant.
        budget_s: for how long, in real time; one turn is made in any case, and ended.
        seed: where all examples come from.
    """
    from chaos.search.explore import explore

    mutant = MUTANTS[name]
    templates = properties(mutant.semantics)
    watch, examples, seconds = Stopwatch(), 0, 0.0
    first: Catch | None = None

    def reached(_: "Exploration") -> None:
        nonlocal seconds
        seconds = watch.seconds

    with mutant.applied():
        for turn in count():
            for template in templates:
                if examples and watch.seconds >= budget_s * (1 if first is None else SMALLER):
                    reason = f"not caught in {watch.seconds:.0f} s"
                    return first or Catch(name, examples, watch.seconds, reason=reason)
                found = explore(
                    template, examples=TURN, seed=seed, after=turn * TURN, progress=reached
                )
                examples += found.examples
                if found.find is None or found.find.flaky:
                    continue
                catch = _caught(name, examples, seconds, found)
                if catch.caught:
                    return _at_the_first(catch, first)
                first = first or catch
    raise AssertionError("unreachable")


def control(examples: int, seed: int = 0) -> Catch:
    """Explore all properties without a defect: nobody may be accused.

    Args:
        examples: how many to run in all, at least.
        seed: where all examples come from.
    """
    from chaos.search.explore import explore

    watch, run = Stopwatch(), 0
    templates = properties(BOTH)
    for template in templates:
        found = explore(template, examples=-(-examples // len(templates)), seed=seed)
        run += found.examples
        if found.find is not None:
            checks = tuple(finding.check for finding in found.find.result.broken)
            return Catch(
                NONE, run, watch.seconds, checks, *size_of(found.find.data), found.find.data,
                "accused, though nothing is wrong with it",
            )  # fmt: skip
    return Catch(NONE, run, watch.seconds)


NONE = "none"
"""What stands in the place of a mutant where there is none."""


def properties(semantics: Sequence[str]) -> list[Template]:
    """The properties of the zoo under some delivery semantics."""
    return [
        template
        for template in _properties()
        if template.data["producer"]["delivery_semantic"] in semantics
    ]


@cache
def _properties() -> tuple[Template, ...]:
    found = [file for file in files("chaos.mutants").iterdir() if file.name.endswith(".yaml")]
    return tuple(
        parse_scenario(file.read_text(encoding="utf-8"), file.name)
        for file in sorted(found, key=lambda file: file.name.rpartition("-")[2], reverse=True)
    )


def size_of(data: Data) -> tuple[int, int]:
    """How many records a scenario sends, and how many faults and moves disturb it.

    A fault that strikes several exchanges by their numbers counts for each of them.
    """
    faults = records = 0
    for fault in data.get("faults", ()):
        fields = next(iter(fault.values())) if isinstance(fault, dict) else {}
        nth = fields.get("nth", 1)
        faults += len(nth) if isinstance(nth, list | tuple) else 1
    for step in data["workload"]:
        kind, fields = next(iter(step.items())) if isinstance(step, dict) else (step, {})
        if kind in ("send", "send_all"):
            records += fields.get("count", 1)
        faults += kind in _DISTURBANCES
    return records, faults


def _at_the_first(catch: Catch, first: Catch | None) -> Catch:
    """A catch at the moment of the first one, which was not the smallest.

    Making small is greedy and may end beside the smallest scenario; another find leads there.
    """
    if first is None or not set(first.checks) & set(MUTANTS[catch.mutant].caught_by):
        return catch
    return replace(catch, examples=first.examples, seconds=first.seconds)


def _caught(name: str, examples: int, seconds: float, found: "Exploration") -> Catch:
    mutant = MUTANTS[name]
    assert found.find is not None
    checks = tuple(finding.check for finding in found.find.result.broken)
    records, faults = size_of(found.find.data)
    reason = ""
    if not set(checks) & set(mutant.caught_by):
        reason = f"caught by none of its checks ({', '.join(mutant.caught_by)})"
    elif records > mutant.records + RECORDS_OVER or faults > mutant.faults + FAULTS_OVER:
        reason = f"not made small: it takes {mutant.records} and {mutant.faults}"
    return Catch(name, examples, seconds, checks, records, faults, found.find.data, reason)
