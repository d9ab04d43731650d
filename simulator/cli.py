"""The command ``spu-simulator``: its options, its output and its exit."""

import io
import logging
import os
import re
import resource
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from signal import SIGHUP
from typing import Any, cast

import click
import trio
from click.core import ParameterSource

from simulator.click_types import AddressType, DurationType
from simulator.config import Config, configure
from simulator.control.event_feed import EventFeed
from simulator.control.guard import CONTROL_PORT, TOKEN_VARIABLE, read_token
from simulator.documents.diagnostic import printable
from simulator.documents.quantities import parse_size
from simulator.faults.distributions import CLI_FORMS, parse_distribution
from simulator.faults.fault_file import FaultFileError
from simulator.journal import Sink
from simulator.options import Options, SimulatorError
from simulator.reporting.console import Output
from simulator.reporting.journal_file import JournalFile
from simulator.reporting.writer import Writer
from simulator.serving.server import CONNECTIONS_MAX, Simulator, open_simulator
from simulator.tailing.tail_connection import TailError
from wire.address import Address

PORT = 9003
SPU_PORT = 9010
"""The ports of a local Fluvio cluster, so that a default profile finds the simulator."""

SPUS_MAX = 100
"""More SPUs than any Fluvio cluster has; each is a listener."""

STOPPING = (signal.SIGINT, signal.SIGTERM, SIGHUP)
"""The signals that end the simulator with its summary and status 0."""

COUNTING_S = 0.4
"""The time after a signal, in real seconds, for counting distinct records for the summary."""

WRITING_S = 0.8
"""The time after a signal, in real seconds, for writing the summary and the journal. The simulator
ends within a second even if its pipes are not read."""

TELLING_S = 0.05
"""The time for writing messages to standard error at the end, even after ``WRITING_S``."""

TOLD_CHARS_MAX = 64 * 1024
"""The maximum number of characters that wait for standard error: hundreds of lines."""

OTHER_FILES_MAX = SPUS_MAX + 100
"""The open files other than connections: listeners, and files that libraries open."""

EPILOG = """\b
Examples:
  spu-simulator --drop 0.1
      Drop a tenth of all produce requests and a tenth of their responses.
  spu-simulator --drop 0.1 --at response --seed 7
      Store all records, but drop a tenth of the responses: causes duplicates.
  spu-simulator --delay 'normal(50ms,10ms)' --disconnect 0.01
      A slow network that resets the connection in one of a hundred exchanges.
  spu-simulator --faults examples/faults.yaml --journal journal.jsonl
      Faults that strike exact exchanges, and a file of all events.

\b
Connect a client (the SC tells it the addresses of the SPUs):
  fluvio profile add simulator 127.0.0.1:9003 && fluvio produce greetings
Follow a topic from another terminal, and see which records are stored twice:
  spu-simulator tail greetings

\b
Ctrl-C stops the simulator and prints a summary.
The same seed strikes the same requests with the same faults.
"""

_TOPIC = re.compile(r"([^:]+)(?::([0-9]{1,9}))?")


class _Topic(click.ParamType[tuple[str, int]]):
    """``NAME`` or ``NAME:PARTITIONS``."""

    name = "NAME[:PARTITIONS]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        match = _TOPIC.fullmatch(value)
        if match is None:
            self.fail(f"{value!r} is not a topic; write NAME or NAME:PARTITIONS", param, ctx)
        return match[1], int(match[2] or 1)


