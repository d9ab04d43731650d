"""What ``run`` and ``explore`` say: the seed, failures, the table, what repeats the failures."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import click

from chaos.cli.terminal import Terminal
from chaos.report.junit import write_junit
from chaos.report.outcome import STATUS_INTERRUPTED, Outcome, status_of
from chaos.report.summary import summary
from chaos.report.table import STYLES, firings_table, table, tally
from chaos.world.stopwatch import Stopwatch

COMMANDS_MAX = 10
"""Commands that repeat failures at the end; more failures have one cause more often than not."""

Format = Literal["text", "json"]


def complain(lines: Iterable[str]) -> None:
    """Print what is wrong with what was asked for."""
    for line in lines:
        click.echo(line, err=True)


@dataclass(slots=True)
class Conclusion:
    """Collects outcomes and tells them.

    A terminal is written to as little as possible while something runs, so that every line of it
    comes in the order of the files.
    """

    format: Format
    junit: Path | None
    mistakes: Sequence[str]
    """What is wrong in files that cannot be run."""
    firings: bool = False
    """Whether it is told how many examples fired how many faults."""
    terminal: Terminal = field(default_factory=Terminal)
    watch: Stopwatch = field(default_factory=Stopwatch)
    seeds: Sequence[int] = ()
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    """By the position of the task."""

    def begin(self, seeds: Iterable[int], out: Path | None) -> None:
        """Say what all randomness comes from, and see that there is a place for the results.

        Raises:
            OSError: there is none; better now than after a minute's work.
        """
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
        if self.junit is not None:
            self.junit.parent.mkdir(parents=True, exist_ok=True)
            self.junit.touch()
        self.seeds = sorted(set(seeds))
        if self.format == "text" and self.seeds:
            what = "seed" if len(self.seeds) == 1 else "seeds"
            self.terminal.say(f"{what} {', '.join(map(str, self.seeds))}")

    def end(self, wanted: int, *, interrupted: bool = False) -> int:
        """Tell everything.

        Args:
            wanted: how many runs there should have been.
            interrupted: whether a Ctrl-C came before that.

        Returns:
            The exit status.
        """
        outcomes = [self.outcomes[n] for n in sorted(self.outcomes)]
        status = status_of(outcomes, bad_input=bool(self.mistakes))
        if interrupted:
            status = STATUS_INTERRUPTED
        if self.junit is not None:
            write_junit(self.junit, outcomes, self.mistakes)
        if self.format == "json":
            self._tell_machine(outcomes, wanted, status, interrupted)
        elif outcomes or interrupted:
            self._tell_person(outcomes, wanted)
        return status

    def _tell_machine(
        self, outcomes: Sequence[Outcome], wanted: int, status: int, interrupted: bool
    ) -> None:
        document = {
            "status": status,
            "interrupted": interrupted,
            "wanted": wanted,
            "seconds": round(self.watch.seconds, 3),
            "mistakes": list(self.mistakes),
            "runs": [
                {
                    **outcome.to_data(),
                    "directory": outcome.directory,
                    "seconds": round(outcome.seconds, 3),
                }
                for outcome in outcomes
            ],
        }
        self.terminal.raw(json.dumps(document, indent=2, ensure_ascii=False) + "\n")

    def _tell_person(self, outcomes: Sequence[Outcome], wanted: int) -> None:
        failed = [outcome for outcome in outcomes if outcome.verdict != "valid"]
        for outcome in failed:
            self.terminal.say()
            self.terminal.say_all(summary(outcome), STYLES[outcome.verdict])
        if outcomes:
            self.terminal.say()
            self.terminal.say(table(outcomes))
        if self.firings and outcomes:
            self.terminal.say()
            self.terminal.say(firings_table(outcomes))
        self.terminal.say()
        self.terminal.say(tally(outcomes, wanted, self.watch.seconds))
        for outcome in failed[:COMMANDS_MAX]:
            self.terminal.say(f"again: {outcome.command}")
        if len(failed) > COMMANDS_MAX:
            self.terminal.say(f"and {len(failed) - COMMANDS_MAX} more failed, told above")
