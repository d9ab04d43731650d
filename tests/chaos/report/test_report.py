"""Reports of results: summaries, tables, JUnit XML, exit statuses, run directories."""

import io
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console
from rich.table import Table

from chaos.oracle.checks import Finding, Violation
from chaos.oracle.judge import Verdict
from chaos.report.junit import write_junit
from chaos.report.narrative import Narrative
from chaos.report.run_directory import (
    concrete,
    make_directory,
    saved_counterexample,
    saved_history,
    scenario_of,
    slug_of,
    write_run,
    write_test,
)
from chaos.report.scenario_report import (
    BadFile,
    FailedExample,
    ScenarioReport,
    SkippedFile,
    status_of,
)
from chaos.report.summary import SENTENCES_MAX, failure_text, summary
from chaos.report.table import firings_table, labels, table, tally
from chaos.spec.loader import load_scenario_file

FIGURES = {
    "sent": 20,
    "acknowledged": 19,
    "failed": 0,
    "unknown": 1,
    "lost": 1,
    "duplicated": 1200,
}


PROJECT = Path(__file__).parents[3]


def report(verdict: Verdict = "valid", **fields: Any) -> ScenarioReport:
    usual: dict[str, Any] = {
        "name": "a lost answer",
        "file": "lost-answer.yaml",
        "world": "virtual",
        "seed": 7,
        "figures": FIGURES,
        "fired": {"lost-answer": 1},
        "command": "python -m chaos run lost-answer.yaml",
    }
    return ScenarioReport(verdict=verdict, **{**usual, **fields})


def broken(times: int = 1, **fields: Any) -> ScenarioReport:
    violations = tuple(Violation(f"record {n} is gone", (n,)) for n in range(times))
    findings = [Finding("order", 20), Finding("no-loss", 20, times, violations)]
    narratives = [Narrative(n, (f"narrative {n}",), alike=n) for n in range(5)]
    return report("invalid", **{"findings": findings, "narratives": narratives, **fields})


def unclear() -> ScenarioReport:
    return report("inconclusive", reasons=["fault lost-answer never struck"])


# --- the exit status


@pytest.mark.parametrize(
    ("reports", "status"),
    [
        ([report()], 0),
        ([report(), unclear()], 2),
        ([unclear(), broken(), report()], 1),
        ([], 2),
    ],
)
def test_invalid_takes_precedence_over_no_verdict_and_that_over_valid(
    reports: list[ScenarioReport], status: int
) -> None:
    assert status_of(reports) == status


def test_a_bad_file_is_no_verdict_but_hides_no_broken_promise() -> None:
    assert status_of([report()], bad_input=True) == 2
    assert status_of([broken()], bad_input=True) == 1


# --- the summary


def test_a_summary_has_verdict_circumstances_figures_and_faults() -> None:
    assert summary(report()) == [
        "valid: a lost answer",
        "  lost-answer.yaml, world virtual, seed 7",
        "  sent 20, acknowledged 19, failed 0, unknown 1, lost 1, duplicated 1,200",
        "  faults fired: lost-answer 1",
    ]


def test_a_summary_has_each_broken_check_and_no_other() -> None:
    text = "\n".join(summary(broken()))
    assert "broken: no-loss, 1 time\n    record 0 is gone" in text
    assert "order" not in text


def test_a_summary_has_the_first_sentences_and_counts_the_others() -> None:
    text = "\n".join(summary(broken(5)))
    assert text.count("is gone") == SENTENCES_MAX
    assert "and 2 more" in text
    assert "\n".join(summary(broken(5), full=True)).count("is gone") == 5


def test_a_summary_has_three_narratives_and_counts_the_similar_ones() -> None:
    lines = summary(broken())
    assert [line for line in lines if "narrative of" in line] == [
        "  narrative of record 0",
        "  narrative of record 1 (1 similar)",
        "  narrative of record 2 (2 similar)",
    ]


def test_known_defects_are_in_the_summary_and_behind_the_tally() -> None:
    explored = report(examples=9, known={"never retries": 2})
    assert "  known: never retries, in 2 examples" in summary(explored)
    assert tally([explored, explored], 2, 1.0).endswith("; known: never retries in 4 examples")


