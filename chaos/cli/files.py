"""The scenario files of a command line: read all of them and report every mistake."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.drivers.driver import Driver
from chaos.report.run_directory import slug_of
from chaos.report.scenario_report import BadFile, SkippedFile
from chaos.runner.real_cluster import not_possible
from chaos.search.known import KNOWN_FILES
from chaos.spec.loader import ScenarioFileError, load_scenario_file
from chaos.spec.property import Property
from chaos.spec.workload import planned_s
from chaos.world.world import WorldName

TCP_S = 3.0
"""The most seconds that a scenario takes over tcp, unless it says that it is slow."""

SUFFIXES = (".yaml", ".yml")
"""The names of scenario files end with one of these."""


@dataclass(frozen=True, slots=True)
class Source:
    """A scenario file without mistakes."""

    prop: Property
    slug: str
    """The name of its run directories; no two files of a command have the same."""

    @property
    def file(self) -> str:
        """Its path as on the command line."""
        return self.prop.filename

    @property
    def seed(self) -> int:
        """The seed in the file, or 0."""
        written = self.prop.data.get("seed", 0)
        return written if isinstance(written, int) else 0

    @property
    def warning(self) -> str | None:
        """What may be wrong although the file is valid, as one line; None if nothing is."""
        if not self.prop.concrete or self.prop.slow or "tcp" not in self.prop.worlds:
            return None
        planned = planned_s(self.prop.scenario().workload)
        if planned <= TCP_S:
            return None
        return (
            f"{self.file}: warning: its steps sleep for {planned:g} s; over tcp a scenario takes "
            f"at most {TCP_S:g} s, or says slow: true"
        )

    def worlds(
        self, wanted: WorldName | None, client: Driver, *, explored: bool
    ) -> list[WorldName]:
        """Return the worlds in which to run the file.

        Args:
            wanted: the requested world; None for all worlds of the file but a real cluster, which
                a command must name.
            client: the driver; most drivers support one world only.
            explored: whether many examples are run; they run in one world, which is the virtual
                one unless the file or the driver excludes it.
        """
        own = [world for world in client.worlds if world in self.prop.worlds]
        if wanted is not None:
            return [wanted] if wanted in own else []
        own = [world for world in own if world != "cluster"]
        return own[:1] if explored else own


def beyond_cluster(source: Source) -> SkippedFile | None:
    """Return why a file cannot run in a real cluster; None if it can."""
    if not source.prop.concrete:
        why = "a property draws its examples in other worlds"
    elif (text := not_possible(source.prop.scenario())) is not None:
        why = f"{text}; change it, or run it in another world"
    else:
        return None
    return SkippedFile(source.file, source.prop.name, f"{source.file}: not run, since {why}")


def skipped(source: Source, wanted: WorldName | None, client: Driver) -> SkippedFile:
    """Return why a file runs in none of the requested worlds."""
    return SkippedFile(source.file, source.prop.name, not_there(source, wanted, client))


def not_there(source: Source, wanted: WorldName | None, client: Driver) -> str:
    """Return the message for a file that runs in none of the requested worlds."""
    only = " and ".join(source.prop.worlds)
    if wanted is None and source.prop.worlds == ("cluster",):
        return f"{source.file}: not run: name the cluster, --world cluster --cluster HOST:PORT"
    knows = f"the client {client.name} knows only {' and '.join(client.worlds)}"
    if wanted and wanted not in client.worlds:
        return f"{source.file}: not run, since {knows}"
    reason = f"--world is {wanted}" if wanted else knows
    return f"{source.file}: not run, since its worlds are {only}, and {reason}"


def gather(paths: Sequence[str]) -> tuple[list[Source], list[BadFile]]:
    """Read files, and all ``*.yaml`` and ``*.yml`` files of directories and of those below.

    Hidden files and directories, and files of known defects, are left out.

    Returns:
        The valid files in order, and the others with one line for each mistake.
    """
    properties: list[Property] = []
    bad: list[BadFile] = []
    for path in paths:
        for file in _files(path, bad):
            try:
                properties.append(load_scenario_file(file))
            except ScenarioFileError as error:
                bad.append(BadFile(file, tuple(error.lines)))
    return list(map(Source, properties, _slugs(properties))), bad


def _files(path: str, bad: list[BadFile]) -> list[str]:
    directory = Path(path)
    if not directory.is_dir():
        return [path]
    found: list[str] = []

    def note(error: OSError) -> None:
        name = str(error.filename or path)
        bad.append(BadFile(name, (f"{name}: {(error.strerror or str(error)).lower()}",)))

    for parent, below, names in os.walk(directory, onerror=note):
        below[:] = [name for name in below if not name.startswith(".")]
        files = (Path(parent, name) for name in names if not name.startswith("."))
        found += [str(f) for f in files if f.suffix in SUFFIXES and not f.match(KNOWN_FILES)]
    if not found and not bad:
        bad.append(BadFile(path, (f"{path}: no *.yaml or *.yml in this directory",)))
    return sorted(found)


def _slugs(properties: Sequence[Property]) -> list[str]:
    times: Counter[str] = Counter()
    slugs = []
    for prop in properties:
        slug = slug_of(prop.filename)
        times[slug] += 1
        slugs.append(slug if times[slug] == 1 else f"{slug}-{times[slug]}")
    return slugs
