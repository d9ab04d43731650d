"""The command ``spu-simulator``: its options, its output and how it ends."""

import io
import os
import re
import resource
import secrets
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import click
import trio

from simulator.click_types import DurationType
from simulator.config import Config, configure
from simulator.console import Output
from simulator.documents.quantities import parse_size
from simulator.events import Event, Sink, to_file
from simulator.faults.distributions import CLI_FORMS, parse_distribution
from simulator.faults.fault_file import FaultFileError
from simulator.options import Options, SimulatorError
from simulator.serving.server import CONNECTIONS_MAX, open_simulator
from simulator.summary import Summary

PORT = 9003
SPU_PORT = 9010
"""Where a local Fluvio cluster listens too, so that a usual profile finds the simulator."""

SPUS_MAX = 100
"""More SPUs than any Fluvio cluster has; each is a listener."""

STOPPING = (signal.SIGINT, signal.SIGTERM)
"""What ends the simulator, with its summary and status 0."""

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


class _Size(click.ParamType[str]):
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
    type=_Size(),
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
    output = Output(verbose=verbose)
    with ExitStack() as stack:
        sinks: list[Sink] = []
        if journal is not None:
            # Line-buffered: what happened is there for whoever looks while the simulator runs.
            file = stack.enter_context(journal.open("w", encoding="utf-8", buffering=1))
            sinks.append(_until_it_fails(to_file(file), journal))
        if not quiet:
            sinks.append(output.event)
        _allow_many_connections()
        trio.run(_serve, config, sinks, output, summary)


def _allow_many_connections() -> None:
    """Raise this process's limit of open files as far as many connections need and it may go."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS_MAX + OTHER_FILES_MAX
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _until_it_fails(sink: Sink, journal: Path) -> Sink:
    """A journal that says once that it cannot go on, instead of ending the simulator."""
    failed = False

    def write(event: Event) -> None:
        nonlocal failed
        if failed:
            return
        try:
            sink(event)
        except OSError as error:
            failed = True
            message = f"simulator: {journal}: {error.strerror}; the journal ends here"
            click.echo(message, err=True)

    return write


async def _serve(config: Config, sinks: list[Sink], output: Output, form: str) -> None:
    for number in STOPPING:
        # What the receiver restores at its end: a second Ctrl-C must not spoil the summary.
        signal.signal(number, signal.SIG_IGN)
    with trio.open_signal_receiver(*STOPPING) as signals:
        async with open_simulator(config, sinks=sinks) as simulator:
            spus = ",".join(simulator.spu_addresses)
            output.begin(f"ready sc={simulator.address} spu={spus} seed={simulator.seed}")
            async for _ in signals:
                break
            _say(simulator.summary(), output, form)
            # Cancelling four thousand connections takes seconds; the system closes them at once.
            os._exit(0)


def _say(summary: Summary, output: Output, form: str) -> None:
    if form == "json":
        output.say(summary.to_json())
    else:
        for part in ("", *summary.renderables()):
            output.say(part)


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
