"""Real runs for the tests of checks, and functions that change one thing in a finished run.

A check must find no violation in the run as it was, and one in the changed run: with a copy removed
from the log, an event from the list, or with another scenario to judge the run by.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

from chaos.history import History
from chaos.oracle.evidence import Evidence
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario
from simulator.events import Event, FrameRead
from wire.batch import Record

RETRY = {
    "max_retries": 2,
    "initial_delay": "100ms",
    "timeout": "10s",
    "strategy": "fixed-delay",
}
"""Three attempts, a tenth of a second apart."""

AT_MOST_ONCE = {"delivery_semantic": "at-most-once", "response_timeout": "1s"}


def scenario_of(*faults: Any, workload: Any = None, **more: Any) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "played",
            "producer": {"retry": RETRY, "attempt_timeout": "1s"},
            "faults": list(faults),
            "workload": workload or [{"send": {"count": 3}}, "wait"],
            "worlds": ["virtual"],
            **more,
        }
    )


def played(*faults: Any, workload: Any = None, **more: Any) -> History:
    history = run_scenario(scenario_of(*faults, workload=workload, **more))
    assert history.defect is None
    return history


def said(check: ModuleType, history: History) -> list[str]:
    finding = check.check(Evidence(history))
    assert bool(finding.count) == bool(finding.violations)
    return [violation.text for violation in finding.violations]


def judged(check: ModuleType, history: History) -> int:
    found: int = check.check(Evidence(history)).judged
    return found


def measured_by(history: History, **producer: Any) -> History:
    """Return the same run with another configuration of the producer."""
    scenario = history.scenario
    retry = producer.pop("retry", {})
    policy = scenario.producer.retry.model_copy(update=retry)
    options = scenario.producer.model_copy(update={**producer, "retry": policy})
    return replace(history, scenario=scenario.model_copy(update={"producer": options}))


def without(history: History, unwanted: Callable[[Event], bool]) -> History:
    """Return the same run without some events."""
    events = [event for event in history.events if not unwanted(event)]
    return replace(history, events=events)


def with_logs(history: History, logs: Mapping[int, list[Record]]) -> History:
    """Return the same run with other final logs."""
    return replace(history, logs={**history.logs, **logs})


def requests(history: History) -> list[FrameRead]:
    """Return the produce requests that carried records."""
    return Evidence(history).requests
