import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from simulator.storage import store as store_module
from simulator.storage.entries import Entry, KeptBatches, KeptOffset, KeptTopicDeletion
from simulator.storage.frames import HEADER, MAGIC
from simulator.storage.store import DATA_FILE, DataError, Store

ENTRIES: list[Entry] = [
    KeptTopicDeletion(name="t"),
    KeptBatches(topic="t", partition=0, base_offset=0, batches=b"some batches"),
    KeptOffset(topic="t", partition=1, consumer_id="c", offset=7, modified_s=1_700_000_000),
    KeptBatches(topic="t", partition=0, base_offset=3, batches=b"more"),
]


def read(directory: Path) -> list[Entry]:
    """Open a directory, read it, and leave it to others."""
    store, found = Store(directory), list[Entry]()
    try:
        store.load(found.append)
    finally:
        store.close()
    return found


def write(directory: Path, entries: list[Entry]) -> list[int]:
    """Write entries into a new directory; return the size of the file after each."""
    store, sizes = Store(directory), []
    for entry in entries:
        assert store.write(entry)
        sizes.append((directory / DATA_FILE).stat().st_size)
    store.close()
    return sizes


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_is_written_is_read_again_in_order(tmp_path: Path) -> None:
    assert read(tmp_path / "new" / "data") == []
    write(tmp_path / "data", ENTRIES)
    assert read(tmp_path / "data") == ENTRIES
    assert read(tmp_path / "data") == ENTRIES


def test_a_torn_write_is_cut_off_wherever_it_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sizes = write(tmp_path, ENTRIES)
    file = tmp_path / DATA_FILE
    whole = file.read_bytes()
    assert sizes[-1] == len(whole)
    for end in range(sizes[1], len(whole) + 1):
        caplog.clear()
        file.write_bytes(whole[:end])
        kept = sum(size <= end for size in sizes)
        assert read(tmp_path) == ENTRIES[:kept]
        assert file.read_bytes() == whole[: sizes[kept - 1]]
        torn = end - sizes[kept - 1]
        assert caplog.messages == (
            [
                f"{file}: the last {torn} bytes are of an entry that was not"
                " written to its end; they are cut off"
            ]
            if torn
            else []
        )


def test_what_was_cut_off_is_written_again(tmp_path: Path) -> None:
    write(tmp_path, ENTRIES)
    file = tmp_path / DATA_FILE
    file.write_bytes(file.read_bytes()[:-1])
    store = Store(tmp_path)
    store.load(lambda _: None)
    assert store.write(ENTRIES[-1])
    store.close()
    assert read(tmp_path) == ENTRIES


def test_a_torn_header_is_written_again(tmp_path: Path) -> None:
    for end in range(len(HEADER)):
        (tmp_path / DATA_FILE).write_bytes(HEADER[:end])
        assert read(tmp_path) == []
        assert (tmp_path / DATA_FILE).read_bytes() == HEADER


def test_a_flipped_bit_is_refused_with_its_place_and_nothing_is_changed(tmp_path: Path) -> None:
    sizes = [len(HEADER), *write(tmp_path, ENTRIES)]
    file = tmp_path / DATA_FILE
    whole = file.read_bytes()
    for position in range(len(HEADER), len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        file.write_bytes(flipped)
        frame = max(size for size in sizes if size <= position)
        with pytest.raises(DataError, match=rf"damaged: .* at byte {frame}\. .* -s {frame}`"):
            read(tmp_path)
        assert file.read_bytes() == flipped


def test_an_entry_that_contradicts_those_before_it_is_refused(tmp_path: Path) -> None:
    first, *_ = write(tmp_path, ENTRIES)

    def apply(entry: Entry) -> None:
        if entry == ENTRIES[1]:
            raise ValueError("there is no topic 't'")

    store = Store(tmp_path)
    with pytest.raises(DataError, match=rf"no sense \(there is no topic 't'\) at byte {first}"):
        store.load(apply)
    store.close()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"a diary of mine", "is not a data file of a simulator; it is left alone"),
        (MAGIC + b"\0\0\0\x02", "has version 2 of the format; this simulator reads version 1 only"),
    ],
)
def test_foreign_files_are_refused_and_left_alone(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / DATA_FILE).write_bytes(content)
    with pytest.raises(DataError, match=why):
        Store(tmp_path)
    assert (tmp_path / DATA_FILE).read_bytes() == content


def test_a_directory_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "diary").write_text("mine")
    with pytest.raises(DataError, match=r"holds other files, such as 'diary'.*an empty directory"):
        Store(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["diary"]


def test_a_path_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        with pytest.raises(DataError, match=f"{name} is not a directory; name one"):
            Store(tmp_path / name)


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(DataError, match="is in use by another simulator"):
        Store(tmp_path)
    store.close()
    assert read(tmp_path) == []


def test_a_full_disk_leaves_nothing_of_an_entry_and_the_next_one_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    size = write(tmp_path, ENTRIES[:1])[0]
    store = Store(tmp_path)
    store.load(lambda _: None)
    with files_limited_to(size + 10):
        assert not store.write(ENTRIES[1])
        assert not store.write(ENTRIES[1])
        assert (tmp_path / DATA_FILE).stat().st_size == size
    assert store.write(ENTRIES[1])
    store.close()
    assert read(tmp_path) == ENTRIES[:2]
    path = tmp_path / DATA_FILE
    assert caplog.messages == [
        f"{path}: file too large; what is to be stored is refused",
        f"{path} can be written again",
    ]


def test_half_an_entry_that_could_not_be_removed_is_removed_before_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = write(tmp_path, ENTRIES[:1])[0]
    store = Store(tmp_path)
    store.load(lambda _: None)

    def fails(fd: int, length: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch, files_limited_to(size + 10):
        patch.setattr(os, "ftruncate", fails)
        assert not store.write(ENTRIES[1])
    assert (tmp_path / DATA_FILE).stat().st_size == size + 10
    assert store.write(ENTRIES[2])
    store.close()
    assert read(tmp_path) == [ENTRIES[0], ENTRIES[2]]


def test_a_file_of_which_most_is_gone_is_rewritten_before_the_next_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "GONE_BYTES_MIN", 10)
    write(tmp_path, ENTRIES)
    store, file = Store(tmp_path), tmp_path / DATA_FILE
    store.load(lambda _: None)
    store.state = lambda: ENTRIES[2:3]
    size = file.stat().st_size
    assert store.write(ENTRIES[0], size // 2)
    assert file.stat().st_size > size
    assert store.write(ENTRIES[0], size)
    assert file.stat().st_size > size
    assert store.write(ENTRIES[3])
    assert file.stat().st_size < size
    assert store.write(ENTRIES[3])
    store.close()
    assert read(tmp_path) == [ENTRIES[2], ENTRIES[3], ENTRIES[3]]


def test_a_file_that_cannot_be_rewritten_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store_module, "GONE_BYTES_MIN", 10)
    size = write(tmp_path, ENTRIES)[-1]
    store = Store(tmp_path)
    store.load(lambda _: None)
    store.state = lambda: [*ENTRIES, *ENTRIES, *ENTRIES]
    assert store.write(ENTRIES[0], 10 * size)
    with files_limited_to(2 * size):
        assert store.write(ENTRIES[0])
    assert caplog.messages == [f"{tmp_path / store_module.NEW_FILE}: file too large"]
    store.close()
    assert read(tmp_path) == [*ENTRIES, ENTRIES[0], ENTRIES[0]]
    assert sorted(path.name for path in tmp_path.iterdir()) == [DATA_FILE, store_module.LOCK_FILE]
