"""Drives any program in any language: JSON Lines over its standard input and output.

``docs/client-protocol.md`` is the contract.
"""

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from chaos.consumption import Consumption
from chaos.drivers import (
    Broken,
    CallFailed,
    ConsumptionRecorder,
    DriverSession,
    NotStarted,
    OpenSession,
    Recorder,
)
from chaos.drivers.process import Ended, Process, open_dialogue
from chaos.drivers.program_consumer import ConsumerProcesses, Reading, read_with_programs
from chaos.drivers.questions import LARGEST, Answer, Questions, mapping, whole_or_none
from chaos.history import SentRecord
from chaos.spec.consume_terms import ConsumeTerms
from chaos.spec.scenario import Scenario
from chaos.world.world import World


def open_program(command: Sequence[str], environment: Mapping[str, str] = {}) -> OpenSession:
    """Return the driver of a program that is started for each run and ended after it.

    Args:
        command: the program and its arguments.
        environment: variables in addition to those of this process.
    """

    @asynccontextmanager
    async def opened(
        address: str, scenario: Scenario, world: World, recorder: Recorder
    ) -> AsyncIterator[DriverSession]:
        process = start()
        try:
            consumers = ConsumerProcesses(start)
            async with connected(process, consumers, address, scenario, recorder) as client:
                yield client
        finally:
            process.kill()

    def start() -> Process:
        try:
            return Process(command, environment)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise NotStarted(f"{command[0]} cannot be started: {reason}") from error

    return opened


@asynccontextmanager
async def connected(
    process: Process,
    consumers: ConsumerProcesses,
    address: str,
    scenario: Scenario,
    recorder: Recorder,
) -> AsyncIterator["ProgramSession"]:
    """Connect a started program and create its producer.

    Args:
        process: the program.
        consumers: the processes of its consumers.
        address: the address of the SC.
        scenario: gives the topic and the options.
        recorder: receives the outcomes.
    """
    async with open_dialogue(process) as dialogue:
        questions = Questions(process, dialogue, scenario.step_timeout)
        client = ProgramSession(questions, consumers, recorder, scenario)
        await client.connect(address)
        yield client


ONE_AT_A_TIME = {
    "concurrently": "questions come one at a time; the branches run one after another",
    "cancel_after": "no call of a client behind pipes is cancelled",
    "leave": "a client behind pipes leaves no block early; it closes the producer at the end",
}
"""What the client protocol cannot express."""


class ProgramSession(DriverSession):
    """A session with a producer of a client behind two pipes.

    Args:
        questions: asks the client.
        consumers: the processes of its consumers.
        recorder: receives the outcomes.
        scenario: gives the producer options.
        number: of the producer.
    """

    def __init__(
        self,
        questions: Questions,
        consumers: ConsumerProcesses,
        recorder: Recorder,
        scenario: Scenario,
        number: int = 0,
    ) -> None:
        self._questions = questions
        self._consumers = consumers
        self._address = ""
        self._recorder = recorder
        self._scenario = scenario
        self._number = number
        self._open: dict[int, SentRecord] = {}

    async def connect(self, address: str) -> None:
        """Have the program connect and create its producer.

        Raises:
            NotStarted: the program ended by itself before its first answer, as one does that lacks
                an import.
        """
        process, self._address = self._questions.process, address
        try:
            await self._questions.ask("connect", address=address)
        except Ended as failure:
            if process.answered or failure.status is None or failure.status < 0:
                raise
            raise NotStarted(str(failure)) from failure
        await self._make()

    async def _make(self) -> None:
        """Have the program create the producer."""
        topic, producer = self._scenario.topic, self._scenario.producer
        answer = await self._ask("producer", topic=topic.name, **producer.model_dump())
        self.not_applicable = {**mapping(answer, "not_applicable"), **ONE_AT_A_TIME}

    async def send(self, record: SentRecord) -> None:
        """Send one record."""
        self._open[record.id] = record
        try:
            await self._ask("send", **_json(record))
        except CallFailed:
            del self._open[record.id]
            raise

    async def send_all(self, records: Sequence[SentRecord]) -> None:
        """Send several records: with one call if the client supports that, else one by one."""
        if "send_all" in self.not_applicable:
            for record in records:
                await self.send(record)
            return
        await self._ask("send_all", records=[_json(record) for record in records])
        self._open.update((record.id, record) for record in records)

    async def flush(self) -> None:
        """Flush; under at-least-once then ask for the outcome of every open record."""
        try:
            await self._ask("flush")
        finally:
            if self._scenario.producer.retries and self._questions.lost is None:
                await self.wait()

    async def wait(self) -> None:
        """Ask for the outcome of every open record."""
        for record in tuple(self._open.values()):
            await self.wait_for(record)

    async def wait_for(self, record: SentRecord) -> None:
        """Ask for the outcome of a record."""
        if record.asked_at is None:
            record.asked_at = self._recorder.now()
        try:
            answer = await self._ask("wait", id=record.id)
            partition, offset, timestamp = (whole_or_none(answer, name) for name in LARGEST)
        except CallFailed as failure:
            self._recorder.failed(record, failure.outcome, str(failure))
        except Broken as failure:
            self._questions.lose(failure)
            raise
        else:
            self._recorder.stored(record, partition, offset, timestamp)
        self._open.pop(record.id, None)

    async def close(self) -> None:
        """Close the producer, and ask for the outcome of every open record."""
        await self._ask("close")
        await self.wait()

    async def consume(
        self,
        terms: ConsumeTerms,
        consumptions: Sequence[Consumption],
        world: World,
        recorder: ConsumptionRecorder,
    ) -> None:
        """Read the topic with the program in further processes, which make their connections
        themselves."""
        topic = self._scenario.topic.name
        reading = Reading(self._address, topic, terms, recorder, self._consumers)
        await read_with_programs(reading, consumptions)

    @asynccontextmanager
    async def another(self, number: int) -> AsyncIterator[DriverSession]:
        """Have the program create another producer; leaving the context closes it."""
        session = ProgramSession(
            self._questions, self._consumers, self._recorder, self._scenario, number
        )
        await session._make()
        yield session
        await session.close()

    def end(self) -> None:
        """Kill the program and those of its consumers, in case they are kept for another run."""
        self._questions.process.kill()
        self._consumers.end()

    async def _ask(self, op: str, **arguments: Any) -> Answer:
        """Ask a question about this producer; as ``Questions.ask``."""
        if self._number:
            arguments["producer"] = self._number
        return await self._questions.ask(op, **arguments)


def _json(record: SentRecord) -> Mapping[str, Any]:
    key = None if record.key is None else b64encode(record.key).decode()
    return {"id": record.id, "key": key, "value": b64encode(record.value).decode()}
