"""One task: run a scenario or explore a property in one world, judge it, keep and report it.

A task and its result are plain data, so that a task can be performed in any process.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Any

from chaos.cli.files import Source
from chaos.drivers.application import ApplicationOnTrial
from chaos.drivers.driver import Driver, driver_named, driver_of
from chaos.drivers.registry import PRODUCER
from chaos.history import History
from chaos.oracle.judge import Result, judge
from chaos.report.html.story import write_story
from chaos.report.narrative import NARRATIVES_MAX, narratives_of
from chaos.report.run_directory import (
    DEFAULT,
    SCENARIO,
    STORY,
    concrete,
    directory_name,
    saved_counterexample,
    write_result,
    write_run,
    write_test,
)
from chaos.report.scenario_report import FailedExample, ScenarioReport
from chaos.report.shard_directory import parts_writer
from chaos.runner import run_scenario
from chaos.search.counterexample import Counterexample, Stage, nearest_passing
from chaos.search.exploration import Exploration
from chaos.search.explore import explore
from chaos.search.known import KnownDefect
from chaos.search.shard import Shard
from chaos.search.shrink import size_of
from chaos.spec.property import Property
from chaos.spec.scenario import Scenario
from chaos.world.gc_pause import gc_paused
from chaos.world.loop.names import LOOP, LoopName
from chaos.world.stopwatch import Stopwatch
from chaos.world.world import WorldName

LOOP_DEFECT = (
    "a defect of the fast loop: trio gave another history of an example that failed; trio's counts"
)


@dataclass(frozen=True, slots=True)
class Task:
    """One scenario or property in one world."""

    file: str
    prop: Property
    """The content of the file, parsed once for all processes."""
    name: str
    world: WorldName
    client: str
    """The name of the driver, as on the command line."""
    application: ApplicationOnTrial | None
    """The application on trial, if it is not driven call by call."""
    seed: int
    directory: str
    """The run directory."""
    keep: bool
    """Whether to keep the run even if it is valid."""
    explored: bool
    """Whether to draw and run examples."""
    slow: bool
    first: int = 0
    """The number of the first example."""
    known: tuple[KnownDefect, ...] = ()
    """Defects that do not make an example fail."""
    known_file: str | None = None
    """The file that they are from."""
    examples: int | None = None
    """The number of examples; None for the number in the file, or no limit with a time limit."""
    given_seconds: float | None = None
    """The time limit in seconds of real time; None for no limit."""
    shard: Shard | None = None
    """The part of the examples to run; None for all."""
    loop: LoopName = "trio"
    """The event loop of examples; a concrete scenario runs on trio."""
    placed: bool = False
    """Whether every other round of examples has placements."""
    cluster: str | None = None
    """The address of the cluster, in the world of that name."""

    @property
    def waits(self) -> bool:
        """Whether the task waits most of the time; such tasks start first."""
        return self.world != "virtual"


def task_of(
    source: Source,
    world: WorldName,
    client: Driver,
    *,
    seed: int | None,
    out: Path | None,
    explored: bool | None = None,
    first: int = 0,
    known: tuple[KnownDefect, ...] = (),
    known_file: str | None = None,
    examples: int | None = None,
    seconds: float | None = None,
    shard: Shard | None = None,
    loop: LoopName = "trio",
    cluster: str | None = None,
) -> Task:
    """Return the task of running a file in one world.

    Args:
        source: the file.
        world: the world.
        client: the driver.
        seed: the seed that replaces the one in the file; None to keep that one.
        out: the parent of all run directories; None to keep failures only, in the default place.
        explored: whether to draw examples; None to draw them for properties only.
        first: the number of the first example.
        known: defects that do not make an example fail.
        known_file: the file that they are from.
        examples: the number of examples; None for the number in the file.
        seconds: the time limit in seconds of real time; None for no limit.
        shard: the part of the examples to run; None for all.
        loop: the event loop of examples.
        cluster: the address of the cluster, in the world of that name.
    """
    prop = source.prop
    return Task(
        file=source.file,
        prop=prop,
        name=prop.name,
        world=world,
        client=client.name,
        application=client.application,
        seed=source.seed if seed is None else seed,
        directory=str((out or DEFAULT) / directory_name(source.slug, world, client.name)),
        keep=out is not None,
        explored=not prop.concrete if explored is None else explored,
        slow=prop.slow,
        first=first,
        known=known,
        known_file=known_file,
        examples=examples,
        given_seconds=seconds,
        shard=shard,
        loop=loop,
        placed=bool(explored),
        cluster=cluster,
    )


def tasks_digest(tasks: Sequence[Task]) -> str:
    """Return a digest of the tasks, the same in every shard and with every output directory."""
    everywhere = [
        (
            *(task.file, task.prop.text, task.world, task.client, task.seed, task.explored),
            *(task.application, task.first, task.known, task.examples, task.given_seconds),
        )
        for task in tasks
    ]
    version = metadata.version("spu-chaos")
    return blake2b(repr((version, everywhere)).encode(), digest_size=16).hexdigest()


def perform(
    task: Task,
    jobs: int = 1,
    progress: Callable[[Exploration], None] = lambda found: None,
    dask: str | None = None,
) -> ScenarioReport:
    """Perform a task and return its result.

    An exception in the harness makes the result inconclusive and is its reason.

    Args:
        task: the task.
        jobs: the number of processes that share the examples of a property.
        progress: called with the results of examples so far.
        dask: the address of a Dask scheduler whose workers share them instead.
    """
    watch = Stopwatch()
    report = unfinished(task)
    try:
        if task.explored:
            report = _explored(task, report, jobs, dask, progress)
        else:
            report = _run(task, report)
    except Exception as error:
        reason = " ".join(f"the harness failed: {type(error).__name__}: {error}".split())
        report = replace(report, verdict="inconclusive", reasons=[reason])
    report.seconds = watch.seconds
    return report


def unfinished(task: Task, reason: str = "") -> ScenarioReport:
    """Return an inconclusive result for a task that has not ended."""
    return ScenarioReport(
        name=task.name,
        file=task.file,
        world=task.world,
        client=task.client,
        seed=task.seed,
        reasons=[reason] if reason else [],
        first=task.first,
        command=command_of(task),
        kinds=task.prop.kinds,
    )


def judged(
    report: ScenarioReport, history: History, result: Result, narratives_max: int = NARRATIVES_MAX
) -> ScenarioReport:
    """Return a report completed with the verdict on a run and the narratives of broken promises."""
    return replace(
        report,
        verdict=result.verdict,
        reasons=list(result.reasons),
        findings=list(result.findings),
        figures=dict(result.figures),
        fired=dict(result.fired),
        narratives=narratives_of(history, result, narratives_max),
        not_applicable=list(history.not_applicable),
        notes=[*report.notes, *result.notes],
    )


# --- a concrete scenario


def _run(task: Task, report: ScenarioReport) -> ScenarioReport:
    scenario = task.prop.scenario().model_copy(update={"seed": task.seed})
    history = run_scenario(scenario, task.world, _driver(task).open, cluster=task.cluster)
    with gc_paused():  # the collector would traverse little but the history
        result = judge(history)
        report = judged(report, history, result)
    if task.keep or report.verdict != "valid":
        data = concrete(task.prop.data, task.world, task.seed)
        report = _kept(task, report, data, history, result)
    return report


def _kept(
    task: Task,
    report: ScenarioReport,
    data: Mapping[str, Any],
    history: History,
    result: Result,
) -> ScenarioReport:
    directory = Path(task.directory)
    command = replay_of(directory, task.client, task.application)
    if task.cluster is not None:
        command = command_of(task)  # only run knows clusters
    kept = replace(report, directory=task.directory, command=command)
    try:
        history.about = {"file": task.file, "client": task.client, "command": kept.command}
        if task.explored:
            history.about = {**history.about, "example": "one of a property"}
        passing = passing_beside(history, result)
        text = None if passing is None else passing.dumps()
        write_run(directory, data, history.dumps(), kept, text)
        if result.verdict != "valid":
            write_story(directory / STORY, history, result, passing)
        if task.explored:
            write_test(directory, directory.name, kept)
    except OSError as error:
        # The verdict counts even if the run cannot be kept.
        reason = (error.strerror or str(error)).lower()
        note = f"not kept: {error.filename or task.directory}: {reason}"
        return replace(report, notes=[*report.notes, note])
    return kept


def passing_beside(history: History, result: Result) -> History | None:
    """Return the nearest passing run of a failing one; None if there is none."""
    ours = history.about.get("client", PRODUCER) == PRODUCER
    return nearest_passing(history) if ours and result.verdict == "invalid" else None


# --- a property


def _explored(
    task: Task,
    report: ScenarioReport,
    jobs: int,
    dask: str | None,
    progress: Callable[[Exploration], None],
) -> ScenarioReport:
    saved = saved_counterexample(Path(task.directory), task.name)
    with _parts(task) as keep:
        found = explore(
            task.prop,
            examples=task.examples,
            after=task.first,
            seconds=task.given_seconds,
            seed=task.seed,
            jobs=jobs,
            dask=dask,
            shard=task.shard,
            stage=Stage(task.world, task.client, task.known, task.loop),
            saved=saved,
            progress=progress,
            keep=keep,
            placed=task.placed,
        )
    report = with_verdict(with_reached(report, found), found)
    if found.loop_defect:
        report = replace(report, notes=[*report.notes, LOOP_DEFECT])
    if found.counterexample is None:
        if task.keep:
            report = replace(report, directory=task.directory)
            write_result(Path(task.directory), report)
        return report
    size = size_of(found.counterexample.data)
    drawn = size if found.failed is None else size_of(found.failed)
    number = None if found.failed is None else found.failed_number
    report = replace(report, failed=FailedExample(number, drawn, size))
    return with_counterexample(task, report, found.counterexample)


def _parts(task: Task) -> AbstractContextManager[Callable[[Exploration], None]]:
    """Return what keeps the parts of an exploration, if it is a shard that is kept."""
    if task.shard is None or not task.keep:
        return nullcontext(lambda part: None)
    return parts_writer(Path(task.directory))


def with_verdict(report: ScenarioReport, found: Exploration) -> ScenarioReport:
    """Return a report with the verdict on the examples that were run."""
    reasons = list(found.reasons) if found.verdict == "inconclusive" else []
    return replace(report, verdict=found.verdict, reasons=reasons)


def with_reached(report: ScenarioReport, found: Exploration) -> ScenarioReport:
    """Return a report completed with the figures of the examples that were run."""
    return replace(
        report,
        examples=found.examples,
        firings=dict(found.by_firings),
        known=dict(found.known),
        figures={name: found.figures[name] for name in report.figures},
        fired=dict(found.fired),
    )


def with_counterexample(
    task: Task, report: ScenarioReport, found: Counterexample
) -> ScenarioReport:
    """Run the smallest failing scenario once more for its narratives, and keep the run."""
    scenario = Scenario.model_validate({**found.data, "worlds": [task.world]})
    history = run_scenario(scenario, task.world, _driver(task).open)
    result = judge(history, example=True)
    report = replace(
        report,
        not_applicable=list(history.not_applicable),
        findings=list((result if result.broken else found.result).findings),
        narratives=narratives_of(history, result, NARRATIVES_MAX),
    )
    if not result.broken:
        note = "it did not fail in the run for this report, which can happen with real sockets"
        report = replace(report, notes=[*report.notes, note])
    data = concrete(found.data, task.world, scenario.seed)
    return _kept(task, report, data, history, result)


# --- the command that repeats a task


def replay_of(directory: Path, client: str, application: ApplicationOnTrial | None = None) -> str:
    """Return the command that repeats a run that is kept."""
    again = "replay" if application is None else "run"
    words = ["python", "-m", "chaos", again, str(directory / SCENARIO)]
    return shlex.join([*words, *_client(client, application)])


def command_of(task: Task) -> str:
    """Return the command that repeats a task."""
    words = ["python", "-m", "chaos", "explore" if task.explored else "run", task.file]
    words += [
        "--world",
        task.world,
        *_client(task.client, task.application),
        "--seed",
        str(task.seed),
    ]
    if task.cluster is not None:
        words += ["--cluster", task.cluster]
    if task.known_file is not None:
        words += ["--known", task.known_file]
    if task.first:
        words += ["--from", str(task.first)]
    if task.explored and task.examples is not None:
        words += ["--examples", str(task.examples)]
    if task.given_seconds is not None:
        words += ["--for", f"{task.given_seconds:g}s"]
    if task.shard is not None:
        words += ["--shard", str(task.shard)]
    if task.explored and task.loop != LOOP:
        words += ["--loop", task.loop]
    return shlex.join(words)


def _driver(task: Task) -> Driver:
    return driver_named(task.client) if task.application is None else driver_of(task.application)


def _client(client: str, application: ApplicationOnTrial | None) -> list[str]:
    if application is not None:
        return application.options()
    return [] if client == PRODUCER else ["--client", client]
