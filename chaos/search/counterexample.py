"""Counterexamples: scenarios that break a promise, shrunk and confirmed.

In the virtual world a scenario that failed once always fails. With real sockets it may not, and a
counterexample counts only if it fails ``REPEATS`` times in a row; one that fails less often is
reported as flaky and does not make a property invalid.

What a scenario demands under ``always`` is demanded of its cluster, network and producer, which
therefore stay as they are. An example that only falls short of a demand (fewer records acknowledged
than demanded) is not shrunk: with less to do any run would fall short.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from pydantic import ValidationError

from chaos.drivers.driver import driver_named
from chaos.drivers.registry import PRODUCER
from chaos.history import History
from chaos.oracle.expectations import missed
from chaos.oracle.judge import Result, judge
from chaos.runner import run_scenario
from chaos.search.injection_points import Data
from chaos.search.known import KnownDefect, sorted_out
from chaos.search.shrink import RUNS_MAX, as_fired, shrink
from chaos.spec.scenario import Scenario
from chaos.world.loop.names import LoopName
from chaos.world.world import WorldName

REPEATS = {"virtual": 1, "tcp": 3}
"""By world, the number of consecutive runs in which a counterexample must fail."""

RUNS_MAX_TCP = 60
"""The most candidates that shrinking runs with real sockets, where each may take a second."""

SHRINK_TCP_S = 120.0
"""The limit on shrinking with real sockets, in seconds of real time: if a client hangs, each
candidate takes as long as a step may. In the virtual world only the candidates are limited."""


@dataclass(frozen=True, slots=True)
class ExampleOutcome:
    """The verdict on one example, and what of it is known."""

    history: History
    result: Result
    failed: tuple[str, ...]
    """The checks that found a broken promise for another cause than a known one."""
    known: tuple[str, ...]
    """The names of the known defects that explain broken promises."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The world in which scenarios run, the driver of the client, and its known defects."""

    world: WorldName = "virtual"
    client: str = PRODUCER
    """The name of the driver (``chaos/drivers/driver.py``)."""
    known: tuple[KnownDefect, ...] = ()
    """Defects that do not make an example fail."""
    loop: LoopName = "trio"
    """The event loop of the virtual world."""

    @property
    def on_trio(self) -> "Stage":
        """The same stage on the reference loop."""
        return replace(self, loop="trio")

    def run(self, scenario: Scenario) -> History:
        """Run a scenario once and return its history."""
        return run_scenario(scenario, self.world, driver_named(self.client).open, self.loop)

    def outcome(self, scenario: Scenario) -> ExampleOutcome:
        """Run an example once and judge it."""
        history = self.run(scenario)
        result = judge(history, example=True)
        unknown, names = sorted_out(self.known, history, result)
        return ExampleOutcome(history, result, tuple(finding.check for finding in unknown), names)


ALWAYS: Final = "always"
"""The check of a scenario's own demands."""

DEMANDED_OF = ("cluster", "topic", "network", "producer")
"""The keys of which a scenario demands what stands under ``always``."""

VIRTUAL = Stage()
"""Our producer in the virtual world."""


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A scenario that breaks a promise, after shrinking."""

    data: Data
    """The scenario as plain data."""
    result: Result
    world: WorldName
    flaky: bool = False
    """Whether it fails in some runs only; possible with real sockets alone."""
    loop_defect: bool = False
    """Whether the fast loop and trio gave different histories; the counterexample is trio's."""


def shrunk(data: Data, stage: Stage) -> Counterexample:
    """Return the smallest scenario found that breaks the same promise as the given one.

    What was found on the fast loop counts only if trio gives the same history of the smallest
    scenario. Otherwise the given one is run and shrunk again, on trio.

    Args:
        data: a scenario that failed, as plain data.
        stage: the world, the driver and the loop with which it failed.
    """
    found = _shrunk(data, stage)
    if stage.loop == "trio" or _same_on_trio(found.data, stage):
        return found
    return replace(_shrunk(data, stage.on_trio), loop_defect=True)