def test_a_summary_has_the_reasons_for_no_verdict() -> None:
    assert "  no verdict: fault lost-answer never struck" in summary(unclear())


def test_a_summary_of_another_client_has_its_name_and_the_parts_not_applicable() -> None:
    lines = summary(report(client="fluvio", not_applicable=["send_all: one by one"]))
    assert "  lost-answer.yaml, world virtual, client fluvio, seed 7" in lines
    assert "  not applicable: send_all: one by one" in lines


def test_a_summary_of_a_property_counts_its_examples() -> None:
    assert "  lost-answer.yaml, world virtual, seed 7, 200 examples" in summary(
        report(examples=200)
    )


def test_a_summary_has_the_run_directory_and_the_notes() -> None:
    lines = summary(report(directory=".chaos/x-virtual", notes=["something else"]))
    assert {"  kept in .chaos/x-virtual", "  note: something else"} < set(lines)


def test_names_from_files_cannot_move_the_cursor() -> None:
    assert all(line.isprintable() for line in summary(report(name="\x1b[2Jgone\nx")))


def test_a_failure_for_machines_ends_with_the_command_that_repeats_it() -> None:
    assert failure_text(broken()).endswith("\n\nagain: python -m chaos run lost-answer.yaml")


# --- the table


def shown(
    reports: list[ScenarioReport], make: Callable[[Sequence[ScenarioReport]], Table] = table
) -> list[list[str]]:
    file = io.StringIO()
    Console(file=file, width=100).print(make(reports))
    return [line.split() for line in file.getvalue().splitlines()]


def test_the_table_has_a_row_for_each_result() -> None:
    one = report(file="scenarios/one.yaml", seconds=1.234)
    assert shown([one, broken(file="two.yaml", examples=200)]) == [
        ["faults"],
        [
            "scenario",
            "world",
            "examples",
            "fired",
            "lost",
            "duplicated",
            "verdict",
            "seconds",
        ],
        ["one", "virtual", "1", "1", "1", "1,200", "valid", "1.23"],
        ["two", "virtual", "200", "1", "1", "1,200", "invalid", "0.00"],
    ]


def test_on_a_narrow_terminal_every_name_of_the_project_takes_one_line() -> None:
    names = [path.stem for path in (PROJECT / "scenarios").glob("*.yaml")]
    assert max(map(len, names)) >= 36
    file = io.StringIO()
    reports = [report(file=f"{name}.yaml") for name in names]
    Console(file=file, width=80).print(table(reports, 80))
    heading, *rows = file.getvalue().splitlines()
    assert heading.split() == ["scenario", "world", "fired", "lost", "dup.", "verdict"]
    assert [row.split()[0] for row in rows] == names
    assert max(map(len, rows)) <= 80


def test_on_a_narrow_terminal_a_soak_takes_one_line_for_each_property() -> None:
    file = io.StringIO()
    soak = report(file="at-least-once-everything-open.yaml", firings=dict.fromkeys(range(12), 5432))
    Console(file=file, width=80).print(firings_table([soak], 80))
    assert len(file.getvalue().splitlines()) == 2


def test_a_summary_tells_which_example_failed_and_what_it_shrank_to() -> None:
    failed = FailedExample(1038, (98, 3), (1, 1))
    assert (
        "  example 1,038 failed, shrunk from 98 records and 3 faults to 1 record and 1 fault"
        in (summary(broken(failed=failed)))
    )
    kept = FailedExample(None, (1, 1), (1, 1))
    assert "  a counterexample that was kept earlier fails again: 1 record and 1 fault" in (
        summary(broken(failed=kept))
    )
    same = FailedExample(3, (1, 1), (1, 1))
    assert "  example 3 failed, as it was drawn" in summary(broken(failed=same))


def test_files_of_the_same_name_are_labelled_with_their_paths() -> None:
    files = ["a/one.yaml", "b/one.yaml", "b/two.yaml"]
    reports = [report(file=file, world=world) for file in files for world in ("virtual", "tcp")]
    assert labels(reports)[::2] == ["a/one.yaml", "b/one.yaml", "two"]


