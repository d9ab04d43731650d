"""``spu-chaos run``: run scenarios and properties and judge them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
import trio

from chaos.cli.conclude import Conclusion, Format, complain, complain_of
from chaos.cli.files import beyond_cluster, gather, skipped
from chaos.cli.merge import ShardKeeper
from chaos.cli.options import app_options, client_or_application, cluster_option, run_options
from chaos.cli.tasks import Task, perform, task_of, unfinished
from chaos.cli.terminal import Interrupted, interruptible
from chaos.drivers.driver import Driver
from chaos.report.scenario_report import STATUS_NO_VERDICT, SkippedFile
from chaos.runner.cluster_client import ClusterRefusedError
from chaos.runner.real_cluster import clean_up
from chaos.search.pool import Lost, WorkerPool
from chaos.search.shard import Shard
from chaos.world.loop.names import LoopName
from chaos.world.world import WorldName
from simulator.options import SimulatorError

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
  spu-chaos run scenarios --world cluster --cluster 127.0.0.1:9103
      Run the scenarios that name the world cluster in a real cluster, behind the proxy.
"""


@click.command("run", epilog=EPILOG)
@click.argument("files", metavar="FILE...", nargs=-1)
@app_options
@run_options
@cluster_option
@click.option(
    "--cleanup",
    is_flag=True,
    help="List and delete the topics that killed runs left in the cluster, and run nothing.",
)
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
    html: Path | None,
    jobs: int,
    shard: Shard | None,
    loop: LoopName,
    cluster: str | None,
    cleanup: bool,
) -> int:
    """Run scenarios and judge them.

    A FILE is a scenario in YAML, or a directory of scenarios. A scenario with generators is a
    property: as many of its examples are run as the file says, in virtual time. --shard divides
    the files.

    Status: 0 all valid, 1 a promise was broken, 2 no verdict or bad input, 130 interrupted.
    """
    if (world == "cluster" or cleanup) is not (cluster is not None):
        raise click.UsageError("--cluster names the cluster of --world cluster, or of --cleanup")
    if cleanup:
        assert cluster is not None
        return _clean_up(cluster)
    if not files:
        raise click.UsageError("Missing argument 'FILE...'.")
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
        if "cluster" in worlds and (beyond := beyond_cluster(source)) is not None:
            left_out.append(beyond)
            continue
        if not worlds:
            left_out.append(skipped(source, world, client))
        elif "tcp" in worlds and source.warning is not None:
            complain_of(source.warning)
        tasks += [
            task_of(source, each, client, seed=seed, out=out, loop=loop, cluster=cluster)
            for each in worlds
        ]
    complain(bad)
    jobs = 1 if world == "cluster" else jobs  # runs in one cluster must not disturb each other
    conclusion = Conclusion(form, junit, html, bad, left_out, shard=shard)
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


def _clean_up(address: str) -> int:
    """Delete the topics that killed runs left in a cluster; return the exit status."""
    try:
        left = trio.run(clean_up, address)
    except (ClusterRefusedError, SimulatorError) as error:
        complain_of(f"chaos: {error}")
        return STATUS_NO_VERDICT
    for topic in left:
        click.echo(f"deleted {topic}")
    click.echo(f"{len(left)} topics were left")
    return 0


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
