"""``spu-chaos explore``: run examples of properties until one fails or a limit is reached."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from chaos.cli.conclude import Conclusion, Format, complain
from chaos.cli.files import gather, skipped
from chaos.cli.merge import ShardKeeper
from chaos.cli.options import dask_option, explore_options, files_argument
from chaos.cli.tasks import Task, perform, task_of, unfinished, with_reached
from chaos.cli.terminal import Interrupted, interruptible
from chaos.drivers.driver import Driver
from chaos.report.phrases import counted
from chaos.report.scenario_report import BadFile, SkippedFile
from chaos.search.exploration import Exploration
from chaos.search.known import KnownDefect, KnownFileError, load_known
from chaos.search.shard import Shard
from chaos.world.loop.names import LoopName
from chaos.world.world import WorldName
from simulator.control.command_options import DurationType
from simulator.documents.diagnostic import printable

EPILOG = """\b
Examples:
  spu-chaos explore scenarios/at-least-once-everything-open.yaml --examples 10000
      Run ten thousand examples of a property on all cores.
  spu-chaos explore scenarios --for 60s --seed 7
      Run examples of each file for a minute, with another seed.
  spu-chaos explore mine.yaml --from 5000 --examples 1000
      Run the examples from 5000 to 5999, as a run from 0 would.
  spu-chaos explore scenarios/at-least-once-reset-at-answer.yaml --examples 500
      Run one concrete scenario with many seeds.
"""


@click.command("explore", epilog=EPILOG)
@files_argument
@click.option(
    "--examples",
    type=click.IntRange(1),
    help="Number of examples of each file.  [default: the number in the file, else 200]",
)
@click.option(
    "--from",
    "first",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Begin with this example: continue an earlier search, or share one between machines.",
)
@click.option(
    "--known",
    "known_file",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Count the known defects of this file, and go on past them.",
)
@click.option(
    "--for",
    "seconds",
    type=DurationType(),
    help="Run examples of each file for this long.",
)
@explore_options
@dask_option
def explore_command(
    files: Sequence[str],
    examples: int | None,
    first: int,
    known_file: str | None,
    seconds: float | None,
    world: WorldName | None,
    client: Driver,
    seed: int | None,
    out: Path | None,
    form: Format,
    junit: Path | None,
    html: Path | None,
    jobs: int,
    shard: Shard | None,
    dask: str | None,
    loop: LoopName,
) -> int:
    """Search for an example that fails.

    Each example draws new values for the generators of a FILE (count: 1..200). An example that
    breaks a promise is shrunk to the smallest scenario that still fails, kept as a concrete
    scenario and as a test that replays it, and run first the next time. Without --world, examples
    run in virtual time.

    With --known, an example that breaks nothing but known promises is counted, and does not fail.

    An example depends on the seed and its number alone, not on --jobs, --shard and --dask.

    Status: 0 no example fails, 1 an example fails, 2 no verdict or bad input, 130 interrupted.
    """
    sources, bad = gather(files)
    if (known := _known(known_file, bad)) is None:
        sources = []
    left_out: list[SkippedFile] = []
    tasks: list[Task] = []
    made = partial(
        task_of,
        client=client,
        seed=seed,
        out=out,
        explored=True,
        first=first,
        known=known or (),
        known_file=known_file,
        examples=examples,
        seconds=seconds,
        shard=shard,
        loop=loop,
    )
    for source in sources:
        worlds = source.worlds(world, client, explored=True)
        if not worlds:
            left_out.append(skipped(source, world, client))
        tasks += [made(source, each) for each in worlds]
    complain(bad)
    conclusion = Conclusion(
        form, junit, html, bad, left_out, firings=True, first=first, shard=shard
    )
    return _performed(tasks, conclusion, _Exploring(conclusion, jobs, dask), out)


def _performed(
    tasks: Sequence[Task], conclusion: Conclusion, exploring: "_Exploring", out: Path | None
) -> int:
    """Perform all tasks and return the exit status."""
    keeper = ShardKeeper(conclusion.shard, out, tasks)
    try:
        with interruptible():
            conclusion.begin((task.seed for task in tasks), out)
            keeper.begin()
            for n, task in enumerate(tasks):
                exploring.explore(n, task)
            keeper.end(conclusion)
    except Interrupted:
        exploring.give_up()
        return conclusion.end(len(tasks), interrupted=True)
    return conclusion.end(len(tasks))


def _known(file: str | None, bad: list[BadFile]) -> tuple[KnownDefect, ...] | None:
    """Return the known defects; None if their file has mistakes, which are added to the others."""
    try:
        return () if file is None else load_known(file)
    except KnownFileError as error:
        bad.append(BadFile(str(file), tuple(error.lines)))
        return None


class _Exploring:
    """Explores one file after the other, and keeps the results of the one that is in progress.

    Args:
        conclusion: collects the results.
        jobs: the number of processes that share the examples.
        dask: the address of a Dask scheduler whose workers share them instead.
    """

    def __init__(self, conclusion: Conclusion, jobs: int, dask: str | None) -> None:
        self._conclusion = conclusion
        self._jobs = jobs
        self._dask = dask
        self._in_progress: tuple[int, Task] | None = None
        self._reached: Exploration | None = None

    def explore(self, n: int, task: Task) -> None:
        """Perform the task at a position."""
        self._in_progress, self._reached = (n, task), None
        total = task.examples if task.given_seconds is None else None
        name = printable(task.name)
        with self._conclusion.terminal.progress(name, total, "example") as show:

            def progress(found: Exploration) -> None:
                self._reached = found
                show.reached(found.examples)
                if found.failed_number is not None and found.confirmed is None:
                    show.stage(f"example {found.failed_number:,} failed, is shrunk")

            self._conclusion.reports[n] = perform(task, self._jobs, progress, self._dask)
        self._in_progress = None

    def give_up(self) -> None:
        """Report the interrupted task with the examples that were run."""
        if self._in_progress is None:
            return
        n, task = self._in_progress
        reached = self._reached
        report = unfinished(task, f"interrupted after {counted(_examples(reached), 'example')}")
        if reached is not None:
            report = with_reached(report, reached)
        self._conclusion.reports.setdefault(n, report)


def _examples(reached: Exploration | None) -> int:
    return 0 if reached is None else reached.examples
