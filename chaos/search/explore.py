"""Explore properties: draw scenarios, run and judge them, shrink the first that fails.

Examples come in *rounds* of eight. The first five run as they are drawn: the random generator of
each is seeded with the seed of the exploration and the number of the example. The other three are
targeted (``target.py``): one more drawn example with one, two and three faults at injection points
that its run reaches. If the probabilities in a file suit a defect, drawn examples find it sooner;
if they do not, targeted examples do. Which of the two applies is not known beforehand, so every
round has both. The very first examples, and the targeted ones, draw counts and sizes near the low
ends of their ranges: most defects show with few records, and such examples run in less time.

With ``placed``, every other round, beginning with the first, has placements in its place
(``opening.py``), as long as there are some: a file that draws much would else not be drawn from in
the number of examples that it declares.

An example depends on the seed and on its number alone, and on no other round. The number of
processes that share the work therefore changes nothing: the failing example with the lowest number
counts. Nor does it matter where an exploration begins: a targeted example depends on those before
it in its round, which run first, uncounted, if the exploration begins between them.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from hashlib import blake2b
from itertools import count

from pydantic import ValidationError

from chaos.history import History
from chaos.search.counterexample import VIRTUAL, Counterexample, Stage, broken, shrunk
from chaos.search.engine import open_engine
from chaos.search.exploration import SAVED, Exploration
from chaos.search.injection_points import Data
from chaos.search.opening import Opening
from chaos.search.shard import Shard
from chaos.search.target import TargetedExample
from chaos.spec.property import Example, Property
from chaos.spec.scenario import Scenario
from chaos.world.gc_pause import gc_paused

ROUND = 8
"""The number of examples in a round."""

DRAWN = 5
"""The number of drawn examples in a round. The others are targeted, with one, two and three faults:
three faults suffice for every defect that was found so far."""

BATCHES = {"virtual": 2 * ROUND, "tcp": ROUND}
"""By world, the number of examples in a batch, the unit of work of a process. An exploration ends
at the end of a batch, which takes half a second in the virtual world and some seconds with real
sockets."""

SHARES = 5
"""The number of shares of a range: the first example draws counts and sizes from a sixteenth of
their ranges, the next from an eighth, and so on; a targeted example draws from any of these."""


def explore(
    prop: Property,
    *,
    examples: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    after: int = 0,
    jobs: int = 1,
    dask: str | None = None,
    shard: Shard | None = None,
    stage: Stage = VIRTUAL,
    saved: Sequence[Data] = (),
    progress: Callable[[Exploration], None] = lambda found: None,
    keep: Callable[[Exploration], None] = lambda part: None,
    targeted: bool = True,
    placed: bool = False,
) -> Exploration:
    """Explore a property until one example fails or the limit is reached.

    Args:
        prop: the property; in a concrete scenario only the seed is drawn.
        examples: how many to run; None for those that the property declares, or by ``seconds``.
        seconds: the time limit in seconds of real time; None for no limit.
        seed: the seed of all examples.
        after: the number of the first example, the same as in an exploration from 0.
        jobs: the number of processes that share the work; with 1, no other process is started.
        dask: the address of a Dask scheduler whose workers share the work instead.
        shard: the part of the batches to run, of which there are ``count`` in turn; None for all.
        stage: the world, the driver, the known defects, and the event loop of the examples.
        saved: scenarios that failed earlier; they run first, on trio.
        progress: called with the results so far after each batch, before shrinking.
        keep: called with the results of each batch, in order, after shrinking.
        targeted: whether three of eight examples are targeted.
        placed: whether every other round has placements, in the virtual world.

    Returns:
        The results, with the smallest failing scenario if an example fails.

    Raises:
        ValueError: the values of the generators make no valid scenario.
        TaskLostError: a process died.
    """
    found = Exploration(prop.name, stage.world, partial=shard is not None)
    for data in saved:
        if (result := broken(data, stage.on_trio)) is not None:
            part = Exploration(prop.name, stage.world, SAVED, failed_number=SAVED)
            part.add(Scenario.model_validate(data), result)
            part.settle(Counterexample(data, result, stage.world))
            keep(part)
            found.merge(part)
            return found
    if examples is None and seconds is None:
        examples = prop.examples
    if prop.concrete and "seed" in prop.data:
        examples = 1  # nothing is drawn, so all examples are the same
    work = _Work(prop, stage, seed, targeted, placed and stage.world == "virtual")
    _OPENINGS.clear()  # the code may have changed since their runs
    limits = _Limits(after, examples, seconds, shard)
    tasks = (partial(_batch, work, numbers) for numbers in _numbers(work, limits))
    with open_engine(jobs, dask) as engine:
        for batch in engine.in_order(tasks):
            found.merge(batch)
            progress(found)
            if batch.failed is not None:
                batch.settle(shrunk(batch.failed, stage))
                found.take_end(batch)
            keep(batch)
            if found.confirmed:
                break
    return found


# --- batches


@dataclass(frozen=True, slots=True)
class _Work:
    """The work of an exploration, as a worker process receives it."""

    prop: Property
    """Parsed once: to parse a file takes as long as some ten examples."""
    stage: Stage
    seed: int
    targeted: bool
    placed: bool


@dataclass(frozen=True, slots=True)
class _Limits:
    """Which examples to run; the fields are arguments of ``explore``."""

    after: int
    examples: int | None
    seconds: float | None
    shard: Shard | None


def _numbers(work: _Work, limits: _Limits) -> Iterator[range]:
    """Yield the example numbers of each batch, up to the limits on examples and time.

    A batch ends with a round, so that only the first one begins within a round.
    """
    # Real time is intended: it is the time that a person wants to spend.
    until = None if limits.seconds is None else time.monotonic() + limits.seconds  # noqa: TID251
    size, after, shard = BATCHES[work.stage.world], limits.after, limits.shard
    for n, first in enumerate(count(after - after % ROUND, size)):
        last = first + size
        stop = last if limits.examples is None else min(last, after + limits.examples)
        numbers = range(max(first, after), stop)
        if not numbers or (until is not None and time.monotonic() >= until):  # noqa: TID251
            return
        if shard is None or shard.has(n):
            yield numbers


def _batch(work: _Work, numbers: range) -> Exploration:
    """Run the examples with these numbers, up to the first that fails."""
    drawing = _Drawing(work.prop)
    found = Exploration(drawing.name, work.stage.world, numbers.start)
    found.fired.update(dict.fromkeys(drawing.faults, 0))  # also faults that are never drawn
    for first in range(numbers.start - numbers.start % ROUND, numbers.stop, ROUND):
        within = range(max(first, numbers.start), min(first + ROUND, numbers.stop))
        _Round(work, drawing, found).run(within)
        if found.failed is not None:
            break
    return found


class _Round:
    """Runs the examples of one round.

    Args:
        work: the exploration.
        drawing: draws its examples.
        found: collects the results.
    """

    def __init__(self, work: _Work, drawing: "_Drawing", found: Exploration) -> None:
        self._work = work
        self._drawing = drawing
        self._found = found
        self._targeted: TargetedExample | None = None
        self._opening = _opening(work) if work.placed else None

    def run(self, numbers: range) -> None:
        """Run the examples with these numbers, up to the first that fails."""
        first = numbers.start
        if self._work.targeted and first % ROUND > DRAWN:
            first -= first % ROUND - DRAWN
        counted = self._found
        for number in range(first, numbers.stop):
            uncounted = number < numbers.start
            self._found = Exploration(self._drawing.name, counted.world) if uncounted else counted
            self._run(number)
            if self._is_over() and not uncounted:
                return

    def _run(self, number: int) -> None:
        """Run one example."""
        if self._opening is not None and number // ROUND % 2 == 0:
            placed = number // (2 * ROUND) * ROUND + number % ROUND
            placement = self._opening.placement(placed)
            if placement is not None:
                names = self._opening.names_in_file(placement)
                history = self._try(number, *self._opening.scenario(placement), names)
                self._opening.ran(placed, history)
                return
        if number % ROUND == DRAWN and self._work.targeted:
            example = self._drawing.example(self._work.seed, number)
            self._targeted = self._target(example, number)
            if self._is_over():
                return
        if self._targeted is None:  # a drawn example, or no fault can be placed
            example = self._drawing.example(self._work.seed, number)
            self._try(number, example.data, example.scenario, {})
        else:
            target = self._targeted
            target.place(self._try(number, *target.scenario(), target.names_in_file))

    def _is_over(self) -> bool:
        return self._found.failed is not None

    def _target(self, example: Example, number: int) -> TargetedExample | None:
        """Return the example with a first fault at an injection point that its run reaches.

        If the pinned faults leave no such point, they are left out. Return None if there is no
        point even without them.
        """
        for pinned in [example.pinned, ()] if example.pinned else [()]:
            if not example.floating or self._is_over():
                return None
            seed = self._drawing.seed_of(self._work.seed, number, "target")
            target = TargetedExample(replace(example, pinned=pinned), seed)
            data, scenario = target.scenario()
            with gc_paused():
                outcome = self._work.stage.outcome(scenario)
            if outcome.failed:  # the example fails without any floating fault
                self._found.add(scenario, outcome.result, known=outcome.known)
                self._found.fail(number, data, outcome.failed)
            elif target.place(outcome.history):
                return target
        return None

    def _try(
        self, number: int, data: Data, scenario: Scenario, names_in_file: Mapping[str, str]
    ) -> History:
        with gc_paused():  # the collector would traverse little but the history
            outcome = self._work.stage.outcome(scenario)
        self._found.add(scenario, outcome.result, names_in_file, outcome.known)
        if outcome.failed:
            self._found.fail(number, data, outcome.failed)
        return outcome.history


# --- drawing


class _Drawing:
    """Draws the examples of a property; each depends on the seed and its number alone.

    Args:
        prop: the property.
    """

    def __init__(self, prop: Property) -> None:
        self.name = prop.name
        self.faults = prop.faults
        self.prop = prop

    def example(self, seed: int, number: int) -> Example:
        """Draw the example with a number.

        Args:
            seed: the seed of the exploration.
            number: the number of the example, from 0.

        Raises:
            ValueError: the values of the generators make no valid scenario.
        """
        rng = random.Random(self.seed_of(seed, number, "draw"))  # noqa: S311  nothing secret
        return self.prop.draw(rng, self._share(seed, number))

    def smallest(self, seed: int) -> Example:
        """Draw the example with the low end of every count and size but those of the producer:
        a policy with few retries hides what a client does at the last of many.

        Args:
            seed: the seed of the exploration, on which the rest of it depends.
        """
        rng = random.Random(self.seed_of(seed, 0, "opening"))  # noqa: S311  nothing secret
        small, other = self.prop.draw(rng, Fraction(0)), self.prop.draw(rng)
        data = {**small.data, **{k: other.data[k] for k in ("producer",) if k in other.data}}
        try:
            return replace(small, data=data, scenario=Scenario.model_validate(data))
        except ValidationError:
            return small

    def _share(self, seed: int, number: int) -> Fraction:
        """Return the part of their ranges from which counts and sizes are drawn."""
        if number < DRAWN:
            halvings = SHARES - 1 - number
        elif number % ROUND == DRAWN:
            halvings = self.seed_of(seed, number, "share") % SHARES
        else:
            halvings = 0
        return Fraction(1, 2**halvings)

    def seed_of(self, seed: int, number: int, what: object) -> int:
        """Return the seed for one part of an example."""
        subject = f"{seed}/{self.name}/{number}/{what}".encode()
        return int.from_bytes(blake2b(subject, digest_size=8).digest(), "big")


_OPENINGS: dict[tuple[str, str, int], Opening] = {}
"""The placements of the exploration that this process works for, by its property and seed."""


def _opening(work: _Work) -> Opening:
    """Return the placements in the smallest example of a property; a process keeps them."""
    key = work.prop.filename, work.prop.text, work.seed
    if key not in _OPENINGS:
        smallest = _Drawing(work.prop).smallest(work.seed)
        _OPENINGS[key] = Opening(work.prop, smallest, work.stage)
    return _OPENINGS[key]
