"""``python -m chaos``: the official client produces through a simulator that loses frames.

Both run as processes of their own: the simulator as a user starts it, and the client because its
calls hold the interpreter's lock and some never end. The seed decides which frames are lost, so
that the same command loses the same ones.

Nobody waits without a bound: a client that keeps quiet for too long is killed, the record under way
counts as *unsettled*, and a new client goes on behind it.
"""

import importlib.util
import json
import re
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import click
import trio
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from chaos.child import Child, child
from chaos.stored import read_log
from chaos.tally import Outcome, Tally, Verdict, tally
from wire.codec import WireError

TOPIC = "greetings"

SEED = 7
"""Fixed: a check that lost other frames each time would fail without anybody's change."""

RECORDS = 40
DROP = 0.1

SOCKET_WAIT_S = 1
"""How long the client waits for an answer: whole seconds, the least it takes; 60 if unsaid."""

OPERATION_S = 5.0
"""How long one record may take. Losing it twice in a row takes 2.5 s; losing it three times would
take 8 s more, the client's third pause, and a third of the whole time."""

BASE_S, PER_RECORD_S = 5.0, 0.5
"""How long all records together may take: 25 s for the default, twice what they need."""

SIMULATOR_S = 10.0
"""How long the simulator may take to start, to give the log back, and to stop."""

READY = re.compile(r"ready sc=(\S+) spu=(\S+) seed=-?\d+")


class InconclusiveError(Exception):
    """The run says nothing about the promise: something that it needs was not there.

    The text says what, on one line. A promise that was broken is no error but a ``Verdict``.
    """


class _Options(NamedTuple):
    records: int
    seed: int
    drop: float

    @property
    def command(self) -> str:
        """What repeats the run."""
        parts = ["python -m chaos", f"--seed {self.seed}"]
        if self.records != RECORDS:
            parts.append(f"--records {self.records}")
        if self.drop != DROP:
            parts.append(f"--drop {self.drop:g}")
        return " ".join(parts)


# --- the simulator


@asynccontextmanager
async def _simulator(options: _Options) -> AsyncIterator[tuple[Child, str, str]]:
    """A running simulator, with the addresses of its SC and its SPU."""
    async with child(
        "simulator",
        *("--topic", TOPIC, "--drop", str(options.drop), "--seed", str(options.seed)),
        *("--port", "0", "--spu-port", "0", "--quiet", "--summary", "json"),
    ) as process:
        ready = None
        with trio.move_on_after(SIMULATOR_S):
            ready = READY.fullmatch(await process.line() or "")
        if ready is None:
            raise InconclusiveError(f"the simulator did not start: {process.complaint()}")
        yield process, ready[1], ready[2]


async def _stop(simulator: Child) -> int:
    """Stop the simulator; how many frames it lost."""
    simulator.interrupt()
    last = ""
    with trio.move_on_after(SIMULATOR_S):
        while line := await simulator.line():
            last = line
    try:
        faults = json.loads(last)["faults"]
    except (ValueError, KeyError) as error:
        complaint = simulator.complaint()
        raise InconclusiveError(f"the simulator gave no summary: {complaint}") from error
    return sum(fault["fired"] for fault in faults.values())


# --- the client


async def _produce(address: str, records: int, report: Callable[[int], None]) -> list[Outcome]:
    """Have all records sent, by a new client after each failure; what they were told.

    Args:
        address: the SC's.
        records: how many to send.
        report: called with how many are settled.
    """
    outcomes: list[Outcome] = []
    with trio.move_on_after(BASE_S + PER_RECORD_S * records):
        while len(outcomes) < records:
            await _one_client(address, records, outcomes, report)
    return outcomes


