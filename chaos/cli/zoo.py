"""``spu-chaos zoo``: whether the judge catches every mutant, and nobody else."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial

import click

from chaos.cli.conclude import Format
from chaos.cli.lanes import in_lanes
from chaos.cli.options import SEED_MAX, format_option
from chaos.cli.session import Interrupted, interruptible
from chaos.cli.terminal import Terminal
from chaos.mutants import MUTANTS
from chaos.mutants.hunt import NONE, SMALLER, Catch, control, hunt
from chaos.report.outcome import STATUS_INTERRUPTED, STATUS_INVALID, STATUS_VALID
from chaos.report.zoo_table import Zoo, document, lines
from chaos.search.pool import JOBS_PER_CORE, default_jobs
from chaos.world.stopwatch import Stopwatch
from simulator.click_types import DurationType

EPILOG = """\b
Examples:
  spu-chaos zoo
      Hunt every mutant for ten seconds each.
  spu-chaos zoo gives-up-early sticky-error --budget 60s --seed 7
      Hunt two of them for longer, with other examples.
"""

BUDGET_S = 10.0

LIMIT_S = 120.0
"""How long a task may take beyond its time before its process is killed. To make a find small
takes some seconds, on a machine that has much else to do perhaps thirty; only what hangs without
coming to a checkpoint takes longer."""


@click.command(epilog=EPILOG)
@click.argument("mutants", metavar="[MUTANT]...", nargs=-1)
@click.option(
    "--budget",
    type=DurationType(),
    default="10s",
    show_default=True,
    help="How long each mutant is hunted, in real time.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, SEED_MAX),
    default=0,
    show_default=True,
    help="Where all examples come from.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=lambda: default_jobs() // JOBS_PER_CORE,
    help="How many processes share the work.  [default: one for each core]",
)
@format_option
def zoo(mutants: Sequence[str], budget: float, seed: int, jobs: int, form: Format) -> int:
    """Show that the judge would notice.

    Each MUTANT is a small defect in the producer, in the simulator, or in what the judge is given;
    without a name all of them are taken. Open properties are explored with the defect in place
    until a check catches it. Without a defect as many examples are run as all mutants together
    took, and nobody may be accused.

    Status: 0 all were caught and nobody else, 1 not so, 2 bad input, 130 interrupted.
    """
    for name in mutants:
        if name not in MUTANTS:
            near = get_close_matches(name, MUTANTS, 1)
            hint = f"; did you mean {near[0]}?" if near else "; docs/zoo.md lists them"
            raise click.BadParameter(f"there is no mutant {name!r}{hint}", param_hint="MUTANT")
    hunting = _Hunting(list(dict.fromkeys(mutants)) or list(MUTANTS), budget, seed, jobs)
    terminal = Terminal()
    interrupted = False
    try:
        with interruptible():
            if form == "text":
                terminal.say(f"seed {seed}")
            hunting.hunt_all(terminal)
            hunting.let_others_be()
    except Interrupted:
        interrupted = True
    found = hunting.found
    status = STATUS_VALID if found.passed else STATUS_INVALID
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
    """The hunt for some mutants, and how far it came."""

    names: Sequence[str]
    budget_s: float
    seed: int
    jobs: int
    found: Zoo = field(init=False)
    _watch: Stopwatch = field(default_factory=Stopwatch)

    def __post_init__(self) -> None:
        self.found = Zoo(len(self.names), self.budget_s, self.seed)

    def hunt_all(self, terminal: Terminal) -> None:
        """Hunt them, several at a time."""
        tasks = [partial(hunt, name, self.budget_s, self.seed) for name in self.names]
        caught: dict[int, Catch] = {}
        limit_s = SMALLER * self.budget_s + LIMIT_S
        with terminal.progress("hunting", len(tasks)) as show:

            def done(number: int, catch: Catch | None) -> None:
                hung = Catch(
                    self.names[number],
                    seconds=limit_s,
                    reason=f"its process hung for {limit_s:g} s, or died",
                )
                caught[number] = catch or hung
                self.found.catches = [caught[n] for n in sorted(caught)]
                self.found.seconds = self._watch.seconds
                show(len(caught))

            in_lanes(tasks, self.jobs, limit_s, done)

    def let_others_be(self) -> None:
        """Run as many examples without a mutant: nobody may be accused."""
        share = max(1, sum(catch.examples for catch in self.found.catches) // self.jobs)
        tasks = [partial(control, share, self.seed + n) for n in range(self.jobs)]

        def done(_: int, catch: Catch | None) -> None:
            self.found.add_control(catch or Catch(NONE, reason="its process hung, or died"))
            self.found.seconds = self._watch.seconds

        in_lanes(tasks, self.jobs, self.budget_s * len(self.names) + LIMIT_S, done)
