"""Properties: draw scenarios, run and judge them, make the first that fails as small as it gets.

Hypothesis draws. Examples come in batches with a seed of their own, made from the seed of the
exploration and the number of the batch, so that it makes no difference how many processes share
them: the failing example that counts is the first one of the first batch that has one. Hypothesis
also likes to draw numbers that it finds in the source of whatever modules a process has imported,
which is another number of modules in each process; ``_SeedAlone`` leaves that out.

A property is judged over all its examples: each fault must have struck in some of them, each
expected outcome must have occurred in some.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from itertools import count

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider
from pydantic import ValidationError

from chaos.garbage import uncollected
from chaos.judge import Result, Verdict, judge
from chaos.loader import parse_scenario
from chaos.reduce import RUNS_MAX, Data, as_fired, reduced
from chaos.run import run_scenario
from chaos.scenario import Scenario
from chaos.template import Example, Template
from chaos.workers import open_workers
from chaos.world import WorldName

BATCH = 50
"""Examples of one batch. A process needs a millisecond to begin one, and an exploration ends at the
end of a batch."""

AHEAD = 2
"""Batches for each process that are handed out before the first of them is waited for."""

REPEATS_TCP = 3
"""With real sockets a find must fail this often in a row; else it is evidence, and flaky."""

RUNS_MAX_TCP = 60
"""How many candidates are tried with real sockets, where each may take a second."""


class _SeedAlone(HypothesisProvider):
    """Draws from the seed and from nothing else."""

    def _maybe_draw_constant(self, *_: object, **__: object) -> None:
        return None


AVAILABLE_PROVIDERS["seed-alone"] = _SeedAlone


@dataclass(frozen=True, slots=True)
class Find:
    """A scenario that fails."""

    data: Data
    """The smallest one, as plain data."""
    result: Result
    world: WorldName
    flaky: bool = False
    """With real sockets: it does not fail each time."""


@dataclass(slots=True)
class Exploration:
    """What the examples of one property came to."""

    name: str
    world: WorldName
    examples: int = 0
    fired: Counter[str] = field(default_factory=Counter)
    """How often each fault struck, in all examples together."""
    by_firings: Counter[int] = field(default_factory=Counter)
    """How many examples had how many firings."""
    figures: Counter[str] = field(default_factory=Counter)
    """How many records had which outcome, in all examples together."""
    met: Counter[str] = field(default_factory=Counter)
    """In how many examples each expected outcome occurred."""
    doubts: Counter[str] = field(default_factory=Counter)
    """Why examples said nothing."""
    failed: Data | None = None
    """The first example that fails, as it was drawn."""
    find: Find | None = None
    """What became of it, or of one that was found earlier."""

    def add(self, scenario: Scenario, result: Result) -> None:
        """Take in one example."""
        self.examples += 1
        self.fired.update(result.fired)
        self.by_firings[sum(result.fired.values())] += 1
        self.figures.update(result.figures)
        self.doubts.update(result.reasons)
        for what, wanted in scenario.expect:
            if wanted is not None:
                had = result.figures[what]
                self.met[what] += had > 0 if wanted == "some" else had == wanted

    def merge(self, other: "Exploration") -> None:
        """Take in the examples of another batch."""
        self.examples += other.examples
        self.fired.update(other.fired)
        self.by_firings.update(other.by_firings)
        self.figures.update(other.figures)
        self.met.update(other.met)
        self.doubts.update(other.doubts)

    @property
    def reasons(self) -> list[str]:
        """Why it is inconclusive, if no promise was broken."""
        found = [
            f"{times} of {self.examples} examples: {why}" for why, times in self.doubts.items()
        ]
        found += [
            f"fault {name} struck in no example" for name, times in self.fired.items() if not times
        ]
        found += [
            f"{what} was in no example as expected" for what, times in self.met.items() if not times
        ]
        if self.find is not None and self.find.flaky:
            found.append("an example failed, but not each time that it was run")
        return found if self.examples else ["no example was run"]

    @property
    def verdict(self) -> Verdict:
        """The verdict on the property."""
        if self.find is not None and not self.find.flaky:
            return "invalid"
        return "inconclusive" if self.reasons else "valid"


def explore(
    template: Template,
    *,
    examples: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    jobs: int = 1,
    world: WorldName = "virtual",
    saved: Sequence[Data] = (),
    progress: Callable[[Exploration], None] = lambda found: None,
) -> Exploration:
    """Explore a property until one example fails, or enough were run.

    Args:
        template: the property; of a concrete scenario only the seed is drawn.
        examples: how many to run; None for as many as it says itself, unless there is a time.
        seconds: for how long to go on, in real time; None for no limit.
        seed: where all examples come from.
        jobs: how many processes share the work; 1 for this one alone.
        world: where they run.
        saved: scenarios that failed earlier; they are tried first.
        progress: called with what was found so far, after each batch.

    Returns:
        What they came to, with the smallest scenario that fails, if one does.
    """
    found = Exploration(template.name, world)
    for data in saved:
        if (result := _broken(data, world)) is not None:
            found.add(Scenario.model_validate(data), result)
            found.find = Find(data, result, world)
            return found
    if examples is None and seconds is None:
        examples = template.examples
    work = _Work(template.text, template.filename, world, seed)
    for batch in _batches(work, _sizes(examples), seconds, jobs):
        found.merge(batch)
        progress(found)
        if batch.failed is not None:
            found.failed = batch.failed
            found.find = _smallest(batch.failed, world)
            break
    return found


# --- batches


@dataclass(frozen=True, slots=True)
class _Work:
    """What a process needs to know to run a batch."""

    text: str
    filename: str
    world: WorldName
    seed: int


def _sizes(examples: int | None) -> Iterator[int]:
    """How many examples each batch has."""
    for n in count():
        size = BATCH if examples is None else min(BATCH, examples - n * BATCH)
        if size <= 0:
            return
        yield size


def _batches(
    work: _Work, sizes: Iterator[int], seconds: float | None, jobs: int
) -> Iterator[Exploration]:
    """Run batches, in this process or in several, and give them out in their order."""
    # Real time on purpose: somebody has that much of it to spend.
    until = None if seconds is None else time.monotonic() + seconds  # noqa: TID251

    def numbered() -> Iterator[tuple[int, int]]:
        for number, size in enumerate(sizes):
            if until is not None and time.monotonic() >= until:  # noqa: TID251
                return
            yield number, size

    if jobs == 1:
        for number, size in numbered():
            yield _batch(work, number, size)
        return
    with open_workers(jobs) as workers:
        pending: deque[Future[Exploration]] = deque()
        for number, size in numbered():
            pending.append(workers.submit(_batch, work, number, size))
            if len(pending) > AHEAD * jobs:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@lru_cache(maxsize=8)
def _parsed(text: str, filename: str) -> Template:
    return parse_scenario(text, filename)


def _batch(work: _Work, number: int, size: int) -> Exploration:
    """Run one batch, up to its first example that fails."""
    template = _parsed(work.text, work.filename)
    found = Exploration(template.name, work.world)
    subject = f"{work.seed}/{template.name}/{number}".encode()
    batch_seed = int.from_bytes(blake2b(subject, digest_size=8).digest(), "big")

    @seed(batch_seed)
    @settings(
        max_examples=size,
        backend="seed-alone",
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(template.strategy())
    def try_out(example: Example) -> None:
        if found.failed is not None:
            return  # the first one counts
        with uncollected():  # until the history is gone, which is most of what would be looked at
            result = judge(run_scenario(example.scenario, work.world), example=True)
        found.add(example.scenario, result)
        if result.verdict == "invalid":
            found.failed = example.data

    try_out()
    return found


# --- making a find small


def _smallest(data: Data, world: WorldName) -> Find:
    """The smallest scenario that breaks what this one breaks."""
    scenario = Scenario.model_validate(data)
    history = run_scenario(scenario, world)
    result = judge(history, example=True)
    if not result.broken:
        return Find(data, result, world, flaky=True)
    broken = result.broken[0].check  # the gravest of them
    repeats = REPEATS_TCP if world == "tcp" else 1

    def fails(candidate: Data) -> bool:
        for _ in range(repeats):
            found = _broken(candidate, world)
            if found is None or broken not in {finding.check for finding in found.broken}:
                return False
        return True

    exact = as_fired(data, history)
    start = exact if fails(exact) else data
    if start is data and not fails(data):
        return Find(data, result, world, flaky=True)
    smallest = reduced(start, fails, RUNS_MAX if world == "virtual" else RUNS_MAX_TCP)
    final = _broken(smallest, world)
    return Find(smallest, final or result, world, flaky=final is None)


def _broken(data: Data, world: WorldName) -> Result | None:
    """The result of a scenario that breaks a promise; None if it breaks none, or is no scenario."""
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError:
        return None
    result = judge(run_scenario(scenario, world), example=True)
    return result if result.verdict == "invalid" else None