class _Distribution(click.ParamType[str]):
    """A distribution of delays, validated here and parsed later."""

    name = "DIST"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            parse_distribution(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class _CheckedSize(click.ParamType[str]):
    """A number of bytes, validated here and parsed later."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


_PROBABILITY = click.FloatRange(0, 1)
_PORT = click.IntRange(0, 65535)


class _Commands(click.Group):
    """The commands beside the simulator; one is imported when it is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        found: click.Command = getattr(import_module(_COMMANDS[cmd_name]), cmd_name)
        return found


_COMMANDS = {"tail": "simulator.tailing.command", "ctl": "simulator.control.ctl"}
"""The modules of the commands."""


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    subcommand_metavar="[COMMAND]",
    epilog=EPILOG,
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="spu-chaos", message="%(package)s %(version)s")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--advertise",
    metavar="HOST",
    help="The host of the SPUs that the SC tells clients, for clients in a container or on "
    "another machine.  [default: the value of --host]",
)
@click.option(
    "--port", type=_PORT, default=PORT, show_default=True, help="The port of the SC; 0 selects one."
)
@click.option(
    "--spu-port",
    type=_PORT,
    default=SPU_PORT,
    show_default=True,
    help="The port of SPU 0; the ports of the others are 10 apart; 0 selects free ones.",
)
@click.option(
    "--spus",
    type=click.IntRange(1, SPUS_MAX),
    default=1,
    show_default=True,
    help="The number of SPUs; the partitions of a topic are distributed over them.",
)
@click.option(
    "--topic",
    "topics",
    type=_Topic(),
    multiple=True,
    default=("greetings:1",),
    show_default=True,
    help="A topic that exists from the start; may be repeated.",
)
@click.option("--drop", type=_PROBABILITY, metavar="P", help="Lose frames, with a chance of P.")
@click.option("--delay", type=_Distribution(), help=f"Hold every frame back: {CLI_FORMS}.")
@click.option("--duplicate", type=_PROBABILITY, metavar="P", help="Deliver frames twice.")
@click.option("--disconnect", type=_PROBABILITY, metavar="P", help="End connections.")
@click.option(
    "--disconnect-how",
    type=click.Choice(["rst", "fin", "half-close"]),
    default="rst",
    show_default=True,
    help="A reset, an orderly end, or an end of the answers only.",
)
@click.option(
    "--at",
    type=click.Choice(["request", "response", "both"]),
    default="both",
    show_default=True,
    help="The cut point of these four: before a request is applied, after that, or both with a "
    "draw for each.",
)
@click.option(
    "--api",
    type=click.Choice(["produce", "fetch", "stream-fetch", "all"]),
    default="produce",
    show_default=True,
    help="The requests that these four concern.",
)
@click.option(
    "--commit-delay",
    type=DurationType(),
    help="The time from an append to its commit, for which a ReadCommitted producer waits."
    "  [default: none]",
)
@click.option(
    "--recovery",
    type=_Distribution(),
    help="How long an SPU that was started listens before it serves a partition, drawn for each.  "
    "[default: none]",
)
@click.option(
    "--topic-wait",
    type=DurationType(),
    help="The time that the creation of a topic waits for its partitions.  [default: 90s]",
)
@click.option("--seed", type=int, help="The random seed.  [default: drawn and printed]")
@click.option(
    "--faults",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="More faults, as YAML; see docs/faults.md.",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write all events (connections, frames, faults, appends) to a file, as JSON Lines.",
)
@click.option(
    "--summary",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="The format of the summary at the end; json is one line for scripts.",
)
@click.option(
    "--memory",
    type=_CheckedSize(),
    default="1GiB",
    show_default=True,
    help="The memory budget; when stored records fill three quarters of it, partitions are full.",
)
@click.option(
    "--retain",
    type=_CheckedSize(),
    help="The length of a partition's log above which its oldest batches are evicted.  "
    "[default: any length]",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A directory in which topics, logs, SmartModules and consumer offsets outlive the "
    "simulator.",
)
@click.option(
    "--control",
    type=AddressType(CONTROL_PORT),
    help="Serve the control API, and a page for people, at this address; see docs/control.md.  "
    "[default: off]",
)
@click.option(
    "--control-token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A file with the token that users of the control API must send; needed where other "
    f"machines reach it. Also read from {TOKEN_VARIABLE}.",
)
@click.option("--quiet", is_flag=True, help="Print only the ready line and the summary.")
@click.option("-v", "--verbose", is_flag=True, help="Also print versions, sizes and client ids.")
@click.pass_context
def main(
    context: click.Context,
    /,
    summary: str,
    quiet: bool,
    verbose: bool,
    journal: Path | None,
    control: Address | None,
    control_token_file: Path | None,
    **given: Any,
) -> None:
    """Run a simulated Fluvio cluster that injects network faults from a seed.

    It speaks the real protocol, so any Fluvio client connects to it unchanged. It prints a ready
    line, then a line for each frame, fault and append, and a summary at the end.
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context, context.invoked_subcommand)
        return
    if given["seed"] is None:
        given["seed"] = secrets.randbits(32)
    if len({name for name, _ in given["topics"]}) < len(given["topics"]):
        raise click.UsageError("--topic: two topics have the same name")
    given["topics"] = dict(given["topics"])
    config = configure(**cast("Options", {k: v for k, v in given.items() if v is not None}))
    config = replace(config, started_s=time.time())  # noqa: TID251  when an offset was stored
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
        verbose=verbose,
    )
    sinks: list[Sink] = []
    files: list[JournalFile] = []
    if journal is not None:
        files.append(JournalFile(journal, tell))
        sinks += files
    if not quiet:
        sinks.append(output.event)
    _tell_warnings(tell)
    _allow_many_connections()
    feed = EventFeed()
    if control is not None:
        sinks.append(feed)
    token = None if control is None else read_token(control_token_file)
    controlled = _Control(control, token, feed)
    trio.run(_serve, config, sinks, _Ending(output, files, told, summary), controlled)


def _refuse_options(context: click.Context, command: str) -> None:
    """Refuse options of the simulator before a command, which starts no simulator."""
    for parameter in context.command.params:
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{parameter.opts[0]} is an option of a simulator, and {command} starts none;"
                f" see {command} --help"
            )


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
    """The output that remains to be written when a signal stops the simulator."""

    output: Output
    journals: list[JournalFile]
    told: Writer
    form: str
    """The format of the summary: ``text`` or ``json``."""

    def print(self, simulator: Simulator) -> int:
        """Print the summary and wait briefly for the files; return the exit status."""
        asked = trio.current_time()

        def left(until_s: float) -> float:
            return asked + until_s - trio.current_time()

        summary = simulator.summary(hurry=lambda: left(COUNTING_S) < 0)
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
    async def serving(self, simulator: Simulator) -> AsyncIterator[str]:
        """Serve it for the duration of the block, and give its part of the ready line."""
        if self.address is None:
            yield ""
            return
        from simulator.control.http import control_server

        async with control_server(simulator, self.feed, self.address, self.token) as address:
            yield f" control=http://{address}"


async def _serve(
    config: Config,
    sinks: list[Sink],
    ending: _Ending,
    control: _Control,
) -> None:
    # Under nohup the simulator must outlive the terminal.
    stopping = [n for n in STOPPING if n != SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]
    for number in stopping:
        # The receiver restores this at its end: a second Ctrl-C must not interrupt the summary.
        signal.signal(number, signal.SIG_IGN)
    with trio.open_signal_receiver(*stopping) as signals:
        async with (
            open_simulator(config, sinks=sinks) as simulator,
            control.serving(simulator) as also,
        ):
            spus = ",".join(simulator.spu_addresses)
            ready = f"ready sc={simulator.address} spu={spus} seed={simulator.seed}{also}"
            ending.output.begin(ready)
            async for _ in signals:
                break
            status = ending.print(simulator)
            # Cancelling four thousand connections takes seconds; the system closes them at once.
            os._exit(status)


def run() -> None:
    """Run the command; each error of the user is one line on stderr, with status 2."""
    try:
        main(standalone_mode=False)
    except click.ClickException as error:
        message = error.format_message()
    except SimulatorError as error:
        message = str(error)
    except TailError as error:
        message = printable(str(error))  # names come from servers
    except FaultFileError as error:
        # Each line begins with its position, where editors and terminals expect it.
        click.echo(str(error), err=True)
        sys.exit(2)
    except OSError as error:
        message = f"{error.filename or 'error'}: {error.strerror or error}"
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    else:
        return
    for line in message.splitlines():
        click.echo(f"simulator: {line}", err=True)
    sys.exit(2)
