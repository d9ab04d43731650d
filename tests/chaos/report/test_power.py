"""The power of certificates: the first placement that catches a mutant, and the page about all."""

from pathlib import Path

from chaos.mutants import MUTANTS
from chaos.report.power import MISSING, Noticed, notice, power_page
from chaos.search.alphabet import load_alphabet
from chaos.search.certify import CertificateBound

MOST = """
name: one record, at most once
worlds: [virtual]
producer: {delivery_semantic: at-most-once, response_timeout: 800ms}
workload:
  - send: {count: 1, wait: true}
"""

LEAST = MOST.replace("at most", "at least").replace(
    "{delivery_semantic: at-most-once, response_timeout: 800ms}",
    "{delivery_semantic: at-least-once, retry: {max_retries: 1, timeout: 1s}}",
)

TEXTS = [("most.yaml", MOST), ("least.yaml", LEAST)]


def bound(tmp_path: Path, letters: str, faults: int = 2) -> CertificateBound:
    path = tmp_path / "letters.yaml"
    path.write_text(letters, encoding="utf-8")
    return CertificateBound(load_alphabet(str(path)), faults)


def test_the_first_placement_that_a_check_of_the_mutant_catches_counts(tmp_path: Path) -> None:
    found = notice("retries-under-at-most-once", TEXTS, bound(tmp_path, "faults: [drop]"))
    assert (found.scenario, found.runs) == ("one record, at most once", 2)
    assert found.row is not None
    assert "no-duplicates" in found.row.broken


def test_files_with_another_semantic_are_passed_over(tmp_path: Path) -> None:
    found = notice("gives-up-early", TEXTS, bound(tmp_path, "faults: [drop]", 1))
    assert found.scenario == "one record, at least once"


def test_a_mutant_that_needs_another_letter_is_not_caught(tmp_path: Path) -> None:
    letters = bound(tmp_path, "faults: [{drop: {at: request}}]", 1)
    assert notice("swallows-an-error-code", TEXTS, letters) == Noticed("swallows-an-error-code", 4)


def test_the_runs_are_limited(tmp_path: Path) -> None:
    letters = bound(tmp_path, "faults: [{drop: {at: request}}]")
    assert notice("swallows-an-error-code", TEXTS, letters, limit=1).runs == 1


def test_the_page_says_what_is_missing(tmp_path: Path) -> None:
    caught = notice("retries-under-at-most-once", TEXTS, bound(tmp_path, "faults: [drop]"))
    text = power_page("letters", ["most.yaml"], [caught, Noticed("resets-the-backoff", 9)])
    assert "catch 1 of these 2 mutants" in text
    assert "| retries-under-at-most-once | 2 | 1 | `no-duplicates`" in text
    assert f"| resets-the-backoff | {MISSING['resets-the-backoff']} |" in text


def test_what_is_missing_is_said_of_mutants_of_the_zoo() -> None:
    assert MISSING.keys() <= MUTANTS.keys()
