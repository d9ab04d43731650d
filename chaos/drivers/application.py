"""An application that is not ours, on trial as it is: lines go in, and an exit status comes out.

The program is started with the address of the SC among its arguments. The records of the workload
are lines on its standard input, each of which it sends as one record; or the application sends by
itself the values that a file lists. Its standard input ends with the workload, and it then ends by
itself. Faults strike until it has ended.

An application reports no calls and no outcomes. Status 0 says that every record is stored; another
status says nothing.
"""

import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from shutil import which
from typing import Any

import trio

from chaos.drivers import Broken, DriverSession, NotStarted, Recorder, Silent
from chaos.drivers.process import Dialogue, Process, open_dialogue
from chaos.history import Need, SentRecord
from chaos.spec.scenario import Scenario
from chaos.world.world import World

ADDRESS = "{address}"
"""Stands for the address of the SC in the arguments of an application."""

TIMEOUT_S = 30.0
"""How long an application may take to end after its input, by default, in seconds."""

TIMEOUT_MAX_S = 240.0
"""The longest such time: a whole run may take five minutes (``chaos/runner/run.py``)."""

TERM_S = 5.0
"""How long an application may take to end after SIGTERM, in seconds."""

NOT_TOLD: Mapping[str, Any] = {
    Need.CALLS: "the application makes its own",
    "producer options": "the application has its own",
    "flush": "the application flushes when it likes",
    "wait": "the application waits when it likes",
    "close": "the application closes its producer when it likes",
    "with_producer": "the application has its own producers; the lines go to it all the same",
    "leave": "the application leaves its blocks when it likes",
    "cancel_after": "no call of an application is cancelled",
    "keys": "the application chooses its own keys",
    "values of any bytes": "the application gets lines, so that values are text",
    "probe": "the application has ended when the cluster is healed",
    Need.CONSUME: "what the application reads is not known",
}
"""What an application cannot be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationOnTrial:
    """A program on trial, and what is known of it.

    Raises:
        ValueError: the program cannot be started, or the file cannot be used; one line.
    """

    command: str
    """The program and its arguments, in shell syntax; ``{address}`` stands for the address."""
    timeout_s: float = TIMEOUT_S
    """How long it may take to end after its input has ended, in seconds."""
    values_file: str | None = None
    """A file with the values that it sends by itself, one on each line; None for an application
    that sends what it reads."""

    def __post_init__(self) -> None:
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise ValueError(f"{self.command!r} is no command: {str(error).lower()}") from error
        if not any(ADDRESS in word for word in words[1:]):
            raise ValueError(f"{self.command!r} has no {ADDRESS} among its arguments")
        if which(words[0]) is None:
            there = "is not executable" if Path(words[0]).exists() else "does not exist"
            raise ValueError(f"the program {words[0]!r} {there}")
        if not 0 < self.timeout_s <= TIMEOUT_MAX_S:
            raise ValueError(f"an application may take up to {TIMEOUT_MAX_S:g} s to end")
        self.values()

    def values(self) -> list[bytes] | None:
        """Return the values that it sends by itself, None if it sends what it reads.

        Raises:
            ValueError: the file cannot be read, or a value is empty.
        """
        if self.values_file is None:
            return None
        try:
            lines = Path(self.values_file).read_bytes().removesuffix(b"\n").split(b"\n")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ValueError(f"{self.values_file}: {reason}") from error
        if b"" in lines:
            raise ValueError(f"{self.values_file}:{lines.index(b'') + 1}: a value is empty")
        return lines

    def arguments(self, address: str) -> list[str]:
        """Return the program and its arguments for a cluster."""
        return [word.replace(ADDRESS, address) for word in shlex.split(self.command)]

    def options(self) -> list[str]:
        """Return the options of the command line that name it."""
        words = ["--app", self.command]
        if self.values_file is not None:
            words += ["--expect-values", self.values_file]
        if self.timeout_s != TIMEOUT_S:
            words += ["--app-timeout", f"{self.timeout_s:g}s"]
        return words

    @asynccontextmanager
    async def open(
        self, address: str, scenario: Scenario, world: World, recorder: Recorder
    ) -> AsyncIterator[DriverSession]:
        """Open a session, in which the workload starts the program; an ``OpenSession``."""
        yield ApplicationSession(self, address, recorder)


class ApplicationSession(DriverSession):
    """One run of an application.

    Args:
        application: the program.
        address: of the SC.
        recorder: receives how it ends.
    """

    def __init__(self, application: ApplicationOnTrial, address: str, recorder: Recorder) -> None:
        self._application = application
        self._command = application.arguments(address)
        self._recorder = recorder
        self._records: list[SentRecord] = []
        self._lines, self._written = trio.open_memory_channel[bytes](inf)
        self._values = application.values()
        self.not_applicable = dict(NOT_TOLD)
        if self._values is not None:
            does = f"the application sends what {application.values_file} lists"
            self.not_applicable |= {"send": does, "send_all": does}

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Start the program; after the workload end its input and wait for its end."""
        process = self._start()
        try:
            async with open_dialogue(process, Dialogue.ignore_output, self._write) as dialogue:
                if self._values is not None:
                    self._records += self._recorder.expect(self._values)
                yield
                self._lines.close()
                await self._finish(process, dialogue)
        finally:
            process.kill()

    def _start(self) -> Process:
        try:
            return Process(self._command)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise NotStarted(f"{self._command[0]} cannot be started: {reason}") from error

    async def _write(self, dialogue: Dialogue) -> None:
        """Write lines, also while the program does not read, until it closes its input."""
        with suppress(Broken):
            async for line in self._written:
                await dialogue.say(line)
        await dialogue.end_input()

    async def _finish(self, process: Process, dialogue: Dialogue) -> None:
        """Wait for the end of the program, or end it, and record what it says of its records.

        Raises:
            Silent: it did not end by itself.
        """
        patience_s = self._application.timeout_s
        late = f"it did not end within {patience_s:g} s after its input"
        status = await process.ended(patience_s)
        by_itself = status is not None
        if not by_itself:
            process.terminate()
            status = await process.ended(TERM_S)
        process.kill()  # what it started, and itself
        how = None
        if status is None:
            how = f"was ended by SIGKILL: {late}, nor within {TERM_S:g} s after SIGTERM"
        elif status:
            how = f"ended with status {status}" if status > 0 else f"was ended by signal {-status}"
            how = how if by_itself else f"{how} after SIGTERM: {late}"
        self._recorder.exited(how, await dialogue.complaint())
        if how is None:
            for record in self._records:
                self._recorder.stored(record, None, None)
        elif not by_itself:
            raise Silent(f"the application {how}")

    async def send(self, record: SentRecord) -> None:
        """Write a line, as soon as the program reads it."""
        self._records.append(record)
        self._lines.send_nowait(record.value)

    async def send_all(self, records: Sequence[SentRecord]) -> None:
        """Write several lines."""
        for record in records:
            await self.send(record)

    async def flush(self) -> None:
        """Do nothing: an application is not told to."""

    async def wait(self) -> None:
        """Do nothing: an application is not told to."""

    async def wait_for(self, record: SentRecord) -> None:
        """Do nothing: an application is not told to."""

    async def close(self) -> None:
        """Do nothing: an application is not told to."""

    def another(self, number: int) -> AbstractAsyncContextManager[DriverSession]:
        """Refuse: an application is not told to make one."""
        raise NotImplementedError("an application makes its own producers")
