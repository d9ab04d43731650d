"""What an editor offers and explains in a scenario. ``make editors`` runs it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.spec.scenario import Scenario
from chaos.spec.step import STEPS
from simulator.faults.model import FAULTS
from tests.editors.language_server import LanguageServer

SCHEMA = Path(__file__).parents[2] / "scenarios" / "schema.json"
START = "name: x\n"

pytestmark = pytest.mark.editors


@pytest.fixture(scope="module")
def editor() -> Iterator[LanguageServer]:
    with LanguageServer(SCHEMA) as server:
        yield server


def test_every_key_of_a_scenario_is_offered_once(editor: LanguageServer) -> None:
    offered = editor.offered("")
    keys = {field.alias or name for name, field in Scenario.model_fields.items()}
    assert set(offered) >= keys


def test_every_fault_is_offered_once(editor: LanguageServer) -> None:
    offered = editor.offered(f"{START}faults:\n  - ")
    assert set(offered) >= set(FAULTS)
    assert "delay" in offered
    assert not [text for text in offered.values() if "drop: drop" in text]


def test_every_step_is_offered_once(editor: LanguageServer) -> None:
    offered = editor.offered(f"{START}workload:\n  - ")
    assert set(offered) >= set(STEPS)
    assert not [text for text in offered.values() if "send: send" in text]


def test_the_keys_of_a_fault_are_offered(editor: LanguageServer) -> None:
    offered = editor.offered(f"{START}faults:\n  - drop:\n      ")
    assert set(offered) >= {"name", "at", "nth", "probability", "match"}


@pytest.mark.parametrize("key", ["producer:\n  attempt_timeout", "seed", "cluster:\n  memory"])
def test_null_is_not_offered(editor: LanguageServer, key: str) -> None:
    assert "null" not in editor.offered(f"{START}{key}: ")


def test_values_are_offered(editor: LanguageServer) -> None:
    offered = editor.offered(f"{START}producer:\n  delivery_semantic: ")
    assert set(offered) >= {"at-least-once", "at-most-once"}


@pytest.mark.parametrize(
    ("line", "word", "begins"),
    [
        ("seed: 1", "seed", "Random seed"),
        ("faults: [drop: {nth: 1}]", "drop", "Discards one frame"),
        ("faults: [drop: {nth: 1}]", "nth", "Trigger: the ordinals"),
        ("workload: [send: {count: 1}]", "send", "Sends records"),
    ],
)
def test_an_explanation_begins_with_what_the_key_is(
    editor: LanguageServer, line: str, word: str, begins: str
) -> None:
    explained = editor.explained(f"{START}{line}", word)
    assert explained.startswith(begins), explained
