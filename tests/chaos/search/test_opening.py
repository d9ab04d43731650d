"""The placements with which an exploration begins: letters, order and numbers."""

import pytest

from benchmarks.defects import DEFECTS
from chaos.search.counterexample import ExampleOutcome, Stage
from chaos.search.explore import ROUND, explore
from chaos.search.opening import letters_of
from chaos.spec.loader import parse_scenario
from chaos.spec.property import Property
from chaos.spec.scenario import Scenario

OPEN = """
name: lost and refused
worlds: [virtual]
producer: {delivery_semantic: at-least-once, retry: {max_retries: 1..3, timeout: 2s}}
faults:
  - drop: {name: lost, at: {any: [request, response]}, probability: 0.1}
  - some:
    - error: {at: request, code: {any: [Other, MessageTooLarge]}, probability: 0..0.1}
    - delay: {by: {uniform: [0ms, 1s]}, at: response, probability: 0.1}
workload:
  - send: {count: 1..20, wait: true}
"""


def opened() -> Property:
    return parse_scenario(OPEN, "open.yaml")


def letters(faults: str) -> list[tuple[str, dict[str, object], str]]:
    text = OPEN[: OPEN.index("faults:")] + f"faults: {faults}\nworkload: [send, wait]\n"
    found = letters_of(parse_scenario(text, "open.yaml"))
    return [(letter.kind, dict(letter.fields), name) for letter, name in found]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Scenario]:
    """The examples that are judged, in order."""
    found: list[Scenario] = []
    outcome = Stage.outcome

    def noted(self: Stage, scenario: Scenario) -> ExampleOutcome:
        found.append(scenario)
        return outcome(self, scenario)

    monkeypatch.setattr(Stage, "outcome", noted)
    return found


def placed(scenario: Scenario) -> bool:
    return all(fault.name.startswith("placed-") for fault in scenario.faults)


def test_the_letters_are_those_that_the_file_allows() -> None:
    assert [(each.kind, dict(each.fields), name) for each, name in letters_of(opened())] == [
        ("drop", {}, "lost"),
        ("error", {"at": "request", "code": "MessageTooLarge"}, "error-2"),
        ("delay", {"by": {"uniform": ["0ms", "1s"]}, "at": "response"}, "delay-3"),
    ]


@pytest.mark.parametrize(
    "faults",
    [
        "[{drop: {nth: 1..3}}]",
        "[{drop: {every: 2}}]",
        "[{drop: {probability: 0}}]",
        "[{drop: {between: [0s, 1s]}}]",
        "[{disconnect: {how: half-close}}]",
        "[{error: {at: response, code: Other}}]",
        "[{refuse: {server: sc}}]",
    ],
)
def test_faults_that_the_file_binds_or_does_not_have_are_no_letters(faults: str) -> None:
    assert letters(faults) == []


def test_a_value_that_the_letter_leaves_open_is_as_in_the_file() -> None:
    assert letters("[{disconnect: {after_bytes: 3..9, at: response, match: {partition: 0}}}]") == [
        (
            "disconnect",
            {"how": "rst", "after_bytes": 3, "match": {"partition": 0}, "at": "response"},
            "disconnect-1",
        )
    ]


def test_every_other_round_has_placements_by_their_number_of_letters(seen: list[Scenario]) -> None:
    explore(opened(), examples=4 * ROUND, placed=True)
    rounds = [seen[n : n + ROUND] for n in (0, len(seen) - 2 * ROUND)]
    assert all(map(placed, rounds[0]))
    assert [len(each.faults) for each in seen if placed(each)][:6] == [0, 1, 1, 1, 1, 2]
    assert all(each.workload == seen[0].workload for each in rounds[0])  # the smallest example


def test_an_example_depends_on_its_number_alone(seen: list[Scenario]) -> None:
    explore(opened(), examples=3 * ROUND, placed=True)
    whole = [each.to_data() for each in seen]
    for first in (1, 2 * ROUND + 3):
        seen.clear()
        explore(opened(), examples=3 * ROUND - first, after=first, placed=True)
        assert seen[-1].to_data() == whole[-1]
        assert [each.to_data() for each in seen if placed(each)] == [
            data for data in whole[-len(seen) :] if placed(Scenario.model_validate(data))
        ][-sum(map(placed, seen)) :]


def test_processes_change_nothing() -> None:
    alone, shared = (explore(opened(), examples=40, placed=True, jobs=jobs) for jobs in (1, 2))
    assert alone == shared


def test_a_placed_fault_counts_as_the_one_of_the_file() -> None:
    found = explore(opened(), examples=ROUND, placed=True)
    assert set(found.fired) == {"lost", "error-2", "delay-3"}
    assert found.fired["lost"] > 0


def test_two_refusals_in_a_row_are_found_among_the_placements() -> None:
    [defect] = [each for each in DEFECTS if each.name == "gives up when refused twice"]
    text = OPEN.replace("Other,", "StorageError,").replace("1..3, timeout", "3, timeout")
    with defect.in_place():
        found = explore(parse_scenario(text, "open.yaml"), examples=128, placed=True)
    assert found.failed is not None
    assert len(found.failed["faults"]) == 2


def test_real_sockets_have_no_placements(seen: list[Scenario]) -> None:
    prop = parse_scenario(OPEN.replace("[virtual]", "[tcp]"), "open.yaml")
    explore(prop, examples=1, placed=True, stage=Stage("tcp"))
    assert len(seen) == 1
    assert not placed(seen[0]) or not seen[0].faults
