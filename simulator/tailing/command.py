"""The command ``spu-simulator tail TOPIC``: its options, its output and its end."""

import os
import signal
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import click
import trio

from simulator.control.command_options import AddressType
from simulator.tailing.following import TopicTail
from simulator.tailing.tail_connection import TailError
from wire.address import Address

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that end the command with its tally and status 0."""

WRITING_S = 0.8
"""The time for writing the tally, in seconds, if standard output is not read."""

EPILOG = """\b
Examples:
  spu-simulator tail greetings
      Print all records of a topic, then new ones as they are stored.
  spu-simulator tail greetings --from end --partition 0
      Print only new records of one partition.
  spu-simulator tail orders --sc cluster.example.org:9003 --count 10
      Print the first ten records of a topic of a real cluster.

\b
To see a duplicate appear, run this beside the simulator and send records with any client:
  spu-simulator --drop 0.2 --at response --seed 7

It goes on when leaders move, servers restart, partitions are added, and the topic is deleted and
created again; a line that begins with "note: " tells. Ctrl-C ends it with a tally and status 0. A
topic, partition or SC that is not there at the start is a line on standard error and status 2.
"""


class LineOutput:
    """Writes lines to a file without holding up signals: a write that blocks is in a thread.

    Args:
        fileno: the file descriptor.
        encoding: its encoding; other characters are escaped.
    """

    def __init__(self, fileno: int, encoding: str) -> None:
        self._fileno = fileno
        self._encoding = encoding
        self._writing = threading.Lock()

    async def say(self, lines: Iterable[str]) -> None:
        """Write lines; return when they are written.

        Raises:
            OSError: they cannot be written.
        """
        data = "".join(f"{line}\n" for line in lines).encode(self._encoding, "backslashreplace")
        try:
            await trio.to_thread.run_sync(self._write, data, abandon_on_cancel=True)
        except OSError as error:
            error.filename = "standard output"
            raise

    def _write(self, data: bytes) -> None:
        with self._writing:
            while data:
                data = data[os.write(self._fileno, data) :]


@click.command(
    epilog=EPILOG,
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="spu-chaos", message="%(package)s %(version)s")
@click.argument("topic")
@click.option(
    "--sc",
    type=AddressType(),
    default="127.0.0.1:9003",
    show_default=True,
    help="The address of the SC.",
)
@click.option(
    "--from",
    "start",
    type=click.Choice(["beginning", "end"]),
    default="beginning",
    show_default=True,
    help="Where to begin. Copies of records before that are not marked.",
)
@click.option(
    "--partition",
    "partitions",
    type=click.IntRange(0),
    multiple=True,
    metavar="N",
    help="Follow this partition; may be repeated.  [default: all]",
)
@click.option(
    "--count", type=click.IntRange(1), metavar="N", help="End after N records.  [default: never]"
)
def tail(topic: str, sc: Address, **given: Any) -> None:
    """Follow TOPIC and mark the records that are stored twice.

    It prints a line for each record: partition@offset, the key in brackets if there is one, and the
    value. A record whose key and value are at an earlier offset of its partition is marked with
    that offset. TOPIC may be one of a simulator or of a real cluster.
    """
    if sys.stdout is None:
        raise click.UsageError("standard output is closed; the records are printed there")
    output = LineOutput(sys.stdout.fileno(), sys.stdout.encoding)
    trio.run(_tail, TopicTail(sc, topic, output.say, **given), output)


async def _tail(topic_tail: TopicTail, output: LineOutput) -> None:
    """Follow until a signal, then print the tally."""
    # Under nohup the command must outlive the terminal.
    stopping = [n for n in STOPPING if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN]
    failure: TailError | OSError | None = None
    with trio.open_signal_receiver(*stopping) as signals:
        async with trio.open_nursery() as nursery:

            async def stop() -> None:
                async for _ in signals:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(stop)
            try:
                await topic_tail.run()
            except (TailError, OSError) as error:
                failure = error
            nursery.cancel_scope.cancel()
        if isinstance(failure, BrokenPipeError):  # the reader, for example head, has enough
            return
        if failure is None:
            with trio.move_on_after(WRITING_S), suppress(OSError):
                await output.say([str(topic_tail.tally)])
    if failure is not None:
        raise failure
