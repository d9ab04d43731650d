"""What the tests of clients share: programs, and a harness that takes down outcomes."""

import sys
from pathlib import Path

from chaos.drivers import Recorder
from chaos.history import Outcome, SentRecord


def program(directory: Path, script: str) -> list[str]:
    """A program in Python, as a command."""
    path = directory / "client.py"
    path.write_text(script)
    return [sys.executable, str(path)]


class Outcomes(Recorder):
    """Takes down what the client is told."""

    def __init__(self) -> None:
        self.outcomes: dict[int, tuple[object, ...]] = {}

    def now(self) -> float:
        return 0.0

    def stored(self, record: SentRecord, partition: int | None, offset: int | None) -> None:
        self.outcomes[record.id] = ("ok", partition, offset)

    def failed(self, record: SentRecord, outcome: Outcome, error: str) -> None:
        self.outcomes[record.id] = (outcome, error)
