"""Shrinking a failing scenario."""

from typing import Any

import pytest

from chaos.runner import run_scenario
from chaos.search.shrink import as_fired, shrink
from chaos.spec.scenario import Scenario
from simulator.events import FaultHit

DATA: dict[str, Any] = {
    "name": "large",
    "topic": {"partitions": 3},
    "producer": {"linger": "20ms", "retry": {"max_retries": 5, "timeout": "10s"}},
    "faults": [
        {"drop": {"probability": 0.4}},
        {"delay": {"name": "slow", "by": {"uniform": ["1ms", "90ms"]}, "every": 2}},
        {"error": {"at": "request", "code": "StorageError", "nth": 99}},
    ],
    "workload": [{"send": {"count": 60, "size": 100, "pace": "2ms"}}, "flush"],
    "seed": 3,
}


def verdicts(data: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return all firings: the exchange, the time and the fault."""
    history = run_scenario(Scenario.model_validate(data))
    assert history.defect is None
    return [
        (e.t, e.connection, e.at, e.partition, e.ordinal, e.kind, round(e.delay_s, 3))
        for e in history.events
        if isinstance(e, FaultHit)
    ]


def test_the_form_without_draws_strikes_the_same_exchanges() -> None:
    exact = as_fired(DATA, run_scenario(Scenario.model_validate(DATA)))
    assert verdicts(exact) == verdicts(DATA)
    assert len(verdicts(DATA)) > 3
    fields = [next(iter(fault.values())) for fault in exact["faults"]]
    assert all("probability" not in f and "every" not in f and "nth" in f for f in fields)
    assert len({f["name"] for f in fields}) == len(fields)


def test_a_fault_that_did_not_fire_is_left_out() -> None:
    exact = as_fired(DATA, run_scenario(Scenario.model_validate(DATA)))
    assert "error" not in {next(iter(fault)) for fault in exact["faults"]}


def test_every_part_that_does_not_matter_is_left_out() -> None:
    def fails(data: dict[str, Any]) -> bool:
        return any("drop" in fault for fault in data.get("faults", ())) and any(
            "send" in step and step["send"].get("count", 1) >= 7
            for step in data["workload"]
            if isinstance(step, dict)
        )

    small = shrink(DATA, fails)
    assert small["workload"] == [{"send": {"count": 7}}]
    assert [next(iter(fault)) for fault in small["faults"]] == ["drop"]
    assert "producer" not in small
    assert "topic" not in small


def test_times_become_short_and_readable() -> None:
    data = {"name": "x", "workload": [{"sleep": "12345ms"}]}

    def fails(data: dict[str, Any]) -> bool:
        (step,) = data["workload"] or [None]
        if step is None:
            return False
        text = step["sleep"]
        number = float(text.rstrip("msu"))
        return number * {"us": 1e-6, "ms": 1e-3, "s": 1}[text.lstrip("0123456789.")] >= 0.25

    small = shrink(data, fails)
    assert small["workload"][0]["sleep"] in ("250ms", "260ms")


def test_a_scenario_stays_as_it_is_if_no_smaller_one_fails() -> None:
    assert shrink(DATA, lambda data: False) == DATA


@pytest.mark.parametrize("runs_max", [1, 10])
def test_the_number_of_runs_is_bounded(runs_max: int) -> None:
    runs = 0

    def fails(_: dict[str, Any]) -> bool:
        nonlocal runs
        runs += 1
        return False

    shrink(DATA, fails, runs_max)
    assert runs <= runs_max


def test_a_fault_is_left_out_together_with_the_exchange_that_it_caused() -> None:
    """With one retry less, the exchanges of later faults have lower ordinals."""

    def fails(data: dict[str, Any]) -> bool:
        """Two consecutive exchanges: the first attempt of the last record, and its retry."""
        struck = [fault["drop"]["nth"] for fault in data.get("faults", ())]
        earlier = data["workload"].count("send") - 1
        first = 1 + earlier + (len(struck) - 2)
        return earlier >= 0 and len(struck) >= 2 and struck[-2:] == [first, first + 1]

    drops = [{"drop": {"name": f"drop-{nth}", "nth": nth}} for nth in (1, 3, 4)]
    data = {"name": "x", "faults": drops, "workload": ["send", "send"]}
    assert fails(data)
    small = shrink(data, fails)
    assert [fault["drop"]["nth"] for fault in small["faults"]] == [1, 2]
    assert small["workload"] == ["send"]


def test_a_fault_on_all_apis_becomes_a_fault_on_the_api_that_it_struck() -> None:
    """A narrower match counts fewer exchanges, and the ordinal is adapted."""
    data = {
        "name": "all",
        "faults": [{"drop": {"match": {"api": "all"}, "probability": 0.3}}],
        "workload": [{"send": {"count": 6, "wait": True}}, {"sleep": "2s"}],
        "seed": 5,
    }
    exact = as_fired(data, run_scenario(Scenario.model_validate(data)))
    apis = {fault["drop"]["match"].get("api") for fault in exact["faults"]}
    assert "all" not in apis
    where = [verdict[:4] for verdict in verdicts(data)]
    assert [verdict[:4] for verdict in verdicts(exact)] == where
    assert len(where) > 1
