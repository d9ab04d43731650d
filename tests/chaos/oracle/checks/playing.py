"""Real runs for the tests of checks, and what can be changed in them afterwards.

A check must say nothing of a run as it was, and speak up once one thing in it is changed: a copy
taken out of the log, an event out of the list, or the scenario that the run is measured by.
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


def looked_at(check: ModuleType, history: History) -> int:
    found: int = check.check(Evidence(history)).looked_at
    return found


def measured_by(history: History, **producer: Any) -> History:
    """The same run, as if the producer had been configured like this."""
    scenario = history.scenario
    retry = producer.pop("retry", {})
    policy = scenario.producer.retry.model_copy(update=retry)
    options = scenario.producer.model_copy(update={**producer, "retry": policy})
    return replace(history, scenario=scenario.model_copy(update={"producer": options}))


def without(history: History, unwanted: Callable[[Event], bool]) -> History:
    """The same run, less some events."""
    events = [event for event in history.events if not unwanted(event)]
    return replace(history, events=events)


def with_logs(history: History, logs: Mapping[int, list[Record]]) -> History:
    """The same run with other logs in the end."""
    return replace(history, logs={**history.logs, **logs})


def requests(history: History) -> list[FrameRead]:
    """The produce requests with records."""
    return Evidence(history).requests
