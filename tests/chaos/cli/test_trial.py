"""The trial of the official clients: its page, and the parts that the comparison ignores."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chaos.cli import trial
from chaos.cli.files import Source, gather
from chaos.drivers.driver import Driver
from chaos.drivers.kinds.official import open_official
from chaos.history import History
from chaos.oracle.judge import Verdict, judge
from chaos.runner import run_scenario

PROJECT = Path(__file__).parents[3]
PAGE = (PROJECT / "docs" / "official-client.md").read_text()
SOURCES, MISTAKES = gather(trial.scenario_files(PROJECT))


def test_every_scenario_of_the_folder_is_on_the_page() -> None:
    assert not MISTAKES
    for source in SOURCES:
        assert f"\n## {source.prop.name}\n" in PAGE
        for client in trial.TITLES:
            assert f"run {trial.FOLDER}/{Path(source.file).name} --client {client}\n" in PAGE
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


@pytest.mark.parametrize("outcome", ["acknowledged: greetings/0@0", "reported failed: no"])
def test_an_outcome_may_precede_its_answer(outcome: str) -> None:
    lines = ["    1.262 s  answered with an error code\n", f"    1.262 s  {outcome}\n"]
    assert trial.masked("".join(lines)) == trial.masked("".join(reversed(lines)))


def test_the_connections_of_a_client_that_was_ended_may_outlive_the_faults() -> None:
    lifted = "   13.033 s  all faults lifted\n"
    ended = "   13.033 s  connection 2 ended: closed by the client\n"
    pages = [lifted + ended + ended, ended + lifted + ended, ended + ended + lifted]
    assert len(set(map(trial.masked, pages))) == 1
    reset = lifted + ended.replace("closed by the client", "reset by a fault")
    assert trial.masked(reset) != trial.masked("".join(reversed(reset.splitlines(True))))


def test_everything_else_is_compared() -> None:
    assert trial.masked("1 attempt of 5") != trial.masked("2 attempts of 5")


# --- clients that cannot run here


def case(theirs: Verdict, *names: str) -> trial.Case:
    """One scenario, with the same result for each of these clients."""
    broken = [("no-loss", "record 0 was lost")] if theirs == "invalid" else []
    result = trial.Trial(theirs, broken, [], "sent 1", ["    0.1 s  record 0 sent"])
    ours = trial.Trial("valid", [], [], "sent 1", [])
    return trial.Case(SOURCES[0].prop, dict.fromkeys(names, result), ours)


def lacking(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let these clients be absent; the others get the verdict that nothing is wrong."""
    here = [name for name in trial.TITLES if name not in names]
    monkeypatch.setattr(trial, "driver_named", lambda name: driver(name, name in names))
    monkeypatch.setattr(trial, "_run_all", lambda properties, present: [case("valid", *here)])


def driver(name: str, absent: bool) -> Driver:
    return Driver(name, open_official, ("tcp",), unavailable=f"no {name} here" if absent else None)


def compared(page: Path) -> Result:
    return CliRunner().invoke(trial.main, [str(page), "--compare"], standalone_mode=False)


@pytest.mark.parametrize(("name", "other"), [("fluvio", "fluvio-rust"), ("fluvio-rust", "fluvio")])
def test_the_verdicts_on_a_client_that_is_not_here_are_not_compared(
    name: str, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    both = case("valid", *trial.TITLES)
    theirs = {**both.theirs, name: case("invalid", name).theirs[name]}
    page.write_text("\n".join(trial._page([replace(both, theirs=theirs)])))
    lacking(monkeypatch, name)
    ended = compared(page)
    assert ended.return_value == 0
    title = trial.TITLES[name]
    line = f"trial: the verdicts on the {title} were not compared: no {name} here\n"
    assert ended.stderr == line
    lacking(monkeypatch, other)
    assert compared(page).return_value == 1


def test_a_client_without_the_delivery_semantic_is_not_tried() -> None:
    both = case("valid", *trial.TITLES)
    page = list(trial._page([replace(both, theirs={**both.theirs, "fluvio-node": None})]))
    assert page[3].endswith("| valid | valid | not tried | valid |")
    assert not any(line.startswith("The Node client: **") for line in page)


def test_a_page_is_written_with_all_clients_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking(monkeypatch, "fluvio-rust")
    ended = CliRunner().invoke(trial.main, [str(tmp_path / "page.md")], standalone_mode=False)
    assert ended.return_value == 2
    assert ended.stderr == "trial: inconclusive: no fluvio-rust here\n"


def test_without_any_official_client_there_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch, *trial.TITLES)
    ended = compared(Path("page.md"))
    assert ended.return_value == 2
    reasons = "; ".join(f"no {name} here" for name in trial.TITLES)
    assert ended.stderr == f"trial: inconclusive: {reasons}\n"


# --- stored histories

STORED = (PROJECT / "docs" / "official-client" / "silence.jsonl").read_text(encoding="utf-8")


def stored(folder: Path) -> Result:
    options = [str(folder.with_suffix(".md")), "--compare", "--histories", str(folder)]
    return CliRunner().invoke(trial.main, options, standalone_mode=False)


def test_what_the_python_client_breaks_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = case("valid", *trial.TITLES), case("invalid", *trial.TITLES)
    broken = {n: t and replace(t, history=STORED) for n, t in bad.theirs.items()}
    cases = [good, replace(bad, prop=SOURCES[1].prop, theirs=broken)]
    monkeypatch.setattr(trial, "driver_named", lambda name: driver(name, absent=False))
    monkeypatch.setattr(trial, "_run_all", lambda properties, present: cases)
    folder = tmp_path / "histories"
    stored(folder)
    assert not folder.with_suffix(".md").exists()
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{SOURCES[1].slug}.html",
        f"{SOURCES[1].slug}.jsonl",
    ]
    assert (folder / f"{SOURCES[1].slug}.jsonl").read_text(encoding="utf-8") == STORED


def test_without_the_python_client_no_history_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking(monkeypatch, "fluvio")
    assert stored(tmp_path / "histories").return_value == 2
    assert not (tmp_path / "histories").exists()


def test_a_run_is_stored_when_it_is_not_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    history = History.loads(STORED)
    monkeypatch.setattr(trial, "run_scenario", lambda scenario, world, open_session: history)
    source = next(source for source in SOURCES if source.slug == "silence")
    result = trial.tried(source.prop.text, source.prop.filename, "fluvio", "tcp")
    assert result is not None
    assert result.history.splitlines()[1:] == STORED.splitlines()[1:]
    command = f"python -m chaos run {source.prop.filename} --client fluvio"
    assert History.loads(result.history).about["command"] == command
