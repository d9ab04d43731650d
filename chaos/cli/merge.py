"""``spu-chaos merge``: make one result of the shards of a search, or of a run.

``ShardKeeper`` is the other end: what ``run`` and ``explore`` keep of a shard.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from chaos.cli.conclude import Conclusion, Format, complain, complain_of
from chaos.cli.options import format_option, index_option, junit_option
from chaos.cli.tasks import (
    Task,
    command_of,
    replay_of,
    tasks_digest,
    with_reached,
    with_verdict,
)
from chaos.drivers.driver import APPLICATION
from chaos.history import HistoryError
from chaos.report.html.story import write_story_again
from chaos.report.run_directory import STORY, adopt_run
from chaos.report.scenario_report import STATUS_NO_VERDICT, ScenarioReport
from chaos.report.shard_directory import (
    ShardDocument,
    ShardError,
    ShardResult,
    mistakes_in,
    parts_in_order,
    read_shard,
    remove_shard,
    write_shard,
)
from chaos.search.exploration import Exploration
from chaos.search.shard import Shard

EPILOG = """\b
Examples:
  spu-chaos explore scenarios/at-least-once-everything-open.yaml --shard 1/2 --out part-1
  spu-chaos explore scenarios/at-least-once-everything-open.yaml --shard 2/2 --out part-2
      Explore a property on two machines, half of the examples each.
  spu-chaos merge part-1 part-2 --out whole
      Make one result of the two, as one machine would have given it.
"""

Located = tuple[Path, ShardDocument]
"""A shard, and its directory."""

ShardEntry = tuple[Path, ShardResult]
"""What one shard has of a task, and the directory of the shard."""


@click.command("merge", epilog=EPILOG)
@click.argument("directories", metavar="DIR...", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the merged runs below this directory.  [default: they stay where they are]",
)
@format_option
@junit_option
@index_option
def merge_command(
    directories: Sequence[str],
    out: Path | None,
    form: Format,
    junit: Path | None,
    html: Path | None,
) -> int:
    """Merge the directories of all shards into one result.

    A DIR is the --out directory of a run or an exploration with --shard. Table, verdicts, firings,
    counterexamples and status are those of one run over everything. Examples behind the first that
    fails, which one run would not have reached, do not count.

    Status: as for run; 2 if a shard is missing, or belongs to other work.
    """
    try:
        shards = _read(directories)
        first = shards[0][1]
        complain(first.bad)
        conclusion = Conclusion(
            form,
            junit,
            html,
            first.bad,
            first.skipped,
            firings=first.explored,
            first=first.first,
            spent_s=sum(document.seconds for _, document in shards),
        )
        entries = _entries(shards)
        conclusion.begin((found[0][1].report.seed for found in entries), out)
        for n, found in enumerate(entries):
            conclusion.reports[n] = _merged(found, out)
    except _Mistakes as error:
        complain_of(*error.lines)
        return STATUS_NO_VERDICT
    return conclusion.end(first.wanted)


class _Mistakes(Exception):  # noqa: N818  mistakes of the user, one line each
    """The directories are not the shards of one work."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def _read(directories: Sequence[str]) -> list[Located]:
    """Read all shards, in their order."""
    shards: list[Located] = []
    mistakes: list[str] = []
    for directory in map(Path, directories):
        try:
            shards.append((directory, read_shard(directory)))
        except ShardError as error:
            mistakes.append(str(error))
    mistakes = mistakes or mistakes_in(shards)
    if mistakes:
        raise _Mistakes(mistakes)
    return sorted(shards, key=lambda each: each[1].shard.index)


def _entries(shards: Sequence[Located]) -> list[list[ShardEntry]]:
    """Return by task what the shards have of it."""
    found: dict[int, list[ShardEntry]] = {}
    for directory, document in shards:
        for result in document.results:
            found.setdefault(result.position, []).append((directory, result))
    return [found[n] for n in sorted(found)]


def _merged(entries: Sequence[ShardEntry], out: Path | None) -> ScenarioReport:
    """Return the result of one task."""
    directory, result = entries[0]
    report = result.report
    if result.in_parts:
        (directory, result), report = _of_parts(entries)
    report.seconds = sum(each.report.seconds for _, each in entries)
    if report.directory is None:
        return replace(report, command=result.again)
    source, target = directory / result.name, (out or directory) / result.name
    replays = report.kept_run and report.client != APPLICATION
    command = replay_of(target, report.client) if replays else result.again
    report = replace(report, directory=str(target), command=command)
    if out is not None:
        adopt_run(source, target, report)
        if (source / STORY).exists():
            _write_story_again(target)
    return report


def _write_story_again(directory: Path) -> None:
    """Write the page of a copy, which names itself in the command that repeats the run."""
    try:
        write_story_again(directory)
    except HistoryError as error:
        raise _Mistakes([f"{directory}: {error}"]) from error


def _of_parts(entries: Sequence[ShardEntry]) -> tuple[ShardEntry, ScenarioReport]:
    """Return the result of an exploration, and the shard that has its counterexample."""
    report = entries[0][1].report
    found = Exploration(report.name, report.world)
    source = 0
    try:
        for part, n in parts_in_order([path / result.name for path, result in entries]):
            found.merge(part)
            if part.confirmed is not None:
                source = n
            if found.confirmed:
                break
    except ShardError as error:
        raise _Mistakes([str(error)]) from error
    for entry in entries:
        if entry[1].report.examples is None and not found.confirmed:  # the harness failed
            return entry, entry[1].report
    report = with_reached(entries[source][1].report, found)
    return entries[source], with_verdict(report, found)


# --- what the commands keep of a shard


@dataclass(frozen=True, slots=True)
class ShardKeeper:
    """Keeps the results of a shard; of work that has no shards, or is not kept, nothing."""

    shard: Shard | None
    out: Path | None
    tasks: Sequence[Task]
    """All tasks of the work."""

    @property
    def positions(self) -> list[int]:
        """The positions of the tasks in this shard, each of which it runs as a whole."""
        everything = range(len(self.tasks))
        return [n for n in everything if self.shard is None or self.shard.has(n)]

    def begin(self) -> None:
        """Remove what an earlier shard kept.

        Raises:
            OSError: it cannot be removed.
        """
        if self.shard is not None and self.out is not None:
            remove_shard(self.out)

    def end(self, conclusion: Conclusion) -> None:
        """Keep the results of a shard that was not interrupted.

        Raises:
            OSError: they cannot be written.
        """
        if self.shard is None or self.out is None:
            return
        results = [
            ShardResult(
                position=n,
                name=Path(self.tasks[n].directory).name,
                again=command_of(replace(self.tasks[n], shard=None)),
                in_parts=self.tasks[n].shard is not None,
                report=report,
            )
            for n, report in sorted(conclusion.reports.items())
        ]
        document = ShardDocument(
            work=tasks_digest(self.tasks),
            shard=self.shard,
            wanted=len(self.tasks),
            first=conclusion.first,
            explored=conclusion.firings,
            bad=list(conclusion.bad),
            skipped=list(conclusion.skipped),
            seconds=conclusion.watch.seconds,
            results=results,
        )
        write_shard(self.out, document)
