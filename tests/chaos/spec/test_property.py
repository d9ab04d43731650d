import random
import statistics
from collections import Counter
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from chaos.spec.loader import parse_scenario
from chaos.spec.property import SEED_DRAWN_MAX, WIDE, Example, Property
from chaos.spec.scenario import Scenario
from simulator.documents.emitter import to_yaml
from simulator.documents.quantities import parse_size
from wire.duration import parse_duration

PROPERTY = """
name: much is open
topic: {partitions: 1..3}
cluster: {spus: {any: [2, 1]}, commit_delay: 0ms..1ms}
producer:
  compression: {any: [none, {any: [gzip, zstd]}]}
  linger: 1.5ms..2ms
  batch_size: 1KiB..3KiB
faults:
  - delay: {by: {pareto: {scale: 1ms..2ms, shape: 1..2}}}
  - some:
      - drop: {probability: 0..0.3}
      - drop: {name: mine, nth: 1..10}
      - stall
  - any: [drop, {some: [disconnect, drop]}]
  - duplicate
workload:
  - send: {count: 1..200, size: 8..2KiB}
  - move_leader: {to: 0..1}
  - any: [flush, wait, {sleep: 0ms..2s}]
always: {lost: 0}
"""


def property_of(text: str) -> Property:
    return parse_scenario(text, "s.yaml")


def small(what: str) -> Property:
    return property_of(f"name: x\nworkload: [flush]\n{what}")


ALL = property_of(PROPERTY)
QUICK = settings(
    phases=[Phase.generate, Phase.shrink], database=None, max_examples=2_000, deadline=None
)


def smallest(
    prop: Property, condition: Any = lambda data: True, draws: int = 2_000
) -> dict[str, Any]:
    """Return the smallest example for which a condition holds."""
    quick = settings(QUICK, max_examples=draws)
    found = find(prop.strategy(), lambda example: bool(condition(example.data)), settings=quick)
    return found.data


# --- drawing


SEEDS = st.integers(0, 2**64 - 1)
DRAWN = SEEDS.map(lambda seed: ALL.draw(random.Random(seed)))


@settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(ALL.strategy() | DRAWN)
def test_each_example_is_a_valid_scenario_within_the_ranges(example: Example) -> None:
    data, scenario = example.data, example.scenario
    assert Scenario.model_validate(data) == scenario
    assert 1 <= scenario.topic.partitions <= 3
    assert scenario.cluster.spus in (1, 2)
    assert data["producer"]["compression"] in ("none", "gzip", "zstd")
    assert 0.0015 <= scenario.producer.linger <= 0.002
    assert 1024 <= scenario.producer.batch_size <= 3072
    assert data["workload"][0]["send"]["count"] in range(1, 201)
    assert 8 <= parse_size(data["workload"][0]["send"]["size"]) <= 2048
    assert data["workload"][1]["move_leader"]["to"] < scenario.cluster.spus
    assert data["always"] == {"lost": 0}
    assert 0 <= scenario.seed <= SEED_DRAWN_MAX
    by_name = {fault.name: fault.kind for fault in scenario.faults}
    assert len(by_name) == len(scenario.faults)
    assert {"delay-1", "duplicate-7"} <= set(by_name)
    assert by_name.keys() <= set(ALL.faults)
    assert "drop-2" not in by_name or data["faults"][1]["drop"]["probability"] <= 0.3


@settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(ALL.strategy() | DRAWN)
def test_an_example_written_as_a_file_loads_as_the_same_scenario(example: Example) -> None:
    again = property_of(to_yaml(example.data))
    assert again.concrete
    assert again.data == example.data
    assert again.scenario() == example.scenario


def test_examples_share_no_mutable_data() -> None:
    first, second = smallest(ALL), smallest(ALL)
    first["workload"][0]["send"]["count"] = "changed"
    first["always"]["lost"] = "changed"
    assert second["workload"][0]["send"]["count"] == 1
    assert ALL.data["always"] == {"lost": 0}


