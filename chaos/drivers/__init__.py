"""What can be put on trial: clients of a Fluvio cluster, each driven through one interface.

``driver``: a driver that the command line names.
``registry``: the kinds of drivers.
``kinds``: one module for each kind of driver.
``program``: drives any program, over the client protocol.
``program_consumer``: reads with such a program.
``questions``: the questions to a program, and its answers.
``consumer``: a small consumer, on the network of the world.
``application``: an application that is not ours, judged by its input and its exit status.
``process``: a child process that is asked in lines and answers in lines.
``official_program``: the official Python client as a program of the client protocol.
``adapted``: a scenario limited to what a client supports.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from chaos.consumption import Consumption, ConsumptionEnd
from chaos.history import DeliveryReported, Outcome, ProducerReport, ReportSource, SentRecord
from chaos.spec.consume_terms import ConsumeTerms
from chaos.spec.scenario import Scenario
from chaos.world.world import World
from wire.batch import Record


class CallFailed(Exception):  # noqa: N818  an outcome, not a mistake
    """The client reported that a call failed.

    Args:
        text: the error as the client reported it.
        outcome: *failed* if it is certain that nothing was stored, *unknown* otherwise.
        queue_full: whether the client did not accept the record, for lack of room in its queue.
        records: of a flush or a close: how many records the client reported as given up.
    """

    def __init__(
        self,
        text: str,
        outcome: Outcome = "unknown",
        *,
        queue_full: bool = False,
        records: int | None = None,
    ) -> None:
        super().__init__(text)
        self.outcome: Outcome = outcome
        self.queue_full = queue_full
        self.records = records


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


class ApplicationError(Exception):
    """Raised by the harness inside the block of a producer, as an error of the application; it
    comes out of the block as it is."""


class Recorder(ABC):
    """Records what a client reports; the harness implements it.

    A client may report the outcome of a record any number of times. The first report is the
    outcome, and each later one must equal it.
    """

    @abstractmethod
    def now(self) -> float:
        """Return the time of the run in seconds."""

    @abstractmethod
    def stored(
        self,
        record: SentRecord,
        partition: int | None,
        offset: int | None,
        timestamp: int | None = None,
        source: ReportSource = "wait",
    ) -> None:
        """Record that the client reported a record as stored, and what else it reported of it.

        Args:
            record: the record.
            partition: where it is stored; None if the client does not say.
            offset: where it is stored there.
            timestamp: what it was stamped with, in milliseconds since 1970.
            source: what told it.
        """

    @abstractmethod
    def failed(
        self, record: SentRecord, outcome: Outcome, error: str, source: ReportSource = "wait"
    ) -> None:
        """Record that the client reported a record as given up."""

    @abstractmethod
    def reported(self, report: DeliveryReported) -> None:
        """Record a call of the delivery callback."""

    @abstractmethod
    def producer(self, number: int) -> ProducerReport:
        """Return where a driver notes what a producer told beside its calls."""

    @abstractmethod
    def expect(self, values: Sequence[bytes]) -> Sequence[SentRecord]:
        """Record that the client sends these values by itself, and return the records."""

    @abstractmethod
    def exited(self, how: str | None, complaint: Sequence[str]) -> None:
        """Record how an application ended.

        Args:
            how: how it ended, if not with status 0.
            complaint: the last lines of its standard error.
        """


class ConsumptionRecorder(ABC):
    """Records what consumers read; the harness implements it."""

    @abstractmethod
    def dialled(self, consumption: Consumption, port: int) -> None:
        """Record that a consumer made a connection, from a port of its own."""

    @abstractmethod
    def delivered(self, consumption: Consumption, records: Sequence[Record]) -> None:
        """Record that a consumer was delivered records."""

    @abstractmethod
    def offset_sent(self, consumption: Consumption, offset: int) -> None:
        """Record that a consumer asked an SPU to store the offset of its last record."""

    @abstractmethod
    def offset_stored(self, consumption: Consumption, offset: int) -> None:
        """Record that an SPU answered that it stored an offset."""

    @abstractmethod
    def ended(
        self, consumption: Consumption, end: ConsumptionEnd, error: str | None = None
    ) -> None:
        """Record that a consumption ended; a later end of the same one counts for nothing."""


class DriverSession(ABC):
    """One producer of a connected client under test.

    Every method may raise ``CallFailed``. A client in the same process has no time limits of its
    own: the harness cancels what takes longer than the scenario allows. A client in another process
    raises ``Silent`` or ``Broken``, and the session is over.
    """

    not_applicable: Mapping[str, Any] = {}
    """What the client cannot do of the scenario, and what it does instead. Producer options have
    values as in a scenario, and the client is judged by these; everything else is a text. The
    harness does without these: ``send``, ``send_all``, ``flush``, ``wait``, ``close``, ``probe``,
    ``with_producer`` (the steps are performed with the first producer), ``concurrently`` (the
    branches are performed one after another), ``cancel_after`` (nothing is cancelled), ``leave``
    (the block is left at its end), ``wait twice`` (a record is waited for once), ``consume``
    (nothing is read), ``isolation of consumers`` (they read uncommitted records), ``keys`` (records
    have none), ``values of any bytes`` (values are text)."""

    def working(self) -> AbstractAsyncContextManager[None]:
        """Return what encloses the workload, while faults strike; most drivers have nothing to do
        around it.

        Raises:
            NotStarted: the client could not be started.
            Silent: it did not end in time.
        """
        return nullcontext()

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
    async def wait_for(self, record: SentRecord) -> None:
        """Wait for one record that was accepted, also if it was waited for before; its outcome goes
        to the recorder."""

    @abstractmethod
    async def close(self) -> None:
        """Close the producer; open records are settled."""

    @abstractmethod
    def another(self, number: int) -> "AbstractAsyncContextManager[DriverSession]":
        """Make another producer of the same client, on the same topic. Leaving the context leaves
        its block: open records are settled, unless the context is cancelled. An
        ``ApplicationError`` leaves it as it is.

        Args:
            number: of the producer; the first one of the client has 0.
        """

    async def consume(
        self,
        terms: ConsumeTerms,
        consumptions: Sequence[Consumption],
        world: World,
        recorder: ConsumptionRecorder,
    ) -> None:
        """Read the topic. The harness cancels the call when its time is over.

        Args:
            terms: what to read.
            consumptions: one for each partition.
            world: a client in this process makes the connections of consumers with its ``dial``.
            recorder: receives what is delivered, and each end.
        """
        raise NotImplementedError("a driver that cannot consume names it in not_applicable")

    def end(self) -> None:  # noqa: B027  most drivers have nothing left to end
        """End a client that still holds connections after its session was closed."""


OpenSession = Callable[[str, Scenario, World, Recorder], AbstractAsyncContextManager[DriverSession]]
"""Opens a session with a client: takes the address of the SC, the scenario, the world, and the
recorder of outcomes. Raises ``CallFailed`` if the client cannot connect within a limit of its own,
and ``NotStarted`` if the client cannot be started.
Leaving the context ends the client at once."""
