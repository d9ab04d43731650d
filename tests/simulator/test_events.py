import io
import json
from dataclasses import replace

import pytest

from simulator.console import LINE_CHARACTERS_MAX, Output, line_of
from simulator.events import Entry, Journal, to_file

FRAME = Entry(
    kind="frame",
    t=1.2345678,
    connection=3,
    server="spu:0",
    direction="response",
    api="produce",
    api_version=25,
    correlation_id=7,
    client_id="fluvio",
    topic="greetings",
    partition=1,
    size=61,
    transmission=9,
)


def test_entries_are_numbered_and_stamped_in_the_order_of_happening() -> None:
    times = iter([0.5, 1.25])
    kept: list[Entry] = []
    journal = Journal(lambda: next(times), [kept.append])
    for detail in ("first", "second"):
        journal.record(Entry(kind="cluster", detail=detail))
    assert [(e.n, e.t, e.detail) for e in kept] == [(1, 0.5, "first"), (2, 1.25, "second")]


def test_without_a_sink_nothing_is_made() -> None:
    journal = Journal(lambda: pytest.fail("nobody asked for the time"), [])
    assert not journal.active
    journal.record(Entry(kind="cluster"))


def test_a_line_of_json_holds_what_applies_and_nothing_else() -> None:
    file = io.StringIO()
    to_file(file)(FRAME)
    assert json.loads(file.getvalue()) == {
        "n": 0,
        "t": 1.2345678,
        "kind": "frame",
        "connection": 3,
        "server": "spu:0",
        "direction": "response",
        "api": "produce",
        "api_version": 25,
        "correlation_id": 7,
        "client_id": "fluvio",
        "topic": "greetings",
        "partition": 1,
        "size": 61,
        "transmission": 9,
    }
    assert file.getvalue().endswith("}\n")


def test_a_frame_is_a_short_line_and_a_longer_one_if_asked() -> None:
    short = "     1.235  #3    spu:0  < produce id=7 greetings/1"
    assert line_of(FRAME) == short
    assert line_of(FRAME, verbose=True) == short + " v25 61 bytes fluvio"


@pytest.mark.parametrize(
    ("fault", "detail", "line"),
    [
        ("drop", "drop", "! drop at response of produce id=7 greetings/1"),
        ("lost-ack", "drop", "! lost-ack: drop at response of produce id=7 greetings/1"),
        ("delay", "delay 50.000ms", "! delay 50.000ms at response of produce id=7 greetings/1"),
    ],
)
def test_a_verdict_names_its_fault_unless_that_is_named_by_its_kind(
    fault: str, detail: str, line: str
) -> None:
    entry = replace(FRAME, kind="verdict", fault=fault, detail=detail)
    assert line_of(entry).endswith(line)


def test_names_of_peers_cannot_move_the_cursor_or_flood_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.console.Output._ready", lambda *_: True)
    evil = Entry(kind="cluster", detail="\x1b[2J[red]\nnext" + "x" * 1000)
    Output().entry(evil)
    (line,) = capsys.readouterr().out.splitlines()
    assert "?[2J[red]?next" in line
    assert len(line) == LINE_CHARACTERS_MAX
