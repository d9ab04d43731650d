"""Recordings: their files, and which answer belongs to which request."""

import json
from pathlib import Path

import pytest

from chaos.conformance.recording import RecordingError, What, load_recording, recording_lines
from tests.chaos.conformance.recordings import NAMES, PATHS, load
from wire.api import API_VERSIONS, FETCH_OFFSETS, PRODUCE, WATCH

OPENED = {"conn": 1, "server": "sc", "dir": "open", "t": 0.5}


def written(tmp_path: Path, *lines: object) -> Path:
    path = tmp_path / "session.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_a_recording_is_written_as_it_was_read(path: Path) -> None:
    recording = load_recording(path)
    assert recording.name == path.stem
    assert [*recording_lines(recording)] == path.read_text().splitlines()


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ({**OPENED, "dir": "opened"}, "is not a valid What"),
        ({"conn": 1, "server": "sc", "t": 0.5}, "KeyError: 'dir'"),
        ({**OPENED, "dir": "c>s", "frame": "00000002ff"}, "not that of its bytes"),
        ({**OPENED, "dir": "s>c", "frame": "zz"}, "non-hexadecimal"),
        ([], "TypeError"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: object, mistake: str) -> None:
    path = written(tmp_path, OPENED, line)
    with pytest.raises(RecordingError, match=mistake) as caught:
        load_recording(path)
    assert str(caught.value).startswith(f"{path}:2: ")


def test_a_file_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no-session"):
        load_recording(tmp_path / "no-session.jsonl")


def test_an_answer_belongs_to_the_latest_request_with_its_correlation_id() -> None:
    exchanges = load("produce")[0].exchanges()
    greeting, produce = exchanges[2, 1], exchanges[2, 2]
    assert greeting.header.correlation_id == produce.header.correlation_id == 1
    assert (greeting.api, produce.api) == (API_VERSIONS, PRODUCE)
    assert len(greeting.answers) == len(produce.answers) == 1


def test_sc_and_spu_number_their_apis_separately() -> None:
    keys = {
        (1, 3): WATCH,
        (2, 2): FETCH_OFFSETS,
    }  # 1002 is Delete for an SC, FetchOffsets for an SPU
    exchanges = load("consume-empty")[0].exchanges()
    assert {key: exchanges[key].api for key in keys} == keys
    assert exchanges[2, 2].header.api_key == 1002


def test_the_topics_that_a_client_creates_are_known_by_its_requests() -> None:
    assert load("admin")[0].created_topics() == {"golden-admin-6158", "UPPER"}


def test_the_side_that_ended_a_connection_first_is_known() -> None:
    recording, _ = load("consume-absolute-beyond")
    assert recording.server_ended_first() == set()
    recording.events[:] = [e for e in recording.events if e.what is not What.CLIENT_RESET]
    assert recording.server_ended_first() == {2}
