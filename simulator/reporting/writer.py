"""Writing that never makes the simulator wait: a thread for each file, and a bound on its backlog.

A pipe that is not read, a terminal that is stopped or a full disk would block every connection
and every signal. So the loop only hands text over; a thread writes it, and text that finds the
backlog full is refused, for the caller to count. The threads end with the process.
"""

import errno
import threading
from collections.abc import Callable
from typing import TextIO

BACKLOG_CHARS_MAX = 8 * 1024 * 1024
"""Text that waits for being written: seconds of events on a slow disk."""


class Writer:
    """Writes to one file, in order.

    Args:
        open_file: gives the file; called in the thread, so that it may take its time.
        failed: called once, in the thread, with the error that ends the writing; what is put later
            is discarded.
        backlog_max: characters that may wait.
    """

    def __init__(
        self,
        open_file: Callable[[], TextIO],
        failed: Callable[[OSError], None],
        backlog_max: int = BACKLOG_CHARS_MAX,
    ) -> None:
        self._open_file = open_file
        self._failed = failed
        self._backlog_max = backlog_max
        self._waiting: list[str] = []
        self._changed = threading.Condition()
        self.backlog = 0
        """Characters that are not written yet."""
        self.error: OSError | None = None
        """What ended the writing."""
        threading.Thread(target=self._run, name="writer", daemon=True).start()

    def put(self, text: str, *, needed: bool = False) -> bool:
        """Have text written.

        Args:
            text: the text.
            needed: whether it is taken even if the backlog is full.

        Returns:
            Whether it was taken.
        """
        with self._changed:
            if self.error is None:
                if not needed and self.backlog + len(text) > self._backlog_max:
                    return False
                self.backlog += len(text)
                self._waiting.append(text)
                self._changed.notify_all()
        return True

    def finish(self, seconds: float) -> bool:
        """Wait until everything is written.

        Args:
            seconds: how long at most, in real seconds.

        Returns:
            Whether it is written.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self.backlog or self.error is not None, seconds)
            return not self.backlog and self.error is None

    def _run(self) -> None:
        try:
            file = self._open_file()
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._waiting)
                    text = "".join(self._waiting)
                    self._waiting.clear()
                file.write(text)
                file.flush()
                with self._changed:
                    self.backlog -= len(text)
                    self._changed.notify_all()
        except OSError as error:
            self._end(error)
        except ValueError:  # Python raises it for a file that was closed
            self._end(OSError(errno.EBADF, "the file was closed"))

    def _end(self, error: OSError) -> None:
        with self._changed:
            self.error = error
            self._waiting.clear()
            self._changed.notify_all()
        self._failed(error)
