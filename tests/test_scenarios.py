"""The scenarios that the project ships: what they cover, and that they say the same everywhere."""

import io
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from rich.console import Console

import chaos
from chaos.oracle.judge import judge
from chaos.report.scenario_report import ScenarioReport
from chaos.report.table import table
from chaos.runner import run_scenario
from chaos.spec.generators import AnyOf, Faults, Range, SomeOf
from chaos.spec.property import Property
from chaos.spec.scenario import ProducerOptions, RetryOptions, Scenario
from chaos.spec.step import STEPS
from simulator.faults.kinds.disconnect import Disconnect
from simulator.faults.kinds.refuse import Refuse
from simulator.faults.model import FAULTS, Placed
from tests.scenario_files import DIRECTORY, loaded

FILES = {path.stem: loaded(path) for path in sorted(DIRECTORY.glob("*.yaml"))}
CONCRETE = {stem: each.scenario() for stem, each in FILES.items() if each.concrete}
PROPERTIES = {stem: each for stem, each in FILES.items() if not each.concrete}

SEMANTICS = ("at-least-once", "at-most-once")
EVERYTHING_OPEN = [f"{semantic}-everything-open" for semantic in SEMANTICS]
PLACED = [name for name, kind in FAULTS.items() if issubclass(kind, Placed)]
CUT_POINTS = ("request", "response")
HOWS = ("rst", "fin", "half-close")


def cut_points(kind: str) -> list[str]:
    """Where a kind strikes."""
    fault = FAULTS[kind].made()
    assert isinstance(fault, Placed)
    return [at.value for at in fault.cut_points]


IN_BOTH_WORLDS = [
    "at-least-once-answer-forged",
    "at-most-once-answer-forged",
    "at-least-once-answer-cut",
    "at-least-once-answer-duplicated",
    "at-least-once-closed-at-answer",
    "at-least-once-half-closed-at-request",
    "at-least-once-not-leader",
    "at-least-once-request-stalled",
    "at-least-once-reset-at-request",
    "at-least-once-timed-out-stored",
    "at-least-once-topic-deleted",
    "at-least-once-without-retries",
    "at-most-once-compression-refused",
    "at-most-once-half-closed-at-answer",
    "at-most-once-request-dropped",
    "at-most-once-request-duplicated",
    "at-most-once-reset-at-answer",
    "at-most-once-slow-commit",
]
"""Closed loops: each record is settled before the next one is sent, and faults strike by ordinal.
Of these a few for each kind of fault; over tcp each takes a third of a second."""


def struck(scenario: Scenario) -> Iterator[tuple[object, ...]]:
    """For each fault of a scenario its semantic, kind, cut point and trigger."""
    semantic = scenario.producer.delivery_semantic
    for fault in scenario.faults:
        if isinstance(fault, Refuse):
            yield semantic, fault.kind, fault.server, fault.how, fault.between
        elif isinstance(fault, Placed):
            trigger = fault.probability, fault.nth, fault.every, fault.between, fault.limit
            yield semantic, fault.kind, fault.at, *trigger


CERTIFICATES = [loaded(path) for path in sorted(DIRECTORY.glob("certificates/*.yaml"))]

# --- what they cover


def test_the_scenarios_of_certificates_are_small_and_settle_their_records() -> None:
    assert len(CERTIFICATES) == 12
    for each in CERTIFICATES:
        assert each.concrete
        assert each.worlds == ("virtual",)
        settled = "at-least-once" in each.text or "wait" in each.text
        assert settled, f"{each.filename}: its requests would be sent after healing"
    assert len({each.name for each in (*CERTIFICATES, *FILES.values())}) == 12 + len(FILES)


def test_there_are_examples_and_properties_enough() -> None:
    assert len(CONCRETE) >= 24
    assert len(PROPERTIES) >= 6
    assert all(each.examples >= 200 for each in PROPERTIES.values())


def test_no_two_have_one_name() -> None:
    assert Counter(each.name for each in FILES.values()).most_common(1)[0][1] == 1


def test_no_two_concrete_ones_strike_by_the_same_kind_cut_point_semantic_and_trigger() -> None:
    files: dict[tuple[object, ...], str] = {}
    for stem, scenario in CONCRETE.items():
        for strike in set(struck(scenario)):
            assert strike not in files, f"{stem} and {files[strike]}: {strike}"
            files[strike] = stem


@pytest.mark.parametrize("semantic", SEMANTICS)
@pytest.mark.parametrize(("kind", "at"), [(k, at) for k in PLACED for at in cut_points(k)])
def test_each_kind_strikes_at_each_cut_point_under_each_semantic(
    kind: str, at: str, semantic: str
) -> None:
    found = any((semantic, kind, at) == s[:3] for each in CONCRETE.values() for s in struck(each))
    assert found, f"add a concrete scenario: {kind} at: {at} under {semantic}"


@pytest.mark.parametrize("semantic", SEMANTICS)
@pytest.mark.parametrize("at", CUT_POINTS)
@pytest.mark.parametrize("how", HOWS)
def test_connections_end_in_each_way_at_each_cut_point(how: str, at: str, semantic: str) -> None:
    assert any(
        isinstance(fault, Disconnect) and (fault.how, fault.at) == (how, at)
        for each in CONCRETE.values()
        if each.producer.delivery_semantic == semantic
        for fault in each.faults
    )