async def _one_client(
    address: str, records: int, outcomes: list[Outcome], report: Callable[[int], None]
) -> None:
    """Go on behind the last outcome, to the last record or the first that fails."""
    first = len(outcomes) + 1
    async with child(
        *("chaos.official", address, TOPIC, str(first), str(records)),
        FLV_SOCKET_WAIT=str(SOCKET_WAIT_S),
    ) as client:
        hello = None
        with trio.move_on_after(OPERATION_S):
            hello = await client.line()
        if hello is None or not json.loads(hello)["connected"]:
            reason = json.loads(hello)["error"] if hello else client.complaint()
            raise InconclusiveError(f"the official client did not connect: {reason}")
        for n in range(first, records + 1):
            outcomes.append(Outcome(n))
            told = None
            with trio.move_on_after(OPERATION_S):
                told = await client.line()
            report(n)
            if told is None:
                return
            outcomes[-1] = Outcome(**json.loads(told))
            if outcomes[-1].error is not None:
                return


# --- the run


async def _run(options: _Options, report: Callable[[int], None]) -> Tally:
    if importlib.util.find_spec("fluvio") is None:
        raise InconclusiveError("the official client, the package fluvio, is not installed")
    async with _simulator(options) as (simulator, sc, spu):
        outcomes = await _produce(sc, options.records, report)
        try:
            with trio.fail_after(SIMULATOR_S):
                log = await read_log(spu, TOPIC, 0)
        except (OSError, trio.BrokenResourceError, trio.TooSlowError, WireError) as error:
            reason = str(error) or type(error).__name__
            raise InconclusiveError(f"the log cannot be read back: {reason}") from error
        fired = await _stop(simulator)
    return tally(options.records, outcomes, log, fired, faulty=options.drop > 0)


def _table(found: Tally) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    rows: Sequence[tuple[str, int]] = (
        ("records sent", found.sent),
        ("acknowledged", found.acknowledged),
        ("reported failed", found.failed),
        ("unsettled", found.unsettled),
        ("stored, records", found.records),
        ("stored, copies", found.copies),
        ("duplicated", found.duplicated),
        ("lost although acknowledged", len(found.missing)),
        ("faults fired", found.fired),
    )
    for what, count in rows:
        bad = found.missing and what.startswith("lost")
        table.add_row(what, str(count), style="bold red" if bad else "")
    return table


def _show(console: Console, found: Tally) -> None:
    console.print()
    console.print(_table(found))
    console.print()
    for sentence in found.sentences():
        console.print(sentence, soft_wrap=True)


@click.command()
@click.option("--records", type=click.IntRange(1), default=RECORDS, show_default=True)
@click.option("--seed", type=int, default=SEED, show_default=True, help="Which frames are lost.")
@click.option(
    "--drop",
    type=click.FloatRange(0, 1),
    metavar="P",
    default=DROP,
    show_default=True,
    help="The chance of each produce request, and of each answer, to be lost.",
)
def main(records: int, seed: int, drop: float) -> int:
    """Let the official client produce through a simulator that loses frames, and count.

    Exit status: 0 if every record that was acknowledged is stored, 1 if one is missing, 2 if the
    run says nothing.
    """
    options = _Options(records, seed, drop)
    console = Console(highlight=False)
    console.print(f"seed {seed}; the same again: {options.command}", soft_wrap=True)
    columns = TextColumn("producing"), BarColumn(), MofNCompleteColumn()
    # Drawn when a record is settled, not by a thread with a clock of its own.
    with Progress(
        *columns,
        console=console,
        transient=True,
        auto_refresh=False,
        disable=not console.is_terminal,
    ) as progress:
        bar = progress.add_task("", total=records)

        def report(settled: int) -> None:
            progress.update(bar, completed=settled, refresh=True)

        found = trio.run(_run, options, report)
    _show(console, found)
    return found.verdict


def run() -> None:
    """Run the command; what makes it say nothing is one line on stderr and status 2."""
    try:
        status = main(standalone_mode=False, prog_name="python -m chaos")
    except click.ClickException as error:
        message = error.format_message()
    except InconclusiveError as error:
        message = f"inconclusive: {error}"
    except (click.Abort, KeyboardInterrupt):  # the first is what click makes of the second
        sys.exit(130)
    else:
        sys.exit(status)
    click.echo(f"chaos: {message}", err=True)
    sys.exit(Verdict.INCONCLUSIVE)


if __name__ == "__main__":
    run()
