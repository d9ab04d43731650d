"""The directory of a shard: what ``merge`` needs of it, beside its run directories.

``shard.json`` says which part of which work the shard is, and holds its results. ``parts.jsonl`` in
the run directory of an exploration holds the results of its batches, one a line, in order: a search
by one machine ends at the first example that fails, and where that is only all shards together
tell. Its last line says that it is whole: of a file that was copied in part, what is missing might
be the example that fails.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from chaos.report.phrases import counted
from chaos.report.run_directory import make_directory
from chaos.report.scenario_report import BadFile, ScenarioReport, SkippedFile
from chaos.search.exploration import Exploration
from chaos.search.shard import Shard

SHARD = "shard.json"
PARTS = "parts.jsonl"

END = b'{"end": true}\n'
"""The last line of ``parts.jsonl``."""


class ShardError(Exception):
    """The directory of a shard is missing or damaged. The text is one line for a person."""


@dataclass(frozen=True, slots=True)
class ShardResult:
    """The result of one task in one shard."""

    position: int
    """The position of the task in the work as a whole."""
    name: str
    """The name of its run directory, below that of the shard."""
    again: str
    """The command that repeats the task as a whole."""
    in_parts: bool
    """Whether each shard runs a part of the task, and not one shard all of it."""
    report: ScenarioReport


@dataclass(frozen=True, slots=True)
class ShardDocument:
    """What one shard did."""

    work: str
    """A digest of the work; the shards of one work have the same."""
    shard: Shard
    wanted: int
    """The number of tasks of the work as a whole."""
    first: int
    """The number of the first example."""
    explored: bool
    """Whether the work is an exploration, which has a table of firings."""
    bad: Sequence[BadFile]
    """The files that cannot be run."""
    skipped: Sequence[SkippedFile]
    """The files that run in none of the worlds that were asked for."""
    seconds: float
    """The duration in seconds of real time."""
    results: Sequence[ShardResult]


@cache
def _documents() -> TypeAdapter[ShardDocument]:
    return TypeAdapter(ShardDocument)


@cache
def _parts() -> TypeAdapter[Exploration]:
    return TypeAdapter(Exploration)


def write_shard(directory: Path, document: ShardDocument) -> None:
    """Write the results of a shard that has ended.

    Raises:
        OSError: the file cannot be written.
    """
    (directory / SHARD).write_bytes(_documents().dump_json(document, indent=2) + b"\n")


def remove_shard(directory: Path) -> None:
    """Remove the results of an earlier shard, so that one which does not end leaves none.

    Raises:
        OSError: the file is there and cannot be removed.
    """
    (directory / SHARD).unlink(missing_ok=True)


def read_shard(directory: Path) -> ShardDocument:
    """Read the results of a shard.

    Raises:
        ShardError: there are none, or they are damaged.
    """
    path = directory / SHARD
    try:
        return _documents().validate_json(path.read_bytes())
    except FileNotFoundError:
        reason = f"no {SHARD}: no shard that ended; run or explore with --shard and --out"
        raise ShardError(f"{directory}: {reason}") from None
    except OSError as error:
        raise ShardError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ShardError(f"{path}: {place}: {first['msg'].lower()}".replace(": :", ":")) from error


def mistakes_in(documents: Sequence[tuple[Path, ShardDocument]]) -> list[str]:
    """Return why shards do not make up one work: one line each, empty if they do."""
    first_path, first = documents[0]
    found: list[str] = []
    paths: dict[int, Path] = {}
    for path, document in documents:
        if (document.work, document.shard.count) != (first.work, first.shard.count):
            found.append(f"{path}: not a shard of the same work as {first_path}")
        elif document.shard.index in paths:
            found.append(f"{path}: shard {document.shard}, as {paths[document.shard.index]}")
        paths.setdefault(document.shard.index, path)
    missing = [n for n in range(1, first.shard.count + 1) if n not in paths]
    if missing and not found:
        which = ", ".join(f"{n}/{first.shard.count}" for n in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        found.append(f"{counted(len(missing), 'shard')} missing: {which}{more}")
    return found


@contextmanager
def parts_writer(directory: Path) -> Iterator[Callable[[Exploration], None]]:
    """Write the parts of an exploration while it runs.

    Yields:
        A function that writes the results of one batch.

    Raises:
        OSError: the file cannot be written.
    """
    make_directory(directory)
    with (directory / PARTS).open("wb") as file:

        def keep(part: Exploration) -> None:
            # An example may be large, and the smallest one is in the run directory.
            dumped = _parts().dump_json(part, exclude={"failed", "counterexample"})
            file.write(dumped + b"\n")

        try:
            yield keep
        finally:
            file.write(END)


def parts_in_order(directories: Sequence[Path]) -> Iterator[tuple[Exploration, int]]:
    """Yield the parts of an exploration from all its shards, by the numbers of their examples.

    Args:
        directories: the run directory of the exploration in each shard.

    Yields:
        Each part, and the position of the directory that it is from.

    Raises:
        ShardError: a file is missing or damaged.
    """
    streams = [_read_parts(path / PARTS, n) for n, path in enumerate(directories)]
    yield from heapq.merge(*streams, key=lambda each: attrgetter("first")(each[0]))


def _read_parts(path: Path, position: int) -> Iterator[tuple[Exploration, int]]:
    read = 0
    try:
        with path.open("rb") as file:
            for line in file:
                if line == END:
                    return
                part = _parts().validate_json(line)
                read += 1
                yield part, position
    except OSError as error:
        raise ShardError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except ValidationError as error:
        raise ShardError(f"{path}: line {read + 1} is damaged; copy the file again") from error
    raise ShardError(f"{path}: it ends early, behind line {read}; copy the file again")
