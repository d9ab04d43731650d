"""``spu-chaos run``: scenarios and properties, each judged."""

from collections.abc import Sequence
from pathlib import Path

import click

from chaos.cli.conclude import Conclusion, Format, complain
from chaos.cli.files import gather, not_there
from chaos.cli.options import files_argument, run_options
from chaos.cli.session import Interrupted, interruptible, perform_all
from chaos.cli.tasks import Task, task_of
from chaos.drivers.driver import Driver
from chaos.report.outcome import Outcome
from chaos.world.world import WorldName

EPILOG = """\b
Examples:
  spu-chaos run scenarios
      Run every scenario of a directory in each of its worlds.
  spu-chaos run scenarios/at-least-once-reset-at-answer.yaml --world virtual --seed 7
      Run one, in virtual time, with another seed.
  spu-chaos run scenarios --junit report.xml --out runs
      In CI: a report for the server, and every run kept to be looked at.
"""


@click.command(epilog=EPILOG)
@files_argument
@run_options
def run(
    files: Sequence[str],
    world: WorldName | None,
    client: Driver,
    seed: int | None,
    out: Path | None,
    form: Format,
    junit: Path | None,
    jobs: int,
) -> int:
    """Run scenarios and judge them.

    A FILE is a scenario in YAML, or a directory of them. One with open values is a property: as
    many examples of it are run as it says, in virtual time.

    Status: 0 all valid, 1 a promise was broken, 2 no verdict or bad input, 130 interrupted.
    """
    sources, mistakes = gather(files)
    tasks: list[Task] = []
    for source in sources:
        worlds = source.worlds(world, client, explored=source.template.open)
        if not worlds:
            mistakes.append(not_there(source, world, client))
        tasks += [task_of(source, each, client, seed=seed, out=out) for each in worlds]
    complain(mistakes)
    conclusion = Conclusion(form, junit, mistakes)
    try:
        with interruptible():
            conclusion.begin((task.seed for task in tasks), out)
            _perform(tasks, jobs, conclusion)
    except Interrupted:
        return conclusion.end(len(tasks), interrupted=True)
    return conclusion.end(len(tasks))


def _perform(tasks: Sequence[Task], jobs: int, conclusion: Conclusion) -> None:
    with conclusion.terminal.progress("running", len(tasks)) as progress:

        def done(n: int, outcome: Outcome) -> None:
            conclusion.outcomes[n] = outcome
            progress(len(conclusion.outcomes))

        perform_all(tasks, jobs, done)
