"""Targeting: the injection points of faults, and the fields that stay as in the file."""

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.history import CallEnded, History
from chaos.runner import run_scenario
from chaos.search.injection_points import InjectionPoints
from chaos.search.target import TargetedExample
from chaos.spec.loader import parse_scenario
from chaos.spec.property import Example
from simulator.events import FaultHit
from simulator.faults.kinds.delay import Delay

PROPERTY = """
name: targeted
worlds: [virtual]
cluster: {spus: 2}
topic: {partitions: 2}
producer: {retry: {timeout: 5s, max_retries: 3}}
faults:
  - refuse: {server: "spu:1", between: [10s, 11s]}
  - drop: {name: written, at: request, nth: 2, match: {partition: 1}}
  - some:
    - drop: {probability: 0.01, limit: 1}
    - disconnect: {at: response, how: fin, after_bytes: 3, match: {api: all}}
    - delay: {by: 1ms..9ms, nth: 2..3}
    - error: {at: request, code: StorageError, between: [20ms, 1s]}
workload:
  - send: {count: 4, wait: true}
  - sleep: 20ms
  - send: {count: 4, wait: true}
"""
SIX = settings(max_examples=6, deadline=None)
examples = parse_scenario(PROPERTY, "targeted.yaml").strategy()


def steps(example: Example, seed: int, most: int = 3) -> list[tuple[dict[str, Any], History]]:
    """Return the targeted example after each placement, with its run."""
    target = TargetedExample(example, seed)
    data, scenario = target.scenario()
    taken = [(data, run_scenario(scenario))]
    while len(taken) <= most and target.place(taken[-1][1]):
        data, scenario = target.scenario()
        taken.append((data, run_scenario(scenario)))
    return taken


def placed(data: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [next(iter(fault.items())) for fault in data["faults"][2:]]


@SIX
@given(examples, st.integers(0, 2**32))
def test_a_placed_fault_fires_once_in_every_run(example: Example, seed: int) -> None:
    for data, history in steps(example, seed):
        for _, fields in placed(data):
            count = history.faults[fields["name"]]
            assert (count.fired or 0) + count.shadowed == 1, (fields, data)


@SIX
@given(examples, st.integers(0, 2**32))
def test_placed_faults_differ_from_the_file_in_their_trigger_only(
    example: Example, seed: int
) -> None:
    data, history = steps(example, seed)[-1]
    first, second = data["faults"][:2]
    assert first["refuse"] == {"name": "refuse-1", "server": "spu:1", "between": ["10s", "11s"]}
    assert second["drop"] == {
        "name": "written",
        "at": "request",
        "nth": 2,
        "match": {"partition": 1},
    }
    kinds = Counter(kind for kind, _ in placed(data))
    assert kinds["drop"] <= 1  # its limit
    for kind, fields in placed(data):
        assert not {"probability", "between", "limit"} & fields.keys()
        match kind:
            case "disconnect":
                assert (fields["at"], fields["how"], fields["after_bytes"]) == (
                    "response",
                    "fin",
                    3,
                )
            case "delay":
                assert fields["nth"] in (2, 3)
                assert fields["by"] == example.floating[2].fault["delay"]["by"]
            case "error":
                assert (fields["at"], fields["code"]) == ("request", "StorageError")
    since = next(event.t for event in history.events if isinstance(event, CallEnded))
    for event in history.events:
        if isinstance(event, FaultHit) and event.kind == "error":
            assert 0.020 <= event.t - since < 1


def test_a_fault_without_injection_points_is_not_placed() -> None:
    text = "name: x\nfaults: [drop: {match: {api: fetch}}]\nworkload: [send]"
    (example,) = drawn(text)
    assert len(steps(example, 1)) == 1


def test_a_pinned_fault_leaves_nothing_to_place() -> None:
    text = "name: x\nfaults: [drop: {nth: 1}, stall: {every: 9}]\nworkload: [send]"
    (example,) = drawn(text)
    assert example.floating == ()
    assert [next(iter(fault)) for fault in example.pinned] == ["drop", "stall"]


def test_a_fault_with_probability_zero_is_not_floating() -> None:
    (example,) = drawn("name: x\nfaults: [drop: {probability: 0..0}]\nworkload: [send]")
    assert example.floating == ()


def test_a_fault_that_an_example_leaves_out_can_be_placed() -> None:
    text = "name: x\nfaults: {some: [drop: {probability: 0.1}]}\nworkload: [send]"
    for example in drawn(text, 8):
        assert [each.fault["drop"]["name"] for each in example.floating] == ["drop-1"]
        assert example.pinned == ()


@pytest.mark.parametrize("seed", range(3))
def test_the_same_seed_targets_the_same_injection_points(seed: int) -> None:
    (example,) = drawn(PROPERTY)
    assert [data for data, _ in steps(example, seed, 2)] == [
        data for data, _ in steps(example, seed, 2)
    ]


def test_the_injection_points_of_a_run_are_those_that_faults_strike() -> None:
    """A fault on all exchanges strikes exactly the injection points of a run without it."""
    text = "name: x\ntopic: {partitions: 2}\nworkload: [send: {count: 3, wait: true}]\nfaults: "
    (calm,) = drawn(text + "[]")
    (struck,) = drawn(text + "[delay: {by: 0ms, match: {api: all}}]")
    (fault,) = struck.scenario.faults
    assert isinstance(fault, Delay)
    listed = [
        (m.transmission, m.at.value, m.connection, m.ordinal)
        for m in InjectionPoints(run_scenario(calm.scenario)).of(fault)
    ]
    verdicts = [
        (e.transmission, e.at.value, e.connection, e.ordinal)
        for e in run_scenario(struck.scenario).events
        if isinstance(e, FaultHit)
    ]
    assert sorted(listed) == sorted(verdicts)
    assert len(verdicts) >= 6


def drawn(text: str, several: int = 1) -> list[Example]:
    """Return drawn examples of a file."""
    prop, rng = parse_scenario(text, "s.yaml"), random.Random(1)
    return [prop.draw(rng) for _ in range(several)]
