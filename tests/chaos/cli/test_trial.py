"""The trial of the official client: its page, and the parts that the comparison ignores."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from chaos.cli import trial
from chaos.cli.files import Source, gather
from chaos.drivers.driver import Driver
from chaos.drivers.kinds.official import ABSENT, open_official
from chaos.oracle.judge import judge
from chaos.runner import run_scenario

PROJECT = Path(__file__).parents[3]
PAGE = (PROJECT / "docs" / "official-client.md").read_text()
SOURCES, MISTAKES = gather([str(PROJECT / trial.FOLDER)])


def test_every_scenario_of_the_folder_is_on_the_page() -> None:
    assert not MISTAKES
    for source in SOURCES:
        assert f"\n## {source.prop.name}\n" in PAGE
        assert f"run {trial.FOLDER}/{Path(source.file).name} --client fluvio\n" in PAGE
    assert PAGE.count("\n## ") == len(SOURCES) + 1  # and how it is explored


def test_its_properties_are_properties() -> None:
    sources, mistakes = gather([str(PROJECT / trial.FOLDER / "properties")])
    assert not mistakes
    assert all(not source.prop.concrete and source.prop.worlds == ("tcp",) for source in sources)
    for source in sources:
        assert f"explore {trial.FOLDER}/properties/{Path(source.file).name} " in PAGE


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.slug)
def test_our_producer_keeps_its_promises_in_every_scenario(source: Source) -> None:
    assert judge(run_scenario(source.prop.scenario())).verdict == "valid"


def test_times_and_numbers_of_requests_are_not_compared() -> None:
    one = "    1.262 s  transmitted on connection 2 (request 9)\ntook 2.3 ms of 10.0 s"
    two = "   12.262 s  transmitted on connection 2 (request 11)\ntook 0.1 ms of 9.5 s"
    assert trial.masked(one) == trial.masked(two)


def test_everything_else_is_compared() -> None:
    assert trial.masked("1 attempt of 5") != trial.masked("2 attempts of 5")


def test_without_the_official_client_there_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Driver("fluvio", open_official, ("tcp",), ABSENT)
    monkeypatch.setattr(trial, "driver_named", lambda name: absent)
    ended = CliRunner().invoke(trial.main, ["page.md"], standalone_mode=False)
    assert ended.return_value == 2
    assert ended.stderr == f"trial: inconclusive: {ABSENT}\n"
