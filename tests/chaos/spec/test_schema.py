import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft7Validator

from chaos.search.known import KNOWN_FILES
from chaos.spec.guide import MODELS, tables_rewritten
from chaos.spec.loader import FIXED, load_scenario_file, parse_scenario
from chaos.spec.property import Example
from chaos.spec.schema import schema, schema_text
from chaos.spec.step import STEPS
from simulator.documents.reader import parse
from simulator.faults.model import FAULTS
from tests.chaos.spec.test_property import ALL, PROPERTY

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
SCHEMA = schema()
VALIDATOR = Draft7Validator(SCHEMA)
LEAST = "name: x\nworkload: [flush]\n"


def accepts(text: str) -> bool:
    return bool(VALIDATOR.is_valid(parse(text).data))


# --- the schema


def test_the_schema_is_valid_and_its_file_is_up_to_date() -> None:
    Draft7Validator.check_schema(SCHEMA)
    written = (ROOT / "scenarios" / "schema.json").read_text(encoding="utf-8")
    assert written == schema_text(), "run: make docs"


@pytest.mark.parametrize(
    "path",
    [path for path in sorted((ROOT / "scenarios").rglob("*.yaml")) if not path.match(KNOWN_FILES)],
    ids=lambda path: path.name,
)
def test_every_scenario_of_the_project_is_loaded_and_fits_the_schema(path: Path) -> None:
    load_scenario_file(path)
    assert accepts(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "cluster: {spus: 1..3}",
        "cluster: {any: [{}, {spus: 2}]}",
        "seed: {any: [1, 5..9, {any: [3, 4]}]}",
        "faults: [drop: {probability: 0..0.3}]",
        "faults: [drop: {nth: [1..3, {any: [7, 8]}]}]",
        "faults: [drop: {nth: 1..3, match: {any: [{}, {partition: 0}]}}]",
        "faults: [delay: {by: 0ms..2s}]",
        "faults: [delay: {by: {uniform: [1ms..5ms, 5ms..9ms]}}]",
        "faults: [delay: {by: {any: [1ms, {pareto: {scale: 1ms, shape: 1..2}}]}}]",
        "faults: [delay: {by: 1ms, between: [1s..2s, 3s]}]",
        "faults: [disconnect: {after_bytes: 0..1KiB}]",
        "faults: {any: [[], [drop], {some: [stall]}]}",
        "faults: [{any: [drop, {some: [stall, drop]}]}]",
        "faults: [drop: {any: [{nth: 1}, {every: 1..5}]}]",
        "faults: [refuse: {server: {any: [sc, spu]}}]",
        "producer: {compression: {any: [none, {any: [gzip, zstd]}]}, linger: 0.5ms..2 s}",
        "producer: {batch_size: {any: [1..1MiB, 5KiB]}, attempt_timeout: {any: [null, 5s]}}",
        "always: {lost: 0, unknown: 1.., failed: ..5, attempts: 2..5}",
        "sometimes: {flush: {max: ..2s, p99: 0.5s..1 m}, recovery: 10ms.., send: {}}",
        "worlds: [virtual]\nnetwork: {bandwidth: 1KiB..1MiB}",
    ],
)
def test_valid_files_fit_the_schema(text: str) -> None:
    parse_scenario(LEAST + text, "s.yaml")
    assert accepts(LEAST + text)


@settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(ALL.strategy())
def test_each_example_fits_the_schema(example: Example) -> None:
    assert VALIDATOR.is_valid(example.data)


def test_a_property_fits_the_schema() -> None:
    assert accepts(PROPERTY)


