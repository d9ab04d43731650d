"""The page about the zoo has the texts of the mutants."""

import re
from pathlib import Path

import pytest

from chaos.mutants import GROUPS, MUTANTS
from chaos.mutants.page import lists_rewritten
from chaos.oracle.checks import CHECKS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "zoo.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "chaos.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [PAGE, GUIDE], ids=["zoo", "chaos"])
def test_the_lists_are_up_to_date(page: str) -> None:
    assert lists_rewritten(page) == page, "run: make docs"


@pytest.mark.parametrize("name", CHECKS)
def test_each_check_is_in_the_guide_with_its_mutants(name: str) -> None:
    (row,) = [line for line in GUIDE.splitlines() if line.startswith(f"| `{name}` | ")]
    assert row.count("|") == 7
    assert not row.endswith("|  |"), "no mutant is caught by it"


def test_the_guide_explains_each_rule_and_each_cause() -> None:
    explained = {
        name
        for line in GUIDE.splitlines()
        if line.startswith("| `")
        for name in re.findall("`([a-z-]+)`", line.split("|")[1])
    }
    for check in CHECKS.values():
        assert not {*check.excuses, *check.causes} - explained


@pytest.mark.parametrize("name", MUTANTS)
def test_each_mutant_is_in_a_list(name: str) -> None:
    assert PAGE.count(f"\n| `{name}` | ") == 1


def test_an_outdated_list_is_generated_again() -> None:
    assert lists_rewritten(PAGE.replace("| both |", "| neither |")) == PAGE
    assert all(f"<!-- mutants: {group.__name__.split('.')[-1]} -->" in PAGE for group in GROUPS)


@pytest.mark.parametrize("page", ["docs/zoo.md", "README.md"])
def test_the_score_is_the_number_of_mutants(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert f"{len(MUTANTS)} of {len(MUTANTS)} caught" in text
