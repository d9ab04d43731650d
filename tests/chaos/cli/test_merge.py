"""Shards: merged, they are one run over everything, to the byte."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.history import History
from chaos.oracle.judge import Result
from chaos.report.shard_directory import PARTS, SHARD
from chaos.search.counterexample import Counterexample, Stage, shrunk
from chaos.search.injection_points import Data
from tests.chaos.cli.test_main import BAD, LOST_ANSWER, PROPERTY, QUIET, Ended, strict

RARELY = """
name: a patient judge of lost answers
examples: 200
faults:
  - drop: {name: lost-answer, at: response, nth: 1}
workload:
  - send: {count: 1..100}
  - flush
"""

ENOUGH = 98
"""From this number of records on a duplicate breaks a promise: in few examples, in none of the
first two batches."""

NEVER = """
name: no fault fires
examples: 40
faults:
  - drop: {name: never, at: response, nth: 99}
workload:
  - send: {count: 1..20}
  - flush
"""

KNOWN = """
known:
  - {name: a copy after a lost answer, check: no-duplicates, cause: {effects: [not-answered]}}
"""


def patient(history: History, *, example: bool = False) -> Result:
    """A judge for which duplicates break a promise if there are enough records."""
    result = strict(history, example=example)
    if (
        len(history.records) >= ENOUGH
        or result.verdict != "invalid"
        or "patient" not in (history.scenario.name)
    ):
        return result
    return replace(result, verdict="valid", findings=())


@pytest.fixture(autouse=True)
def _strict_judge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in ("cli.tasks", "search.counterexample", "report.html.story"):
        monkeypatch.setattr(f"chaos.{module}.judge", patient)
    monkeypatch.chdir(tmp_path)


def without_times(text: str) -> str:
    """Return printed text without seconds."""
    return re.sub(r" *[0-9]+\.[0-9]{1,3}( s)?\b", " TIME", text)


def files_of(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name not in (PARTS, SHARD)
    }


def shards_of(count: int, *arguments: str) -> list[Ended]:
    found = [
        Ended(*arguments, "--shard", f"{n}/{count}", "--out", f"part-{n}")
        for n in range(1, count + 1)
    ]
    for n in range(1, count + 1):  # what a shard keeps may be moved to another machine
        shutil.rmtree(f"here-{n}", ignore_errors=True)
        Path(f"part-{n}").rename(f"here-{n}")
    return found


def compared(count: int, *arguments: str) -> tuple[Ended, Ended]:
    """Run a command as a whole and in shards; return both results, which are the same."""
    whole = Ended(*arguments, "--out", "out")
    kept = files_of(Path("out"))
    shutil.rmtree("out")
    shards_of(count, *arguments)
    merged = Ended("merge", *(f"here-{n}" for n in range(count, 0, -1)), "--out", "out")
    assert merged.status == whole.status
    assert without_times(merged.out) == without_times(whole.out)
    told = [line for line in whole.err.splitlines() if not line.endswith("is shrunk")]
    assert merged.err.splitlines() == told
    assert files_of(Path("out")) == kept
    return whole, merged


@pytest.fixture(autouse=True)
def _files(_strict_judge: None) -> None:
    texts = {
        "rarely": RARELY,
        "never": NEVER,
        "lost": LOST_ANSWER,
        "quiet": QUIET,
        "many": PROPERTY,
        "bad": BAD,
        "known": KNOWN,
    }
    for name, text in texts.items():
        Path(f"{name}.yaml").write_text(text)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_of_an_exploration_that_fails_are_merged_into_its_first_failure(count: int) -> None:
    whole, _ = compared(count, "explore", "rarely.yaml", "--jobs", "1")
    assert whole.status == 1
    document = json.loads(Path("out/rarely-virtual/result.json").read_text())
    assert document["failed"]["number"] >= 2 * 16
    assert document["examples"] == document["failed"]["number"] + 1


def test_flaky_examples_of_any_shard_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def flaky(data: Data, stage: Stage) -> Counterexample:
        return replace(shrunk(data, stage), flaky=True)

    monkeypatch.setattr("chaos.search.explore.shrunk", flaky)
    whole, _ = compared(3, "explore", "rarely.yaml", "--examples", "96", "--jobs", "1")
    assert whole.status == 2
    assert "an example failed in some of its runs only (no-duplicates)" in whole.out
    assert json.loads(Path("out/rarely-virtual/result.json").read_text())["examples"] > 3 * 16


@pytest.mark.parametrize("first", ["0", "13"])
def test_shards_begin_where_they_are_told_to(first: str) -> None:
    arguments = ["never.yaml", "quiet.yaml", "--from", first, "--examples", "50", "--jobs", "1"]
    whole, _ = compared(3, "explore", *arguments)
    assert whole.status == 2
    assert "fault never fired in no example" in whole.out


def test_known_defects_are_counted_over_all_shards() -> None:
    whole, _ = compared(2, "explore", "many.yaml", "--known", "known.yaml", "--jobs", "1")
    assert "known: a copy after a lost answer in" in whole.out


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_shards_of_a_run_are_merged_in_the_order_of_the_files(count: int) -> None:
    files = ["quiet.yaml", "lost.yaml", "bad.yaml", "never.yaml", "many.yaml"]
    whole, _ = compared(count, "run", *files, "--jobs", "1")
    assert whole.status == 1
    assert "bad.yaml:1:1" in whole.err


def test_a_shard_is_judged_by_what_it_can_tell() -> None:
    ended = shards_of(4, "explore", "never.yaml", "--jobs", "1")
    assert [each.status for each in ended] == [0, 0, 0, 0]  # the last one has no example
    assert "shard 4/4: 1 run: 1 valid" in ended[3].out
    assert [each.status for each in shards_of(3, "run", "lost.yaml", "--jobs", "1")] == [1, 0, 0]


def test_without_a_place_the_runs_stay_in_the_directories_of_the_shards() -> None:
    shards_of(2, "explore", "rarely.yaml", "--jobs", "1")
    merged = Ended("merge", "here-1", "here-2")
    assert merged.status == 1
    *_, last = merged.out.splitlines()
    again = Ended(*last.removeprefix("again: python -m chaos ").split())
    assert "replay here-" in last
    assert "the same run as the kept one" in again.out
    assert not Path(".chaos").exists()


def test_merge_writes_json_and_junit_as_a_run_does() -> None:
    shards_of(2, "explore", "rarely.yaml", "--jobs", "1")
    merged = Ended("merge", "here-1", "here-2", "--format", "json", "--junit", "report.xml")
    document = json.loads(merged.out)
    assert (document["status"], document["wanted"]) == (1, 1)
    assert document["runs"][0]["seconds"] > 0
    assert 'failures="1"' in Path("report.xml").read_text()


def refused(*directories: str) -> Sequence[str]:
    ended = Ended("merge", *directories)
    assert ended.status == 2
    assert "valid" not in ended.out
    return ended.err.splitlines()


def test_what_is_no_work_as_a_whole_is_one_line_and_status_2(tmp_path: Path) -> None:
    shards_of(3, "explore", "never.yaml", "--jobs", "1")
    assert refused("here-1", "here-3") == ["1 shard missing: 2/3"]
    assert refused("here-1", "here-1", "here-2", "here-3") == ["here-1: shard 1/3, as here-1"]
    [line] = refused("here-1", "quiet.yaml")
    assert line == "quiet.yaml/shard.json: not a directory"
    [line] = refused("here-1", "elsewhere")
    assert line.startswith("elsewhere: no shard.json")
    parts = Path("here-2/never-virtual/parts.jsonl")
    lines = parts.read_bytes().splitlines(keepends=True)
    for n in range(len(lines)):  # a file that was copied in part may end with a line
        parts.write_bytes(b"".join(lines[:n]))
        [line] = refused("here-1", "here-2", "here-3")
        assert line == f"{parts}: it ends early, behind line {n}; copy the file again"
    parts.write_text("{")
    [line] = refused("here-1", "here-2", "here-3")
    assert line == f"{parts}: line 1 is damaged; copy the file again"
    Path("here-2/shard.json").write_text("{}")
    [line] = refused("here-1", "here-2")
    assert line == "here-2/shard.json: work: field required"


def test_shards_of_other_work_are_refused() -> None:
    Ended("explore", "never.yaml", "--jobs", "1", "--shard", "1/2", "--out", "a")
    Ended("explore", "never.yaml", "--jobs", "1", "--shard", "2/2", "--out", "b", "--seed", "5")
    assert refused("a", "b") == ["b: not a shard of the same work as a"]


def test_a_shard_that_does_not_end_leaves_no_older_result(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["explore", "quiet.yaml", "--jobs", "1", "--shard", "1/1", "--out", "a"]
    Ended(*arguments)
    assert Path("a/shard.json").exists()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chaos.cli.explore.perform", interrupted)
    assert Ended(*arguments).status == 130
    assert not Path("a/shard.json").exists()


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "x", "1", "1/2/3", "1/10001", ""])
def test_a_shard_that_is_none_is_a_mistake(text: str) -> None:
    with pytest.raises(Exception, match="is no shard; write 1/4"):
        Ended("explore", "quiet.yaml", "--shard", text)


def test_without_the_extra_dask_is_one_line_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chaos.cli.options.find_spec", lambda name: None)
    with pytest.raises(Exception, match=r"not installed; pip install 'spu-chaos\[dask\]'"):
        Ended("explore", "quiet.yaml", "--dask", "tcp://127.0.0.1:8786")


def test_nothing_of_dask_is_loaded_unless_it_is_asked_for() -> None:
    code = "import chaos.cli.main, sys; sys.exit('distributed' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
