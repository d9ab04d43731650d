"""Properties: draw scenarios, run and judge them, make the first that fails as small as it gets.

Examples come in *rounds* of eight. The first five are as they were drawn: Hypothesis turns bytes
into open values, and the bytes come from the seed of the exploration and the number of the example.
The other three are one more under aim (``aim.py``): one, two and three faults at moments that its
run reaches. Where the probabilities of a file suit a defect, what is drawn finds it sooner; where
they do not, what is under aim does, and nobody knows beforehand. The very first examples, and those
under aim, draw counts and sizes near the low ends of their ranges, since most of what is broken
shows with few records, and those run in less time.

No example depends on another round, so that it makes no difference how many processes share them:
the failing example that counts is the first one. A property is judged over all its examples: each
fault must have struck in some of them, each expected outcome must have occurred in some.
"""

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from itertools import count
from math import inf
from typing import Any

from hypothesis import given, settings
from pydantic import ValidationError

from chaos.drivers.driver import driver_named
from chaos.drivers.registry import PRODUCER
from chaos.history import History
from chaos.oracle.judge import Result, Verdict, judge
from chaos.runner import run_scenario
from chaos.search.injection_points import Data
from chaos.search.pool import open_workers
from chaos.search.shrink import RUNS_MAX, as_fired, reduced
from chaos.search.target import Aim
from chaos.spec.loader import parse_scenario
from chaos.spec.property import Example, Template
from chaos.spec.scenario import Scenario
from chaos.world.garbage import uncollected
from chaos.world.world import WorldName

ROUND = 8
"""Examples of one round."""

DRAWN = 5
"""How many of them are as the file says. The others are one more example under aim, with one, two
and three faults: that suffices for every defect that was ever found here."""

BATCHES = {"virtual": 2 * ROUND, "tcp": ROUND}
"""Examples that are handed to a process at once. An exploration ends at the end of a batch: half a
second in the virtual world, and some seconds with real sockets."""

SHARES = 5
"""Counts and sizes are drawn from a sixteenth of their ranges in the first example, from an eighth
in the next, and so on; under aim from one of these shares, as it comes."""

DRAWS_MAX = 1_000
"""How many draws in a row may make no scenario. The loader knows that some do."""

DRAWN_BYTES = 64
"""For each open value; an integer takes a few, and twice as many when it has to be drawn again."""

AHEAD = 2
"""Batches for each process that are handed out before the first of them is waited for."""

REPEATS = {"virtual": 1, "tcp": 3}
"""How often in a row a find must fail. With real sockets one that fails less often is evidence, and
flaky."""

RUNS_MAX_TCP = 60
"""How many candidates are tried with real sockets, where each may take a second."""


SMALLER_TCP_S = 120.0
"""For how long, in real time, a find with real sockets is made smaller: where a client hangs, each
candidate takes as long as a step may."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where scenarios are run, and by whom."""

    world: WorldName = "virtual"
    client: str = PRODUCER
    """Its name (``chaos/drivers/driver.py``)."""

    def run(self, scenario: Scenario) -> History:
        """Run a scenario once."""
        return run_scenario(scenario, self.world, driver_named(self.client).open)


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

    def add(
        self, scenario: Scenario, result: Result, named_after: Mapping[str, str] | None = None
    ) -> None:
        """Take in one example.

        Args:
            scenario: what was run.
            result: the verdict on it.
            named_after: for faults that have another name than in the file, the name there.
        """
        self.examples += 1
        for name, times in result.fired.items():
            self.fired[(named_after or {}).get(name, name)] += times
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
    after: int = 0,
    jobs: int = 1,
    stage: Stage = Stage(),
    saved: Sequence[Data] = (),
    progress: Callable[[Exploration], None] = lambda found: None,
    aimed: bool = True,
) -> Exploration:
    """Explore a property until one example fails, or enough were run.

    Args:
        template: the property; of a concrete scenario only the seed is drawn.
        examples: how many to run; None for as many as it says itself, unless there is a time.
        seconds: for how long to go on, in real time; None for no limit.
        seed: where all examples come from.
        after: how many of them were run before, by an exploration that this one goes on with.
        jobs: how many processes share the work; 1 for this one alone.
        stage: where they run, and by whom.
        saved: scenarios that failed earlier; they are tried first.
        progress: called with what was found so far, after each batch.
        aimed: whether three of eight examples have their faults where the run comes to.

    Returns:
        What they came to, with the smallest scenario that fails, if one does.
    """
    found = Exploration(template.name, stage.world)
    for data in saved:
        if (result := _broken(data, stage)) is not None:
            found.add(Scenario.model_validate(data), result)
            found.find = Find(data, result, stage.world)
            return found
    if examples is None and seconds is None:
        examples = template.examples
    if not template.open and "seed" in template.data:
        examples = 1  # there is no other
    found.fired.update(dict.fromkeys(template.faults, 0))  # those never drawn never struck
    work = _Work(template.text, template.filename, stage, seed, aimed)
    for batch in _batches(work, after, examples, seconds, jobs):
        found.merge(batch)
        found.failed = batch.failed or found.failed
        progress(found)
        if batch.failed is not None:
            found.find = _smallest(batch.failed, stage)
            if not found.find.flaky:
                break
    return found


