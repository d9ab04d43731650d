"""Real elapsed time for reports; no verdict depends on it."""

from time import monotonic  # noqa: TID251  a report states real elapsed time


class Stopwatch:
    """A stopwatch that starts when it is created."""

    def __init__(self) -> None:
        self._started = monotonic()

    @property
    def seconds(self) -> float:
        """Real seconds since the stopwatch was created."""
        return monotonic() - self._started