def test_examples_are_grouped_by_number_of_firings() -> None:
    firings = {0: 10, 1: 20, 2: 1000, 3: 1, 5: 1, 6: 3, 10: 1, 11: 2, 500: 2}
    rows = shown([report(firings=firings)], firings_table)
    assert rows[1] == ["lost-answer", "virtual", "10", "20", "1,000", "2", "4", "4", "99.0", "%"]


def test_without_examples_there_is_no_share() -> None:
    assert shown([report(firings={})], firings_table)[1][2:] == ["0"] * 6


def test_a_result_has_the_firings_in_the_order_of_their_numbers() -> None:
    assert list(report(firings={11: 1, 2: 3}).to_data()["firings"].items()) == [
        ("2", 3),
        ("11", 1),
    ]


def test_markup_in_a_name_is_text() -> None:
    assert shown([report(file="[red].yaml")])[2][0] == "[red]"


def test_the_tally_counts_verdicts() -> None:
    reports = [report(), broken(), unclear()]
    assert tally(reports, 3, 1.25) == "3 runs: 1 valid, 1 invalid, 1 inconclusive, in 1.2 s"


def test_the_tally_says_which_checks_judged_none_and_which_were_not_applicable() -> None:
    findings = [
        Finding("order", 0),  # nothing to judge
        Finding("no-loss", 0, excused={"policy-used-up": 3}),
        Finding("offset-is-true", 0, not_applicable="offsets: it has none"),
    ]
    text = tally([report(findings=findings), report(findings=findings[:2])], 2, 0.5)
    assert text == (
        "2 runs: 2 valid, 0 invalid, 0 inconclusive, in 0.5 s; judged none: no-loss in 2 runs; "
        "not applicable: offset-is-true (offsets: it has none) in 1 run"
    )


def test_a_summary_says_why_a_check_judged_none_or_was_not_applicable() -> None:
    findings = [
        Finding("no-loss", 0, excused={"policy-used-up": 3}, unseen={"hidden-attempts": 2}),
        Finding("offset-is-true", 0, not_applicable="offsets: it has none"),
    ]
    lines = summary(report(findings=findings))
    assert "  judged none: no-loss: policy-used-up 3, hidden-attempts 2" in lines
    assert "  not applicable: offset-is-true: the run lacks offsets: it has none" in lines


def test_the_tally_and_the_summary_name_the_examples_of_a_search_that_goes_on() -> None:
    explored = report(examples=1000, first=5000)
    assert tally([explored], 1, 0.5, 5000).startswith("1 run from example 5000: 1 valid")
    assert "1,000 examples (5000 to 5999)" in summary(explored)[1]


def test_the_tally_of_an_interrupted_command_counts_the_finished_runs() -> None:
    text = "interrupted after 1 of 9 runs: 1 valid, 0 invalid, 0 inconclusive, in 0.5 s"
    assert tally([report()], 9, 0.5) == text


# --- JUnit


def junit(
    tmp_path: Path,
    reports: list[ScenarioReport],
    bad: Sequence[BadFile] = (),
    skipped: Sequence[SkippedFile] = (),
) -> ET.Element:
    path = tmp_path / "junit.xml"
    write_junit(path, reports, bad, skipped)
    suite = ET.parse(path).getroot().find("testsuite")
    assert suite is not None
    return suite


def test_junit_has_a_case_for_each_run_and_for_each_other_file(tmp_path: Path) -> None:
    bad = [BadFile("x.yaml", ("x.yaml:1:1: bad", "x.yaml:2:1: worse")), BadFile("y", ("y: no",))]
    skipped = [SkippedFile("z.yaml", "elsewhere", "z.yaml: not run")]
    suite = junit(tmp_path, [report(), broken(), unclear()], bad, skipped)
    counts = {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "6", "failures": "1", "errors": "3", "skipped": "1"}
    assert datetime.fromisoformat(suite.get("timestamp", "")).tzinfo is not None
    names = [case.get("name") for case in suite]
    assert names == ["a lost answer [virtual]"] * 3 + ["bad input"] * 2 + ["elsewhere"]
    files = [case.get("file") for case in suite]
    assert files == ["lost-answer.yaml"] * 3 + ["x.yaml", "y", "z.yaml"]
    assert [[child.tag for child in case] for case in suite] == [
        ["properties"],
        ["properties", "failure"],
        ["properties", "error"],
        ["error"],
        ["error"],
        ["skipped"],
    ]
    assert suite[3][0].text == "x.yaml:1:1: bad\nx.yaml:2:1: worse"


