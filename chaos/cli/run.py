"""``spu-chaos run``: run scenarios and properties and judge them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from chaos.cli.conclude import Conclusion, Format, complain, complain_of
from chaos.cli.files import gather, skipped
from chaos.cli.merge import ShardKeeper
from chaos.cli.options import app_options, client_or_application, files_argument, run_options
from chaos.cli.tasks import Task, perform, task_of, unfinished
from chaos.cli.terminal import Interrupted, interruptible
from chaos.drivers.driver import Driver
from chaos.report.scenario_report import SkippedFile
from chaos.search.pool import Lost, WorkerPool
from chaos.search.shard import Shard
from chaos.world.loop.names import LoopName
from chaos.world.world import WorldName

EPILOG = """\b
Examples:
  spu-chaos run scenarios
      Run every scenario of a directory in each of its worlds.
  spu-chaos run scenarios/at-least-once-reset-at-answer.yaml --world virtual --seed 7
      Run one scenario in virtual time, with another seed.
  spu-chaos run scenarios --junit report.xml --out runs
      In CI: write a report for the server, and keep every run for inspection.
  spu-chaos run scenarios/at-least-once-answer-dropped.yaml --app 'python my_app.py {address}'
      Put an application on trial that sends each line that it reads.
"""


@click.command("run", epilog=EPILOG)
@files_argument
@app_options
@run_options
def run_command(
    files: Sequence[str],
    app: str | None,
    values_file: str | None,
    app_timeout: float,
    world: WorldName | None,
    client: Driver,
    seed: int | None,
    out: Path | None,
    form: Format,
    junit: Path | None,
    jobs: int,
    shard: Shard | None,
    loop: LoopName,
) -> int:
    """Run scenarios and judge them.

    A FILE is a scenario in YAML, or a directory of scenarios. A scenario with generators is a
    property: as many of its examples are run as the file says, in virtual time. --shard divides
    the files.

    Status: 0 all valid, 1 a promise was broken, 2 no verdict or bad input, 130 interrupted.
    """
    client = client_or_application(client, app, values_file, app_timeout)
    sources, bad = gather(files)
    left_out: list[SkippedFile] = []
    tasks: list[Task] = []
    for source in sources:
        if client.application is not None and not source.prop.concrete:
            many = f"{source.file}: not run, since a property is many runs of an --app"
            left_out.append(SkippedFile(source.file, source.prop.name, many))
            continue
        worlds = source.worlds(world, client, explored=not source.prop.concrete)
        if not worlds:
            left_out.append(skipped(source, world, client))
        elif "tcp" in worlds and source.warning is not None:
            complain_of(source.warning)
        tasks += [task_of(source, each, client, seed=seed, out=out, loop=loop) for each in worlds]
    complain(bad)
    conclusion = Conclusion(form, junit, bad, left_out, shard=shard)
    keeper = ShardKeeper(shard, out, tasks)
    wanted = keeper.positions
    try:
        with interruptible():
            conclusion.begin((tasks[n].seed for n in wanted), out)
            keeper.begin()
            _perform(tasks, wanted, jobs, conclusion)
            keeper.end(conclusion)
    except Interrupted:
        return conclusion.end(len(wanted), interrupted=True)
    return conclusion.end(len(wanted))


def _perform(
    tasks: Sequence[Task], wanted: Sequence[int], jobs: int, conclusion: Conclusion
) -> None:
    order = sorted(wanted, key=lambda n: (_begins_late(tasks[n]), n))
    with (
        conclusion.terminal.progress("running", len(wanted), "run") as progress,
        WorkerPool(min(jobs, len(wanted))) as pool,
    ):
        for position, report in pool.results(partial(perform, tasks[n]) for n in order):
            n = order[position]
            if isinstance(report, Lost):
                report = unfinished(tasks[n], report.reason)
            conclusion.reports[n] = report
            progress.reached(len(conclusion.reports))


def _begins_late(task: Task) -> tuple[bool, bool, bool]:
    """Return the sort key of the starting order: long tasks first, so that none ends alone."""
    return not task.waits, not task.slow, not task.explored
