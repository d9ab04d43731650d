"""The hunt for one mutant: explore properties with the defect in place until a check catches it.

The zoo has its own properties, in YAML files beside the mutants. Exploring one property after the
other would find a defect that shows in the last one only after all the examples of the others. The
properties therefore take turns, some examples each. The counterexample is shrunk, and the smallest
scenario must not be much larger than the minimum that the mutant declares.

The result of a hunt depends on the mutant, the seed and the budget of examples alone, and not on
the speed or the load of the machine. The seconds that a hunt takes are measured for the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from itertools import count

from chaos.mutants import MUTANTS
from chaos.mutants.mutant import BOTH
from chaos.search.counterexample import Counterexample, Stage
from chaos.search.exploration import Exploration
from chaos.search.explore import explore
from chaos.search.injection_points import Data
from chaos.search.shrink import size_of
from chaos.spec.loader import parse_scenario
from chaos.spec.property import Property
from chaos.world.loop.names import LoopName
from chaos.world.stopwatch import Stopwatch

TURN = 16
"""Examples of one property before the next property takes its turn: two rounds."""

RECORDS_OVER = 1
FAULTS_OVER = 1
"""By how many records and faults the smallest scenario may exceed the minimum of a mutant."""

SMALLER = 3
"""The factor by which a hunt may exceed its budget of examples if it has a catch within the budget
that was not shrunk far enough."""

LOOP_DEFECT = "the fast loop has a defect: trio gave another history of an example that failed"


@dataclass(frozen=True, slots=True)
class Catch:
    """The result of the hunt for one mutant."""

    mutant: str
    examples: int = 0
    """The number of examples until the catch, or in all."""
    seconds: float = 0.0
    """The duration of the hunt in seconds of real time."""
    checks: tuple[str, ...] = ()
    """The checks that the smallest scenario breaks."""
    records: int = 0
    faults: int = 0
    """The size of the smallest scenario."""
    data: Data | None = None
    """The smallest scenario; None if no check failed."""
    reason: str = ""
    """Why the mutant does not count as caught; empty if it does."""
    lost: bool = False
    """Whether the process died or hung, so that there is no verdict."""

    @property
    def caught(self) -> bool:
        """Whether a declared check caught the mutant and the scenario is small enough."""
        return not self.reason


def hunt(name: str, examples: int | None = None, seed: int = 0, loop: LoopName = "trio") -> Catch:
    """Explore with a mutant in place until a check catches it or its budget is used up.

    Args:
        name: the name of the mutant.
        examples: the budget of examples, rounded up to whole turns; None for the budget that the
            mutant declares.
        seed: the seed of all examples.
        loop: the event loop of all examples.
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
            for prop in properties(mutant.semantics, mutant.regimes):
                if run and run >= budget * (1 if first is None else SMALLER):
                    reason = f"not caught in {run:,} examples"
                    return first or Catch(name, run, watch.seconds, reason=reason)
                found = explore(
                    prop, examples=TURN, seed=seed, after=turn * TURN, stage=Stage(loop=loop),
                    progress=reached,
                )  # fmt: skip
                run += found.examples
                if found.loop_defect:
                    return Catch(name, run, watch.seconds, reason=LOOP_DEFECT)
                if found.counterexample is None or found.counterexample.flaky:
                    continue
                catch = _caught(name, run, seconds, found.counterexample)
                if catch.caught:
                    return _at_the_first(catch, first)
                first = first or catch
    raise AssertionError("unreachable")


def control(turn: int, seed: int = 0, loop: LoopName = "trio") -> Catch:
    """Explore one turn of every property without a defect; any failed check is a false accusation.

    Args:
        turn: the number of the turn; no two turns share an example.
        seed: the seed of all examples.
        loop: the event loop of all examples.
    """
    watch, run, stage = Stopwatch(), 0, Stage(loop=loop)
    for prop in properties(BOTH):
        found = explore(prop, examples=TURN, seed=seed, after=turn * TURN, stage=stage)
        run += found.examples
        if found.loop_defect:
            return Catch(NONE, run, watch.seconds, reason=LOOP_DEFECT)
        if (counterexample := found.counterexample) is not None:
            checks = tuple(finding.check for finding in counterexample.result.broken)
            return Catch(
                NONE, run, watch.seconds, checks, *size_of(counterexample.data),
                counterexample.data, "accused, although it has no defect",
            )  # fmt: skip
    return Catch(NONE, run, watch.seconds)


def control_turns(examples: int) -> int:
    """Return the number of turns that run at least this many examples; at least 1."""
    return max(1, -(-examples // (TURN * len(_files(BOTH)))))


def combined(turns: Sequence[Catch]) -> Catch:
    """Return the result of several turns without a mutant: the first accusation counts."""
    worst = min(turns, key=lambda turn: (turn.caught, turn.lost))
    examples, seconds = sum(turn.examples for turn in turns), sum(turn.seconds for turn in turns)
    return replace(worst, examples=examples, seconds=seconds)


NONE = "none"
"""The name of the control, which has no defect."""


def properties(semantics: Sequence[str], regimes: Sequence[str] | None = None) -> list[Property]:
    """Return the properties of the zoo with one of these delivery semantics and regimes.

    Args:
        semantics: the delivery semantics.
        regimes: the last words of their file names; None for all.
    """
    return [_property(file) for file in _files(semantics, regimes)]


def _files(semantics: Sequence[str], regimes: Sequence[str] | None = None) -> list[str]:
    """Return the file names of these properties, ``SEMANTIC-REGIME.yaml``, in order of their turns.

    The order is that of their names, and not of the directory, which differs among machines.
    """
    found = []
    for file in sorted(each.name for each in files("chaos.mutants").iterdir()):
        stem, _, suffix = file.rpartition(".")
        semantic, _, regime = stem.rpartition("-")
        wanted = semantic in semantics and (regimes is None or regime in regimes)
        if wanted and suffix == "yaml":
            found.append((regime, file))
    return [file for _, file in sorted(found, key=lambda pair: pair[0], reverse=True)]


@cache
def _property(file: str) -> Property:
    """Return one property; to parse all of them takes longer than many a hunt."""
    text = files("chaos.mutants").joinpath(file).read_text(encoding="utf-8")
    return parse_scenario(text, file)


def _at_the_first(catch: Catch, first: Catch | None) -> Catch:
    """Return a catch with the examples and seconds of the first one, which was not small enough.

    Shrinking is greedy and may miss the smallest scenario; another counterexample can reach it.
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
        reason = (
            f"not shrunk far enough: its minimum is {mutant.records} records and "
            f"{mutant.faults} faults"
        )
    return Catch(name, examples, seconds, checks, records, faults, found.data, reason)
