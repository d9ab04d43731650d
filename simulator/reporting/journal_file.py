"""The journal as a file of JSON Lines, which never makes the simulator wait."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from simulator.events import Event, EventsLeftOut
from simulator.reporting.writer import BACKLOG_CHARS_MAX, Writer


class JournalFile:
    """A sink that writes each event as soon as it happens.

    Events that find the backlog full are left out, and a line says how many.

    Args:
        path: the file, which is overwritten. It may be a pipe without a reader.
        tell: takes one line, from a thread, about a journal that cannot go on.
        backlog_max: characters that may wait for being written.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(
        self, path: Path, tell: Callable[[str], None], backlog_max: int = BACKLOG_CHARS_MAX
    ) -> None:
        def failed(error: OSError) -> None:
            tell(f"{path}: {error.strerror or error}; the journal ends here")

        # To open a pipe takes as long as there is no reader.
        is_pipe = path.exists() and stat.S_ISFIFO(path.stat().st_mode)
        file = None if is_pipe else _opened(path)
        self._writer = Writer(lambda: file or _opened(path), failed, backlog_max)
        self._left_out: EventsLeftOut | None = None

    def __call__(self, event: Event) -> None:
        """Write an event."""
        missing = self._left_out
        line = event.to_json() + "\n"
        if self._writer.put(line if missing is None else f"{missing.to_json()}\n{line}"):
            self._left_out = None
        else:
            count = 1 + (missing.count if missing else 0)
            self._left_out = EventsLeftOut(n=event.n, t=event.t, count=count)

    def finish(self, seconds: float) -> bool:
        """Wait until all is written, and say what is missing at the end.

        Args:
            seconds: how long at most, in real seconds.

        Returns:
            Whether it is written.
        """
        if self._left_out is not None:
            self._writer.put(self._left_out.to_json() + "\n", needed=True)
            self._left_out = None
        return self._writer.finish(seconds)


def _opened(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8")
