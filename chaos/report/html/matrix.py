"""The matrix of a certificate: injection points against faults, each with its worst verdict."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chaos.oracle.judge import Verdict
from chaos.report.certificate import claim, denominators
from chaos.search.certify import Certificate
from chaos.search.placements import BEFORE, Placement

GRAVITY: dict[Verdict, int] = {"valid": 0, "inconclusive": 1, "invalid": 2}

POINTS_MAX = 100
"""The most injection points of a matrix; a workload with many requests has more."""

_PINS = ("at", "nth", "match", "name")
"""The keys of a fault that say where it is placed."""


@dataclass(slots=True)
class MatrixCell:
    """The placements with one fault at one injection point, alone or with others."""

    placements: int = 0
    worst: Verdict = "valid"
    grave: int = 0
    """How many placements have the worst verdict, if it is not valid."""

    def add(self, verdict: Verdict) -> None:
        """Count one placement."""
        self.placements += 1
        if GRAVITY[verdict] > GRAVITY[self.worst]:
            self.worst, self.grave = verdict, 0
        self.grave += verdict == self.worst != "valid"


@dataclass(frozen=True, slots=True)
class Matrix:
    """One certificate on the page."""

    name: str
    claim: str
    denominators: Mapping[str, int]
    letters: tuple[str, ...]
    """The headings of the columns: faults and steps."""
    rows: tuple[tuple[str, tuple[MatrixCell | None, ...]], ...]
    """Injection points, each with its cells."""
    left_out: int
    """How many more injection points there are."""
    story: str
    """The address of the page of its counterexample; empty if there is none."""


def matrix_of(done: Certificate, story: str = "") -> Matrix:
    """Return the matrix of a certificate.

    Args:
        done: the certificate.
        story: the address of the page of its counterexample.
    """
    cells: dict[tuple[str, str], MatrixCell] = {}
    letters: dict[str, None] = {}
    points: dict[str, tuple[Any, ...]] = {}
    for row in done.rows:
        for letter, point, order in _placed(row.placement):
            letters.setdefault(letter)
            points.setdefault(point, order)
            cells.setdefault((point, letter), MatrixCell()).add(row.verdict)
    ordered = sorted(points, key=lambda point: points[point])
    rows = [(p, tuple(cells.get((p, letter)) for letter in letters)) for p in ordered]
    return Matrix(
        done.prop.name,
        claim(done).replace("`", ""),
        denominators(done),
        tuple(letters),
        tuple(rows[:POINTS_MAX]),
        max(0, len(rows) - POINTS_MAX),
        story,
    )


def _placed(placement: Placement) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """Yield each letter of a placement as text, its injection point as text and as a key that
    sorts."""
    for letter in placement:
        if BEFORE in letter:
            step = letter[BEFORE]
            yield ", ".join(map(_step, letter["steps"])), f"before step {step + 1}", (1, "", step)
            continue
        ((kind, fields),) = letter.items()
        match = dict(fields.get("match", {}))
        where = " ".join(f"{key} {value}" for key, value in match.items())
        at, nth = fields.get("at", ""), fields.get("nth", "")
        point = " ".join(filter(None, (f"{at} {nth}".strip(), where)))
        values = (str(value) for key, value in fields.items() if key not in _PINS)
        yield " ".join((kind, *values)), point, (0, where, nth, at)


def _step(step: Any) -> str:
    if isinstance(step, str):
        return step
    ((kind, written),) = step.items()
    values = written.values() if isinstance(written, Mapping) else (written,)
    return " ".join((kind, *map(str, values)))