@pytest.mark.parametrize(
    ("what", "path", "low", "high"),
    [
        ("cluster: {spus: 1..3}", "cluster.spus", 1, 3),
        ("cluster: {spus: 2..2}", "cluster.spus", 2, 2),
        ("cluster: {commit_delay: 0ms..2s}", "cluster.commit_delay", "0ms", "2s"),
        ("cluster: {commit_delay: 0s..90s}", "cluster.commit_delay", "0ms", "90s"),
        ("cluster: {commit_delay: 1ms..1.5ms}", "cluster.commit_delay", "1ms", "1500us"),
        ("cluster: {commit_delay: 1us..1m}", "cluster.commit_delay", "1us", "1m"),
        ("producer: {batch_size: 1..1KiB}", "producer.batch_size", 1, "1KiB"),
        ("producer: {batch_size: 512..1025}", "producer.batch_size", 512, 1025),
        ("producer: {batch_size: 1MiB..2MiB}", "producer.batch_size", "1MiB", "2MiB"),
        ("producer: {compression: {any: [none, gzip]}}", "producer.compression", "none", "gzip"),
        ("faults: [drop: {probability: 0..1}]", "faults.0.drop.probability", 0, 1),
        ("faults: [drop: {probability: 0..0.3}]", "faults.0.drop.probability", 0, 0.3),
        ("faults: [drop: {probability: 0.1..0.1234}]", "faults.0.drop.probability", 0.1, 0.1234),
        ("faults: [drop: {nth: [1, 2..3]}]", "faults.0.drop.nth.1", 2, 3),
    ],
)
def test_both_ends_are_drawn_and_the_first_is_the_smallest(
    what: str, path: str, low: object, high: object
) -> None:
    def at(data: Any) -> object:
        for part in path.split("."):
            data = data[int(part)] if part.isdigit() else data[part]
        return data

    prop = small(what)
    assert at(smallest(prop)) == low
    assert at(smallest(prop, lambda data: at(data) == high)) == high
    drawn = [at(example.data) for example in many(prop, WIDE * 4)]
    assert {low, high} <= {*map(str, drawn)} | {*drawn}


def many(prop: Property, count: int, share: Fraction = Fraction(1)) -> list[Example]:
    """Return examples from one seed."""
    rng = random.Random(7)
    return [prop.draw(rng, share) for _ in range(count)]


@given(SEEDS)
def test_the_same_seed_draws_the_same_example(seed: int) -> None:
    assert ALL.draw(random.Random(seed)) == ALL.draw(random.Random(seed))


def test_values_of_a_range_are_equally_likely_but_for_the_ends_of_a_wide_one() -> None:
    narrow = Counter(e.scenario.cluster.spus for e in many(small("cluster: {spus: 1..4}"), 2_000))
    assert sorted(narrow) == [1, 2, 3, 4]
    assert all(400 < times < 600 for times in narrow.values())
    wide = Counter(e.scenario.producer.batch_size for e in many(small(BATCHES), 4_000))
    assert all(40 < wide.pop(end) < 100 for end in (1, 1_000_000))
    assert 490_000 < statistics.fmean(wide.elements()) < 510_000


BATCHES = "producer: {batch_size: 1..1000000}"


def test_a_share_limits_counts_and_sizes_but_not_durations() -> None:
    prop = small(f"{BATCHES}\ncluster: {{commit_delay: 0ms..1s}}")
    drawn = [example.scenario for example in many(prop, 200, Fraction(1, 16))]
    assert max(each.producer.batch_size for each in drawn) <= 62_500 + 1
    assert max(each.cluster.commit_delay for each in drawn) > 0.5


def test_a_share_without_valid_scenarios_is_ignored() -> None:
    moves = "{any: [move_leader: {to: 2}, move_leader: {to: 0}]}"
    prop = property_of(f"name: x\ncluster: {{spus: 1..3}}\nworkload: [{moves}]")
    drawn = [example.data for example in many(prop, 50, Fraction(1, 16))]
    moved = {(each["cluster"]["spus"], each["workload"][0]["move_leader"]["to"]) for each in drawn}
    assert {(1, 0), (3, 2)} <= moved


def test_probabilities_have_three_decimals() -> None:
    drawn = smallest(
        small("faults: [drop: {probability: 0..1}]"),
        lambda data: 0.5 < data["faults"][0]["drop"]["probability"] < 1,
    )
    assert drawn["faults"][0]["drop"]["probability"] == 0.501


def test_whole_ends_draw_fractions_only_where_the_field_takes_them() -> None:
    prop = small(
        "cluster: {spus: 1..3}\n"
        "faults: [drop: {probability: 0..1}, delay: {by: {pareto: {scale: 1ms, shape: 1..3}}}]"
    )
    assert [getattr(node, "fractions", None) for node in prop.generators] == [False, True, True]


@given(st.data())
def test_a_duration_is_drawn_in_a_readable_unit(data: st.DataObject) -> None:
    example = data.draw(small("cluster: {commit_delay: 1ms..3s}").strategy())
    text = example.data["cluster"]["commit_delay"]
    assert text.endswith("s")
    assert not text.endswith("us")
    assert parse_duration(text) == example.scenario.cluster.commit_delay


# --- faults that are left out


FAULTS = "name: x\nworkload: [flush]\nfaults:\n"


