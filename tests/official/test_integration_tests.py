"""The runner of the official client's own tests, on a checkout with tests of ours."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from chaos.conformance.documents import load_document
from tests.official.integration_tests import (
    EXPECTED_FILE,
    STATUS_NO_RESULT,
    ExpectedFailures,
    ExpectedResults,
    Results,
    Suite,
    main,
    summary,
)

TESTS = """
import ctypes
import shutil
import unittest

from fluvio import Fluvio


class TestAll(unittest.TestCase):
    def test_passes(self):
        producer = Fluvio.connect().topic_producer("greetings")
        producer.send_string("hello").wait()

    def test_fails(self):
        self.assertEqual(1, 2)

    def test_finds_no_command(self):
        self.assertIsNone(shutil.which("fluvio"))

    def test_fails_in_a_subtest(self):
        for n in range(3):
            with self.subTest(n=n):
                self.assertNotEqual(n, 1)

    def test_hangs_with_the_lock_of_the_interpreter(self):
        ctypes.PyDLL(None).sleep(300)
"""


@pytest.mark.official
async def test_each_test_has_its_result_and_one_that_hangs_is_ended(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    found = await Suite(tmp_path, test_within_s=3, processes=1).results()
    failures = {name.removeprefix("test_some.TestAll."): why for name, why in found.items()}
    assert failures.pop("test_passes") is None
    assert failures.pop("test_finds_no_command") is None
    assert "1 != 2" in (failures.pop("test_fails") or "")
    assert "1 == 1" in (failures.pop("test_fails_in_a_subtest") or "")
    assert "crashed" in (failures.pop("test_hangs_with_the_lock_of_the_interpreter") or "")
    assert failures == {}
    assert [*summary(found)] == ["test_some: 2 of 5 passed"]
    assert os.listdir(tmp_path) == ["test_some.py"], "nothing is left there"


EXPECTED = ExpectedResults(
    passes=2, fails=[ExpectedFailures(reason="it needs more", tests=["t.T.c"])]
)
AS_EXPECTED: Results = {"t.T.a": None, "t.T.b": None, "t.T.c": "no"}


def test_results_as_listed_are_no_difference() -> None:
    assert [*EXPECTED.different(AS_EXPECTED)] == []
    assert [*EXPECTED.different({**AS_EXPECTED, "t.T.new": None})] == []


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({"t.T.c": None}, ["t.T.c passed, although it is listed: it needs more"]),
        ({"t.T.new": "broken"}, ["t.T.new failed:\nbroken"]),
        (
            {"t.T.a": "broken"},
            ["t.T.a failed:\nbroken", "1 tests passed; 2 pass before a real cluster"],
        ),
    ],
)
def test_another_result_is_a_difference(result: Results, told: list[str]) -> None:
    assert [*EXPECTED.different({**AS_EXPECTED, **result})] == told


def test_a_listed_test_that_is_not_run_is_a_difference() -> None:
    assert [*EXPECTED.different({})] == [
        "t.T.c is listed and was not run",
        "0 tests passed; 2 pass before a real cluster",
    ]


def test_of_the_52_tests_a_real_cluster_passes_40() -> None:
    expected = load_document(EXPECTED_FILE, ExpectedResults)
    listed = [test for each in expected.fails for test in each.tests]
    assert (expected.passes, len(listed), len({*listed})) == (40, 12, 12)


def test_a_folder_without_the_tests_is_told_in_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, [str(tmp_path)], standalone_mode=False)
    assert done.return_value == STATUS_NO_RESULT
    assert done.stderr == f"{tmp_path} has no folder integration-tests\n"
