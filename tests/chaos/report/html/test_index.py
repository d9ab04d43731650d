"""``report.html``: failures first, links to their pages, what each kind of fault did."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos.oracle.checks import Finding, Violation
from chaos.report.html.index import FAILURES_MAX, index_html, write_index
from chaos.report.scenario_report import BadFile, ScenarioReport, SkippedFile
from tests.chaos.report.html.pages import Page, assert_sound

BROKEN = Finding("no-loss", 3, 2, (Violation("record 1 was lost", (1,)), Violation("record 2 <b>")))


def report(name: str = "a", **fields: Any) -> ScenarioReport:
    usual: dict[str, Any] = {
        "name": f"scenario {name}",
        "file": f"{name}.yaml",
        "world": "virtual",
        "seed": 7,
        "verdict": "valid",
        "figures": {"lost": 2, "duplicated": 1_200},
        "fired": {"one": 3, "two": 0},
        "kinds": {"one": "drop", "two": "stall"},
        "command": f"python -m chaos run {name}.yaml",
        "seconds": 12.5,
    }
    return ScenarioReport(**{**usual, **fields})


def failed(name: str = "b", **fields: Any) -> ScenarioReport:
    fields = {"findings": [BROKEN], "directory": f"runs/{name}-virtual", **fields}
    return report(name, verdict="invalid", **fields)


def index(*reports: ScenarioReport, wanted: int | None = None) -> Page:
    number = len(reports) if wanted is None else wanted
    bad, skipped = (
        [BadFile("x.yaml", ("x.yaml:1:1: no",))],
        [SkippedFile("y.yaml", "y", "y: not run")],
    )
    return assert_sound(index_html(reports, bad, skipped, number, Path("runs")))


@pytest.fixture(autouse=True)
def _kept_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    keep("runs/b-virtual")


def keep(directory: str) -> str:
    Path(directory).mkdir(parents=True)
    (Path(directory) / "story.html").touch()
    return directory


def rows(page: Page) -> list[str]:
    return [tr.text for tr in page.all("tr")]


def test_failures_come_first_and_link_to_their_pages() -> None:
    page = index(report("a"), report("c", verdict="inconclusive", reasons=["why"]), failed("b"))
    assert page.one("h1").text == "3 runs: 1 valid, 1 invalid, 1 inconclusive"
    assert [h.text for h in page.all("h3")] == [
        "invalid scenario b [virtual]",
        "inconclusive scenario c [virtual]",
    ]
    assert [a.attributes["href"] for a in page.all("a")] == ["b-virtual/story.html"] * 2
    assert [row[:1] for row in rows(page)[1:4]] == ["b", "c", "a"]
    listed = [li.text for li in page.all("li")]
    assert listed == ["record 1 was lost", "record 2 <b>", "why", "y: not run"]
    assert "x.yaml:1:1: no" in page.one("main").text


def test_a_row_has_the_figures_of_the_terminal_but_no_time() -> None:
    page = index(report("a", examples=200))
    assert rows(page)[1] == "avalidvirtual200321,200"
    assert "12.5" not in page.one("main").text


def test_firings_are_summed_for_each_kind() -> None:
    twice = report("b", fired={"one": 4, "unknown": None}, kinds={"one": "drop"})
    page = index(report("a"), twice)
    assert rows(page)[-3:] == ["drop207", "stall110", "unknown100"]


def test_a_failure_that_is_not_kept_has_no_link() -> None:
    assert not index(failed(directory=None)).all("a")
    assert not index(failed(directory="runs/of-an-older-version")).all("a")


def test_addresses_are_encoded() -> None:
    (link, _) = index(failed(directory=keep('runs/"<%20>'))).all("a")
    assert link.attributes["href"] == "%22%3C%2520%3E/story.html"


def test_an_interrupted_run_says_how_far_it_came() -> None:
    page = index(report(), wanted=5)
    assert "Interrupted after 1 of 5 runs." in page.one("main").text


def test_thousands_of_failures_are_counted() -> None:
    page = index(*(failed(f"f{n}") for n in range(FAILURES_MAX + 5)))
    assert len(page.all("h3")) == FAILURES_MAX
    assert "5 more failed; the table has all." in page.one("main").text


def test_the_same_results_give_the_same_bytes_whatever_time_they_took(tmp_path: Path) -> None:
    one, two = tmp_path / "one.html", tmp_path / "two.html"
    write_index(one, [report()], [], [], wanted=1)
    write_index(two, [replace(report(), seconds=1.0)], [], [], wanted=1)
    assert one.read_bytes() == two.read_bytes()
