"""The files of a command line: read all of them, and name every mistake in any."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.drivers.driver import Driver
from chaos.report.run_directory import slug_of
from chaos.spec.loader import ScenarioFileError, load_scenario_file
from chaos.spec.property import Property
from chaos.world.world import WorldName


@dataclass(frozen=True, slots=True)
class Source:
    """A file without mistakes."""

    prop: Property
    slug: str
    """What the directories of its runs are named by; no two files of a command have the same."""

    @property
    def file(self) -> str:
        """What it is called on the command line."""
        return self.prop.filename

    @property
    def seed(self) -> int:
        """The seed that the file says, or 0."""
        written = self.prop.data.get("seed", 0)
        return written if isinstance(written, int) else 0

    def worlds(
        self, wanted: WorldName | None, client: Driver, *, explored: bool
    ) -> list[WorldName]:
        """Where it is to run.

        Args:
            wanted: the only world, if there is one.
            client: who runs it; most clients know only one world.
            explored: whether many examples of it are run. That is for the virtual world, unless
                the file knows only the other one.
        """
        own = [world for world in client.worlds if world in self.prop.worlds]
        if wanted is not None:
            return [wanted] if wanted in own else []
        return own[:1] if explored else own


def not_there(source: Source, wanted: WorldName | None, client: Driver) -> str:
    """Why a file does not run in any world that was asked for."""
    only = " and ".join(source.prop.worlds)
    reason = f"--world is {wanted}" if wanted else f"the client {client.name} knows only tcp"
    if wanted and wanted not in client.worlds:
        return f"{source.file}: not run, since the client {client.name} knows only tcp"
    return f"{source.file}: not run, since its worlds are {only}, and {reason}"


def gather(paths: Sequence[str]) -> tuple[list[Source], list[str]]:
    """Read files, and all ``*.yaml`` of directories.

    Returns:
        The files that are right, in their order, and one line for each mistake in the others.
    """
    properties: list[Property] = []
    mistakes: list[str] = []
    for path in paths:
        for file in _files(path, mistakes):
            try:
                properties.append(load_scenario_file(file))
            except ScenarioFileError as error:
                mistakes += error.lines
    return list(map(Source, properties, _slugs(properties))), mistakes


def _files(path: str, mistakes: list[str]) -> list[str]:
    directory = Path(path)
    if not directory.is_dir():
        return [path]
    try:
        found = sorted(str(file) for file in directory.glob("*.yaml"))
    except OSError as error:
        mistakes.append(f"{path}: {(error.strerror or str(error)).lower()}")
        return []
    if not found:
        mistakes.append(f"{path}: no *.yaml in this directory")
    return found


def _slugs(properties: Sequence[Property]) -> list[str]:
    times: Counter[str] = Counter()
    slugs = []
    for prop in properties:
        slug = slug_of(prop.filename)
        times[slug] += 1
        slugs.append(slug if times[slug] == 1 else f"{slug}-{times[slug]}")
    return slugs
