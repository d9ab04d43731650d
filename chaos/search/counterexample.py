"""Counterexamples: scenarios that break a promise, shrunk and confirmed.

In the virtual world a scenario that failed once fails always. With real sockets it may not, and a
counterexample counts only if it fails ``REPEATS`` times in a row; one that fails less often is
evidence, and flaky.
"""

import time
from dataclasses import dataclass
from math import inf

from pydantic import ValidationError

from chaos.drivers.driver import driver_named
from chaos.drivers.registry import PRODUCER
from chaos.history import History
from chaos.oracle.judge import Result, judge
from chaos.runner import run_scenario
from chaos.search.injection_points import Data
from chaos.search.shrink import RUNS_MAX, as_fired, shrink
from chaos.spec.scenario import Scenario
from chaos.world.world import WorldName

REPEATS = {"virtual": 1, "tcp": 3}
"""How often in a row a counterexample must fail."""

RUNS_MAX_TCP = 60
"""How many candidates are tried with real sockets, where each may take a second."""

SHRINK_TCP_S = 120.0
"""For how long, in real time, a counterexample is shrunk with real sockets: where a client hangs,
each candidate takes as long as a step may. In the virtual world candidates alone are counted."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The world in which scenarios run, and the client that is on trial there."""

    world: WorldName = "virtual"
    client: str = PRODUCER
    """The name of the client (``chaos/drivers/driver.py``)."""

    def run(self, scenario: Scenario) -> History:
        """Run a scenario once."""
        return run_scenario(scenario, self.world, driver_named(self.client).open)


VIRTUAL = Stage()
"""Our producer in the virtual world."""


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A scenario that breaks a promise."""

    data: Data
    """The smallest one that was reached, as plain data."""
    result: Result
    world: WorldName
    flaky: bool = False
    """With real sockets: it does not fail each time."""


def shrunk(data: Data, stage: Stage) -> Counterexample:
    """The smallest scenario that breaks the promise that this one breaks.

    Args:
        data: a scenario that failed, as plain data.
        stage: where it failed.
    """
    world = stage.world
    history = stage.run(Scenario.model_validate(data))
    result = judge(history, example=True)
    if not result.broken:
        return Counterexample(data, result, world, flaky=True)
    gravest = result.broken[0].check
    # Real time on purpose: a person waits for this.
    until = inf if world == "virtual" else time.monotonic() + SHRINK_TCP_S  # noqa: TID251

    def fails(candidate: Data) -> bool:
        nonlocal result
        if until < inf and time.monotonic() > until:  # noqa: TID251
            return False
        found = broken(candidate, stage, gravest)
        result = found or result
        return found is not None

    fired = as_fired(data, history)
    start = fired if fails(fired) else data
    if start is data and not fails(data):
        return Counterexample(data, result, world, flaky=True)
    # The candidate that was accepted last is the one that is returned, so this is its result.
    smallest = shrink(start, fails, RUNS_MAX if world == "virtual" else RUNS_MAX_TCP)
    return Counterexample(smallest, result, world)


def broken(data: Data, stage: Stage, check: str | None = None) -> Result | None:
    """The result of a scenario that breaks a promise each time that it is run.

    Args:
        data: the scenario.
        stage: where to run it.
        check: the check that must find the broken promise; None for any.

    Returns:
        None if it breaks none, or is no scenario.
    """
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError:
        return None
    result: Result | None = None
    for _ in range(REPEATS[stage.world]):
        result = judge(stage.run(scenario), example=True)
        if not any(check in (None, finding.check) for finding in result.broken):
            return None
    return result
