"""A history that was written and read back gives the same verdict."""

import json

import pytest

from chaos.history import VERSION, History, HistoryError
from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.search.known import KNOWN_FILES
from chaos.spec.scenario import Scenario
from tests.chaos.histories import history_of
from tests.scenario_files import DIRECTORY, loaded

FILES = sorted(DIRECTORY.rglob("*.yaml"))
SCENARIOS = [path for path in FILES if not path.match(KNOWN_FILES)]


def concrete() -> list[Scenario]:
    files = [loaded(path) for path in SCENARIOS]
    scenarios = [file.scenario() for file in files if file.concrete]
    return [scenario for scenario in scenarios if "virtual" in scenario.worlds]


def ids(scenario: Scenario) -> str:
    return scenario.name


@pytest.fixture(scope="module")
def text() -> str:
    return history_of(7).dumps()


@pytest.mark.parametrize("scenario", concrete(), ids=ids)
def test_a_history_that_was_read_back_is_equal_and_gives_the_same_verdict(
    scenario: Scenario,
) -> None:
    history = run_scenario(scenario)
    text = history.dumps()
    again = History.loads(text)
    assert again.scenario == history.scenario
    assert again.dumps() == text
    assert judge(again) == judge(history)


@pytest.mark.parametrize("seed", range(20))
def test_a_history_under_every_fault_survives_too(seed: int) -> None:
    history = history_of(seed, ("at-least-once", "at-most-once")[seed % 2])
    again = History.loads(history.dumps())
    assert again == history
    assert judge(again) == judge(history)


def test_a_history_that_is_cut_after_any_line_is_rejected(text: str) -> None:
    lines = text.splitlines(keepends=True)
    with pytest.raises(HistoryError, match="the text is empty"):
        History.loads("")
    for count in range(1, len(lines)):
        with pytest.raises(HistoryError, match=f"ends early, behind line {count}$"):
            History.loads("".join(lines[:count]))


def test_a_line_that_is_cut_anywhere_is_rejected(text: str) -> None:
    lines = text.splitlines(keepends=True)
    before, read = next(
        (n, line) for n, line in enumerate(lines) if json.loads(line).get("event") == "FrameRead"
    )
    for size in range(1, len(read) - 1):
        with pytest.raises(HistoryError):
            History.loads(
                "".join(lines[:before]) + read[:size] + "\n" + "".join(lines[before + 1 :])
            )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[]", "line 2: a line is a JSON object"),
        ("{", "line 2: Expecting property name"),
        ('{"lines": 1}', "line 2: unknown line 'lines'"),
        ('{"event": "Heeled"}', "line 2: unknown event 'Heeled'; known are "),
        ('{"record": {"id": 0}}', "line 2: key: Field required"),
        ('{"call": {"n": "x"}}', "line 2: n: Input should be a valid integer"),
        (
            '{"log": 0, "incarnation": 0, "records": [[1, 2]]}',
            "line 2: not enough values to unpack",
        ),
        ('{"log": 0, "incarnation": 0, "records": [[0, 0, null, "?"]]}', "line 2: "),
        ('{"end": {"faults": {}}}', "line 2: 'deletions'"),
        ("[" * 100_000, "line 2: "),
        ('{"event": "Healed", "n": 1, "t": NaN}', "line 2: NaN is not a finite number"),
        ('{"call": {"n": 1, "started": -Infinity}}', "line 2: -Infinity is not a finite number"),
        ('{"end": {"faults": {}, "deletions": 1e999}}', "line 2: 1e999 is not a finite number"),
    ],
)
def test_an_invalid_line_is_named(text: str, line: str, message: str) -> None:
    header = text.split("\n", 1)[0]
    with pytest.raises(HistoryError) as caught:
        History.loads(f"{header}\n{line}\n")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_another_version_and_other_texts_are_rejected(text: str) -> None:
    with pytest.raises(HistoryError, match=f"version {VERSION + 1}; this is a reader of {VERSION}"):
        History.loads(text.replace(f'"history": {VERSION}', f'"history": {VERSION + 1}', 1))
    with pytest.raises(HistoryError, match="version None"):
        History.loads('{"n": 1}\n')
    with pytest.raises(HistoryError, match="nothing follows the end"):
        History.loads(text + text.splitlines()[-1] + "\n")
