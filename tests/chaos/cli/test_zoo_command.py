"""``python -m chaos zoo``: the table, the score and the status."""

import json
import re

import pytest
from click.testing import CliRunner, Result

from chaos.cli.main import main
from chaos.mutants import MUTANTS
from chaos.mutants.hunt import Catch
from chaos.report.zoo_table import Zoo, document, lines

CAUGHT = Catch("gives-up-early", 3, 0.25, ("no-loss",), 1, 1, {"name": "x"})
MISSED = Catch("sticky-error", 200, 10.0, reason="not caught in 200 examples")
NOTHING = Catch("none", 100, 2.0)
ACCUSED = Catch("none", 7, 2.0, ("order",), 2, 1, {"name": "innocent"}, "accused")
LOST = Catch("sticky-error", reason="no verdict: its process died", lost=True)


def zoo(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["zoo", *arguments], standalone_mode=False)


def test_a_mutant_that_is_caught_gives_status_0_and_a_score() -> None:
    result = zoo("frame-without-its-records", "--jobs", "1")
    assert result.return_value == 0, result.output
    assert result.stdout.startswith("seed 0\n")
    assert re.search(r"^frame-without-its-records +(\S+, )*no-phantom", result.stdout, re.MULTILINE)
    assert re.search(r"^none +nothing, as expected +\d", result.stdout, re.MULTILINE)
    assert re.search(r"^1 of 1 caught\nmedian \d", result.stdout, re.MULTILINE)


def test_the_document_for_machines_has_the_smallest_scenario() -> None:
    outcome = json.loads(document(zoo_of(CAUGHT, control=NOTHING), status=0, interrupted=False))
    (entry,) = outcome["mutants"]
    assert (outcome["status"], outcome["caught"], outcome["of"], outcome["interrupted"]) == (
        0,
        1,
        1,
        False,
    )
    assert (entry["minimum"], entry["scenario"]) == ({"records": 1, "faults": 1}, {"name": "x"})
    assert (outcome["control"]["caught"], outcome["control"]["examples"]) == (True, 100)


def test_a_mutant_that_is_not_caught_gives_status_1_and_the_reason() -> None:
    result = zoo("applies-out-of-order", "--examples", "1", "--jobs", "1")
    assert result.return_value == 1
    assert re.search(r"^applies-out-of-order +nothing", result.stdout, re.MULTILINE)
    assert re.search(
        r"^applies-out-of-order: not caught in \d+ examples\n0 of 1 caught$", result.stdout, re.M
    )


def test_an_unknown_name_is_a_mistake_with_a_suggestion() -> None:
    result = zoo("give-up-early")
    assert str(result.exception) == (
        "there is no mutant 'give-up-early'; did you mean gives-up-early?"
    )


def zoo_of(*catches: Catch, control: Catch | None = None, wanted: int | None = None) -> Zoo:
    return Zoo(len(catches) if wanted is None else wanted, None, 0, [*catches], control)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (zoo_of(CAUGHT, control=NOTHING), "valid"),
        (zoo_of(CAUGHT, MISSED, control=NOTHING), "invalid"),
        (zoo_of(CAUGHT, control=ACCUSED), "invalid"),
        (zoo_of(MISSED, LOST, control=NOTHING), "invalid"),
        (zoo_of(CAUGHT, LOST, control=NOTHING), "inconclusive"),
        (zoo_of(CAUGHT, control=LOST), "inconclusive"),
        (zoo_of(CAUGHT), "inconclusive"),
        (zoo_of(CAUGHT, control=NOTHING, wanted=2), "inconclusive"),
    ],
)
def test_all_must_be_caught_and_nothing_else(found: Zoo, verdict: str) -> None:
    assert found.verdict == verdict


def test_a_process_that_hangs_gives_no_verdict_on_its_mutant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chaos.cli.zoo.LIMIT_S", 0.0)
    result = zoo("sticky-error", "--jobs", "1")
    assert result.return_value == 2
    assert re.search(r"^sticky-error +no verdict", result.stdout, re.MULTILINE)
    assert "sticky-error: no verdict: its process did not end within 0 s" in result.stdout


def test_an_interrupted_hunt_counts_the_finished_mutants() -> None:
    found = zoo_of(CAUGHT, wanted=len(MUTANTS))
    outcome = [line for line in lines(found, interrupted=True) if isinstance(line, str)]
    assert f"1 of {len(MUTANTS)} caught, interrupted after 1" in outcome
    assert json.loads(document(found, status=130, interrupted=True))["control"] is None