# --- batches


@dataclass(frozen=True, slots=True)
class _Work:
    """What a process needs to know to run examples."""

    text: str
    filename: str
    stage: Stage
    seed: int
    aimed: bool


def _batches(
    work: _Work, after: int, examples: int | None, seconds: float | None, jobs: int
) -> Iterator[Exploration]:
    """Run batches, in this process or in several, and give them out in their order."""
    # Real time on purpose: somebody has that much of it to spend.
    until = None if seconds is None else time.monotonic() + seconds  # noqa: TID251

    def numbers() -> Iterator[range]:
        for first in count(after, BATCHES[work.stage.world]):
            last = first + BATCHES[work.stage.world]
            numbers = range(first, last if examples is None else min(last, after + examples))
            if not numbers or (until is not None and time.monotonic() >= until):  # noqa: TID251
                return
            yield numbers

    if jobs == 1:
        for batch in numbers():
            yield _batch(work, batch)
        return
    with open_workers(jobs) as workers:
        pending: deque[Future[Exploration]] = deque()
        for batch in numbers():
            pending.append(workers.submit(_batch, work, batch))
            if len(pending) > AHEAD * jobs:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _batch(work: _Work, numbers: range) -> Exploration:
    """Run the examples with these numbers, up to the first one that fails."""
    drawing = _drawing(work.text, work.filename)
    found = Exploration(drawing.name, work.stage.world)
    for first in range(numbers.start, numbers.stop, ROUND):
        _Round(work, drawing, found).run(range(first, min(first + ROUND, numbers.stop)))
        if found.failed is not None:
            break
    return found


class _Round:
    """Runs the examples of one round.

    Args:
        work: what is explored.
        drawing: draws its examples.
        found: takes in what they come to.
    """

    def __init__(self, work: _Work, drawing: "_Drawing", found: Exploration) -> None:
        self._work = work
        self._drawing = drawing
        self._found = found

    def run(self, numbers: range) -> None:
        """Run them, up to the first one that fails."""
        aim: Aim | None = None
        for number in numbers:
            if self._is_over():
                return
            if number % ROUND == DRAWN and self._work.aimed:
                aim = self._aim(self._drawing.example(self._work.seed, number), number)
                if self._is_over():
                    return
            if aim is None:  # it is not their turn, or nothing can be placed
                example = self._drawing.example(self._work.seed, number)
                self._try(example.data, example.scenario, {})
            else:
                aim.place(self._try(*aim.scenario(), aim.named_after))

    def _is_over(self) -> bool:
        return self._found.failed is not None

    def _aim(self, example: Example, number: int) -> Aim | None:
        """The example with a first fault at a moment that its run reaches, if there is one.

        Where the faults that strike as the file says leave no such moment, they are left out.
        """
        for exact in [example.exact, ()] if example.exact else [()]:
            if not example.loose or self._is_over():
                return None
            seed = self._drawing.seed_of(self._work.seed, number, "aim")
            aim = Aim(replace(example, exact=exact), seed)
            data, scenario = aim.scenario()
            with uncollected():
                history = self._work.stage.run(scenario)
                result = judge(history, example=True)
            if result.verdict == "invalid":  # it takes no fault at all
                self._found.add(scenario, result)
                self._found.failed = data
            elif aim.place(history):
                return aim
        return None

    def _try(self, data: Data, scenario: Scenario, named_after: Mapping[str, str]) -> History:
        with uncollected():  # the history is most of what would be looked at
            history = self._work.stage.run(scenario)
            result = judge(history, example=True)
        self._found.add(scenario, result, named_after)
        if result.verdict == "invalid":
            self._found.failed = data
        return history


