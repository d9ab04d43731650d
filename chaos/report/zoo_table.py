"""The report of ``python -m chaos zoo``: by mutant, the checks that caught it and the examples."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from chaos.mutants import MUTANTS
from chaos.mutants.hunt import Catch
from chaos.oracle.judge import Verdict
from simulator.documents.emitter import to_yaml


@dataclass(slots=True)
class Zoo:
    """The results of the hunts for some mutants so far."""

    wanted: int
    """The number of mutants to hunt."""
    examples: int | None
    """The budget of examples of each hunt; None for the budget that the mutant declares."""
    seed: int
    catches: list[Catch] = field(default_factory=list)
    control: Catch | None = None
    """The result of the examples without a mutant."""
    seconds: float = 0.0
    """The duration of everything in seconds of real time."""

    @property
    def caught(self) -> int:
        """The number of mutants that were caught."""
        return sum(catch.caught for catch in self.catches)

    @property
    def verdict(self) -> Verdict:
        """Valid if all mutants were caught and no check failed without a mutant."""
        done = [*self.catches, *([self.control] if self.control else [])]
        if any(not catch.caught and not catch.lost for catch in done):
            return "invalid"
        missing = len(done) < self.wanted + 1 or any(catch.lost for catch in done)
        return "inconclusive" if missing else "valid"

    @property
    def median_s(self) -> float:
        """The median time to a catch, in seconds of real time."""
        return median([c.seconds for c in self.catches if c.caught] or [0.0])


def lines(zoo: Zoo, *, interrupted: bool) -> Iterator[RenderableType]:
    """Yield the table and the lines below it."""
    if zoo.catches:
        yield ""
        yield _table(zoo)
    yield ""
    for catch in (*zoo.catches, *([zoo.control] if zoo.control else [])):
        if catch.reason:
            yield f"{catch.mutant}: {catch.reason}"
            if catch.data is not None:
                yield to_yaml(catch.data)
    after = f", interrupted after {len(zoo.catches)}" if interrupted else ""
    yield f"{zoo.caught} of {zoo.wanted} caught{after}"
    if zoo.caught:
        longest = max(catch.seconds for catch in zoo.catches if catch.caught)
        yield f"median {zoo.median_s:.2f} s, longest {longest:.2f} s, all in {zoo.seconds:.0f} s"


def _table(zoo: Zoo) -> Table:
    table = Table("mutant", "caught by", box=None, header_style="bold", pad_edge=False)
    for heading in ("examples", "seconds", "records", "faults"):
        table.add_column(heading, justify="right", no_wrap=True)
    for catch in zoo.catches:
        by = ", ".join(catch.checks) or ("no verdict" if catch.lost else "nothing")
        figures = f"{catch.examples:,}", f"{catch.seconds:.2f}"
        size = (str(catch.records), str(catch.faults)) if catch.data is not None else ("", "")
        style = "" if catch.caught else "bold red"
        table.add_row(Text(catch.mutant), Text(by, style=style), *figures, *size)
    if zoo.control is not None:
        accused = ", ".join(zoo.control.checks) or zoo.control.reason or "nothing, as expected"
        style = "bold red" if zoo.control.reason else "green"
        examples, seconds = f"{zoo.control.examples:,}", f"{zoo.control.seconds:.2f}"
        table.add_row(zoo.control.mutant, Text(accused, style=style), examples, seconds, "", "")
    return table


def document(zoo: Zoo, *, status: int, interrupted: bool) -> str:
    """Return the report as a JSON document."""
    return (
        json.dumps(
            {
                "status": status,
                "interrupted": interrupted,
                "caught": zoo.caught,
                "of": zoo.wanted,
                "seed": zoo.seed,
                "verdict": zoo.verdict,
                "examples": zoo.examples,
                "median_seconds": round(zoo.median_s, 3),
                "seconds": round(zoo.seconds, 3),
                "mutants": [_entry(catch) for catch in zoo.catches],
                "control": None if zoo.control is None else _entry(zoo.control),
            },
            indent=2,
        )
        + "\n"
    )


def _entry(catch: Catch) -> dict[str, object]:
    mutant = MUTANTS.get(catch.mutant)
    minimum = {"records": mutant.records, "faults": mutant.faults} if mutant else None
    return {
        "name": catch.mutant,
        "caught": catch.caught,
        "checks": list(catch.checks),
        "examples": catch.examples,
        "seconds": round(catch.seconds, 3),
        "records": catch.records,
        "faults": catch.faults,
        "minimum": minimum,
        "examples_declared": mutant.examples if mutant else None,
        "reason": catch.reason,
        "scenario": catch.data,
    }
