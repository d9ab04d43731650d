"""Drives any program in any language: JSON Lines over its standard input and output.

``docs/client-protocol.md`` is the contract. The harness asks one question at a time and waits for
the answer. A program that does not answer in time is killed: its state is unknown, and its next
line would answer an earlier question. An answer repeats the number of its question, so that a
second answer to one question is not taken for the answer to the next.
"""

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

from chaos.drivers import (
    Broken,
    CallFailed,
    DriverSession,
    NotStarted,
    OpenSession,
    Recorder,
    Silent,
)
from chaos.drivers.process import Dialogue, Ended, Process, open_dialogue
from chaos.history import Outcome, SentRecord
from chaos.spec.scenario import Scenario
from chaos.world.world import World
from simulator.documents.strict_model import shown

SHOWN_BYTES = 80
"""How many bytes of an invalid answer a message quotes."""

TEXT_CHARS_MAX = 1000
"""How many characters of an error text are kept; a client may put a backtrace there."""

PERSISTED: Mapping[object, Outcome] = {"no": "failed", "maybe": "unknown", None: "unknown"}
"""The values of ``persisted`` in an error, and the outcome of each."""

LARGEST: Mapping[str, int] = {
    "partition": 2**31 - 1,
    "offset": 2**63 - 1,
    "timestamp": 2**63 - 1,
}
"""The largest numbers that Fluvio can store, by the keys of an answer."""

Answer = dict[str, Any]


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
        try:
            process = Process(command, environment)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise NotStarted(f"{command[0]} cannot be started: {reason}") from error
        try:
            async with connected(process, address, scenario, recorder) as client:
                yield client
        finally:
            process.kill()

    return opened


@asynccontextmanager
async def connected(
    process: Process, address: str, scenario: Scenario, recorder: Recorder
) -> AsyncIterator["ProgramSession"]:
    """Connect a started program and create its producer."""
    async with open_dialogue(process) as dialogue:
        questions = Questions(process, dialogue, scenario.step_timeout)
        client = ProgramSession(questions, recorder, scenario)
        await client.connect(address)
        yield client


ONE_AT_A_TIME = {
    "concurrently": "questions come one at a time; the branches run one after another",
    "cancel_after": "no call of a client behind pipes is cancelled",
    "consume": "the client protocol has no question to consume",
    "leave": "a client behind pipes leaves no block early; it closes the producer at the end",
}
"""What the client protocol cannot express."""


class Questions:
    """Asks a program one question after the other.

    Args:
        process: the program, which is killed when it is silent.
        dialogue: the lines to and from the program.
        patience_s: the time limit of an answer.
    """

    def __init__(self, process: Process, dialogue: Dialogue, patience_s: float) -> None:
        self.process = process
        self._dialogue = dialogue
        self._patience_s = patience_s
        self.lost: Exception | None = None
        """Why the session is over; None while it is usable."""

    async def ask(self, op: str, **arguments: Any) -> Answer:
        """Ask one question and return the answer.

        Raises:
            CallFailed: the program reports an error.
            Silent: no answer came in time, and the program was killed.
            Broken: the program ended, or its answer is invalid.
        """
        if self.lost is not None:
            raise self.lost
        self.process.asked += 1
        n = self.process.asked
        line = json.dumps({"op": op, "n": n, **arguments}).encode()
        try:
            with trio.move_on_after(self._patience_s) as scope:
                await self._dialogue.say(line)
                answer = _answer(op, n, await self._dialogue.hear())
            if scope.cancelled_caught:
                came = self._dialogue.unfinished
                raise Silent(f"{op}: no answer within {self._patience_s:g} s{came}")
        except trio.Cancelled:
            # The call has exceeded its bound; the answer is still outstanding.
            self.lose(Silent(f"{op}: no answer within its bound"))
            raise
        except (Silent, Broken) as failure:
            self.lose(failure)
            raise
        self.process.answered = True
        if "error" in answer:
            raise CallFailed(_one_line(answer["error"]), PERSISTED[answer.get("persisted")])
        return answer

    def lose(self, failure: Exception) -> None:
        """Ask nothing more, and kill the program."""
        self.lost = failure
        self.process.kill()


