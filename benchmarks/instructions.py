"""``python -m benchmarks.instructions [CHECKOUT...]``: machine instructions of a run, by valgrind.

Other load on the machine does not change the figures, as it changes all times; two measurements
differ by 0.3 %. Each CHECKOUT is a directory with another commit of this repository, measured with
the libraries of this one:

    git worktree add --detach ../before e4ebf3a
    python -m benchmarks.instructions ../before
"""

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

FEW, MANY = 5, 25
"""The numbers of runs that are compared: their difference has no share of the program's start."""

VALGRIND = ("valgrind", "--tool=cachegrind", "--cache-sim=no")
PYTHON = (sys.executable, "-P", "-c")

SUBJECTS = {
    "one record, no faults": ("{'workload': [{'send': {'count': 1, 'wait': True}}]}", "run(s)"),
    "20 records, three faults": ("SMALL", "run(s)"),
    "a retry ladder of 10 s": ("SILENT", "run(s)"),
    "judging the 20 records": ("SMALL", "judge(h)"),
}
"""By name, the scenario, and what is done with it or with its history."""

PROGRAM = """
import inspect, sys
from benchmarks.chaos import SILENT, SMALL, judge, run_scenario, scenario
loop = {"loop": "fast"} if "loop" in inspect.signature(run_scenario).parameters else {}
run = lambda s: run_scenario(s, **loop)
s = scenario(%s)
h = run(s)
for _ in range(int(sys.argv[1])):
    %s
"""


class ValgrindError(Exception):
    """valgrind is not there, or did not measure."""


def instructions(checkout: Path, subject: str) -> float:
    """Return the instructions of one run of a subject, in millions.

    Raises:
        ValgrindError: valgrind is not there, or the program failed.
    """
    program = PROGRAM % SUBJECTS[subject]
    with ThreadPoolExecutor() as pool:
        few, many = pool.map(partial(_counted, checkout, program), (FEW, MANY))
    return (many - few) / (MANY - FEW) / 1e6


def _counted(checkout: Path, program: str, runs: int) -> int:
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out"
        done = subprocess.run(
            [*VALGRIND, f"--cachegrind-out-file={out}", *PYTHON, program, str(runs)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(checkout)},
        )
        if done.returncode:
            *_, last = done.stderr.splitlines() or ["no output"]
            raise ValgrindError(f"{checkout}: the program under valgrind failed: {last}")
        summary = next(s for s in out.read_text().splitlines() if s.startswith("summary:"))
    return int(summary.split()[1])


def main(checkouts: list[Path]) -> None:
    """Measure everything and print a table."""
    if shutil.which("valgrind") is None:
        raise ValgrindError("valgrind is not installed; install it, or use benchmarks.chaos")
    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("million instructions", no_wrap=True)
    for name in ("here", *(checkout.name for checkout in checkouts)):
        table.add_column(name, justify="right")
    for subject in SUBJECTS:
        with console.status(subject):
            row = [instructions(checkout, subject) for checkout in (Path.cwd(), *checkouts)]
        table.add_row(subject, *(f"{each:.2f}" for each in row))
    console.print(table)


if __name__ == "__main__":
    try:
        main([Path(each).resolve() for each in sys.argv[1:]])
    except ValgrindError as error:
        sys.exit(f"benchmarks: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
