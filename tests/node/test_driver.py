"""The official Node client as a client on trial."""

from typing import Any

import pytest

from chaos.drivers.driver import driver_named
from chaos.history import History
from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario

pytestmark = pytest.mark.node


def ran(**data: Any) -> History:
    """Run a scenario with the Node client."""
    scenario = Scenario.model_validate({"name": "x", "worlds": ["tcp"], **data})
    return run_scenario(scenario, "tcp", driver_named("fluvio-node").open)


def test_without_faults_it_keeps_its_promise() -> None:
    send_all = {"send_all": {"count": 3, "keys": 2}}
    empty = {"send": {"keys": 1, "value": "empty"}}
    history = ran(workload=[{"send": {"count": 20, "keys": 3}}, "flush", send_all, empty, "wait"])
    result = judge(history)
    assert (result.verdict, result.figures["acknowledged"]) == ("valid", 24)
    assert [sentence.partition(":")[0] for sentence in history.not_applicable] == ["offsets"]


def test_further_producers_are_made() -> None:
    history = ran(workload=[{"send": {"keys": 1}}, {"with_producer": [{"send": {"keys": 1}}]}])
    result = judge(history)
    assert (result.verdict, result.figures["acknowledged"]) == ("valid", 2)


def test_a_flush_that_fails_is_the_outcome_of_its_records() -> None:
    reset = {"disconnect": {"at": "request", "how": "rst", "nth": 1}}
    history = ran(faults=[reset], workload=[{"send": {"keys": 1}}, "flush"])
    record = history.records[0]
    assert record.outcome == "unknown"
    assert record.error is not None
    assert "Broken pipe" in record.error


def test_an_option_that_it_cannot_be_told_is_named() -> None:
    history = ran(
        producer={"delivery_semantic": "at-most-once", "linger": "5ms"},
        workload=[{"send": {"keys": 1}}, "flush"],
    )
    assert history.scenario.producer.delivery_semantic == "at-least-once"
    assert history.scenario.producer.linger == 0.1
    assert {"producer.linger", "producer.delivery_semantic"} < {
        sentence.partition(":")[0] for sentence in history.not_applicable
    }
