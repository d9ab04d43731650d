"""``spu-chaos certify``: what it prints, writes and returns."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chaos.cli.main import main
from chaos.mutants import MUTANTS

MOST = """
name: one record
worlds: [virtual]
producer: {delivery_semantic: at-most-once, response_timeout: 800ms}
workload:
  - send: {count: 1, wait: true}
"""

HOLLOW = MOST.replace("{count: 1, wait: true}", "{count: 1}\n  - flush")
OPEN = MOST.replace("count: 1", "count: 1..2")
DROPS = "faults: [drop]\n"


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {"mine": MOST, "hollow": HOLLOW, "open": OPEN, "drops": DROPS}.items():
        Path(f"{name}.yaml").write_text(text, encoding="utf-8")


def certify(*arguments: str) -> tuple[int, Result]:
    words = ["certify", *arguments, "--alphabet", "drops.yaml", "--jobs", "1"]
    result = CliRunner().invoke(main, words, standalone_mode=False)
    assert result.exception is None, result.output
    return result.return_value, result


def test_it_prints_the_claim_and_writes_the_page_and_the_list() -> None:
    status, result = certify("mine.yaml", "--out", "kept")
    claim = result.stdout.splitlines()[-1]
    assert status == 0
    assert claim.startswith("No placement of up to 2 letters of the alphabet `drops.yaml` breaks")
    assert claim in Path("kept/mine.md").read_text(encoding="utf-8")
    header, *rows = map(json.loads, Path("kept/mine.jsonl").read_text().splitlines())
    assert header["letters"] == [{"drop": {}}]
    assert len(rows) == 3


def test_several_certificates_have_a_table() -> None:
    Path("other.yaml").write_text(MOST, encoding="utf-8")
    certify("mine.yaml", "other.yaml", "--out", "kept")
    assert "6 runs in all" in Path("kept/README.md").read_text(encoding="utf-8")


def test_it_refuses_where_there_is_nothing_to_place() -> None:
    status, result = certify("hollow.yaml", "--out", "kept")
    assert status == 2
    [line] = result.stderr.splitlines()
    assert line.startswith("hollow.yaml: nothing to place:")
    assert "--api all" in line
    assert not Path("kept/hollow.md").exists()


def test_it_refuses_generators() -> None:
    status, result = certify("open.yaml")
    assert status == 2
    assert "certify takes one concrete scenario" in result.stderr


def test_a_violation_is_kept_as_a_counterexample() -> None:
    with MUTANTS["retries-under-at-most-once"].applied():
        status, result = certify("mine.yaml")
        assert status == 1
        assert "broken: no-duplicates" in result.stdout
        kept = ".chaos/mine-virtual"
        assert f"chaos replay {kept}/scenario.yaml" in result.stdout
        again = CliRunner().invoke(main, ["replay", kept], standalone_mode=False)
        assert again.return_value == 1
