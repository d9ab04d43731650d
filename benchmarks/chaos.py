"""``python -m benchmarks.chaos``: the speed of running and judging scenarios in virtual time.

Everything is in one process that never waits. CPU time is measured, which other load on the machine
affects less than real time. Rounds are interleaved, and garbage is collected between the rounds;
only exploring collects it within a round, as it does in use.
"""

import gc
import platform
import random
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console

from benchmarks.figures import Figure, table_of
from chaos.history import History
from chaos.oracle.judge import Result, judge
from chaos.report.html.story import story_html
from chaos.runner import run_scenario
from chaos.search.counterexample import Stage
from chaos.search.explore import explore
from chaos.spec.loader import parse_scenario
from chaos.spec.property import Property
from chaos.spec.scenario import Scenario
from chaos.world.gc_pause import gc_paused
from chaos.world.loop.names import LOOP, LoopName

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
"""An hour with two records."""

OPEN = """
name: everything open
worlds: [virtual]
cluster: {spus: 1..2}
topic: {partitions: 1..3}
producer:
  retry:
    max_retries: 1..5
    initial_delay: 10ms..100ms
    max_delay: 1s
    timeout: 5s..10s
    strategy: {any: [fixed-delay, exponential-backoff]}
faults:
  - some:
    - drop: {probability: 0.05..0.5}
    - disconnect: {how: {any: [rst, fin]}, probability: 0.05..0.3}
    - delay: {by: {uniform: [0ms, 500ms]}, probability: 0.1..0.5}
  - error: {at: request, code: StorageError, nth: 1..2, match: {partition: 0}}
workload:
  - send: {count: 1..40, size: 8..200}
  - flush
  - send: {count: 1..10, wait: true}
"""
"""A property whose examples have 14 requests and 9 firings on average."""

EXAMPLES = 50
"""The number of examples in a round."""

FIGURES = (
    Figure("judged scenarios", "scenarios/s", 0, target=500),
    Figure("judged scenarios, on trio", "scenarios/s", 0),
    Figure("retry ladder of 10 s", "ms", 2, target=2, most=True),
    Figure("waiting", "virtual s/s", 0, target=10_000),
    Figure("exploring", "examples/s", 0),
    Figure("drawing alone", "examples/s", 0),
    Figure("judging", "records/s", 0, target=200_000),
    Figure("ten times the records, times", "", 1, target=11, most=True),
    Figure("page of 100,000 events", "s", 2, target=2, most=True),
)


def _judged(history: History) -> None:
    """Judge a history without garbage collection, as the command line does."""
    with gc_paused():
        judge(history)


def events(least: int) -> History:
    """Return a history with at least this many events, which breaks a demand."""
    sending = {"send": {"count": least // 7 + 1, "wait": True}}  # seven events for each record
    faults = [{"drop": {"at": "response", "nth": 1}}]
    history = run_scenario(
        scenario({"faults": faults, "workload": [sending], "always": {"duplicated": 0}})
    )
    assert len(history.events) >= least
    return history


def page_of(history: History, result: Result) -> None:
    """Make the page of a history, beside another one of its size, as the command line does."""
    with gc_paused():
        story_html(history, result, history)


def scenario(data: dict[str, Any]) -> Scenario:
    """Return a scenario from plain data."""
    return Scenario.model_validate({"name": "benchmark", "worlds": ["virtual"], **data})


def many(count: int) -> Scenario:
    """Return a scenario with many records in batches, and a lost answer."""
    retry = {**POLICY, "max_delay": "10ms"}
    return scenario(
        {
            "producer": {"retry": retry},
            "faults": [{"drop": {"at": "response", "nth": 1}}],
            "workload": [{"send_all": {"count": count}}, "flush"],
        }
    )


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """Return the CPU time of one call, in seconds."""
    gc.collect()
    started = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - started) / times


def judged(subject: Scenario, verdict: str = "valid", loop: LoopName = LOOP) -> History:
    """Run and judge a scenario; with another verdict the figures would be meaningless."""
    history = run_scenario(subject, loop=loop)
    result = judge(history)
    assert result.verdict == verdict, result
    return history


def draw(prop: Property, count: int) -> None:
    """Draw examples of a property without running them."""
    rng = random.Random(0)
    for _ in range(count):
        assert prop.draw(rng).data


def main() -> None:
    """Measure everything and print a table."""
    console = Console(highlight=False, soft_wrap=True)
    prop = parse_scenario(OPEN, "open.yaml")
    small, silent, waiting = scenario(SMALL), scenario(SILENT), scenario(WAITING)
    tenth, large = many(10_000), many(100_000)
    history, stage = judged(large), Stage(loop=LOOP)
    judged(small)
    eventful = events(100_000)
    broken = judge(eventful)
    samples = []
    for number in range(1, ROUNDS + 1):
        with console.status(f"round {number} of {ROUNDS}"):
            samples.append(
                (
                    1 / seconds(lambda: judged(small), 200),
                    1 / seconds(lambda: judged(small, loop="trio"), 100),
                    1000 * seconds(lambda: run_scenario(silent, loop=LOOP), 100),
                    3600 / seconds(lambda: judged(waiting), 50),
                    EXAMPLES / seconds(lambda: explore(prop, examples=EXAMPLES, stage=stage)),
                    EXAMPLES / seconds(lambda: draw(prop, EXAMPLES)),
                    len(history.records) / seconds(lambda: _judged(history)),
                    seconds(lambda: judged(large)) / seconds(lambda: judged(tenth)),
                    seconds(lambda: page_of(eventful, broken)),
                )
            )
    console.print(table_of(zip(FIGURES, zip(*samples, strict=True), strict=True), ROUNDS))
    console.print(f"{platform.python_implementation()} {platform.python_version()}, one core")


if __name__ == "__main__":
    main()
