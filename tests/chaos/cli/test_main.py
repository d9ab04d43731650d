"""The command line in this process: what is printed, kept and returned.

Our producer breaks no promise, so that the judge here is one that takes every duplicate for one.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click import UsageError
from click.testing import CliRunner

from chaos.cli.main import main
from chaos.history import History
from chaos.oracle.checks import Finding, Violation
from chaos.oracle.evidence import Evidence
from chaos.oracle.judge import FIGURES, Result
from chaos.search.counterexample import Stage
from chaos.spec.property import Property

LOST_ANSWER = """
name: a lost answer makes a duplicate
worlds: [virtual]
producer:
  retry: {max_retries: 5, initial_delay: 10ms, max_delay: 2s, timeout: 10s}
faults:
  - drop: {name: lost-answer, at: response, nth: 1}
workload:
  - send: {count: 2}
  - flush
"""

QUIET = """
name: nothing happens
worlds: [virtual]
workload: [send, flush]
"""

PROPERTY = """
name: many lost answers
examples: 20
faults:
  - drop: {at: response, probability: 0..0.5}
workload:
  - send: {count: 1..20}
  - flush
"""

NEVER = QUIET.replace("workload:", "faults: [{drop: {nth: 99}}]\nworkload:")

BAD = "nmae: x\nworkload: []\n"


def strict(history: History, *, example: bool = False) -> Result:
    """A judge for which every duplicate is a broken promise."""
    evidence = Evidence(history)
    ids = [r.id for r in evidence.sent if len(evidence.copies[r.id]) > 1]
    violations = tuple(Violation(f"record {n} is there twice", (n,)) for n in ids)
    fired = {name: count.fired for name, count in history.faults.items()}
    idle = () if example else tuple(f"{n} never struck" for n, times in fired.items() if not times)
    figures = {w: len(evidence.sent) if w == "sent" else evidence.figures[w] for w in FIGURES}
    found = (Finding("no-duplicates", len(evidence.sent), len(ids), violations),)
    verdict: Any = "invalid" if ids else "inconclusive" if idle else "valid"
    return Result(verdict, found, () if ids else idle, figures, fired)


@pytest.fixture(autouse=True)
def _strict_judge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in ("cli.tasks", "cli.replay", "search.counterexample"):
        monkeypatch.setattr(f"chaos.{module}.judge", strict)
    monkeypatch.chdir(tmp_path)


class Ended:
    """A command that has ended."""

    def __init__(self, *arguments: str) -> None:
        result = CliRunner().invoke(main, arguments, standalone_mode=False)
        if result.exception is not None:
            raise result.exception
        self.status = result.return_value
        self.out = result.stdout
        self.err = result.stderr


Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, name: str = "one.yaml") -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
        return name

    return write


# --- run


def test_a_valid_scenario_ends_with_status_0_and_leaves_nothing_behind(
    write: Write, tmp_path: Path
) -> None:
    ended = Ended("run", write(QUIET))
    assert ended.status == 0
    assert ended.out.startswith("seed 0\n")
    assert "1 run: 1 valid" in ended.out
    assert [path.name for path in tmp_path.iterdir()] == ["one.yaml"]


def test_a_broken_promise_has_status_1_a_narrative_and_a_command_that_repeats_it(
    write: Write,
) -> None:
    ended = Ended("run", write(LOST_ANSWER))
    assert ended.status == 1
    assert "record 0 is there twice" in ended.out
    assert "narrative of record 0 (1 similar)" in ended.out
    *_, last = ended.out.splitlines()
    assert last == "again: python -m chaos replay .chaos/one-virtual/scenario.yaml"


def test_the_command_that_repeats_a_failure_repeats_it(write: Write) -> None:
    *_, last = Ended("run", write(LOST_ANSWER), "--seed", "31").out.splitlines()
    again = Ended(*last.removeprefix("again: python -m chaos ").split())
    assert again.status == 1
    assert again.out.startswith("seed 31\n")
    assert "the same run as the kept one, byte for byte" in again.out


def test_a_fault_that_never_struck_ends_with_status_2_and_the_reason(write: Write) -> None:
    ended = Ended("run", write(NEVER))
    assert ended.status == 2
    assert "no verdict: drop-1 never struck" in ended.out


def test_a_broken_promise_takes_precedence_over_no_verdict(write: Write) -> None:
    files = [write(NEVER, "a.yaml"), write(LOST_ANSWER, "b.yaml"), write(QUIET, "c.yaml")]
    assert Ended("run", *files, "--jobs", "1").status == 1


def test_a_directory_is_all_its_yaml_files_and_those_below_in_their_order(write: Write) -> None:
    for name in ("b.yaml", "a.yml", "below/c.yaml", "below/d/e.yml"):
        write(QUIET, f"some/{name}")
    for name in ("notes.txt", "known.yaml", "below/known.x.yaml", ".hidden/x.yaml", ".x.yaml"):
        write(BAD, f"some/{name}")
    ended = Ended("run", "some", "--jobs", "1")
    assert ended.status == 0
    assert re.findall(r"^([a-e]) +virtual ", ended.out, re.MULTILINE) == ["a", "b", "c", "e"]


def test_results_of_several_processes_come_in_the_order_of_the_files(write: Write) -> None:
    names = [f"{letter}.yaml" for letter in "dacb"]
    for name in names:
        write(QUIET.replace("nothing", name), name)
    ended = Ended("run", *names, "--jobs", "2", "--format", "json")
    assert [run["file"] for run in json.loads(ended.out)["runs"]] == names


def test_a_directory_without_files_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ended = Ended("run", "empty")
    assert (ended.status, ended.err) == (2, "empty: no *.yaml or *.yml in this directory\n")


def test_every_mistake_of_every_file_is_reported_and_the_others_run(write: Write) -> None:
    ended = Ended("run", write(BAD, "bad.yaml"), "none.yaml", write(QUIET), "--jobs", "1")
    assert ended.status == 2
    lines = ended.err.splitlines()
    assert any(line.startswith("bad.yaml:1:1: nmae: unknown key 'nmae'") for line in lines)
    assert lines[-1].startswith("none.yaml: ")
    assert "1 run: 1 valid" in ended.out


def test_a_seed_on_the_command_line_replaces_the_one_in_the_file(write: Write) -> None:
    file = write(QUIET + "seed: 5\n")
    assert Ended("run", file).out.startswith("seed 5\n")
    assert Ended("run", file, "--seed", "6").out.startswith("seed 6\n")


def test_different_seeds_are_all_printed_first(write: Write) -> None:
    files = [write(QUIET + f"seed: {n}\n", f"{n}.yaml") for n in (9, 3)]
    assert Ended("run", *files, "--jobs", "1").out.startswith("seeds 3, 9\n")


def test_a_scenario_runs_in_each_of_its_worlds(write: Write) -> None:
    file = write(QUIET.replace("[virtual]", "[virtual, tcp]"))
    ended = Ended("run", file, "--jobs", "1", "--format", "json")
    assert [run["world"] for run in json.loads(ended.out)["runs"]] == ["virtual", "tcp"]


def test_files_that_do_not_run_in_the_world_asked_for_are_skipped(write: Write) -> None:
    both = write(QUIET.replace("worlds: [virtual]", "worlds: [virtual, tcp]"), "both.yaml")
    ended = Ended("run", write(QUIET), both, "--world", "tcp", "--jobs", "1", "--junit", "x.xml")
    assert (ended.status, ended.err) == (0, "")
    last = ended.out.splitlines()[-1]
    skipped = "1 file skipped, not of this world or client"
    assert last.startswith(f"1 run: 1 valid, 0 invalid, 0 inconclusive, {skipped}, in ")
    assert 'skipped="1"' in Path("x.xml").read_text()
    document = json.loads(
        Ended("run", "one.yaml", both, "--world", "tcp", "--format", "json", "--jobs", "1").out
    )
    assert (document["status"], len(document["skipped"])) == (0, 1)


def test_a_run_of_which_every_file_is_skipped_gives_no_verdict(write: Write) -> None:
    ended = Ended("run", write(QUIET), "--world", "tcp")
    assert ended.status == 2
    assert ended.err == "one.yaml: not run, since its worlds are virtual, and --world is tcp\n"


def test_the_world_cluster_needs_a_cluster_and_no_other_world_has_one(write: Write) -> None:
    for options in (["--world", "cluster"], ["--cluster", "127.0.0.1:1"], ["--cleanup"]):
        with pytest.raises(UsageError, match="--cluster names the cluster of --world cluster"):
            Ended("run", write(QUIET), *options)


def test_a_file_that_a_cluster_cannot_run_is_skipped(write: Write) -> None:
    everywhere = QUIET.replace("[virtual]", "[virtual, cluster]")
    stops = everywhere.replace("send,", "{stop_spu: {spu: 0}}, send,")
    drawn = PROPERTY.replace("examples", "worlds: [cluster]\nexamples")
    files = [write(QUIET, "a.yaml"), write(stops, "b.yaml"), write(drawn, "c.yaml")]
    ended = Ended("run", *files, "--world", "cluster", "--cluster", "127.0.0.1:1")
    assert ended.err.splitlines() == [
        "a.yaml: not run, since its worlds are virtual, and --world is cluster",
        "b.yaml: not run, since its step stop_spu needs the simulator; change it, or run it in "
        "another world",
        "c.yaml: not run, since a property draws its examples in other worlds",
    ]
    # Without --world the world of a cluster is left out.
    ended = Ended("run", write(everywhere), "--format", "json")
    assert [run["world"] for run in json.loads(ended.out)["runs"]] == ["virtual"]


def test_a_cluster_that_is_not_there_cannot_be_cleaned_up() -> None:
    ended = Ended("run", "--cleanup", "--cluster", "127.0.0.1:1")
    text = "chaos: the cluster cannot be connected to: 127.0.0.1:1: connection refused\n"
    assert (ended.status, ended.out, ended.err) == (2, "", text)


def test_out_keeps_every_run(write: Write, tmp_path: Path) -> None:
    assert Ended("run", write(QUIET), "--out", "runs/today").status == 0
    names = sorted(path.name for path in (tmp_path / "runs/today/one-virtual").iterdir())
    assert names == ["history.jsonl", "result.json", "scenario.yaml"]


def test_files_of_the_same_name_have_separate_directories(write: Write, tmp_path: Path) -> None:
    files = [write(QUIET, "a/x.yaml"), write(QUIET, "b/x.yaml")]
    Ended("run", *files, "--out", "runs", "--jobs", "1")
    kept = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert kept == ["report.html", "x-2-virtual", "x-virtual"]


def test_the_same_run_keeps_the_same_bytes(write: Write, tmp_path: Path) -> None:
    file = write(LOST_ANSWER)
    kept = []
    for _ in range(2):
        Ended("run", file, "--out", "runs")
        kept.append({p.name: p.read_bytes() for p in (tmp_path / "runs/one-virtual").iterdir()})
    assert kept[0] == kept[1]


def test_an_output_directory_that_cannot_be_written_is_reported_before_the_first_run(
    write: Write, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Ended("run", write(QUIET), "--out", "file/runs")


def test_a_failure_that_cannot_be_kept_is_still_a_failure(write: Write, tmp_path: Path) -> None:
    (tmp_path / ".chaos").touch()
    ended = Ended("run", write(LOST_ANSWER))
    assert ended.status == 1
    assert "note: not kept: " in ended.out
    assert ended.out.endswith("again: python -m chaos run one.yaml --world virtual --seed 0\n")


def test_an_error_of_the_harness_is_no_verdict(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(history: History) -> Result:
        raise ValueError("not my\nday")

    monkeypatch.setattr("chaos.cli.tasks.judge", fail)
    ended = Ended("run", write(QUIET))
    assert ended.status == 2
    assert "no verdict: the harness failed: ValueError: not my day" in ended.out


# --- properties


def test_a_property_runs_with_as_many_examples_as_it_declares(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Ended("run", write(PROPERTY.replace("0..0.5", "0..0")), "--format", "json")
    (run,) = json.loads(ended.out)["runs"]
    assert (run["examples"], run["world"]) == (20, "virtual")


def test_a_counterexample_is_kept_with_a_test_and_tried_first_the_next_time(
    write: Write, tmp_path: Path
) -> None:
    file = write(PROPERTY)
    first = Ended("explore", file, "--jobs", "1")
    assert first.status == 1
    directory = tmp_path / ".chaos/one-virtual"
    assert "send: {count: 1}" in (directory / "scenario.yaml").read_text()
    assert (directory / "test_replay.py").exists()
    second = Ended("explore", file, "--jobs", "1", "--seed", "1", "--format", "json")
    assert [run["examples"] for run in json.loads(second.out)["runs"]] == [1]


def test_explore_accepts_a_number_of_examples(write: Write) -> None:
    file = write(PROPERTY.replace("0..0.5", "0..0"))
    ended = Ended("explore", file, "--examples", "3", "--jobs", "1", "--format", "json")
    (run,) = json.loads(ended.out)["runs"]
    assert (ended.status, run["examples"]) == (2, 3)
    assert "--examples 3" in run["command"]


def test_explore_begins_with_any_example(write: Write) -> None:
    file = write(PROPERTY.replace("0..0.5", "0..0"))
    options = ("--from", "50", "--examples", "3", "--jobs", "1")
    (run,) = json.loads(Ended("explore", file, *options, "--format", "json").out)["runs"]
    assert (run["examples"], run["first"]) == (3, 50)
    assert "--from 50 --examples 3" in run["command"]
    assert "1 run from example 50: " in Ended("explore", file, *options).out


def test_explore_passes_over_known_defects_and_refuses_a_file_that_has_none(
    write: Write,
) -> None:
    file = write(PROPERTY)
    effects = "cause: {effects: [not-answered]}"
    known = write(f"known: [{{name: old, check: no-duplicates, {effects}}}]", "known.yaml")
    options = ("--examples", "20", "--jobs", "1", "--known", str(known))
    ended = Ended("explore", file, *options, "--format", "json")
    (run,) = json.loads(ended.out)["runs"]
    assert (ended.status, run["examples"]) == (0, 20)
    assert run["known"]["old"] > 5
    assert f"--known {known}" in run["command"]
    write("known: 5", "known.yaml")
    ended = Ended("explore", file, *options)
    assert (ended.status, ended.out) == (2, "")
    assert "known.yaml:1:1: known: 5 is not a list" in ended.err


def test_a_name_that_looks_like_markup_is_a_name(write: Write) -> None:
    file = write(QUIET.replace("nothing happens", "'[/red] nothing'"), "[red] file.yaml")
    ended = Ended("explore", file, "--examples", "1", "--jobs", "1", "--seed", "1")
    assert "[red] file" in ended.out


def test_explore_prints_the_examples_by_number_of_firings(write: Write) -> None:
    file = write(PROPERTY.replace("0..0.5", "0..0"))
    ended = Ended("explore", file, "--examples", "3", "--jobs", "1")
    assert re.search(r"^one +virtual( +3)( +0){5} +0.0 %$", ended.out, re.MULTILINE)


def test_in_a_pipe_explore_tells_where_it_is_and_what_it_shrinks(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaos.cli.terminal.SAY_S", 0.0)
    ended = Ended("explore", write(PROPERTY), "--jobs", "1")
    first, last = ended.err.splitlines()
    assert re.fullmatch(r"many lost answers: \d+ examples", first)
    assert re.fullmatch(r"many lost answers: example \d+ failed, is shrunk", last)
    number = last.split()[-4]
    assert re.search(rf"  example {number} failed, (shrunk from|as it was drawn)", ended.out)


def test_a_short_exploration_in_a_pipe_tells_nothing_on_the_way(write: Write) -> None:
    assert Ended("explore", write(QUIET), "--examples", "40", "--jobs", "1").err == ""


def test_explore_accepts_a_time_limit(write: Write) -> None:
    ended = Ended("explore", write(QUIET), "--for", "1ms", "--jobs", "1")
    assert "seed 0" in ended.out


def test_a_property_for_real_sockets_only_is_explored_over_tcp(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(PROPERTY + "worlds: [tcp]\n")
    asked: list[str] = []

    def explore(prop: Property, *, stage: Stage, **_: Any) -> None:
        asked.append(stage.world)
        raise ValueError("enough")

    monkeypatch.setattr("chaos.cli.tasks.explore", explore)
    Ended("explore", file, "--jobs", "1")
    assert asked == ["tcp"]


# --- for machines


def test_json_is_one_document_and_nothing_else(write: Write) -> None:
    ended = Ended("run", write(LOST_ANSWER), "--format", "json")
    document = json.loads(ended.out)
    assert {key: document[key] for key in ("status", "interrupted", "wanted", "mistakes")} == {
        "status": 1,
        "interrupted": False,
        "wanted": 1,
        "mistakes": [],
    }
    (run,) = document["runs"]
    assert run["verdict"] == "invalid"
    assert run["figures"]["duplicated"] == 2
    assert run["directory"] == ".chaos/one-virtual"


def test_junit_is_written_beside_what_is_printed(write: Write, tmp_path: Path) -> None:
    Ended("run", write(LOST_ANSWER), write(BAD, "bad.yaml"), "--junit", "chaos.xml")
    text = (tmp_path / "chaos.xml").read_text()
    assert '<testsuite name="chaos" tests="2" failures="1" errors="1"' in text
    assert "the answer dropped by fault lost-answer" in text


@pytest.mark.parametrize(("scenario", "status"), [(LOST_ANSWER, 1), (QUIET, 2)])
def test_a_junit_file_that_cannot_be_written_hides_no_result(
    write: Write, scenario: str, status: int
) -> None:
    ended = Ended("run", write(scenario), "--junit", "/dev/full")
    assert ended.status == status
    assert "1 run: " in ended.out
    assert ended.err == "chaos: /dev/full: no space left on device\n"


def test_a_junit_file_in_a_directory_that_does_not_exist_is_an_error_before_any_run(
    write: Write, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError) as caught:  # which the command reports with status 2
        Ended("run", write(QUIET), "--junit", "reports/chaos.xml")
    assert caught.value.filename == "reports/chaos.xml"
    assert not (tmp_path / "reports").exists()


# --- replay


def test_replay_prints_the_narrative_of_every_record_concerned(write: Write) -> None:
    ended = Ended("replay", write(LOST_ANSWER))
    assert ended.status == 1
    assert ended.out.count("narrative of record") == 2


def test_replay_of_a_valid_run_prints_the_narratives_of_remarkable_records(write: Write) -> None:
    ended = Ended("replay", write(QUIET))
    assert ended.status == 0
    assert "narrative of" not in ended.out
    assert Ended("replay", write(QUIET), "--all").out.count("narrative of record") == 2


def test_replay_accepts_a_run_directory(write: Write) -> None:
    Ended("run", write(LOST_ANSWER))
    assert Ended("replay", ".chaos/one-virtual").status == 1


def test_replay_reports_a_run_that_differs_from_the_kept_one(write: Write, tmp_path: Path) -> None:
    Ended("run", write(LOST_ANSWER))
    (tmp_path / ".chaos/one-virtual/history.jsonl").write_text("{}\n")
    assert "not the same run as the kept one" in Ended("replay", ".chaos/one-virtual").out


def test_a_property_cannot_be_replayed(write: Write) -> None:
    ended = Ended("replay", write(PROPERTY))
    assert ended.status == 2
    assert ended.err == (
        "one.yaml: a property is many runs; python -m chaos explore one.yaml runs them\n"
    )


def test_a_missing_file_cannot_be_replayed() -> None:
    ended = Ended("replay", "nowhere")
    assert ended.status == 2
    assert ended.err.startswith("nowhere: ")


def test_a_scenario_cannot_be_replayed_in_a_world_that_it_excludes(write: Write) -> None:
    ended = Ended("replay", write(QUIET), "--world", "tcp")
    assert ended.err == "one.yaml: not run, since its worlds are virtual, and --world is tcp\n"


# --- help


@pytest.mark.parametrize("command", ["", *main.commands])
def test_help_shows_an_example(command: str) -> None:
    ended = Ended(*command.split(), "--help")
    assert ended.status == 0
    assert f"spu-chaos {command}" in ended.out
