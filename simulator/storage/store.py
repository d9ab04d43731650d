"""A directory in which a simulator keeps its data: opened, read once, then appended to.

**What is promised.** An entry is handed to the operating system before the change is made and the
request answered, so an answered request survives the end of the process, also by SIGKILL. Nothing
waits for the disk: after a power cut the last seconds may be missing, or the file may be refused.

**What is refused.** A directory that another process uses; one that holds other files and no data
file; a data file of another version, and a damaged one. Nothing is changed in what is refused. Only
the torn frame at the end of a file is cut off.

**What is gone.** Deleted topics and evicted batches stay in the file until they are the larger part
of it; then the state is written into a new file, which takes the place of the old one.
"""

import fcntl
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from simulator.storage.entries import Entry, entry_of, payload_of
from simulator.storage.frames import HEADER, MAGIC, VERSION, DamageError, frame_of, read_frames
from wire.codec import WireError

DATA_FILE = "simulator.data"
LOCK_FILE = "simulator.lock"
NEW_FILE = "simulator.data.new"
"""A data file that is not complete yet; what a killed process left of it is replaced."""

GONE_BYTES_MIN = 64 * 1024 * 1024
"""A file is not rewritten for less than this."""

logger = logging.getLogger("simulator")


class DataError(Exception):
    """The directory cannot be used. The text is one line: what is wrong and what to do."""


class Store:
    """The data of one simulator.

    Args:
        directory: the directory; made if there is none.

    Raises:
        DataError: the directory cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / DATA_FILE
        self._gone = 0
        self.state: Callable[[], Iterable[Entry]] = tuple
        """Returns the entries that make the current state."""
        self._failed = False
        """Whether the last entry could not be written."""
        self._broken = False
        """Whether the file ends in the middle of a frame that could not be removed."""
        try:
            if os.path.lexists(directory) and not directory.is_dir():
                raise DataError(f"{directory} is not a directory; name one, or one to be made")
            directory.mkdir(parents=True, exist_ok=True)
            _check_that_it_is_ours(directory)
            self._lock = _locked(directory)
        except OSError as error:
            raise DataError(_reason(directory, error)) from error
        try:
            self._fd, self._size = self._open()
        except OSError as error:
            self._unlock()
            raise DataError(_reason(self._path, error)) from error
        except DataError:
            self._unlock()
            raise

    def _open(self) -> tuple[int, int]:
        """Open the data file behind a whole header; return it and its size."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            head = os.pread(fd, len(HEADER), 0)
            if len(head) < len(HEADER) and HEADER.startswith(head):
                os.pwrite(fd, HEADER, 0)  # the process was killed while it made the file
                head = HEADER
            if head[: len(MAGIC)] != MAGIC:
                raise DataError(f"{self._path} is not a data file of a simulator; it is left alone")
            if head != HEADER:
                number = int.from_bytes(head[len(MAGIC) :], "big")
                raise DataError(
                    f"{self._path} has version {number} of the format; this simulator reads version"
                    f" {VERSION} only"
                )
            (self._path.parent / NEW_FILE).unlink(missing_ok=True)
            return fd, os.fstat(fd).st_size
        except BaseException:
            os.close(fd)
            raise

    # --- reading

    def load(self, apply: Callable[[Entry], None]) -> None:
        """Call a function with each entry in order, and cut off a torn frame at the end.

        Args:
            apply: raises ValueError if an entry contradicts those before it.

        Raises:
            DataError: the file is damaged; nothing is cut off then.
        """
        end = len(HEADER)
        try:
            with self._reader() as file:
                for payload, behind in read_frames(file):
                    try:
                        apply(entry_of(payload))
                    except (WireError, ValueError) as error:
                        raise DamageError(end, f"an entry that makes no sense ({error})") from error
                    end = behind
            if end < self._size:
                logger.warning(
                    "%s: the last %d bytes are of an entry that was not written to its end; they"
                    " are cut off",
                    self._path,
                    self._size - end,
                )
                os.ftruncate(self._fd, end)
                self._size = end
        except OSError as error:
            raise DataError(_reason(self._path, error)) from error
        except DamageError as damage:
            raise DataError(
                f"{self._path} is damaged: {damage}. Nothing was changed; restore the file, or cut"
                f" it with `truncate -s {damage.position}`, which loses all that follows"
            ) from damage

    def holds(self, useful: int) -> None:
        """Say how many bytes of a file that was read are of use, about; the others are gone."""
        self._gone = max(0, self._size - useful)

    def _reader(self) -> IO[bytes]:
        file = open(self._path, "rb")  # noqa: SIM115  the caller closes it
        file.seek(len(HEADER))
        return file

    # --- writing

    def write(self, entry: Entry, frees: int = 0) -> bool:
        """Append an entry; return whether it was written.

        If it was not, nothing of it stays in the file, and a warning says so once. The file may be
        rewritten before: what earlier entries say must be in ``state`` by now.

        Args:
            entry: the entry.
            frees: how many bytes of the file are of no use any more because of it.
        """
        if self._gone > max(GONE_BYTES_MIN, self._size // 2):
            self._rewrite()
        parts = frame_of(payload_of(entry))
        size = sum(map(len, parts))
        try:
            if self._broken:
                os.ftruncate(self._fd, self._size)
                self._broken = False
            written = os.pwritev(self._fd, parts, self._size)
            if written < size:  # the next byte tells why
                _write_all(self._fd, b"".join(parts)[written:], self._size + written)
        except OSError as error:
            self._give_up(error)
            return False
        self._size += size
        self._gone += frees
        if self._failed:
            self._failed = False
            logger.warning("%s can be written again", self._path)
        return True

    def _give_up(self, error: OSError) -> None:
        if not self._failed:
            self._failed = True
            logger.warning("%s; what is to be stored is refused", _reason(self._path, error))
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:
            self._broken = True

    def _rewrite(self) -> None:
        """Write the current state into a new file in place of the old one.

        If that fails the old file stays, and is rewritten later.
        """
        path, size = self._path.parent / NEW_FILE, len(HEADER)
        self._gone = 0
        fd = None
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
            _write_all(fd, HEADER, 0)
            for entry in self.state():
                data = b"".join(frame_of(payload_of(entry)))
                _write_all(fd, data, size)
                size += len(data)
            os.fsync(fd)  # it takes the place of a file of which more is on the disk
            path.replace(self._path)
        except OSError as error:
            if fd is not None:
                os.close(fd)
            path.unlink(missing_ok=True)
            logger.warning("%s", _reason(path, error))
            return
        os.close(self._fd)
        self._fd, self._size, self._broken = fd, size, False

    # --- the end

    def close(self) -> None:
        """Close the file and leave the directory to others."""
        os.close(self._fd)
        self._unlock()

    def _unlock(self) -> None:
        os.close(self._lock)


def _check_that_it_is_ours(directory: Path) -> None:
    found = sorted(path.name for path in directory.iterdir() if path.name != LOCK_FILE)
    if found and DATA_FILE not in found:
        raise DataError(
            f"{directory} holds other files, such as {found[0]!r}, and no data of a simulator; name"
            " an empty directory"
        )


def _locked(directory: Path) -> int:
    """Lock a directory; the lock lasts until the file is closed."""
    lock = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise DataError(
            f"{directory} is in use by another simulator; end that one, or name another directory"
        ) from None
    return lock


def _write_all(fd: int, data: bytes, position: int) -> None:
    """Write all bytes at a position of a file."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, position)
        view, position = view[written:], position + written


def _reason(path: Path, error: OSError) -> str:
    return f"{path}: {(error.strerror or str(error)).lower()}"
