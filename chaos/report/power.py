"""``python -m chaos.report.power PAGE FILE...``: which mutants the placements of files catch.

A certificate that says "no placement breaks a promise" is worth as much as what it would have
noticed. Here the same placements run with each mutant in place, up to the first that a check of the
mutant catches. The files take turns: each is tried with up to one letter, in order, then each with
two, so that the number of runs says how soon a person who begins with one fault would notice.
"""

import argparse
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from chaos.mutants import MUTANTS
from chaos.search.alphabet import load_alphabet
from chaos.search.certify import CertificateBound, Row, try_placement
from chaos.search.counterexample import VIRTUAL
from chaos.search.placements import Placement, Placing
from chaos.search.pool import Lost, WorkerPool
from chaos.spec.loader import parse_scenario

FAULTS: Final = 2
"""The largest number of letters in a placement."""

RUNS_MAX: Final = 1_000
"""The most runs with one mutant: those that the placements of one small file miss are rarely caught
by those of a larger one, which has thousands."""

LIMIT_S: Final = 3600.0
"""The limit on one mutant in seconds of real time, a safety net for one that hangs."""

MISSING: Final = {
    "applies-out-of-order": "an answer to the request that is overtaken: order is judged of "
    "acknowledged records",
    "counts-the-timeout-per-attempt": "a third fault: the policy ends before its attempts do",
    "gives-up-at-most-once-too-late": "a linger: the files with at-most-once have none",
    "never-returns-to-the-sc": "the SC away while a leader moves, and a record long after that",
    "resets-the-backoff": "a third fault in a row: the second delay is the first that is wrong",
    "retries-behind-the-end": "an `attempt_timeout` with which the policy ends before its attempts",
}
"""By mutant that the placements of this project miss, the word that is missing."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """The result of the enumeration with one mutant in place."""

    mutant: str
    runs: int
    """The number of runs until the catch, or in all."""
    scenario: str | None = None
    """The name of the scenario in which it was caught; None if it was not."""
    row: Row | None = None
    """The placement that caught it."""


def notice(
    mutant: str, texts: Sequence[tuple[str, str]], bound: CertificateBound, limit: int = RUNS_MAX
) -> Noticed:
    """Enumerate the placements of some files with a mutant in place, up to the first catch.

    Args:
        mutant: the name of the mutant.
        texts: the path and the text of each file.
        bound: the letters and their number.
        limit: the most runs.
    """
    found = MUTANTS[mutant]
    runs = 0
    with found.applied():
        for prop, row in _in_turns(found.semantics, texts, bound):
            runs += 1
            if row.verdict == "invalid" and set(row.broken) & set(found.caught_by):
                return Noticed(mutant, runs, prop, row)
            if runs == limit:
                break
    return Noticed(mutant, runs)


def _in_turns(
    semantics: Sequence[str], texts: Sequence[tuple[str, str]], bound: CertificateBound
) -> Iterator[tuple[str, Row]]:
    """Yield the rows of each file with up to one letter, then with two, and so on.

    From two letters on, the file with the fewest placements comes first.
    """
    props = [parse_scenario(text, filename) for filename, text in texts]
    placings = [
        Placing.of(prop.data, bound.letters)
        for prop in props
        if prop.data["producer"]["delivery_semantic"] in semantics
    ]
    waiting: list[tuple[Placing, list[Placement]]] = []
    for placing in placings:
        alone: list[Placement] = [()]
        for size in (0, 1):
            rows = _tried(placing, alone, goes_on=size < bound.faults)
            alone = []
            for row, following in rows:
                alone += following
                yield placing.scenario.name, row
        waiting.append((placing, alone))
    for size in range(2, bound.faults + 1):
        waiting.sort(key=lambda each: len(each[1]))
        for n, (placing, placements) in enumerate(waiting):
            more: list[Placement] = []
            for row, following in _tried(placing, placements, goes_on=size < bound.faults):
                more += following
                yield placing.scenario.name, row
            waiting[n] = placing, more


def _tried(
    placing: Placing, placements: Sequence[Placement], *, goes_on: bool
) -> Iterator[tuple[Row, list[Placement]]]:
    """Run placements; yield each row with the placements of one more letter."""
    for placement in placements:
        row = try_placement(placing, placement, placing.scenario.seed, VIRTUAL, goes_on)
        yield row, [(*placement, letter) for letter in row.following or ()]


def power_page(alphabet: str, files: Sequence[str], found: Sequence[Noticed]) -> str:
    """Return the page about the power of the placements of some files.

    Args:
        alphabet: the name of the alphabet.
        files: the paths of the files.
        found: the result for each mutant.
    """
    caught = [each for each in found if each.row is not None]
    runs = statistics.median([each.runs for each in caught] or [0])
    text = (
        f"The placements of up to {FAULTS} letters of the alphabet `{alphabet}` catch "
        f"{len(caught)} of these {len(found)} mutants of [the zoo](../zoo.md), the median of these "
        f"with run {runs:g}. Each mutant is tried in up to {RUNS_MAX:,} runs: the files in this "
        "order with up to one letter, then, the smallest first, with two."
    )
    files_listed = "\n".join(f"{n}. `{Path(file).stem}`" for n, file in enumerate(files, 1))
    rows = "| mutant | runs | letters | check | scenario |\n|---|---|---|---|---|"
    for each in caught:
        assert each.row is not None
        checks = ", ".join(f"`{check}`" for check in each.row.broken)
        size = len(each.row.placement)
        rows += f"\n| {each.mutant} | {each.runs:,} | {size} | {checks} | {each.scenario} |"
    parts = ["# The power of the certificates", text, files_listed, rows]
    missed = [each.mutant for each in found if each.row is None]
    if missed:
        rows = "| mutant | what is missing |\n|---|---|"
        rows += "".join(f"\n| {mutant} | {MISSING.get(mutant, 'not known')} |" for mutant in missed)
        parts += ["## Not caught", rows]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Try each mutant and write the page."""
    parser = argparse.ArgumentParser(prog="python -m chaos.report.power", description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("files", nargs="+", help="scenarios, in the order of trying")
    parser.add_argument("--alphabet", default="small")
    parser.add_argument("--mutants", nargs="+", default=[*MUTANTS], help="names (all)")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    texts = [(file, Path(file).read_text(encoding="utf-8")) for file in dict.fromkeys(given.files)]
    bound = CertificateBound(load_alphabet(given.alphabet), FAULTS)
    found: dict[int, Noticed] = {}
    with WorkerPool(given.jobs, LIMIT_S) as pool:
        for n, each in pool.results(partial(notice, m, texts, bound) for m in given.mutants):
            if isinstance(each, Lost):
                raise SystemExit(f"{given.mutants[n]}: {each.reason}")
            found[n] = each
    text = power_page(
        given.alphabet, [file for file, _ in texts], [found[n] for n in sorted(found)]
    )
    given.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