@pytest.mark.parametrize(
    "text",
    [
        "naem: y",
        "seed: -1",
        "seed: 1.5",
        "seed: 0ms..2s",
        "seed: 0..0.5",
        "seed: {any: []}",
        "seed: {any: [x]}",
        "seed: {some: [1]}",
        "cluster: {some: [{}]}",
        "cluster: {spus: 0}",
        "cluster: {spus: one}",
        "producer: {linger: 5}",
        "producer: {linger: 1..5}",
        "producer: {compression: zip}",
        "producer: {compression: 1..2}",
        "faults: [dorp]",
        "faults: [delay]",
        "faults: [drop: {by: 1ms}]",
        "faults: [error: {}]",
        "faults: [drop: {probability: 2}]",
        "faults: {some: []}",
        "faults: {some: [dorp]}",
        "expect: {lost: 0}",
        "always: {lost: {any: [1, 2]}}",
        "always: {lost: some}",
        "always: {lost: ..}",
        "sometimes: {flush: ..2s}",
        "sometimes: {flush: {max: 2s}}",
        "sometimes: {recovery: 1..2}",
        "worlds: {any: [[tcp]]}",
        "worlds: [moon]",
        "examples: 1..5",
        "slow: {any: [true]}",
    ],
)
def test_a_mistake_in_a_single_value_does_not_fit_the_schema(text: str) -> None:
    assert accepts(LEAST)
    assert not accepts(LEAST + text)


@pytest.mark.parametrize(
    "step", ["sleep", "move_leader", "cut", "sleep: 5", "move_leader: {}", "flsh"]
)
def test_a_step_without_its_required_key_does_not_fit_the_schema(step: str) -> None:
    assert not accepts(f"name: x\nworkload:\n  - {step}\n")


def test_every_key_is_explained() -> None:
    def keys(part: Any) -> Any:
        if isinstance(part, dict):
            yield from part.get("properties", {}).items()
            for below in part.values():
                yield from keys(below)
        elif isinstance(part, list):
            for below in part:
                yield from keys(below)

    unexplained = {key for key, value in keys(SCHEMA) if "description" not in value}
    # Distributions are described at the choice between them.
    assert unexplained <= {"any", "some", "normal", "pareto"}
    assert {key for key, _ in keys(SCHEMA)} >= {*FIXED, "retry", "send", "drop", "probability"}


# --- what editors offer, which make editors asks one


def parts(part: Any) -> Iterator[dict[str, Any]]:
    """Yield a schema and all schemas in it."""
    if isinstance(part, dict):
        yield part
        for below in part.values():
            yield from parts(below)
    elif isinstance(part, list):
        for below in part:
            yield from parts(below)


def test_no_title_heads_the_explanation_of_a_key() -> None:
    assert not [part for part in parts(SCHEMA) if isinstance(part.get("title"), str)]


@pytest.mark.parametrize(
    ("item", "known", "alone"),
    [("faults.item", FAULTS, {"drop", "stall"}), ("Scenario.workload.item", STEPS, {"send"})],
)
def test_an_item_of_a_list_is_a_word_or_a_mapping_with_one_key(
    item: str, known: Mapping[str, Any], alone: set[str]
) -> None:
    form = SCHEMA["$defs"][item]
    assert form["if"] == {"type": "string"}
    words, mapping = form["then"]["enum"], form["else"]
    assert sorted(words) == sorted(set(words))
    assert alone <= set(words) < set(known)
    assert set(mapping["properties"]) - {"any", "some"} == set(known)
    assert (mapping["minProperties"], mapping["maxProperties"]) == (1, 1)


def test_null_is_accepted_and_not_offered() -> None:
    assert not [part for part in parts(SCHEMA) if part.get("type") == "null"]
    assert accepts(LEAST + "producer: {attempt_timeout: null}")
    assert not accepts(LEAST + "seed: null")


# --- the guide


def test_the_tables_of_the_guide_are_up_to_date() -> None:
    assert tables_rewritten(GUIDE) == GUIDE, "run: make docs"


def test_the_guide_has_each_table() -> None:
    assert set(re.findall(r"<!-- keys of (\w+) -->", GUIDE)) == set(MODELS)
    assert "<!-- steps -->" in GUIDE


@pytest.mark.parametrize("text", BLOCKS)
def test_each_scenario_of_the_guide_is_valid(text: str) -> None:
    parse_scenario(text, "docs/scenarios.md")
    assert accepts(text)


def test_the_guide_shows_scenarios_and_a_property() -> None:
    assert {parse_scenario(text, "x").concrete for text in BLOCKS} == {True, False}


def test_the_first_scenario_of_the_guide_names_the_schema_for_editors() -> None:
    [path] = re.findall(r"^# yaml-language-server: \$schema=(.*)$", BLOCKS[0], re.MULTILINE)
    assert (ROOT / "docs" / path).resolve() == (ROOT / "scenarios" / "schema.json").resolve()
