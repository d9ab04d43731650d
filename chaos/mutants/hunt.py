"""The hunt for one mutant: explore properties with the defect in place until a check catches it.

The zoo has properties of its own, beside the mutants. The naive way explores one to its end and
then the next, and a defect that shows in the last of them only takes all the time of the others
first. So they take turns, some examples each. What is caught is shrunk, and the smallest scenario
must not be much larger than what the mutant says it takes.

A hunt is a function of the mutant, the seed and the number of examples that it may take. How fast
the machine is and what else it does make no difference to what is caught; the seconds that a hunt
took are for the report alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from itertools import count

from chaos.mutants import MUTANTS
from chaos.mutants.mutant import BOTH
from chaos.search.counterexample import Counterexample
from chaos.search.exploration import Exploration
from chaos.search.explore import explore
from chaos.search.injection_points import Data
from chaos.spec.loader import parse_scenario
from chaos.spec.property import Property
from chaos.world.stopwatch import Stopwatch

TURN = 16
"""Examples of one property before the next one's turn: two rounds."""

RECORDS_OVER = 1
FAULTS_OVER = 1
"""How much larger than its minimum the smallest scenario of a mutant may be."""

SMALLER = 3
"""How many times its examples a hunt may take in all, if what was caught within them was not shrunk
far enough."""

_DISTURBANCES = ("move_leader", "stop_spu", "start_spu")
"""Steps that count as faults: they are what goes wrong in a scenario, as much as a lost answer. An
SPU that is brought back has started anew, even if it was not away."""


@dataclass(frozen=True, slots=True)
class Catch:
    """The outcome of the hunt for one mutant."""

    mutant: str
    examples: int = 0
    """How many were run until it was caught, or in all."""
    seconds: float = 0.0
    """How long that took, in real time."""
    checks: tuple[str, ...] = ()
    """The checks that caught it: those that its smallest scenario breaks."""
    records: int = 0
    faults: int = 0
    """The size of the smallest scenario."""
    data: Data | None = None
    """That scenario; None if it was not caught."""
    reason: str = ""
    """Why it does not count as caught; empty if it does."""
    lost: bool = False
    """Whether its process died or hung, so that there is no verdict."""

    @property
    def caught(self) -> bool:
        """Whether it was caught by one of its checks, and its scenario shrunk far enough."""
        return not self.reason


def hunt(name: str, examples: int | None = None, seed: int = 0) -> Catch:
    """Look for a mutant until it is caught.

    Args:
        name: the mutant.
        examples: how many may be run, rounded up to whole turns; None for as many as the mutant
            declares.
        seed: the seed of all examples.
    """
    mutant = MUTANTS[name]
    budget = mutant.examples if examples is None else examples
    watch, run, seconds = Stopwatch(), 0, 0.0
    first: Catch | None = None

    def reached(_: Exploration) -> None:
        nonlocal seconds
        seconds = watch.seconds

    with mutant.applied():
        for turn in count():
            for prop in properties(mutant.semantics):
                if run and run >= budget * (1 if first is None else SMALLER):
                    reason = f"not caught in {run:,} examples"
                    return first or Catch(name, run, watch.seconds, reason=reason)
                found = explore(prop, examples=TURN, seed=seed, after=turn * TURN, progress=reached)
                run += found.examples
                if found.counterexample is None or found.counterexample.flaky:
                    continue
                catch = _caught(name, run, seconds, found.counterexample)
                if catch.caught:
                    return _at_the_first(catch, first)
                first = first or catch
    raise AssertionError("unreachable")


def control(turn: int, seed: int = 0) -> Catch:
    """Explore one turn of every property without a defect: nobody may be accused.

    Args:
        turn: the number of the turn; each has other examples.
        seed: the seed of all examples.
    """
    watch, run = Stopwatch(), 0
    for prop in properties(BOTH):
        found = explore(prop, examples=TURN, seed=seed, after=turn * TURN)
        run += found.examples
        if (counterexample := found.counterexample) is not None:
            checks = tuple(finding.check for finding in counterexample.result.broken)
            return Catch(
                NONE, run, watch.seconds, checks, *size_of(counterexample.data),
                counterexample.data, "accused, though nothing is wrong with it",
            )  # fmt: skip
    return Catch(NONE, run, watch.seconds)


def control_turns(examples: int) -> int:
    """How many turns of all properties have at least this many examples; one at least."""
    return max(1, -(-examples // (TURN * len(properties(BOTH)))))


def combined(turns: Sequence[Catch]) -> Catch:
    """The outcome of several turns without a mutant: the first accusation counts."""
    worst = min(turns, key=lambda turn: (turn.caught, turn.lost))
    examples, seconds = sum(turn.examples for turn in turns), sum(turn.seconds for turn in turns)
    return replace(worst, examples=examples, seconds=seconds)


NONE = "none"
"""Stands in the place of a mutant where there is none."""


def properties(semantics: Sequence[str]) -> list[Property]:
    """The properties of the zoo under some delivery semantics."""
    return [
        prop for prop in _properties() if prop.data["producer"]["delivery_semantic"] in semantics
    ]


@cache
def _properties() -> tuple[Property, ...]:
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

    Shrinking is greedy and may end beside the smallest scenario; another counterexample leads
    there.
    """
    if first is None or not set(first.checks) & set(MUTANTS[catch.mutant].caught_by):
        return catch
    return replace(catch, examples=first.examples, seconds=first.seconds)


def _caught(name: str, examples: int, seconds: float, found: Counterexample) -> Catch:
    mutant = MUTANTS[name]
    checks = tuple(finding.check for finding in found.result.broken)
    records, faults = size_of(found.data)
    reason = ""
    if not set(checks) & set(mutant.caught_by):
        reason = f"caught by none of its checks ({', '.join(mutant.caught_by)})"
    elif records > mutant.records + RECORDS_OVER or faults > mutant.faults + FAULTS_OVER:
        reason = f"not made small: it takes {mutant.records} and {mutant.faults}"
    return Catch(name, examples, seconds, checks, records, faults, found.data, reason)
