"""Real time, for people who wait: how long something took is no part of any verdict."""

from time import monotonic  # noqa: TID251  what a report measures is how long somebody waited


class Stopwatch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._started = monotonic()

    @property
    def seconds(self) -> float:
        """How long it has been running, in real time."""
        return monotonic() - self._started
