"""The command group, and how the process ends.

Commands return their exit status. A mistake of the user is reported on standard error without a
traceback, with status 2; a Ctrl-C that no command handles ends the process with status 130.
"""

import signal
import sys
from types import FrameType

import click

from chaos.cli.certify import certify_command
from chaos.cli.explore import explore_command
from chaos.cli.inform import init_command, list_command, schema_command, validate_command
from chaos.cli.judge import judge_command
from chaos.cli.merge import merge_command
from chaos.cli.replay import replay_command
from chaos.cli.run import run_command
from chaos.cli.terminal import discard_output, prepare_streams
from chaos.cli.zoo import zoo_command
from chaos.report.scenario_report import STATUS_INTERRUPTED, STATUS_NO_VERDICT, STATUS_VALID

EPILOG = """\b
Examples:
  spu-chaos run scenarios
      Run every scenario, in virtual time and on real sockets.
  spu-chaos explore scenarios/at-least-once-everything-open.yaml --for 60s
      Search a property for a minute.
  spu-chaos replay scenarios/at-least-once-reset-at-answer.yaml --world virtual --all
      Print the narrative of every record.
  spu-chaos validate scenarios
      Check files without running them.

\b
The same seed gives the same run; in virtual time to the byte.
Each command has its own help: spu-chaos run --help
"""


_version = click.version_option(package_name="spu-chaos", message="%(package)s %(version)s")


@click.group(
    epilog=EPILOG,
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
)
@_version
def main() -> None:
    """Put a Fluvio producer on trial: scenarios, faults, and a judge.

    A scenario defines what a producer sends and which faults strike. It runs against a simulated
    cluster, and the outcomes that the producer reports are compared with the records that the
    cluster stored.
    """


COMMANDS = (
    run_command,
    explore_command,
    certify_command,
    replay_command,
    judge_command,
    merge_command,
    init_command,
    validate_command,
    schema_command,
    list_command,
    zoo_command,
)
"""The commands, in the order of the help."""

for command in COMMANDS:
    main.add_command(_version(command))


def _ignored(number: signal.Signals) -> bool:
    return signal.getsignal(number) is signal.SIG_IGN


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    """Do what a Ctrl-C would do now; trio's handler of it keeps its own code whole."""
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)


def _prepare_signals() -> None:
    """Interrupt the work on SIGTERM and SIGHUP, too: worker processes end, and a report is printed.

    A background job of a script ignores SIGINT, and goes on doing so: here the signal is blocked
    instead, since trio protects itself from interrupts only where SIGINT has Python's handler.
    """
    if _ignored(signal.SIGINT):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if not _ignored(number):  # as SIGHUP under nohup
            signal.signal(number, _as_ctrl_c)


def cli() -> None:
    """Run the command line and end the process with its status."""
    prepare_streams()
    _prepare_signals()
    try:
        status = main(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(STATUS_NO_VERDICT)
    except click.ClickException as error:
        message = error.format_message()
    except BrokenPipeError:
        discard_output()
        sys.exit(STATUS_NO_VERDICT)
    except OSError as error:
        # With a full disk, Python would print another error when it closes standard output.
        discard_output()
        message = f"{error.filename or 'standard output'}: {(error.strerror or str(error)).lower()}"
    except SystemExit:  # click's, where the reader of the help is gone
        discard_output()
        sys.exit(STATUS_VALID)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted before the first run", err=True)
        sys.exit(STATUS_INTERRUPTED)
    else:
        sys.exit(status or 0)
    click.echo(f"chaos: {message}", err=True)
    sys.exit(STATUS_NO_VERDICT)
