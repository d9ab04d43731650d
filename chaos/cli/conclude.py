"""The output of ``run`` and ``explore``: seed, failures, table, commands that repeat failures."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import click

from chaos.cli.terminal import Terminal
from chaos.report.html.index import write_index
from chaos.report.junit import write_junit
from chaos.report.run_directory import INDEX
from chaos.report.scenario_report import (
    STATUS_INTERRUPTED,
    STATUS_NO_VERDICT,
    STATUS_VALID,
    BadFile,
    ScenarioReport,
    SkippedFile,
    status_of,
)
from chaos.report.summary import summary
from chaos.report.table import FIRINGS_TITLE, STYLES, firings_table, table, tally
from chaos.search.certify import Certificate
from chaos.search.shard import Shard
from chaos.world.stopwatch import Stopwatch

COMMANDS_MAX = 10
"""The most commands that repeat failures at the end; more failures mostly have the same cause."""

Format = Literal["text", "json"]


def complain(bad: Iterable[BadFile]) -> None:
    """Print the mistakes in files on standard error."""
    for each in bad:
        complain_of(*each.lines)


def complain_of(*lines: str) -> None:
    """Print mistakes of the user on standard error."""
    for line in lines:
        click.echo(line, err=True)


@dataclass(slots=True)
class Conclusion:
    """Collects results and prints them.

    Almost everything is printed at the end, so that the lines are in the order of the files.
    """

    format: Format
    junit: Path | None
    html: Path | None
    """The page about all results; None for one in the parent of the run directories, if that is
    named."""
    bad: Sequence[BadFile]
    """The files that cannot be run."""
    skipped: Sequence[SkippedFile] = ()
    """The files that run in none of the worlds that were asked for."""
    firings: bool = False
    """Whether to print the table of examples by number of firings."""
    first: int = 0
    """The number of the first example of each property."""
    shard: Shard | None = None
    """The part of the work that was done; None for all."""
    spent_s: float = 0.0
    """The seconds of real time that merged shards took."""
    terminal: Terminal = field(default_factory=Terminal)
    watch: Stopwatch = field(default_factory=Stopwatch)
    seeds: Sequence[int] = ()
    reports: dict[int, ScenarioReport] = field(default_factory=dict)
    """The results, by the position of the task."""
    certificates: dict[int, Certificate] = field(default_factory=dict)
    """The certificates among them."""

    def begin(self, seeds: Iterable[int], out: Path | None) -> None:
        """Print the random seeds, and make sure that the output files can be written.

        Args:
            seeds: the seeds of all tasks.
            out: the parent of the run directories; None for the default.

        Raises:
            OSError: they cannot be written, or the directory of a file does not exist; the check
                comes before the runs, which take time.
        """
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            self.html = self.html or out / INDEX
        for path in (self.junit, self.html):
            if path is not None:
                path.touch()
        self.seeds = sorted(set(seeds))
        if self.format == "text" and self.seeds:
            what = "seed" if len(self.seeds) == 1 else "seeds"
            self.terminal.say(f"{what} {', '.join(map(str, self.seeds))}")

    def end(self, wanted: int, *, interrupted: bool = False) -> int:
        """Print the results, write the files, and return the exit status.

        A file that cannot be written is an error without a verdict of its own: status 2 in place
        of 0.

        Args:
            wanted: the number of runs that were requested.
            interrupted: whether a Ctrl-C ended the runs early.
        """
        reports = [self.reports[n] for n in sorted(self.reports)]
        status = status_of(reports, bad_input=bool(self.bad))
        if self.shard is not None and not wanted and not self.bad:
            status = STATUS_VALID  # there are more shards than work
        if interrupted:
            status = STATUS_INTERRUPTED
        elif not wanted:  # then the last line does not tell
            complain_of(*(each.reason for each in self.skipped))
        if self.format == "json":
            self._print_json(reports, wanted, status, interrupted)
        elif reports or interrupted or self.shard is not None:
            self._print_text(reports, wanted)
        return status if self._write(reports, wanted) else status or STATUS_NO_VERDICT

    @property
    def _seconds(self) -> float:
        return self.watch.seconds + self.spent_s

    def _write(self, reports: Sequence[ScenarioReport], wanted: int) -> bool:
        """Write the files that are wanted; report errors and return False."""
        certificates = [(self.reports[n], done) for n, done in sorted(self.certificates.items())]
        index = partial(write_index, wanted=wanted, certificates=certificates)
        written = True
        for path, write in ((self.junit, write_junit), (self.html, index)):
            try:
                if path is not None:
                    write(path, reports, self.bad, self.skipped)
            except OSError as error:
                complain_of(f"chaos: {path}: {(error.strerror or str(error)).lower()}")
                written = False
        return written

    def _print_json(
        self, reports: Sequence[ScenarioReport], wanted: int, status: int, interrupted: bool
    ) -> None:
        document = {
            "status": status,
            "interrupted": interrupted,
            "wanted": wanted,
            "seconds": round(self._seconds, 3),
            "mistakes": [line for each in self.bad for line in each.lines],
            "skipped": [each.reason for each in self.skipped],
            "runs": [
                {
                    **report.to_data(),
                    "directory": report.directory,
                    "seconds": round(report.seconds, 3),
                }
                for report in reports
            ],
        }
        self.terminal.raw(json.dumps(document, indent=2, ensure_ascii=False) + "\n")

    def _print_text(self, reports: Sequence[ScenarioReport], wanted: int) -> None:
        failed = [report for report in reports if report.verdict != "valid"]
        for report in failed:
            self.terminal.say()
            self.terminal.say_all(summary(report), STYLES[report.verdict])
        width = self.terminal.width
        if reports:
            self.terminal.say()
            self.terminal.say(table(reports, width))
        if self.firings and reports:
            self.terminal.say()
            self.terminal.say(FIRINGS_TITLE)
            self.terminal.say(firings_table(reports, width))
        self.terminal.say()
        last = tally(reports, wanted, self._seconds, self.first, len(self.skipped))
        self.terminal.say(last if self.shard is None else f"shard {self.shard}: {last}")
        for report in failed[:COMMANDS_MAX]:
            self.terminal.say(f"again: {report.command}")
        if len(failed) > COMMANDS_MAX:
            self.terminal.say(f"and {len(failed) - COMMANDS_MAX} more failed, see above")
