import json
import os
from pathlib import Path

import pytest

from simulator.events import EventsLeftOut, Healed, event_from
from simulator.reporting.journal_file import JournalFile

ENOUGH_S = 30.0


def unexpected(line: str) -> None:
    pytest.fail(line)


def test_each_event_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = JournalFile(path, unexpected)
    for n in (1, 2):
        journal(Healed(n=n))
    assert journal.finish(ENOUGH_S)
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [1, 2]


def test_what_does_not_fit_is_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    size = len(Healed(n=1).to_json()) + 1
    journal = JournalFile(path, unexpected, backlog_max=2 * size)
    for n in range(1, 6):  # without a reader, two fit
        journal(Healed(n=n, t=0.0))
    with path.open() as reader:
        journal.finish(ENOUGH_S)
        lines = [json.loads(reader.readline()) for _ in range(3)]
    assert [line["n"] for line in lines] == [1, 2, 5]
    assert lines[2] == {"n": 5, "t": 0.0, "event": "EventsLeftOut", "count": 3}
    assert event_from(lines[2]) == EventsLeftOut(n=5, t=0.0, count=3)


def test_a_line_about_what_is_missing_stands_where_it_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    journal = JournalFile(path, unexpected, backlog_max=100)
    journal(Healed(n=1))
    for n in range(2, 5):
        journal(Healed(n=n))
    with path.open() as reader:
        read = reader.readline()
        while not journal.finish(ENOUGH_S):
            pass
        journal(Healed(n=5))
        assert journal.finish(ENOUGH_S)
        lines = [read, *(reader.readline() for _ in range(3))]
    assert [json.loads(line)["n"] for line in lines if line] == [1, 2, 4, 5]
