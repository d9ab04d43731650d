"""What can be put on trial: a client of a Fluvio cluster, driven through one interface."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from chaos.history import Outcome, SentRecord
from chaos.spec.scenario import Scenario
from chaos.world.world import World


class Refused(Exception):  # noqa: N818  an outcome, not a mistake
    """The client said that a call failed.

    Args:
        text: what it said.
        told: whether it is certain that nothing was stored.
        queue_full: whether the record was not taken in, for want of room.
    """

    def __init__(
        self, text: str, outcome: Outcome = "unknown", *, queue_full: bool = False
    ) -> None:
        super().__init__(text)
        self.outcome: Outcome = outcome
        self.queue_full = queue_full


class Silent(Exception):  # noqa: N818  an outcome, not a mistake
    """The client did not answer for as long as a step may take, and is gone.

    Args:
        text: to what, and for how long.
    """


class Broken(Exception):  # noqa: N818  an outcome, not a mistake
    """The client ended, or does not speak the language that was agreed on: its own failure.

    Args:
        text: what it did.
    """


class Recorder(ABC):
    """Takes down what the client is told; the harness makes it."""

    @abstractmethod
    def now(self) -> float:
        """The time of the run, in seconds."""

    @abstractmethod
    def stored(self, record: SentRecord, partition: int | None, offset: int | None) -> None:
        """The client was told that a record is stored, and perhaps where."""

    @abstractmethod
    def failed(self, record: SentRecord, outcome: Outcome, error: str) -> None:
        """The client was told that a record was given up."""


class Client(ABC):
    """One connected producer of one topic.

    Every method may raise ``Refused``. A client in the same process has no bounds of its own: the
    harness cancels what takes longer than the scenario allows. One in another process raises
    ``Silent`` or ``Broken``, and then nothing more is asked of it.
    """

    not_applicable: Mapping[str, Any] = {}
    """What of the scenario it cannot do, and what it does instead. Options of the producer have
    values as in a scenario, and it is judged by those; everything else is said in words."""

    @abstractmethod
    async def send(self, record: SentRecord) -> None:
        """Send one record; its outcome goes to the recorder when it is known."""

    @abstractmethod
    async def send_all(self, records: Sequence[SentRecord]) -> None:
        """Send many records with one call."""

    @abstractmethod
    async def flush(self) -> None:
        """Flush."""

    @abstractmethod
    async def wait(self) -> None:
        """Wait until every record sent is settled; says nothing about their outcomes."""

    @abstractmethod
    async def close(self) -> None:
        """Close the producer, settling what is open."""

    def end(self) -> None:  # noqa: B027  most have nothing left to end
        """End what still holds connections although it was closed and its context was left."""


OpenClient = Callable[[str, Scenario, World, Recorder], AbstractAsyncContextManager[Client]]
"""Connects a client: to the SC's address, for a scenario, in a world, telling a recorder what the
client is told. It raises ``Refused`` if it cannot connect within a bound of its own; leaving the
context tears the client down at once."""