# --- what the open ones open


def open_paths(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths by keys of everything that is drawn."""
    match value:
        case Range() | AnyOf():
            yield path
        case Mapping():
            for key, item in value.items():
                yield from open_paths(item, (*path, key))


def alternatives(value: Any) -> Iterator[Mapping[str, Any] | str]:
    """The faults and steps of a list, whatever they stand in."""
    match value:
        case AnyOf(options=members) | SomeOf(members=members) | list(members):
            for member in members:
                yield from alternatives(member)
        case Faults(items=items):
            for _, item in items:
                yield from alternatives(item)
        case _:
            yield value


def of_kind(prop: Property, key: str, kind: str) -> list[Mapping[str, Any]]:
    """The fields of all members of one kind."""
    members = [m if isinstance(m, Mapping) else {m: {}} for m in alternatives(prop.data[key])]
    return [member[kind] for member in members if kind in member]


def steps_in(value: Any) -> Iterator[str]:
    """The words of the steps of a list, those inside other steps included."""
    for step in alternatives(value):
        if isinstance(step, Mapping):
            yield from step
            for below in step.values():
                if isinstance(below, list):
                    yield from steps_in(below)
        elif isinstance(step, str):
            yield step


@pytest.mark.parametrize("stem", EVERYTHING_OPEN)
def test_with_everything_open_each_option_of_the_producer_is_drawn(stem: str) -> None:
    drawn = set(open_paths(PROPERTIES[stem].data["producer"]))
    keys = {(key,) for key in ProducerOptions.model_fields} - {("delivery_semantic",), ("retry",)}
    retries = {("attempt_timeout",), *(("retry", key) for key in RetryOptions.model_fields)}
    if stem.startswith("at-least-once"):
        assert drawn == (keys | retries) - {("response_timeout",)}
    else:
        assert drawn == keys - {("attempt_timeout",)}


@pytest.mark.parametrize("stem", EVERYTHING_OPEN)
def test_with_everything_open_the_cluster_and_the_network_are_drawn(stem: str) -> None:
    data = PROPERTIES[stem].data
    for key, fields in (
        ("cluster", {"spus", "commit_delay", "recovery", "replication"}),
        ("topic", {"partitions"}),
        ("network", {"latency", "bandwidth"}),
    ):
        assert {path[0] for path in open_paths(data[key])} == fields


@pytest.mark.parametrize("stem", EVERYTHING_OPEN)
@pytest.mark.parametrize("kind", FAULTS)
def test_with_everything_open_each_kind_strikes_everywhere(kind: str, stem: str) -> None:
    faults = of_kind(PROPERTIES[stem], "faults", kind)
    if kind not in PLACED:
        assert faults
        return
    places: set[Any] = set()
    for fault in faults:
        places.update(alternatives(fault.get("at", "both")))
    assert set(cut_points(kind)) <= places or "both" in places


@pytest.mark.parametrize("stem", EVERYTHING_OPEN)
def test_with_everything_open_each_trigger_is_used(stem: str) -> None:
    faults = [f for kind in PLACED for f in of_kind(PROPERTIES[stem], "faults", kind)]
    assert {"probability", "nth", "every", "between", "limit"} <= {key for f in faults for key in f}


@pytest.mark.parametrize("stem", EVERYTHING_OPEN)
@pytest.mark.parametrize("step", STEPS)
def test_with_everything_open_each_step_is_taken(step: str, stem: str) -> None:
    assert step in set(steps_in(PROPERTIES[stem].data["workload"]))


def test_the_two_that_open_everything_draw_the_same_faults_and_the_same_work() -> None:
    first, second = (PROPERTIES[stem].text.split("\nfaults:\n") for stem in EVERYTHING_OPEN)
    assert first[1] == second[1]


# --- what they say


def test_the_table_of_all_has_one_line_for_each_on_a_terminal_of_100_columns() -> None:
    outcomes = [
        ScenarioReport(
            each.name, each.filename, "virtual", 0, verdict="valid", examples=1000, seconds=100
        )
        for each in FILES.values()
    ]
    file = io.StringIO()
    Console(file=file, width=100).print(table(outcomes))
    header = 2
    assert len(file.getvalue().splitlines()) == header + len(outcomes)


@pytest.mark.parametrize("stem", CONCRETE)
def test_each_is_valid_in_virtual_time(stem: str) -> None:
    result = judge(run_scenario(CONCRETE[stem]))
    assert (result.verdict, result.reasons) == ("valid", ())


@pytest.mark.parametrize("stem", PROPERTIES)
def test_no_scenario_of_a_property_breaks_a_promise(stem: str) -> None:
    @settings(max_examples=50)
    @given(chaos.scenarios(DIRECTORY / f"{stem}.yaml"))
    def no_promise_is_broken(scenario: chaos.Scenario) -> None:
        assert not chaos.judge(chaos.run_scenario(scenario), example=True).broken

    no_promise_is_broken()


@pytest.mark.parametrize("stem", IN_BOTH_WORLDS)
def test_a_closed_loop_goes_the_same_way_in_both_worlds(stem: str) -> None:
    virtual, tcp = (run_scenario(CONCRETE[stem], world) for world in ("virtual", "tcp"))
    assert judge(virtual).verdict == judge(tcp).verdict == "valid"
    assert virtual.trace() == tcp.trace()
