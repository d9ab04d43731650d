"""``chaos.replay``: a counterexample as a test."""

from pathlib import Path
from unittest import SkipTest

from chaos.drivers.driver import driver_named
from chaos.drivers.registry import PRODUCER
from chaos.history import History
from chaos.oracle.judge import Result, judge
from chaos.report.narrative import NARRATIVES_MAX, Narrative, narratives_of
from chaos.runner import run_scenario
from chaos.spec.loader import load_scenario_file
from chaos.world.world import WorldName

VIOLATIONS_MAX = 5
"""The most violations of one check in a message."""


class PromiseBrokenError(AssertionError):
    """A run broke a promise; the text names it, and has the narratives of records."""


class NoVerdictError(AssertionError):
    """A run tested nothing, for example because the client could not connect; the text says why."""


def replay(path: str | Path, *, world: WorldName | None = None, client: str = PRODUCER) -> None:
    """Run a concrete scenario, and raise if it breaks a promise.

    >>> import chaos
    >>> chaos.replay("scenarios/at-least-once-reset-at-answer.yaml")

    Args:
        path: the scenario file.
        world: the world to run it in; None for the first one that the file names.
        client: the driver, as with ``--client``.

    Raises:
        PromiseBrokenError: the run breaks a promise.
        NoVerdictError: the run tested nothing.
        ValueError: the scenario does not run in that world.
        ScenarioFileError: the file has mistakes.
        SkipTest: the client is not installed; test runners take this for a skipped test.
    """
    __tracebackhide__ = True  # the text says all; pytest shows no frame of this function
    prop = load_scenario_file(path)
    driver = driver_named(client)
    if driver.unavailable is not None:
        raise SkipTest(driver.unavailable)
    scenario = prop.scenario()
    if world is not None and world not in scenario.worlds:
        raise ValueError(f"{path} runs in {' and '.join(scenario.worlds)}, not in {world!r}")
    history = run_scenario(scenario, world or scenario.worlds[0], driver.open)
    result = judge(history, example=True)
    if result.broken:
        raise PromiseBrokenError(broken_text(result, narratives_of(history, result)))
    if result.reasons:
        raise NoVerdictError("\n".join(result.reasons))


def broken_text(result: Result, narratives: list[Narrative]) -> str:
    """Return what a run broke as lines of text: the violations, then the narratives."""
    lines: list[str] = []
    for finding in result.broken:
        lines.append(f"{finding.check}:")
        lines += (f"  {violation.text}" for violation in finding.violations[:VIOLATIONS_MAX])
        if (more := finding.count - VIOLATIONS_MAX) > 0:
            lines.append(f"  ... and {more} more")
    for narrative in narratives[:NARRATIVES_MAX]:
        lines += ("", f"record {narrative.record}:", *narrative.shortened())
    return "\n".join(lines)


def account_of(history: History) -> str:
    """Return what a run broke and the narratives of those records, or else of remarkable ones;
    empty if there are none."""
    result = judge(history, example=True)
    return broken_text(result, narratives_of(history, result, else_remarkable=True)).strip()
