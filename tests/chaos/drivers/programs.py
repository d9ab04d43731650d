"""Shared by the tests of drivers: programs, and a recorder of outcomes."""

import sys
from collections.abc import Sequence
from pathlib import Path

from chaos.drivers import Recorder
from chaos.history import DeliveryReported, Outcome, ProducerReport, ReportSource, SentRecord


def program(directory: Path, script: str) -> list[str]:
    """Return the command that runs a Python program."""
    path = directory / "client.py"
    path.write_text(script)
    return [sys.executable, str(path)]


class Outcomes(Recorder):
    """Records the outcomes that the client reports."""

    def __init__(self) -> None:
        self.outcomes: dict[int, tuple[object, ...]] = {}

    def now(self) -> float:
        return 0.0

    def stored(
        self,
        record: SentRecord,
        partition: int | None,
        offset: int | None,
        timestamp: int | None = None,
        source: ReportSource = "wait",
    ) -> None:
        self.outcomes[record.id] = ("ok", partition, offset)

    def failed(
        self, record: SentRecord, outcome: Outcome, error: str, source: ReportSource = "wait"
    ) -> None:
        self.outcomes[record.id] = (outcome, error)

    def reported(self, report: DeliveryReported) -> None:
        raise AssertionError("a program has no delivery callback")

    def producer(self, number: int) -> ProducerReport:
        raise AssertionError("a program has no counters")

    def expect(self, values: Sequence[bytes]) -> Sequence[SentRecord]:
        raise AssertionError("a program sends what it is asked to send")

    def exited(self, how: str | None, complaint: Sequence[str]) -> None:
        raise AssertionError("a program is no application")
