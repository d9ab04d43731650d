"""``python -m chaos judge``: the same verdict in another process, and bad input in one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chaos.cli.judge import judge_command
from chaos.cli.main import main

PROJECT = Path(__file__).parents[3]
FILES = (
    "scenarios/at-least-once-reset-at-answer.yaml",
    "scenarios/at-most-once-reset-at-request.yaml",
    "scenarios/at-least-once-spu-restarts.yaml",
    "scenarios/official-client/after-one-disconnect.yaml",
)


def chaos(*arguments: str) -> None:
    """Run a command in a process with another hash seed."""
    subprocess.run(
        [sys.executable, "-P", "-m", "chaos", *arguments],
        cwd=PROJECT,
        env={**os.environ, "PYTHONHASHSEED": "12"},
        stdout=subprocess.DEVNULL,
        check=False,
        timeout=240,
    )


def judged(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["judge", *arguments], standalone_mode=False)


def test_another_process_gives_the_same_result_byte_for_byte(tmp_path: Path) -> None:
    chaos("run", *FILES, "--world", "virtual", "--out", str(tmp_path / "run"))
    kept = sorted(path.parent for path in (tmp_path / "run").rglob("history.jsonl"))
    assert len(kept) == len(FILES)
    chaos("judge", *map(str, kept), "--out", str(tmp_path / "judged"))
    for directory in kept:
        again = tmp_path / "judged" / directory.name / "result.json"
        assert again.read_bytes() == (directory / "result.json").read_bytes()
        assert not (directory / "story.html").exists()  # all are valid


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is empty; a history begins with a header"),
        ("# a page\n", "line 1: Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_an_invalid_history_is_one_line_and_status_2(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "page"
    path.write_text(text)
    result = judged(str(path))
    assert (result.return_value, result.output) == (2, f"{path}: {message}\n")


def test_a_missing_history_is_one_line_and_status_2(tmp_path: Path) -> None:
    result = judged(str(tmp_path))
    assert result.return_value == 2
    assert result.output == f"{tmp_path / 'history.jsonl'}: no such file or directory\n"


def test_a_history_that_was_edited_is_refused_without_a_traceback(tmp_path: Path) -> None:
    chaos("run", FILES[0], "--world", "virtual", "--out", str(tmp_path))
    (history,) = tmp_path.rglob("history.jsonl")
    lines = history.read_text().splitlines(keepends=True)
    history.write_text("".join(line for line in lines if '"ConnectionOpened"' not in line))
    result = judged(str(history))
    assert result.return_value == 2
    assert result.output == f"{history}: the history contradicts itself: KeyError: 2\n"


def test_help_shows_how_to_keep_a_history() -> None:
    assert "--out runs" in (judge_command.epilog or "")


def test_a_trace_is_written_of_a_run_and_of_its_history(tmp_path: Path) -> None:
    scenario, trace, again = tmp_path / "s.yaml", tmp_path / "t.json", tmp_path / "u.json"
    scenario.write_text("name: x\nworlds: [virtual]\nworkload: [send, flush]\n")
    chaos("run", str(scenario), "--out", str(tmp_path))
    chaos("replay", str(tmp_path / "s-virtual"), "--perfetto", str(trace))
    assert judged(str(tmp_path / "s-virtual"), "--perfetto", str(again)).exit_code == 0
    assert json.loads(trace.read_text())["traceEvents"]
    assert trace.read_text() == again.read_text()
    two = judged(str(tmp_path / "s-virtual"), str(tmp_path), "--perfetto", str(again))
    assert "--perfetto: a trace holds one history; name one" in str(two.exception)


def test_the_page_of_a_failure_is_kept_and_made_again_from_its_history(tmp_path: Path) -> None:
    scenario, again, page = tmp_path / "s.yaml", tmp_path / "again.html", tmp_path / "replay.html"
    scenario.write_text(
        "name: x\nworlds: [virtual]\nfaults:\n  - drop: {at: response, nth: 1}\n"
        "workload: [send, flush]\nalways: {duplicated: 0}\n"
    )
    chaos("run", str(scenario), "--out", str(tmp_path))
    kept = tmp_path / "s-virtual"
    assert {path.name for path in kept.iterdir()} == {
        "scenario.yaml",
        "history.jsonl",
        "passing.jsonl",
        "result.json",
        "story.html",
    }
    assert judged(str(kept), "--html", str(again)).return_value == 1
    assert again.read_bytes() == (kept / "story.html").read_bytes()
    chaos("replay", str(kept), "--html", str(page))
    assert "the same scenario without fault drop-1" in page.read_text()
    two = judged(str(kept), str(kept), "--html", str(again))
    assert "--html: a page explains one history; name one" in str(two.exception)


def test_a_failure_that_is_mended_leaves_no_page_behind(tmp_path: Path) -> None:
    scenario = tmp_path / "s.yaml"
    for demanded, files in ((0, 5), (1, 3)):
        scenario.write_text(
            "name: x\nworlds: [virtual]\nfaults:\n  - drop: {at: response, nth: 1}\n"
            f"workload: [send, flush]\nalways: {{duplicated: {demanded}}}\n"
        )
        chaos("run", str(scenario), "--out", str(tmp_path))
        assert len(list((tmp_path / "s-virtual").iterdir())) == files


def test_a_passing_run_that_does_not_read_is_one_line_and_status_2(tmp_path: Path) -> None:
    chaos("run", FILES[0], "--world", "virtual", "--out", str(tmp_path))
    (history,) = tmp_path.rglob("history.jsonl")
    history.with_name("passing.jsonl").write_text("")
    result = judged(str(history), "--html", str(tmp_path / "page.html"))
    assert result.return_value == 2
    assert result.output == (
        f"{history}: passing.jsonl beside it: the text is empty; a history begins with a header\n"
    )
