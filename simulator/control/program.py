"""A program that runs servers until a signal: its output, its ready line and its end."""

import io
import logging
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGHUP
from typing import Any, TypeAlias

import click
import trio

from simulator.control.event_feed import EventFeed
from simulator.control.guard import read_token
from simulator.documents.diagnostic import printable
from simulator.journal import Sink
from simulator.proxying.proxy import Proxy
from simulator.reporting.console import Output
from simulator.reporting.journal_file import JournalFile
from simulator.reporting.writer import Writer
from simulator.serving.node import CONNECTIONS_MAX
from simulator.serving.server import Simulator
from wire.address import Address

STOPPING = (signal.SIGINT, signal.SIGTERM, SIGHUP)
"""The signals that end a program with its summary and status 0."""

COUNTING_S = 0.4
"""The time after a signal, in real seconds, for counting distinct records for the summary."""

WRITING_S = 0.8
"""The time after a signal, in real seconds, for writing the summary and the journal. The program
ends within a second even if its pipes are not read."""

TELLING_S = 0.05
"""The time for writing messages to standard error at the end, even after ``WRITING_S``."""

TOLD_CHARS_MAX = 64 * 1024
"""The maximum number of characters that wait for standard error: hundreds of lines."""

OTHER_FILES_MAX = 200
"""The open files other than connections: listeners, and files that libraries open."""

ControlledServer: TypeAlias = Simulator | Proxy


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramOptions:
    """The options of a program, whatever it runs."""

    summary: str
    """The format of the summary: ``text`` or ``json``."""
    journal: Path | None
    """A file for all events."""
    quiet: bool
    """Whether only the ready line and the summary are printed."""
    verbose: bool
    """Whether lines also tell versions, sizes and client ids."""
    control: Address | None = None
    """Where the control API is served; None for nowhere."""
    control_token_file: Path | None = None
    """A file with the token of its users."""


def program_options(given: dict[str, Any]) -> ProgramOptions:
    """Take the options of a program out of those of its command line.

    Raises:
        UsageError: there is a token and nothing that demands it.
    """
    names = ProgramOptions.__dataclass_fields__.keys() & given.keys()
    options = ProgramOptions(**{name: given.pop(name) for name in names})
    if options.control is None and options.control_token_file is not None:
        raise click.UsageError("--control-token-file needs --control HOST:PORT")
    return options


def run_program(
    opened: Callable[[list[Sink]], AbstractAsyncContextManager[ControlledServer]],
    options: ProgramOptions,
) -> None:
    """Run servers until a signal, and end the process.

    Args:
        opened: opens the servers, which give their events to the sinks.
        options: the options of the program.

    Raises:
        SimulatorError: the servers cannot be opened.
        OSError: a file cannot be opened.
    """
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  open until the process ends
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names come from peers
    told = Writer(lambda: sys.stderr, lambda _: None, TOLD_CHARS_MAX)

    def tell(line: str) -> None:
        told.put(f"simulator: {printable(line)}\n")

    output = Output(
        lambda error: (
            None
            if isinstance(error, BrokenPipeError)
            else tell(f"standard output: {error.strerror}; nothing more is printed")
        ),
        verbose=options.verbose,
    )
    sinks: list[Sink] = []
    files: list[JournalFile] = []
    if options.journal is not None:
        files.append(JournalFile(options.journal, tell))
        sinks += files
    if not options.quiet:
        sinks.append(output.event)
    _tell_warnings(tell)
    _allow_many_connections()
    feed = EventFeed()
    if options.control is not None:
        sinks.append(feed)
    token = None if options.control is None else read_token(options.control_token_file)
    controlled = _Control(options.control, token, feed)
    ending = _Ending(output, files, told, options.summary)
    trio.run(_serve, opened(sinks), ending, controlled)


def _tell_warnings(tell: Callable[[str], None]) -> None:
    """Print warnings of the simulator without waiting for a reader."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            tell(record.getMessage())

    logger = logging.getLogger("simulator")
    logger.handlers = [Handler()]
    logger.propagate = False


def _allow_many_connections() -> None:
    """Raise the process's limit of open files to what many connections need, if permitted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS_MAX + OTHER_FILES_MAX
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@dataclass
class _Ending:
    """The output that remains to be written when a signal stops a program."""

    output: Output
    journals: list[JournalFile]
    told: Writer
    form: str
    """The format of the summary: ``text`` or ``json``."""

    def print(self, server: ControlledServer) -> int:
        """Print the summary and wait briefly for the files; return the exit status."""
        asked = trio.current_time()

        def left(until_s: float) -> float:
            return asked + until_s - trio.current_time()

        summary = server.summary(hurry=lambda: left(COUNTING_S) < 0)
        if self.form == "json":
            self.output.say(summary.to_json())
        else:
            for part in ("", *summary.renderables()):
                self.output.say(part)
        status = 0
        if not self.output.finish(max(0.0, left(WRITING_S))):
            self.told.put("simulator: standard output is not read: the summary is incomplete\n")
            status = 1
        for journal in self.journals:
            if not journal.finish(max(0.0, left(WRITING_S))):
                self.told.put("simulator: the end of the journal is missing\n")
        self.told.finish(max(TELLING_S, left(WRITING_S)))
        return status


@dataclass
class _Control:
    """The control API, if it is wanted."""

    address: Address | None
    token: str | None
    feed: EventFeed

    @asynccontextmanager
    async def serving(self, server: ControlledServer) -> AsyncIterator[str]:
        """Serve it for the duration of the block, and give its part of the ready line."""
        if self.address is None:
            yield ""
            return
        from simulator.control.http import control_server

        async with control_server(server, self.feed, self.address, self.token) as address:
            yield f" control=http://{address}"


async def _serve(
    opened: AbstractAsyncContextManager[ControlledServer], ending: _Ending, control: _Control
) -> None:
    # Under nohup a program must outlive the terminal.
    stopping = [n for n in STOPPING if n != SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]
    for number in stopping:
        # The receiver restores this at its end: a second Ctrl-C must not interrupt the summary.
        signal.signal(number, signal.SIG_IGN)
    with trio.open_signal_receiver(*stopping) as signals:
        async with (
            opened as server,
            control.serving(server) as also,
        ):
            spus = ",".join(server.spu_addresses)
            ready = f"ready sc={server.address} spu={spus} seed={server.seed}{also}"
            ending.output.begin(ready)
            async for _ in signals:
                break
            status = ending.print(server)
            # Cancelling four thousand connections takes seconds; the system closes them at once.
            os._exit(status)