def test_junit_has_the_seed_and_the_command_of_each_run(tmp_path: Path) -> None:
    suite = junit(tmp_path, [report(seed=7)])
    found = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert found == {"seed": "7", "command": "python -m chaos run lost-answer.yaml"}


def test_junit_has_the_narrative_of_a_failure(tmp_path: Path) -> None:
    suite = junit(tmp_path, [broken()])
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "record 0 is gone"
    assert "narrative 0" in (failure.text or "")


def test_junit_holds_no_character_that_xml_refuses(tmp_path: Path) -> None:
    suite = junit(tmp_path, [broken(name="a\x00\ud800b")])
    assert suite[0].get("name") == "a??b [virtual]"


# --- directories


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("scenarios/lost-answer.yaml", "lost-answer"),
        ("Ünter (2) Wegs.yaml", "nter-2-wegs"),
        ("...", "scenario"),
        ("x" * 300 + ".yaml", "x" * 80),
    ],
)
def test_a_slug_is_safe_in_every_file_system(path: str, slug: str) -> None:
    assert slug_of(path) == slug


DATA = {
    "name": "x",
    "worlds": ["virtual", "tcp"],
    "examples": 7,
    "workload": [{"send": {"count": 2}}],
}


def test_a_kept_scenario_has_one_world_and_a_seed() -> None:
    assert concrete(DATA, "tcp", 5) == {
        "name": "x",
        "worlds": ["tcp"],
        "seed": 5,
        "workload": DATA["workload"],
    }


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    directory = tmp_path / "x-virtual"
    write_run(directory, concrete(DATA, "virtual", 5), '{"t": 0}\n', broken())
    return directory


def test_a_directory_holds_scenario_history_and_result(kept: Path) -> None:
    scenario = load_scenario_file(scenario_of(kept)).scenario()
    assert (scenario.worlds, scenario.seed) == (["virtual"], 5)
    assert saved_history(scenario_of(kept)) == '{"t": 0}\n'
    result = json.loads((kept / "result.json").read_text())
    assert result["findings"][1]["violations"] == [{"text": "record 0 is gone", "records": [0]}]
    assert result["narratives"][1] == {"record": 1, "alike": 1, "lines": ["narrative 1"]}


def test_a_result_is_independent_of_machine_and_time() -> None:
    assert broken(seconds=1.0, directory="a").to_data() == broken(seconds=2.0).to_data()


def test_a_counterexample_is_saved_for_its_property_only(kept: Path) -> None:
    assert [data["seed"] for data in saved_counterexample(kept, "x")] == [5]
    assert saved_counterexample(kept, "y") == []
    assert saved_counterexample(kept / "none", "x") == []


def test_a_saved_counterexample_that_cannot_be_read_is_ignored(kept: Path) -> None:
    scenario_of(kept).write_text("name: [")
    assert saved_counterexample(kept, "x") == []


def test_a_file_is_its_own_scenario_and_may_have_no_history(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    assert scenario_of(file) == file
    assert saved_history(file) is None


@pytest.mark.parametrize("slug", ["lost-answer", "import", "7-spus"])
def test_the_test_of_a_counterexample_is_python(kept: Path, slug: str) -> None:
    write_test(kept, slug, broken(file='odd".yaml'))
    names: dict[str, Any] = {}
    code = compile((kept / "test_replay.py").read_text(), "test_replay.py", "exec")
    exec(code, names)
    found: list[Callable[[], None]] = [v for k, v in names.items() if k.startswith("test_")]
    assert len(found) == 1


def test_the_default_place_is_ignored_by_version_control(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_directory(Path(".chaos/x-virtual"))
    assert Path(".chaos/.gitignore").read_text() == "*\n"
    make_directory(Path("mine/x-virtual"))
    assert not Path("mine/.gitignore").exists()
