"""Explore properties: draw scenarios, run and judge them, shrink the first that fails.

Examples come in *rounds* of eight. The first five are as they were drawn: the random generator of
each is seeded with the seed of the exploration and the number of the example. The other three are
one more example, targeted (``target.py``): one, two and three faults at injection points that its
run reaches. Where the probabilities of a file suit a defect, drawn examples find it sooner; where
they do not, targeted ones do, and which it is nobody knows beforehand. The very first examples, and
the targeted ones, draw counts and sizes near the low ends of their ranges: most defects show with
few records, and those run in less time.

An example depends on the seed and its number alone, and no example on another round. So it makes no
difference how many processes share the work: the failing example with the lowest number counts.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache, partial
from hashlib import blake2b
from itertools import count

from chaos.history import History
from chaos.oracle.judge import judge
from chaos.search.counterexample import VIRTUAL, Counterexample, Stage, broken, shrunk
from chaos.search.exploration import Exploration
from chaos.search.injection_points import Data
from chaos.search.pool import WorkerPool
from chaos.search.target import TargetedExample
from chaos.spec.loader import parse_scenario
from chaos.spec.property import Example, Property
from chaos.spec.scenario import Scenario
from chaos.world.gc_pause import gc_paused

ROUND = 8
"""Examples of one round."""

DRAWN = 5
"""How many of them are as the file says. The others are one more example, targeted, with one, two
and three faults: that suffices for every defect that was ever found here."""

BATCHES = {"virtual": 2 * ROUND, "tcp": ROUND}
"""Examples that are handed to a process at once. An exploration ends at the end of a batch: half a
second in the virtual world, and some seconds with real sockets."""

SHARES = 5
"""Counts and sizes are drawn from a sixteenth of their ranges in the first example, from an eighth
in the next, and so on; in a targeted one from any of these shares."""


def explore(
    prop: Property,
    *,
    examples: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    after: int = 0,
    jobs: int = 1,
    stage: Stage = VIRTUAL,
    saved: Sequence[Data] = (),
    progress: Callable[[Exploration], None] = lambda found: None,
    targeted: bool = True,
) -> Exploration:
    """Explore a property until one example fails, or enough were run.

    Args:
        prop: the property; of a concrete scenario only the seed is drawn.
        examples: how many to run; None for as many as the property says, unless there is a time.
        seconds: for how long to go on, in real time; None for no limit.
        seed: the seed of all examples.
        after: the number of the first example: how many an earlier exploration has run already.
        jobs: how many processes share the work; 1 for this one alone.
        stage: the world and the client.
        saved: scenarios that failed earlier; they are tried first.
        progress: called with what was found so far, after each batch.
        targeted: whether three of eight examples are targeted.

    Returns:
        What they came to, with the smallest scenario that fails, if one does.

    Raises:
        ValueError: the generators make no scenario together.
        TaskLostError: a process died.
    """
    found = Exploration(prop.name, stage.world)
    for data in saved:
        if (result := broken(data, stage)) is not None:
            found.add(Scenario.model_validate(data), result)
            found.counterexample = Counterexample(data, result, stage.world)
            return found
    if examples is None and seconds is None:
        examples = prop.examples
    if prop.concrete and "seed" in prop.data:
        examples = 1  # there is no other
    found.fired.update(dict.fromkeys(prop.faults, 0))  # those never drawn never struck
    work = _Work(prop.text, prop.filename, stage, seed, targeted)
    tasks = (partial(_batch, work, numbers) for numbers in _numbers(work, after, examples, seconds))
    with WorkerPool(jobs) as pool:
        for batch in pool.in_order(tasks):
            found.merge(batch)
            found.failed = batch.failed or found.failed
            progress(found)
            if batch.failed is not None:
                found.counterexample = shrunk(batch.failed, stage)
                if not found.counterexample.flaky:
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
    targeted: bool


def _numbers(
    work: _Work, after: int, examples: int | None, seconds: float | None
) -> Iterator[range]:
    """The numbers of the examples of each batch, until there are enough or the time is over."""
    # Real time on purpose: a person has that much of it to spend.
    until = None if seconds is None else time.monotonic() + seconds  # noqa: TID251
    for first in count(after, BATCHES[work.stage.world]):
        last = first + BATCHES[work.stage.world]
        numbers = range(first, last if examples is None else min(last, after + examples))
        if not numbers or (until is not None and time.monotonic() >= until):  # noqa: TID251
            return
        yield numbers


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
        target: TargetedExample | None = None
        for number in numbers:
            if self._is_over():
                return
            if number % ROUND == DRAWN and self._work.targeted:
                target = self._target(self._drawing.example(self._work.seed, number), number)
                if self._is_over():
                    return
            if target is None:  # it is not their turn, or nothing can be placed
                example = self._drawing.example(self._work.seed, number)
                self._try(example.data, example.scenario, {})
            else:
                target.place(self._try(*target.scenario(), target.named_after))

    def _is_over(self) -> bool:
        return self._found.failed is not None

    def _target(self, example: Example, number: int) -> TargetedExample | None:
        """The example with a first fault at an injection point that its run reaches.

        Where its pinned faults leave no such point, they are left out. None if there is none
        even then.
        """
        for pinned in [example.pinned, ()] if example.pinned else [()]:
            if not example.floating or self._is_over():
                return None
            seed = self._drawing.seed_of(self._work.seed, number, "target")
            target = TargetedExample(replace(example, pinned=pinned), seed)
            data, scenario = target.scenario()
            with gc_paused():
                history = self._work.stage.run(scenario)
                result = judge(history, example=True)
            if result.verdict == "invalid":  # it takes no fault at all
                self._found.add(scenario, result)
                self._found.failed = data
            elif target.place(history):
                return target
        return None

    def _try(self, data: Data, scenario: Scenario, named_after: Mapping[str, str]) -> History:
        with gc_paused():  # the history is most of what the collector would look at
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
        prop: the property.
    """

    def __init__(self, prop: Property) -> None:
        self.name = prop.name
        self._prop = prop

    def example(self, seed: int, number: int) -> Example:
        """The example with a number in an exploration with a seed, as it is drawn.

        Raises:
            ValueError: the generators make no scenario together.
        """
        rng = random.Random(self.seed_of(seed, number, "draw"))  # noqa: S311  nothing secret
        return self._prop.draw(rng, self._share(seed, number))

    def _share(self, seed: int, number: int) -> Fraction:
        """The part of their ranges from which counts and sizes are drawn."""
        if number < DRAWN:
            halvings = SHARES - 1 - number
        elif number % ROUND == DRAWN:
            halvings = self.seed_of(seed, number, "share") % SHARES
        else:
            halvings = 0
        return Fraction(1, 2**halvings)

    def seed_of(self, seed: int, number: int, what: object) -> int:
        """A seed for one part of an example."""
        subject = f"{seed}/{self.name}/{number}/{what}".encode()
        return int.from_bytes(blake2b(subject, digest_size=8).digest(), "big")


@lru_cache(maxsize=8)
def _drawing(text: str, filename: str) -> _Drawing:
    return _Drawing(parse_scenario(text, filename))
