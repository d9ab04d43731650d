"""The command ``spu-simulator``: its options, its output and its exit."""

import re
import secrets
import sys
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import click
from click.core import ParameterSource

from simulator.config import configure
from simulator.control.command_options import (
    DistributionType,
    DurationType,
    SizeType,
    fault_options,
    network_options,
    run_options,
)
from simulator.control.program import program_options, run_program
from simulator.documents.diagnostic import printable
from simulator.faults.fault_file import FaultFileError
from simulator.options import Options, SimulatorError
from simulator.serving.server import open_simulator
from simulator.tailing.tail_connection import TailError

SPUS_MAX = 100
"""More SPUs than any Fluvio cluster has; each is a listener."""

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


class _Commands(click.Group):
    """The commands beside the simulator; one is imported when it is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        found: click.Command = getattr(import_module(_COMMANDS[cmd_name]), cmd_name)
        return found


_COMMANDS = {
    "tail": "simulator.tailing.command",
    "ctl": "simulator.control.ctl",
    "proxy": "simulator.proxying.command",
}
"""The modules of the commands."""


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    subcommand_metavar="[COMMAND]",
    epilog=EPILOG,
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="spu-chaos", message="%(package)s %(version)s")
@network_options
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
@fault_options
@click.option(
    "--commit-delay",
    type=DurationType(),
    help="The time from an append to its commit, for which a ReadCommitted producer waits."
    "  [default: none]",
)
@click.option(
    "--recovery",
    type=DistributionType(),
    help="How long an SPU that was started listens before it serves a partition, drawn for each.  "
    "[default: none]",
)
@click.option(
    "--topic-wait",
    type=DurationType(),
    help="The time that the creation of a topic waits for its partitions.  [default: 90s]",
)
@click.option(
    "--retain",
    type=SizeType(),
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
@run_options
@click.pass_context
def main(
    context: click.Context,
    /,
    **given: Any,
) -> None:
    """Run a simulated Fluvio cluster that injects network faults from a seed.

    It speaks the real protocol, so any Fluvio client connects to it unchanged. It prints a ready
    line, then a line for each frame, fault and append, and a summary at the end.
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context, context.invoked_subcommand)
        return
    program = program_options(given)
    if given["seed"] is None:
        given["seed"] = secrets.randbits(32)
    if len({name for name, _ in given["topics"]}) < len(given["topics"]):
        raise click.UsageError("--topic: two topics have the same name")
    given["topics"] = dict(given["topics"])
    config = configure(**cast("Options", {k: v for k, v in given.items() if v is not None}))
    config = replace(config, started_s=time.time())  # noqa: TID251  when an offset was stored
    run_program(lambda sinks: open_simulator(config, sinks=sinks), program)


def _refuse_options(context: click.Context, command: str) -> None:
    """Refuse options of the simulator before a command, which starts no simulator."""
    for parameter in context.command.params:
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{parameter.opts[0]} is an option of a simulator, and {command} starts none;"
                f" see {command} --help"
            )


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
