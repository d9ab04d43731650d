"""``spu-chaos certify``: try every placement of up to k faults in a scenario."""

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Self

import click

from chaos.cli.conclude import Conclusion, complain, complain_of
from chaos.cli.files import Source, gather, skipped
from chaos.cli.options import client_option, files_argument, jobs_option, out_option
from chaos.cli.tasks import Task, task_of, unfinished, with_counterexample
from chaos.cli.terminal import Interrupted, interruptible
from chaos.drivers.driver import Driver
from chaos.drivers.registry import PRODUCER
from chaos.report.certificate import claim, index, page
from chaos.report.scenario_report import STATUS_NO_VERDICT, BadFile, ScenarioReport, SkippedFile
from chaos.search.alphabet import BUILT_IN, AlphabetError, load_alphabet
from chaos.search.certify import (
    Certificate,
    CertificateBound,
    NothingToPlaceError,
    Row,
    certify,
    header_of,
)
from chaos.search.counterexample import Stage
from chaos.search.pool import WorkerPool
from chaos.world.loop.names import LOOP, refusal
from chaos.world.stopwatch import Stopwatch
from simulator.documents.diagnostic import printable

EPILOG = """\b
Examples:
  spu-chaos certify scenarios/certificates/at-least-once-one-record-1-retry.yaml
      Try every placement of up to two faults of the alphabet small.
  spu-chaos certify mine.yaml --faults 3 --alphabet default --out certificates
      Up to three faults of more kinds; write the page and the list of placements.
  spu-chaos certify mine.yaml --client fluvio --faults 1 --out certificates
      List what the official client does in each placement; repeat it to go on after a Ctrl-C.
"""


@click.command("certify", epilog=EPILOG)
@files_argument
@click.option(
    "--faults",
    type=click.IntRange(1, 6),
    default=2,
    show_default=True,
    metavar="K",
    help="Largest number of letters in a placement.",
)
@click.option(
    "--alphabet",
    default="small",
    show_default=True,
    metavar=f"{'|'.join(BUILT_IN)}|FILE",
    help="The faults and steps to place.",
)
@click.option(
    "--schedules",
    type=click.IntRange(1, 1_000),
    default=1,
    show_default=True,
    metavar="S",
    help="Repeat each placement under this many orders of tasks.",
)
@click.option(
    "--api",
    type=click.Choice(["produce", "all"]),
    default="produce",
    show_default=True,
    help="all: place faults at greetings, watches and look-ups, too.",
)
@client_option
@jobs_option
@out_option
def certify_command(
    files: Sequence[str],
    faults: int,
    alphabet: str,
    schedules: int,
    api: str,
    client: Driver,
    jobs: int,
    out: Path | None,
) -> int:
    """Try every placement of up to K faults.

    Each FILE is a scenario without generators. The faults of an alphabet are placed at every
    injection point that its runs reach, alone and together, and each placement is run and judged.
    A violation ends it with the smallest placement, as a counterexample like those of explore.
    Of another client than our producer every placement is listed, whatever it breaks.

    With --out, DIR gets a page (NAME.md) and the list of placements (NAME.jsonl) of each FILE, and
    a page of all with a matrix of points and faults (report.html). The list of another client than
    our producer is read again, and what it has is not run again.

    Status: 0 no placement breaks a promise, 1 one does, 2 no verdict, nothing to place, or bad
    input, 130 interrupted.
    """
    sources, bad = gather(files)
    try:
        bound = CertificateBound(load_alphabet(alphabet), faults, api == "all", schedules)
    except AlphabetError as error:
        complain(bad)
        complain_of(*error.lines)
        return STATUS_NO_VERDICT
    certifying = _Certifying(bound, client, jobs, out, bad)
    left_out: list[SkippedFile] = []
    for source in sources:
        if not source.prop.concrete:
            line = f"{source.file}: has generators; certify takes one concrete scenario"
            bad.append(BadFile(source.file, (line,)))
        elif not source.worlds(None, client, explored=True):
            left_out.append(skipped(source, None, client))
        else:
            certifying.sources.append(source)
    complain(bad)
    conclusion = certifying.conclusion = Conclusion("text", None, None, bad, left_out)
    total = len(certifying.sources)
    try:
        with interruptible():
            conclusion.begin((source.seed for source in certifying.sources), out)
            certifying.run()
    except Interrupted:
        return conclusion.end(total, interrupted=True)
    status = conclusion.end(total)
    for _, done in certifying.done:
        conclusion.terminal.say(printable(claim(done)))
    return status


