"""``python -m benchmarks.chaos``: how fast scenarios are run and judged in virtual time.

Everything is in one process, so that a figure is one of one core. Rounds are interleaved. Drawing
is not part of any of them, and garbage is collected between the rounds, not within.
"""

import gc
import platform
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console

from benchmarks.figures import Figure, table_of
from chaos.history import History
from chaos.judge import judge
from chaos.run import run_scenario
from chaos.scenario import Scenario

ROUNDS = 6

POLICY = {
    "max_retries": 5,
    "initial_delay": "10ms",
    "max_delay": "2s",
    "timeout": "10s",
    "strategy": "exponential-backoff",
}

SMALL = {
    "producer": {"retry": POLICY},
    "faults": [
        {"drop": {"at": "response", "nth": 1}},
        {"disconnect": {"at": "request", "nth": 2}},
        {"delay": {"at": "request", "nth": 3, "by": "10ms"}},
    ],
    "workload": [{"send": {"count": 20}}, "flush"],
}
"""Connect, 20 records in one flush, three faults, heal, judge."""

SILENT = {
    "producer": {"retry": POLICY},
    "faults": [{"drop": {"at": "request"}}],
    "workload": [{"send": {"count": 1}}, "flush"],
}
"""The retry ladder of the documented policy: 10 s."""

WAITING = {
    "faults": [{"drop": {"at": "response", "nth": 1}}],
    "workload": [
        {"send": {"count": 1}},
        {"sleep": "30m"},
        {"send": {"count": 1}},
        {"sleep": "30m"},
    ],
}
"""An hour in which little happens."""

FIGURES = (
    Figure("judged scenarios", "scenarios/s", 0, target=500),
    Figure("retry ladder of 10 s", "ms", 2),
    Figure("waiting", "virtual s/s", 0, target=10_000),
    Figure("judging", "records/s", 0, target=200_000),
    Figure("ten times the records, times", "", 1),
)


def scenario(data: dict[str, Any]) -> Scenario:
    """A scenario of plain data."""
    return Scenario.model_validate({"name": "benchmark", "worlds": ["virtual"], **data})


def many(count: int) -> Scenario:
    """One with many records, batched, and some lost answers."""
    retry = {**POLICY, "max_delay": "10ms"}
    return scenario(
        {
            "producer": {"retry": retry},
            "faults": [{"drop": {"at": "response", "nth": 1}}],
            "workload": [{"send_all": {"count": count}}, "flush"],
        }
    )


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """How long something takes, each time."""
    gc.collect()
    started = time.perf_counter()  # noqa: TID251  a benchmark measures real time
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times  # noqa: TID251


def judged(subject: Scenario, verdict: str = "valid") -> History:
    """Run and judge; the figures mean nothing if the verdict is another."""
    history = run_scenario(subject)
    result = judge(history)
    assert result.verdict == verdict, result
    return history


def main() -> None:
    """Measure everything and print a table."""
    console = Console(highlight=False, soft_wrap=True)
    small, silent, waiting = scenario(SMALL), scenario(SILENT), scenario(WAITING)
    few, lots = many(10_000), many(100_000)
    history = judged(lots)
    judged(small)
    samples = []
    for number in range(1, ROUNDS + 1):
        with console.status(f"round {number} of {ROUNDS}"):
            samples.append(
                (
                    1 / seconds(lambda: judged(small), 200),
                    1000 * seconds(lambda: run_scenario(silent), 100),
                    3600 / seconds(lambda: judged(waiting), 50),
                    len(history.records) / seconds(lambda: judge(history)),
                    seconds(lambda: judged(lots)) / seconds(lambda: judged(few)),
                )
            )
    console.print(table_of(zip(FIGURES, zip(*samples, strict=True), strict=True), ROUNDS))
    console.print(f"{platform.python_implementation()} {platform.python_version()}, one core")


if __name__ == "__main__":
    main()