def test_no_fault_is_the_smallest_subset_and_all_of_them_one() -> None:
    prop = property_of(f"{FAULTS}  some: [drop, stall, error: {{code: Other}}]")
    assert smallest(prop)["faults"] == []
    full = smallest(prop, lambda data: len(data["faults"]) == 3)
    assert full["faults"] == [
        {"drop": {"name": "drop-1"}},
        {"stall": {"name": "stall-2"}},
        {"error": {"name": "error-3", "code": "Other"}},
    ]


def test_a_fault_keeps_its_name_when_others_are_left_out() -> None:
    prop = property_of(
        f"{FAULTS}  - some: [drop, drop: {{name: mine}}, stall]\n"
        "  - duplicate\n  - delay: {by: 1ms}\n"
    )
    assert prop.faults == ("drop-1", "mine", "stall-3", "duplicate-4", "delay-5")
    for wanted in ([], ["drop-1"], ["mine"], ["stall-3"], ["mine", "stall-3"]):
        names = [*wanted, "duplicate-4", "delay-5"]
        data = smallest(prop, lambda data, names=names: _names(data) == names)
        assert [fault.name for fault in Scenario.model_validate(data).faults] == names


def _names(data: dict[str, Any]) -> list[str]:
    return [fault.name for fault in Scenario.model_validate(data).faults]


def test_each_subset_can_be_drawn() -> None:
    prop = property_of(f"{FAULTS}  some: [drop, {{some: [stall, drop]}}, {{any: [drop, stall]}}]")
    seen = set()
    for _ in range(24):
        try:
            data = smallest(prop, lambda data: tuple(_names(data)) not in seen)
        except NoSuchExample:
            break
        seen.add(tuple(_names(data)))
    assert len(seen) == 2 * 2 * 2 * 3
    assert seen == {tuple(_names(example.data)) for example in many(prop, 500)}


def test_without_some_faults_are_left_as_they_are_written() -> None:
    prop = property_of(f"{FAULTS}  - drop\n  - drop: {{nth: 1..3}}")
    assert smallest(prop)["faults"] == ["drop", {"drop": {"nth": 1}}]


# --- the seed, and concrete scenarios


def test_the_seed_is_drawn_unless_the_file_fixes_it() -> None:
    assert smallest(small("topic: {partitions: 1..2}"))["seed"] == 0
    large = smallest(small("topic: {partitions: 1..2}"), lambda data: data["seed"] > 2**31)
    assert large["seed"] == 2**31 + 1
    fixed = small("topic: {partitions: 1..2}\nseed: 7")
    assert smallest(fixed)["seed"] == 7
    assert smallest(small("seed: 5..9"), lambda data: data["seed"] > 7)["seed"] == 8


def test_of_a_concrete_scenario_only_the_seed_is_drawn() -> None:
    assert smallest(small("")) == {"name": "x", "workload": ["flush"], "seed": 0}
    assert smallest(small("seed: 7")) == {"name": "x", "workload": ["flush"], "seed": 7}


def test_a_property_is_given_another_seed() -> None:
    concrete = small("seed: 7")
    assert concrete.scenario().seed == 7
    assert concrete.with_seed(9).scenario().seed == 9
    assert concrete.scenario().seed == 7
    assert smallest(small("topic: {partitions: 1..2}").with_seed(9))["seed"] == 9
    assert smallest(small("seed: 5..9").with_seed(3))["seed"] == 3


def test_a_property_is_not_a_single_scenario() -> None:
    with pytest.raises(ValueError, match="'x' has generators"):
        small("seed: 0..9").scenario()


def test_a_property_has_the_keys_that_all_examples_share() -> None:
    prop = small("worlds: [tcp]\nslow: true\nexamples: 7\nseed: 0..9")
    assert (prop.name, prop.worlds, prop.slow, prop.examples) == (
        "x",
        ("tcp",),
        True,
        7,
    )
    plain = small("").scenario()
    defaults = small("")
    assert defaults.worlds == tuple(plain.worlds)
    assert (defaults.slow, defaults.examples) == (plain.slow, plain.examples)


def test_a_combination_that_is_no_scenario_is_never_drawn() -> None:
    prop = property_of("name: x\ncluster: {spus: 1..3}\nworkload: [move_leader: {to: 0..2}]")
    with pytest.raises(NoSuchExample):
        smallest(
            prop,
            lambda data: data["workload"][0]["move_leader"]["to"] >= data["cluster"]["spus"],
            draws=300,  # of nine combinations, three of them invalid
        )
    for example in many(prop, 300):
        assert example.data["workload"][0]["move_leader"]["to"] < example.data["cluster"]["spus"]
    both = smallest(prop, lambda data: data["workload"][0]["move_leader"]["to"] == 2)
    assert both["cluster"]["spus"] == 3
