"""What can be put on trial: clients of a Fluvio cluster, each driven through one interface.

``driver``: a driver that the command line names.
``registry``: the kinds of drivers.
``kinds``: one module for each kind of driver.
``program``: drives any program, over the client protocol.
``process``: a child process that is asked in lines and answers in lines.
``official_program``: the official Python client as a program of the client protocol.
``adapted``: a scenario limited to what a client supports.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from chaos.history import Outcome, SentRecord
from chaos.spec.scenario import Scenario
from chaos.world.world import World


class CallFailed(Exception):  # noqa: N818  an outcome, not a mistake
    """The client reported that a call failed.

    Args:
        text: the error as the client reported it.
        outcome: *failed* if it is certain that nothing was stored, *unknown* otherwise.
        queue_full: whether the client did not accept the record, for lack of room in its queue.
    """

    def __init__(
        self, text: str, outcome: Outcome = "unknown", *, queue_full: bool = False
    ) -> None:
        super().__init__(text)
        self.outcome: Outcome = outcome
        self.queue_full = queue_full


class Silent(Exception):  # noqa: N818  an outcome, not a mistake
    """The client did not answer within the time that a step may take, and was ended.

    Args:
        text: the call without an answer, and the time that it had.
    """


class Broken(Exception):  # noqa: N818  an outcome, not a mistake
    """The client ended, violated the client protocol, or raised an undocumented exception; the
    failure is the client's own.

    Args:
        text: what the client did.
    """


class NotStarted(Exception):  # noqa: N818  an outcome, not a mistake
    """The client could not be started: a program is missing, or ended before its first answer.

    Args:
        text: why.
    """


class Recorder(ABC):
    """Records the outcomes that a client reports; the harness implements it."""

    @abstractmethod
    def now(self) -> float:
        """Return the time of the run in seconds."""

    @abstractmethod
    def stored(self, record: SentRecord, partition: int | None, offset: int | None) -> None:
        """Record that the client reported a record as stored, and where if the client reported that
        too."""

    @abstractmethod
    def failed(self, record: SentRecord, outcome: Outcome, error: str) -> None:
        """Record that the client reported a record as given up."""


class DriverSession(ABC):
    """One connected client under test, with one producer of one topic.

    Every method may raise ``CallFailed``. A client in the same process has no time limits of its
    own: the harness cancels what takes longer than the scenario allows. A client in another process
    raises ``Silent`` or ``Broken``, and the session is over.
    """

    not_applicable: Mapping[str, Any] = {}
    """What the client cannot do of the scenario, and what it does instead. Producer options have
    values as in a scenario, and the client is judged by these; everything else is a text."""

    @abstractmethod
    async def send(self, record: SentRecord) -> None:
        """Send one record; its outcome goes to the recorder when it is known."""

    @abstractmethod
    async def send_all(self, records: Sequence[SentRecord]) -> None:
        """Send several records with one call."""

    @abstractmethod
    async def flush(self) -> None:
        """Flush the producer."""

    @abstractmethod
    async def wait(self) -> None:
        """Wait until every record sent is settled; the outcomes go to the recorder."""

    @abstractmethod
    async def close(self) -> None:
        """Close the producer; open records are settled."""

    def end(self) -> None:  # noqa: B027  most drivers have nothing left to end
        """End a client that still holds connections after its session was closed."""


OpenSession = Callable[[str, Scenario, World, Recorder], AbstractAsyncContextManager[DriverSession]]
"""Opens a session with a client: takes the address of the SC, the scenario, the world, and the
recorder of outcomes. Raises ``CallFailed`` if the client cannot connect within a limit of its own,
and ``NotStarted`` if the client cannot be started.
Leaving the context ends the client at once."""
