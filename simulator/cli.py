"""The command ``spu-simulator``: its options, its output and how it ends."""

import io
import logging
import os
import re
import resource
import secrets
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from signal import SIGHUP
from typing import Any, cast

import click
import trio

from simulator.click_types import DurationType
from simulator.config import Config, configure
from simulator.console import Output
from simulator.documents.diagnostic import printable
from simulator.documents.quantities import parse_size
from simulator.events import Sink
from simulator.faults.distributions import CLI_FORMS, parse_distribution
from simulator.faults.fault_file import FaultFileError
from simulator.journal_file import JournalFile
from simulator.options import Options, SimulatorError
from simulator.serving.server import CONNECTIONS_MAX, Simulator, open_simulator
from simulator.writer import Writer

PORT = 9003
SPU_PORT = 9010
"""Where a local Fluvio cluster listens too, so that a usual profile finds the simulator."""

SPUS_MAX = 100
"""More SPUs than any Fluvio cluster has; each is a listener."""

STOPPING = (signal.SIGINT, signal.SIGTERM, SIGHUP)
"""What ends the simulator, with its summary and status 0."""

COUNTING_S = 0.4
"""How long after a signal records are told apart for the summary, in real seconds."""

WRITING_S = 0.8
"""How long after a signal the summary and the journal may still be written. Somebody who stops the
simulator waits for a second at most, whoever reads its pipes."""

TELLING_S = 0.05
"""How long what is told on standard error may take at the end, even if that time is over."""

TOLD_CHARS_MAX = 64 * 1024
"""Text that waits for standard error: hundreds of lines."""

OTHER_FILES_MAX = SPUS_MAX + 100
"""Open files that are no connections: listeners, and what libraries open."""

EPILOG = """\b
Examples:
  spu-simulator --drop 0.1
      Lose a tenth of all produce requests and a tenth of all their answers.
  spu-simulator --drop 0.1 --at response --seed 7
      Store everything, lose a tenth of the answers: what makes duplicates.
  spu-simulator --delay 'normal(50ms,10ms)' --disconnect 0.01
      A slow network that resets every hundredth exchange.
  spu-simulator --faults faults.yaml --journal journal.jsonl
      Faults at exact moments, and a record of all that happened.

\b
Point a client at it (it finds the SPUs by itself):
  fluvio profile add simulator 127.0.0.1:9003 && fluvio produce greetings

\b
Stop it with Ctrl-C: it prints what it stored and what it did.
The same seed gives the same faults to the same requests.
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
    """A distribution of delays, checked here and parsed later."""

    name = "DIST"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            parse_distribution(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class _CheckedSize(click.ParamType[str]):
    """A number of bytes, checked later."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


_PROBABILITY = click.FloatRange(0, 1)
_PORT = click.IntRange(0, 65535)


@click.command(
    epilog=EPILOG,
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="spu-chaos", message="%(package)s %(version)s")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--advertise",
    metavar="HOST",
    help="The host that clients are told to reach the SPUs under, for clients in a container or "
    "on another machine.  [default: the value of --host]",
)
@click.option(
    "--port", type=_PORT, default=PORT, show_default=True, help="The SC's port; 0 picks one."
)
@click.option(
    "--spu-port",
    type=_PORT,
    default=SPU_PORT,
    show_default=True,
    help="SPU 0's port, the others are 10 apart; 0 picks them.",
)
@click.option(
    "--spus",
    type=click.IntRange(1, SPUS_MAX),
    default=1,
    show_default=True,
    help="How many SPUs; the partitions of a topic are spread over them.",
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
    help="Where these four strike: before a request is applied, after it, or at both with a "
    "chance each.",
)
@click.option(
    "--api",
    type=click.Choice(["produce", "fetch", "all"]),
    default="produce",
    show_default=True,
    help="Which requests these four concern.",
)
@click.option(
    "--commit-delay",
    type=DurationType(),
    help="How long after an append the records count as committed: what a ReadCommitted producer "
    "waits for.  [default: none]",
)
@click.option("--seed", type=int, help="Where all chance comes from.  [default: drawn and printed]")
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
    help="Write every connection, frame, verdict and append there, as JSON Lines.",
)
@click.option(
    "--summary",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to say at the end what was stored and done; json is one line for scripts.",
)
@click.option(
    "--memory",
    type=_CheckedSize(),
    default="1GiB",
    show_default=True,
    help="What it may take: three quarters of it for what is stored, then partitions are full.",
)
@click.option("--quiet", is_flag=True, help="Print only the ready line and the summary.")
@click.option("-v", "--verbose", is_flag=True, help="Print versions, sizes and client ids too.")
def main(summary: str, quiet: bool, verbose: bool, journal: Path | None, **given: Any) -> None:
    """Run a simulated Fluvio cluster that injects network faults from a seed.

    It speaks the real protocol: any Fluvio client connects to it unchanged. It prints a ready line,
    then a line for each frame, verdict and append, and what it did at the end.
    """
    if given["seed"] is None:
        given["seed"] = secrets.randbits(32)
    if len({name for name, _ in given["topics"]}) < len(given["topics"]):
        raise click.UsageError("--topic: the same name twice")
    given["topics"] = dict(given["topics"])
    config = configure(**cast("Options", {k: v for k, v in given.items() if v is not None}))
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  for as long as the process lives
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
    trio.run(_serve, config, sinks, _Ending(output, files, told, summary))


def _tell_warnings(tell: Callable[[str], None]) -> None:
    """Print what the simulator warns of, without waiting for a reader."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            tell(record.getMessage())

    logger = logging.getLogger("simulator")
    logger.handlers = [Handler()]
    logger.propagate = False


def _allow_many_connections() -> None:
    """Raise this process's limit of open files as far as many connections need and it may go."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS_MAX + OTHER_FILES_MAX
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@dataclass
class _Ending:
    """What is still printed and written when the simulator is asked to stop."""

    output: Output
    journals: list[JournalFile]
    told: Writer
    form: str
    """Of the summary: ``text`` or ``json``."""

    def print(self, simulator: Simulator) -> int:
        """Print the summary and give the files a moment; returns the status of the process."""
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
            self.told.put("simulator: nobody reads standard output: the summary is cut short\n")
            status = 1
        for journal in self.journals:
            if not journal.finish(max(0.0, left(WRITING_S))):
                self.told.put("simulator: the journal lacks its end\n")
        self.told.finish(max(TELLING_S, left(WRITING_S)))
        return status


async def _serve(config: Config, sinks: list[Sink], ending: _Ending) -> None:
    # Whoever started it under nohup wants it to outlive the terminal.
    stopping = [n for n in STOPPING if n != SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]
    for number in stopping:
        # What the receiver restores at its end: a second Ctrl-C must not spoil the summary.
        signal.signal(number, signal.SIG_IGN)
    with trio.open_signal_receiver(*stopping) as signals:
        async with open_simulator(config, sinks=sinks) as simulator:
            spus = ",".join(simulator.spu_addresses)
            ready = f"ready sc={simulator.address} spu={spus} seed={simulator.seed}"
            ending.output.begin(ready)
            async for _ in signals:
                break
            status = ending.print(simulator)
            # Cancelling four thousand connections takes seconds; the system closes them at once.
            os._exit(status)


def run() -> None:
    """Run the command; every mistake of the user is one line on stderr and status 2."""
    try:
        main(standalone_mode=False)
    except click.ClickException as error:
        message = error.format_message()
    except SimulatorError as error:
        message = str(error)
    except FaultFileError as error:
        # Each line begins with its place, where editors and terminals look for one.
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
