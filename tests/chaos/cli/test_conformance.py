"""The command that compares the recorded sessions with the simulator.

The sessions here are replays that were written as recordings: nothing differs but what a test
changes.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chaos.cli.conformance import main
from chaos.conformance.recording import Recording, recording_lines
from chaos.conformance.replay import replay_session
from chaos.conformance.setup import SessionSetup
from tests.chaos.conformance.recordings import FOLDER, load, with_answer

NAME = "produce-unknown-topic"

NOTHING_DIFFERS = "may_differ: []"

VERSION_DIFFERS = """
may_differ:
  - {api: api-versions, fields: [platform_version], reason: a test}
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], standalone_mode=False)


def write(folder: Path, recording: Recording, may_differ: str = NOTHING_DIFFERS) -> None:
    lines = "".join(f"{line}\n" for line in recording_lines(recording))
    (folder / f"{recording.name}.jsonl").write_text(lines)
    (folder / "may-differ.yaml").write_text(may_differ)


@pytest.fixture
def recording() -> Recording:
    return replay_session(load(NAME)[0], SessionSetup())


@pytest.fixture
def folder(tmp_path: Path, recording: Recording) -> Path:
    """A folder with one session, in which nothing differs."""
    shutil.copy(FOLDER / f"{NAME}.setup.yaml", tmp_path)
    write(tmp_path, recording)
    return tmp_path


def with_other_version(recording: Recording) -> Recording:
    def change(answer: Any) -> Any:
        answer.platform_version = "9.9.9"
        return answer

    return with_answer(recording, 1, 1, change)


def test_a_folder_without_differences_passes(folder: Path) -> None:
    done = run(folder)
    assert (done.return_value, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "sessions 1: compared 1, missing 0",
        "frames 7: equal 7, excused by may-differ.yaml 0, different 0",
    ]


def test_a_difference_is_told_with_its_place(folder: Path, recording: Recording) -> None:
    write(folder, with_other_version(recording))
    done = run(folder)
    assert done.return_value == 1
    first, second, *_, last = done.stdout.splitlines()
    assert first.startswith("api-versions platform_version: real '9.9.9', simulated '0.")
    assert second == f"    {NAME} connection 1 request 1"
    assert last == "frames 7: equal 6, excused by may-differ.yaml 0, different 1"


def test_a_difference_of_the_list_is_excused(folder: Path, recording: Recording) -> None:
    write(folder, with_other_version(recording), VERSION_DIFFERS)
    done = run(folder)
    assert done.return_value == 0
    assert done.stdout.splitlines() == [
        "sessions 1: compared 1, missing 0",
        "frames 7: equal 6, excused by may-differ.yaml 1, different 0",
    ]


def test_an_entry_that_excuses_nothing_fails_unless_sessions_are_left_out(
    folder: Path, recording: Recording
) -> None:
    write(folder, recording, VERSION_DIFFERS)
    done = run(folder)
    assert done.return_value == 1
    assert "may-differ.yaml: excuses nothing: api-versions platform_version\n" in done.stdout
    assert run(folder, NAME).return_value == 0


def test_a_session_without_its_setup_fails(folder: Path) -> None:
    shutil.copy(FOLDER / "produce.jsonl", folder)
    done = run(folder)
    assert done.return_value == 1
    assert "missing: produce (there is no produce.setup.yaml)\n" in done.stdout


def test_bad_input_has_a_status_of_its_own(folder: Path) -> None:
    done = run(folder, "produse")
    assert (done.return_value, done.stderr) == (2, f"no recording produse in {folder}\n")
    (folder / f"{NAME}.setup.yaml").write_text("topcis: []")
    done = run(folder)
    assert done.return_value == 2
    assert "unknown key 'topcis'; did you mean 'topics'" in done.stderr


def test_a_recording_is_trimmed_to_what_is_compared(folder: Path, tmp_path: Path) -> None:
    trimmed = folder / f"{NAME}.jsonl"
    before = trimmed.read_text()
    recorded = tmp_path / "recorded"
    recorded.mkdir()
    shutil.move(trimmed, recorded)
    assert run(folder, "--trim", recorded / trimmed.name).return_value == 0
    assert trimmed.read_text() == before
