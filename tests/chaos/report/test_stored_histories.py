"""The histories that the project stores: their pages are up to date, and nothing in them belongs to
the machine or the day of the run."""

import re
from pathlib import Path

import pytest

from chaos.history import History
from chaos.oracle.judge import judge
from chaos.report import stored_histories
from chaos.report.stored_histories import page_of, store, stored_form, write_pages
from chaos.reports import OutcomeReport
from simulator.events import ConnectionOpened

DOCS = Path(__file__).parents[3] / "docs"
FOLDER = DOCS / "official-client"
FILES = sorted(FOLDER.glob("*.jsonl"))
TRIAL = (DOCS / "official-client.md").read_text(encoding="utf-8")

FOLDER_BYTES_MAX = 1_500_000
DAY_MS = 86_400_000

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@each_file
def test_its_page_is_what_the_renderer_makes_of_it(path: Path) -> None:
    page = path.with_suffix(".html").read_text(encoding="utf-8")
    assert page == page_of(path), "make docs writes it again"
    assert f" {path.name}</pre>" in page
    assert "No passing run is shown: runs over real sockets differ by themselves" in page


@each_file
def test_its_verdict_and_checks_are_those_of_the_trial(path: Path) -> None:
    result = judge(History.loads(path.read_text(encoding="utf-8")))
    (section,) = (
        part for part in TRIAL.split("\n## ") if f"](official-client/{path.name})" in part
    )
    block = section.partition("The Python client: ")[2].partition("\n\n```\n")[0]
    assert block.startswith(f"**{result.verdict}** ")
    named = re.findall(r"^- `([a-z-]+)`: ", block, re.MULTILINE)
    assert named == [finding.check for finding in result.broken]


@each_file
def test_neither_day_nor_ports_nor_places_are_in_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = path.read_text(encoding="utf-8")
    history = History.loads(text)
    with monkeypatch.context() as patch:
        patch.setattr(stored_histories, "BEGINS_MS", stored_histories.BEGINS_MS + DAY_MS)
        other = History.loads(stored_form(history, dict(history.about)))
    assert other.zero_ns != history.zero_ns
    assert judge(other).broken == judge(history).broken
    for happened in other.events:
        if isinstance(happened, ConnectionOpened):
            happened.port += 40_000
    assert stored_form(other, dict(history.about)) == text
    assert not re.search(r"127\.0\.0\.1|localhost|/(?:tmp|home|root|work)/", text)


def test_the_trial_links_every_page_and_nothing_else() -> None:
    linked = re.findall(r"\]\(official-client/([a-z.-]+)\)", TRIAL)
    names = [path.with_suffix(suffix).name for path in FILES for suffix in (".html", ".jsonl")]
    assert sorted(linked) == sorted(names) == sorted(path.name for path in FOLDER.iterdir())
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < FOLDER_BYTES_MAX


def test_storing_replaces_what_was_stored(tmp_path: Path) -> None:
    text = FILES[0].read_text(encoding="utf-8")
    store(tmp_path / "new", {"old": text})
    store(tmp_path / "new", {"one": text})
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["one.html", "one.jsonl"]
    page = tmp_path / "new" / "one.html"
    written = page.read_text(encoding="utf-8")
    page.unlink()
    write_pages(tmp_path / "new")
    assert page.read_text(encoding="utf-8") == written == page_of(page.with_suffix(".jsonl"))


def test_timestamps_that_a_client_reports_are_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    history = History.loads(FILES[0].read_text(encoding="utf-8"))
    reported = stored_histories.BEGINS_MS + 7
    again = OutcomeReport("wait", 0.5, "ok", timestamp=reported)
    history.records[0].timestamp = reported
    history.records[0].contradictions.append(again)
    monkeypatch.setattr(stored_histories, "BEGINS_MS", stored_histories.BEGINS_MS + DAY_MS)
    record = History.loads(stored_form(history, dict(history.about))).records[0]
    moved = [record.timestamp, record.contradictions[0].timestamp]
    assert moved == [reported + DAY_MS] * 2