class ProgramSession(DriverSession):
    """A session with a producer of a client behind two pipes.

    Args:
        questions: asks the client.
        recorder: receives the outcomes.
        scenario: gives the producer options.
        number: of the producer.
    """

    def __init__(
        self, questions: Questions, recorder: Recorder, scenario: Scenario, number: int = 0
    ) -> None:
        self._questions = questions
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
        process = self._questions.process
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
        self.not_applicable = {**_mapping(answer, "not_applicable"), **ONE_AT_A_TIME}

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
            partition, offset, timestamp = (_index(answer, name) for name in LARGEST)
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

    @asynccontextmanager
    async def another(self, number: int) -> AsyncIterator[DriverSession]:
        """Have the program create another producer; leaving the context closes it."""
        session = ProgramSession(self._questions, self._recorder, self._scenario, number)
        await session._make()
        yield session
        await session.close()

    def end(self) -> None:
        """Kill the program, in case it is kept for another run."""
        self._questions.process.kill()

    async def _ask(self, op: str, **arguments: Any) -> Answer:
        """Ask a question about this producer; as ``Questions.ask``."""
        if self._number:
            arguments["producer"] = self._number
        return await self._questions.ask(op, **arguments)


def _json(record: SentRecord) -> Mapping[str, Any]:
    key = None if record.key is None else b64encode(record.key).decode()
    return {"id": record.id, "key": key, "value": b64encode(record.value).decode()}


# --- answers


def _answer(op: str, n: int, line: bytes) -> Answer:
    """Return a valid answer to question ``n``.

    Raises:
        Broken: the line is none; the message quotes it.
    """
    if not line.strip():
        raise Broken(f"the program answered {op} with an empty line")
    try:
        answer = json.loads(line, parse_constant=_no_constant)
        json.dumps(answer, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # an escape such as \\ud800
        raise Broken(f"{_said(op, line)}, which is not Unicode text") from None
    except (ValueError, RecursionError):
        raise Broken(f"{_said(op, line)}, which is not JSON") from None
    if not isinstance(answer, dict) or ("error" in answer) == (answer.get("ok") is True):
        raise Broken(f'{_said(op, line)}, which is neither {{"ok": true}} nor {{"error": TEXT}}')
    repeated = answer.get("n")
    if type(repeated) is int and 0 < repeated < n:
        raise Broken(
            f"the program answered question {repeated} twice: {_said(op, line)}, and the question "
            f'has "n": {n}'
        )
    if type(repeated) is not int or repeated != n:
        raise Broken(f'{_said(op, line)}, which does not repeat "n": {n}')
    if not isinstance(answer.get("error", ""), str):
        raise Broken(f"{_said(op, line)}, whose error is not a text")
    persisted = answer.get("persisted")
    if "error" in answer and not (persisted is None or persisted in ("no", "maybe")):
        raise Broken(f'{_said(op, line)}, whose persisted is neither "no" nor "maybe"')
    return answer


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _index(answer: Answer, name: str) -> int | None:
    value = answer.get(name)
    if value is None or (type(value) is int and 0 <= value <= LARGEST[name]):
        return value
    raise Broken(
        f"the program answered with {name} {shown(value)}, which is not a whole number "
        f"from 0 to {LARGEST[name]}"
    )


def _mapping(answer: Answer, name: str) -> Mapping[str, Any]:
    value = answer.get(name, {})
    if isinstance(value, dict):
        return value
    raise Broken(f"the program answered with {name} {shown(value)}, which is not an object")


def _said(op: str, line: bytes) -> str:
    shown = line[:SHOWN_BYTES].decode(errors="backslashreplace")
    return f"the program answered {op} with {_one_line(shown)!r}"


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:TEXT_CHARS_MAX] or "an error without a text"
