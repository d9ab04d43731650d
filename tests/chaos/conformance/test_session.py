"""Whole sessions, and the sums over them."""

import shutil
from pathlib import Path

import pytest

from chaos.conformance.compare import Comparison, Difference
from chaos.conformance.may_differ import MayDiffer
from chaos.conformance.session import SessionResult, Totals, compare_session
from chaos.conformance.trim import trimmed
from tests.chaos.conformance.recordings import FOLDER, NAMES, load

ENTRY = MayDiffer(api="watch", field="epoch", reason="a test")


def comparison(*differences: Difference) -> Comparison:
    return Comparison("a", "sc", 1, 1, "watch", 3, differences)


EXCUSED = Difference(("epoch",), "1", "2", ENTRY)
UNEXCUSED = Difference(("label",), "1", "2")


def test_a_session_without_its_setup_is_missing(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "produce.jsonl", tmp_path)
    result = compare_session(tmp_path / "produce.jsonl", [])
    assert (result.missing, result.comparisons) == ("there is no produce.setup.yaml", ())
    assert not Totals([result], []).passed


def test_the_records_of_a_session_are_equal_on_both_sides() -> None:
    result = compare_session(FOLDER / "produce-options.jsonl", [])
    produced = [each for each in result.comparisons if each.api == "produce"]
    assert len(produced) == 26
    assert all(each.outcome == "equal" for each in produced)


@pytest.mark.parametrize("name", NAMES)
def test_the_recordings_are_trimmed(name: str) -> None:
    recording, own = load(name)
    assert trimmed(recording, own) == recording


@pytest.mark.parametrize(
    ("results", "may_differ", "passed"),
    [
        ([SessionResult("a", [comparison()])], [], True),
        ([SessionResult("a", [comparison(EXCUSED)])], [ENTRY], True),
        ([SessionResult("a", [comparison()])], [ENTRY], False),
        ([SessionResult("a", [comparison(EXCUSED, UNEXCUSED)])], [ENTRY], False),
        ([SessionResult("a", missing="no setup")], [], False),
    ],
)
def test_what_fails_is_a_difference_an_idle_entry_and_a_missing_session(
    results: list[SessionResult], may_differ: list[MayDiffer], passed: bool
) -> None:
    assert Totals(results, may_differ).passed is passed


def test_no_entry_is_idle_while_sessions_are_left_out() -> None:
    assert Totals([SessionResult("a", [comparison()])], [ENTRY], complete=False).passed


def test_frames_are_counted_by_outcome() -> None:
    comparisons = [comparison(), comparison(EXCUSED), comparison(UNEXCUSED), comparison()]
    frames = Totals([SessionResult("a", comparisons)], [ENTRY]).frames
    assert frames == {"equal": 6, "excused": 3, "different": 3}