@dataclass(slots=True)
class _Certifying:
    """Certifies one file after the other."""

    bound: CertificateBound
    client: Driver
    jobs: int
    out: Path | None
    bad: list[BadFile]
    """The files that cannot be certified, which more may join."""
    sources: list[Source] = field(default_factory=list)
    done: list[tuple[str, Certificate]] = field(default_factory=list)
    """The certificates, each with the name of its page."""
    conclusion: Conclusion = field(init=False)

    def run(self) -> None:
        """Certify all files, and write the table of the certificates."""
        with WorkerPool(self.jobs) as pool:
            for n, source in enumerate(self.sources):
                self._certify(n, source, pool)
        if self.out is not None and len(self.done) > 1:
            (self.out / "README.md").write_text(index(self.done), encoding="utf-8")

    def _certify(self, n: int, source: Source, pool: WorkerPool) -> None:
        [world] = source.worlds(None, self.client, explored=True)[:1]
        task = task_of(source, world, self.client, seed=None, out=self.out, explored=True)
        stage = Stage(world, self.client.name, loop=LOOP if refusal() is None else "trio")
        watch = Stopwatch()
        results = _Results(self.out, source, self.bound, stage)
        with (
            results,
            self.conclusion.terminal.progress(printable(source.prop.name), None, "run") as show,
        ):

            def tried(row: Row) -> None:
                results.add(row)
                show.reached(results.rows)

            try:
                done = certify(
                    source.prop,
                    self.bound,
                    pool=pool,
                    stage=stage,
                    known=results.known,
                    stops=results.ours,
                    tried=tried,
                )
            except NothingToPlaceError:
                line = f"{source.file}: {NOTHING}"
                complain_of(line)
                self.bad.append(BadFile(source.file, (line,)))
                return
        self.done.append((f"{source.slug}.md", done))
        report = _report(task, done)
        report.seconds = watch.seconds
        self.conclusion.reports[n] = report
        self.conclusion.certificates[n] = done
        if self.out is not None:
            text = page(done, every_placement=not results.ours)
            (self.out / f"{source.slug}.md").write_text(text, encoding="utf-8")


NOTHING = (
    "nothing to place: no fault of the alphabet has an injection point in the run without faults; "
    "end the workload with a wait, so that its requests are sent before healing, or use --api all"
)


def _command(task: Task, bound: CertificateBound) -> str:
    words = ["python", "-m", "chaos", "certify", task.file, "--faults", str(bound.faults)]
    words += ["--alphabet", bound.alphabet.name]
    if bound.schedules > 1:
        words += ["--schedules", str(bound.schedules)]
    if bound.all_apis:
        words += ["--api", "all"]
    return shlex.join(words if task.client == PRODUCER else [*words, "--client", task.client])


def _report(task: Task, done: Certificate) -> ScenarioReport:
    """Return the result of a certificate; keep its counterexample."""
    report = replace(
        unfinished(task),
        verdict=done.verdict,
        examples=len(done.rows),
        firings=dict(Counter(row.fired for row in done.rows)),
        figures=dict(sum((Counter(row.figures) for row in done.rows), Counter[str]())),
        fired={"placed": sum(row.fired for row in done.rows)},
        notes=[claim(done)],
        command=_command(task, done.bound),
    )
    if done.verdict == "inconclusive":
        report = replace(report, reasons=[f"{done.hollow} placed faults did not fire"])
    if done.counterexample is not None:
        return with_counterexample(task, report, done.counterexample)
    return report


class _Results:
    """The rows of one certificate, and its list on disk, which grows with each row.

    Args:
        out: the directory of the list; None for no list.
        source: the scenario.
        bound: what is tried.
        stage: the world and the driver.
    """

    def __init__(
        self, out: Path | None, source: Source, bound: CertificateBound, stage: Stage
    ) -> None:
        self.ours = stage.client == PRODUCER
        self.rows = 0
        self._header = json.dumps(header_of(source.prop, bound, stage))
        self._path = None if out is None else out / f"{source.slug}.jsonl"
        self.known: list[Row] = [] if self.ours else list(self._read())
        """The rows of an earlier run of the same certificate of another client."""
        self._keys = {row.key for row in self.known}
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            self._file = self._path.open("w", encoding="utf-8")
            self._write(self._header)
            for row in self.known:
                self._write(row.line)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, row: Row) -> None:
        """Add a row to the list, unless it has it."""
        self.rows += 1
        if self._file is not None and row.key not in self._keys:
            self._write(row.line)

    def _write(self, line: str) -> None:
        if self._file is not None:
            self._file.write(f"{line}\n")
            self._file.flush()

    def _read(self) -> Iterator[Row]:
        if self._path is None or not self._path.is_file():
            return
        header, *lines = self._path.read_text(encoding="utf-8").split("\n")
        if header != self._header:
            return
        for line in lines[:-1]:  # what follows the last newline is not a whole row
            yield Row(**json.loads(line))