def _same_on_trio(data: Data, stage: Stage) -> bool:
    """Return whether trio gives the same history of a scenario, byte for byte."""
    scenario = Scenario.model_validate(data)
    return stage.run(scenario).dumps() == stage.on_trio.run(scenario).dumps()


def _shrunk(data: Data, stage: Stage) -> Counterexample:
    world = stage.world
    outcome = stage.outcome(Scenario.model_validate(data))
    result = outcome.result
    if not outcome.failed:
        return Counterexample(data, result, world, flaky=True)
    gravest = outcome.failed[0]
    over = exceeded(result)
    if gravest == ALWAYS and not over:
        return Counterexample(data, result, world)
    # Real time is intended: a person waits for the result.
    until = inf if world == "virtual" else time.monotonic() + SHRINK_TCP_S  # noqa: TID251

    def fails(candidate: Data) -> bool:
        nonlocal result
        if until < inf and time.monotonic() > until:  # noqa: TID251
            return False
        if gravest == ALWAYS and any(candidate.get(key) != data.get(key) for key in DEMANDED_OF):
            return False
        found = broken(candidate, stage, gravest)
        if found is None or (gravest == ALWAYS and over.isdisjoint(exceeded(found))):
            return False
        result = found
        return True

    fired = as_fired(data, outcome.history)
    start = fired if fails(fired) else data
    if start is data and not fails(data):
        return Counterexample(data, result, world, flaky=True)
    # shrink() returns the last candidate that it accepted, so ``result`` belongs to that one.
    smallest = shrink(start, fails, RUNS_MAX if world == "virtual" else RUNS_MAX_TCP)
    return Counterexample(smallest, result, world)


def exceeded(result: Result) -> frozenset[str]:
    """Return the expectations under ``always`` that a run exceeded."""
    return frozenset(each.name for each in missed(ALWAYS, result.expectations) if each.exceeded)


def broken(data: Data, stage: Stage, check: str | None = None) -> Result | None:
    """Run a scenario ``REPEATS`` times; return the last result if every run breaks a promise.

    Args:
        data: the scenario as plain data.
        stage: the world and the driver.
        check: the check that must find a broken promise that is not known; None for any check.

    Returns:
        None if one run breaks no such promise, or if ``data`` is not a valid scenario.
    """
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError:
        return None
    result: Result | None = None
    for _ in range(REPEATS[stage.world]):
        outcome = stage.outcome(scenario)
        result = outcome.result
        if not any(check in (None, failed) for failed in outcome.failed):
            return None
    return result


# --- the nearest passing run

LEFT_OUT = "left_out"
"""The key of ``History.about`` with the names of the faults that were left out."""

PASSING_RUNS_MAX = 12
"""The most runs of a search for a passing one: each costs as much as the failing one."""

PASSING_RECORDS_MAX = 10_000
"""The most records of a failing run beside which another one is searched, for the same reason."""


def nearest_passing(history: History) -> History | None:
    """Return a run that passes and has some faults fewer; None if none is found.

    What a failing run did differently shows best beside a run that passes and is otherwise the
    same. Faults keep their names, and draws depend on names, so that the others strike as before.
    The last fault is left out, then the one before it in its place, and so on; in the end all of
    them. Only runs of our producer in the virtual world can be repeated exactly.

    Args:
        history: a failing run, in the virtual world, of our producer.
    """
    if history.world != "virtual" or len(history.records) > PASSING_RECORDS_MAX:
        return None
    scenario = history.requested or history.scenario
    for left_out in _candidates(len(scenario.faults)):
        faults = [fault for n, fault in enumerate(scenario.faults) if n not in left_out]
        run = VIRTUAL.run(scenario.model_copy(update={"faults": faults}))
        if judge(run, example=True).verdict == "valid":
            names = [scenario.faults[n].name for n in left_out]
            run.about = {LEFT_OUT: _in_words(names)}
            return run
    return None


def _candidates(count: int) -> Iterator[Sequence[int]]:
    if not count:
        return
    for n in range(count - 1, max(-1, count - PASSING_RUNS_MAX), -1):
        yield (n,)
    if count > 1:
        yield range(count)


def _in_words(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"fault {names[0]}"
    return f"its {len(names)} faults"
