"""The hunt for mutants: catches, the checks that catch, sizes, and mutants that are not caught."""

from dataclasses import replace

import pytest

from chaos.mutants import MUTANTS
from chaos.mutants.hunt import (
    NONE,
    TURN,
    Catch,
    combined,
    control,
    control_turns,
    hunt,
    properties,
)
from chaos.mutants.mutant import AT_LEAST_ONCE, AT_MOST_ONCE, BOTH, GENERAL
from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.search.shrink import size_of
from chaos.spec.scenario import Scenario
from chaos.world.stopwatch import Stopwatch


@pytest.mark.parametrize(
    "name", ["gives-up-early", "retries-under-at-most-once", "frame-without-its-records"]
)
def test_a_mutant_of_each_kind_is_caught_by_its_checks_and_shrunk(name: str) -> None:
    catch = hunt(name)
    assert (catch.mutant, catch.reason, catch.caught) == (name, "", True)
    assert set(catch.checks) & set(MUTANTS[name].caught_by)
    assert catch.examples > 0
    assert catch.data is not None
    assert (catch.records, catch.faults) == size_of(catch.data)


def test_the_smallest_scenario_fails_with_the_defect_and_not_without() -> None:
    catch = hunt("retries-under-at-most-once")
    assert catch.data is not None
    scenario = Scenario.model_validate(catch.data)
    assert not judge(run_scenario(scenario)).broken
    with MUTANTS[catch.mutant].applied():
        result = judge(run_scenario(scenario))
    assert tuple(finding.check for finding in result.broken) == catch.checks


def test_the_same_seed_catches_with_the_same_scenario() -> None:
    first, second = (hunt("frame-without-its-records", seed=1) for _ in range(2))
    assert (first.data, first.examples) == (second.data, second.examples)


def test_a_hunt_ends_after_its_budget_and_counts_the_examples() -> None:
    catch = hunt("applies-out-of-order", 1)
    assert (catch.caught, catch.examples, catch.data) == (False, TURN, None)
    assert (catch.reason, catch.lost) == (f"not caught in {TURN} examples", False)


def test_a_hunt_has_the_budget_that_its_mutant_declares(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MUTANTS["applies-out-of-order"], "examples", TURN + 1)
    assert hunt("applies-out-of-order").examples == 2 * TURN


def test_the_speed_of_the_clock_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    first = hunt("retries-under-at-most-once")
    monkeypatch.setattr(Stopwatch, "seconds", 1e9)
    assert replace(hunt("retries-under-at-most-once"), seconds=first.seconds) == first


def test_a_mutant_that_another_check_catches_does_not_count_as_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MUTANTS["retries-under-at-most-once"], "caught_by", ("order",))
    catch = hunt("retries-under-at-most-once", 1, seed=2)
    assert (catch.caught, catch.checks) == (False, ("no-duplicates",))
    assert catch.reason == "caught by none of its checks (order)"


def test_a_mutant_whose_scenario_stays_large_does_not_count_as_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MUTANTS["retries-under-at-most-once"], "records", -1)
    catch = hunt("retries-under-at-most-once", 1, seed=2)
    assert (catch.caught, catch.records) == (False, 1)
    assert catch.reason == "not shrunk far enough: its minimum is -1 records and 1 faults"


def test_without_a_mutant_nothing_is_accused() -> None:
    catch = control(0)
    assert (catch.mutant, catch.caught, catch.examples) == (
        NONE,
        True,
        TURN * len(properties(BOTH)),
    )


def test_the_control_has_at_least_as_many_examples_as_the_hunts() -> None:
    of_a_turn = TURN * len(properties(BOTH))
    for examples, turns in ((0, 1), (1, 1), (of_a_turn, 1), (of_a_turn + 1, 2)):
        assert control_turns(examples) == turns


def test_the_first_accusation_in_any_turn_counts() -> None:
    nothing = Catch(NONE, 100, 2.0)
    lost = Catch(NONE, reason="no verdict: it died", lost=True)
    accused = Catch(NONE, 7, 2.0, ("order",), 2, 1, {"name": "innocent"}, "accused")
    later = replace(accused, data={"name": "innocent too"})
    assert combined([nothing, nothing]) == replace(nothing, examples=200, seconds=4.0)
    assert combined([nothing, lost]) == replace(lost, examples=100, seconds=2.0)
    assert combined([lost, nothing, accused, later]) == replace(accused, examples=114, seconds=6.0)


def test_an_accusation_without_a_mutant_is_reported() -> None:
    with MUTANTS["frame-without-its-records"].applied():
        catch = control(0)
    assert not catch.caught
    assert catch.checks
    assert catch.reason == "accused, although it has no defect"


def test_each_semantic_has_its_own_properties() -> None:
    first, second = (properties([semantic]) for semantic in (AT_LEAST_ONCE, AT_MOST_ONCE))
    assert min(len(first), len(second)) >= 4
    assert len(properties(BOTH)) == len(first) + len(second)
    for semantic, props in ((AT_LEAST_ONCE, first), (AT_MOST_ONCE, second)):
        assert {prop.data["producer"]["delivery_semantic"] for prop in props} == {semantic}


def test_the_turns_have_the_order_of_the_names() -> None:
    names = [prop.filename for prop in properties(BOTH, ["copies", "topics"])]
    last, first = (
        [f"{semantic}-{word}.yaml" for semantic in BOTH] for word in ("copies", "topics")
    )
    assert names == [*first, *last]


def test_a_mutant_is_hunted_in_its_regimes_only() -> None:
    general = properties(BOTH, GENERAL)
    assert not [prop for prop in properties(BOTH, ["answers"]) if prop in general]


@pytest.mark.parametrize("name", MUTANTS)
def test_each_mutant_has_a_property_for_each_of_its_regimes_and_semantics(name: str) -> None:
    mutant = MUTANTS[name]
    assert all(properties(BOTH, [regime]) for regime in mutant.regimes)
    assert all(properties([semantic], mutant.regimes) for semantic in mutant.semantics)


def test_the_size_counts_records_and_disturbances() -> None:
    data = {
        "faults": [
            "drop",
            {"stall": {"nth": [1, 2]}},
            {"delay": {"by": "1ms", "nth": 3}},
            {"refuse": {"server": "spu"}},
        ],
        "workload": [
            "send",
            {"send": {"count": 3}},
            {"send_all": {"count": 2}},
            "flush",
            {"move_leader": {"to": 1}},
            {"stop_spu": {"spu": 0}},
            "stop_spu",
            {"start_spu": {"spu": 0}},
        ],
    }
    assert size_of(data) == (1 + 3 + 2, 1 + 2 + 1 + 1 + 4)
