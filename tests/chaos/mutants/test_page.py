"""The page about the zoo has the texts of the mutants."""

from pathlib import Path

import pytest

from chaos.mutants import GROUPS, MUTANTS
from chaos.mutants.page import lists_rewritten

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "zoo.md").read_text(encoding="utf-8")


def test_the_lists_are_up_to_date() -> None:
    assert lists_rewritten(PAGE) == PAGE, "run: make docs"


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