# --- drawing


class _Drawing:
    """Draws the examples of a property, each from the seed and its number alone.

    Args:
        template: the property.
    """

    def __init__(self, template: Template) -> None:
        self.name = template.name
        self._template = template
        self._bytes = DRAWN_BYTES * (1 + len(template.nodes) + len(template.faults))
        self._targets: dict[Fraction, Callable[[bytes], object]] = {}
        self._drawn: list[Example] = []

    def example(self, seed: int, number: int) -> Example:
        """The example with a number in an exploration with a seed, as it is drawn.

        Raises:
            ValueError: the open values make no scenario together.
        """
        share = self._share(seed, number)
        for attempt in range(DRAWS_MAX):
            source = random.Random(self.seed_of(seed, number, attempt))  # noqa: S311  nothing secret
            self._target(share)(source.randbytes(self._bytes))
            if self._drawn:
                return self._drawn.pop()
            share = Fraction(1)  # perhaps it takes more of something to be a scenario
        raise ValueError(
            f"{DRAWS_MAX:,} examples drawn in a row were no scenarios; "
            "write ranges and options that go together more often"
        )

    def _share(self, seed: int, number: int) -> Fraction:
        """Which part of their ranges counts and sizes are drawn from."""
        if number < DRAWN:
            halvings = SHARES - 1 - number
        elif number % ROUND == DRAWN:
            halvings = self.seed_of(seed, number, "share") % SHARES
        else:
            halvings = 0
        return Fraction(1, 2**halvings)

    def seed_of(self, seed: int, number: int, what: object) -> int:
        """A seed for something about an example."""
        subject = f"{seed}/{self.name}/{number}/{what}".encode()
        return int.from_bytes(blake2b(subject, digest_size=8).digest(), "big")

    def _target(self, share: Fraction) -> Callable[[bytes], object]:
        """What makes examples of bytes. Hypothesis' own way of drawing likes the numbers that it
        finds in the source of whatever a process has imported, which differs between processes.
        """
        if share not in self._targets:

            @settings(database=None, deadline=None)
            @given(self._template.strategy(share))
            def keep(example: Example) -> None:
                self._drawn.append(example)

            handle: Any = keep
            self._targets[share] = handle.hypothesis.fuzz_one_input
        return self._targets[share]


@lru_cache(maxsize=8)
def _drawing(text: str, filename: str) -> _Drawing:
    return _Drawing(parse_scenario(text, filename))


# --- making a find small


def _smallest(data: Data, stage: Stage) -> Find:
    """The smallest scenario that breaks what this one breaks."""
    world = stage.world
    history = stage.run(Scenario.model_validate(data))
    result = judge(history, example=True)
    if not result.broken:
        return Find(data, result, world, flaky=True)
    gravest = result.broken[0].check
    # Real time on purpose: this is what a person waits for.
    until = inf if world == "virtual" else time.monotonic() + SMALLER_TCP_S  # noqa: TID251

    def fails(candidate: Data) -> bool:
        nonlocal result
        if until < inf and time.monotonic() > until:  # noqa: TID251
            return False
        found = _broken(candidate, stage, gravest)
        result = found or result
        return found is not None

    exact = as_fired(data, history)
    start = exact if fails(exact) else data
    if start is data and not fails(data):
        return Find(data, result, world, flaky=True)
    # What was accepted last is what is returned, so that this is its result.
    smallest = reduced(start, fails, RUNS_MAX if world == "virtual" else RUNS_MAX_TCP)
    return Find(smallest, result, world)


def _broken(data: Data, stage: Stage, check: str | None = None) -> Result | None:
    """The result of a scenario that breaks a promise each time that it is run.

    Args:
        data: the scenario.
        stage: where to run it, and by whom.
        check: which promise; None for any.

    Returns:
        None if it breaks none, or is no scenario.
    """
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError:
        return None
    result: Result | None = None
    for _ in range(REPEATS[stage.world]):
        result = judge(stage.run(scenario), example=True)
        if not any(check in (None, finding.check) for finding in result.broken):
            return None
    return result
