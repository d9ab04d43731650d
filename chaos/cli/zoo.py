"""``spu-chaos zoo``: test that the judge catches every mutant and reports nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial

import click

from chaos.cli.conclude import Format
from chaos.cli.options import format_option, loop_option
from chaos.cli.terminal import Interrupted, Terminal, interruptible
from chaos.mutants import MUTANTS
from chaos.mutants.hunt import NONE, Catch, combined, control, control_turns, hunt
from chaos.report.scenario_report import (
    STATUS_INTERRUPTED,
    STATUS_INVALID,
    STATUS_NO_VERDICT,
    STATUS_VALID,
)
from chaos.report.zoo_table import Zoo, document, lines
from chaos.search.pool import JOBS_PER_CORE, Lost, WorkerPool, default_jobs
from chaos.spec.scenario import SEED_MAX
from chaos.world.loop.names import LoopName
from chaos.world.stopwatch import Stopwatch

EPILOG = """\b
Examples:
  spu-chaos zoo
      Hunt every mutant, each with the budget of examples that it declares.
  spu-chaos zoo gives-up-early sticky-error --examples 5000 --seed 7
      Hunt two mutants with a larger budget and other examples.
"""

LIMIT_S = 600.0
"""The limit on a task in seconds of real time: after it the process is killed, and there is no
verdict. A task takes some seconds on any machine; only one that hangs takes this long."""

STATUS = {"valid": STATUS_VALID, "invalid": STATUS_INVALID, "inconclusive": STATUS_NO_VERDICT}


@click.command("zoo", epilog=EPILOG)
@click.argument("mutants", metavar="[MUTANT]...", nargs=-1)
@click.option(
    "--examples",
    type=click.IntRange(1),
    help="Budget of examples of each mutant.  [default: the budget that it declares]",
)
@click.option(
    "--seed",
    type=click.IntRange(0, SEED_MAX),
    default=0,
    show_default=True,
    help="Random seed of all examples.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=lambda: default_jobs() // JOBS_PER_CORE,
    help="Number of processes that share the work.  [default: one for each core]",
)
@loop_option
@format_option
def zoo_command(
    mutants: Sequence[str],
    examples: int | None,
    seed: int,
    jobs: int,
    loop: LoopName,
    form: Format,
) -> int:
    """Test the judge with known defects.

    Each MUTANT is a small defect in the producer, in the simulator, or in what the judge reads;
    without a name, all mutants are hunted. Properties are explored with the defect in place until
    a check catches it. Then as many examples as all hunts took together are run without a defect,
    and no check may fail. The result depends on the seed alone, and on no clock.

    Status: 0 all mutants were caught and no check failed without a defect, 1 otherwise, 2 no
    verdict (a process hung or died) or bad input, 130 interrupted.
    """
    for name in mutants:
        if name not in MUTANTS:
            near = get_close_matches(name, MUTANTS, 1)
            hint = f"; did you mean {near[0]}?" if near else "; docs/zoo.md lists them"
            raise click.BadParameter(f"there is no mutant {name!r}{hint}", param_hint="MUTANT")
    hunting = _Hunting(list(dict.fromkeys(mutants)) or list(MUTANTS), examples, seed, jobs, loop)
    terminal = Terminal()
    interrupted = False
    try:
        with interruptible():
            if form == "text":
                terminal.say(f"seed {seed}")
            hunting.hunt_all(terminal)
            hunting.run_control()
    except Interrupted:
        interrupted = True
    found = hunting.found
    status = STATUS[found.verdict]
    if interrupted:
        status = STATUS_INTERRUPTED
    if form == "json":
        terminal.raw(document(found, status=status, interrupted=interrupted))
    else:
        for line in lines(found, interrupted=interrupted):
            terminal.say(line)
    return status


@dataclass(slots=True)
class _Hunting:
    """The hunts for some mutants, and their results so far."""

    names: Sequence[str]
    examples: int | None
    seed: int
    jobs: int
    loop: LoopName
    found: Zoo = field(init=False)
    _watch: Stopwatch = field(default_factory=Stopwatch)

    def __post_init__(self) -> None:
        self.found = Zoo(len(self.names), self.examples, self.seed)

    def hunt_all(self, terminal: Terminal) -> None:
        """Hunt all mutants, several at a time."""
        tasks = [partial(hunt, name, self.examples, self.seed, self.loop) for name in self.names]
        caught: dict[int, Catch] = {}
        with (
            terminal.progress("hunting", len(tasks), "mutant") as show,
            WorkerPool(min(self.jobs, len(tasks)), LIMIT_S) as pool,
        ):
            for number, catch in pool.results(tasks):
                caught[number] = _verdict(self.names[number], catch)
                self.found.catches = [caught[n] for n in sorted(caught)]
                self.found.seconds = self._watch.seconds
                show.reached(len(caught))

    def run_control(self) -> None:
        """Run as many examples without a mutant as all hunts took together."""
        turns = control_turns(sum(catch.examples for catch in self.found.catches))
        tasks = [partial(control, turn, self.seed, self.loop) for turn in range(turns)]
        found: dict[int, Catch] = {}
        with WorkerPool(min(self.jobs, turns), LIMIT_S) as pool:
            for turn, catch in pool.results(tasks):
                found[turn] = _verdict(NONE, catch)
        self.found.control = combined([found[turn] for turn in range(turns)])
        self.found.seconds = self._watch.seconds


def _verdict(name: str, catch: Catch | Lost) -> Catch:
    if isinstance(catch, Lost):
        return Catch(name, reason=f"no verdict: {catch.reason}", lost=True)
    return catch
