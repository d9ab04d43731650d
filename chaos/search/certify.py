"""Certificates: every placement of up to k faults is run and judged.

Placements are tried by their number of letters: first the run without any, then one letter, then
two. The obvious order, depth first, needs no memory for the placements that wait, but the first
violation that it meets may have three letters where one suffices. Here the first violation is one
with the fewest letters, and each size is shared among processes as it comes.

A certificate has a denominator. Its rows say what each placement did, and a hash of the sorted rows
says the same in one word: ``recheck.py`` runs each row again, on its own.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache, partial
from hashlib import sha256
from itertools import islice
from typing import Any, Final

from chaos.history import CallEnded, History
from chaos.oracle.judge import Verdict
from chaos.search.alphabet import Alphabet, load_alphabet
from chaos.search.counterexample import VIRTUAL, Counterexample, Stage, shrunk
from chaos.search.injection_points import Data
from chaos.search.placements import NAMED, Placement, Placing
from chaos.search.pool import WorkerPool
from chaos.spec.loader import parse_scenario
from chaos.spec.property import Property
from chaos.world.gc_pause import gc_paused
from simulator.events import FrameRead, FrameWritten, Healed

VERSION: Final = 1
"""The version of the list of placements."""

BATCHES = {"virtual": 16, "tcp": 1}
"""By world, the number of placements that a process tries at a time."""


class NothingToPlaceError(Exception):
    """A run has no injection point, so that a certificate of it would say nothing."""


@dataclass(frozen=True, slots=True)
class CertificateBound:
    """What a certificate tries."""

    alphabet: Alphabet
    faults: int
    """The largest number of letters in a placement."""
    all_apis: bool = False
    """Whether faults are placed at greetings, watches and look-ups, too."""
    schedules: int = 1
    """The number of task orders in which each placement runs: seeds, from that of the file on."""

    @property
    def letters(self) -> Alphabet:
        """The letters, each for each API that it is placed at."""
        return self.alphabet.with_all_apis() if self.all_apis else self.alphabet


@dataclass(frozen=True, slots=True)
class Row:
    """What one placement did."""

    seed: int
    placement: Placement
    verdict: Verdict
    broken: tuple[str, ...]
    """The checks that found a broken promise."""
    reasons: tuple[str, ...]
    """Why it has no verdict."""
    fired: int
    """How many of its faults fired."""
    frames: tuple[str, ...]
    """The request and response frames of the servers, in order."""
    outcomes: tuple[str, ...]
    """The outcome of each record."""
    logs: Mapping[str, Sequence[int]]
    """By partition, the records that are stored in the end; -1 for one that was not sent."""
    figures: Mapping[str, int]
    """By outcome, the number of records."""
    following: tuple[Data, ...] | None
    """The letters that can be placed behind the last one; None where the bound ends."""

    @property
    def key(self) -> str:
        """Seed and placement as text; no two rows of a certificate have the same."""
        return json.dumps([self.seed, self.placement], sort_keys=True)

    @property
    def requests(self) -> int:
        """The number of produce requests before healing."""
        return sum(f.startswith("FrameRead") and " produce " in f for f in self.frames)

    @property
    def hollow(self) -> bool:
        """Whether one of its faults did not fire."""
        return self.fired < sum("steps" not in letter for letter in self.placement)

    @property
    def line(self) -> str:
        """All of it, as one line of JSON."""
        return json.dumps({each.name: getattr(self, each.name) for each in fields(self)})

    @property
    def essence(self) -> str:
        """The part that the hash covers, as one line of JSON."""
        return json.dumps(
            [self.seed, self.placement, self.verdict, self.frames, self.outcomes, self.logs],
            sort_keys=True,
        )


@dataclass(slots=True)
class Certificate:
    """What every placement within a bound did."""

    prop: Property
    bound: CertificateBound
    stage: Stage
    rows: list[Row] = field(default_factory=list)
    counterexample: Counterexample | None = None

    @property
    def verdicts(self) -> Counter[Verdict]:
        """By verdict, the number of runs."""
        return Counter(row.verdict for row in self.rows)

    @property
    def hollow(self) -> int:
        """The number of runs in which a placed fault did not fire."""
        return sum(row.hollow for row in self.rows)

    @property
    def verdict(self) -> Verdict:
        """The verdict: inconclusive if a fault did not fire, or no run with a letter is valid."""
        if self.verdicts["invalid"]:
            return "invalid"
        placed = any(row.verdict == "valid" and row.placement for row in self.rows)
        return "valid" if placed and not self.hollow else "inconclusive"

    @property
    def first_letters(self) -> int:
        """The number of ways to place one letter in the runs without any."""
        return sum(len(row.following or ()) for row in self.rows if not row.placement)

    @property
    def left_out(self) -> tuple[list[Any], ...]:
        """The letters that the scenario cannot have, which are not placed: lists of steps."""
        placed = Placing.of(self.prop.data, self.bound.alphabet).alphabet.steps
        return tuple(steps for steps in self.bound.alphabet.steps if steps not in placed)

    @property
    def distinct(self) -> int:
        """The number of runs that differ in frames, outcomes or logs."""
        return len({json.dumps([r.frames, r.outcomes, r.logs], sort_keys=True) for r in self.rows})

    @property
    def digest(self) -> str:
        """The hash of the sorted rows."""
        text = "\n".join(sorted(row.essence for row in self.rows))
        return sha256(text.encode()).hexdigest()

    def listed(self) -> Iterator[str]:
        """Yield the list of placements as JSON Lines: a header, then a line for each run."""
        yield json.dumps(header_of(self.prop, self.bound, self.stage))
        for row in self.rows:
            yield row.line


def header_of(prop: Property, bound: CertificateBound, stage: Stage) -> dict[str, Any]:
    """Return the first line of a list of placements: what was tried."""
    placing = Placing.of(prop.data, bound.letters)
    return {
        "certificate": VERSION,
        "scenario": prop.data,
        "world": stage.world,
        "client": stage.client,
        "faults": bound.faults,
        "schedules": bound.schedules,
        "letters": [{each.kind: dict(each.fields)} for each in placing.alphabet.faults],
        "steps": list(placing.alphabet.steps),
    }


def certify(
    prop: Property,
    bound: CertificateBound,
    *,
    pool: WorkerPool,
    stage: Stage = VIRTUAL,
    known: Iterable[Row] = (),
    stops: bool = True,
    tried: Callable[[Row], None] = lambda row: None,
) -> Certificate:
    """Run and judge every placement within a bound.

    Args:
        prop: a concrete scenario.
        bound: the letters, their number, and the schedules.
        pool: the processes that share the work.
        stage: the world and the driver.
        known: rows of an earlier run of the same certificate; they are not run again.
        stops: whether the first violation ends it.
        tried: called with each row, in order.

    Returns:
        The rows, with the smallest counterexample if a placement breaks a promise and ``stops``.

    Raises:
        NothingToPlaceError: a run without letters has no injection point.
        TaskLostError: a process died.
    """
    done = Certificate(prop, bound, stage)
    earlier = {row.key: row for row in known}
    work = _PlacementWork(prop.text, prop.filename, bound.alphabet.name, bound.all_apis, stage)
    first = int(prop.data.get("seed", 0))
    for seed in range(first, first + bound.schedules):
        waiting: list[Placement] = [()]
        for size in range(bound.faults + 1):
            batch = partial(_try_all, work, seed, size < bound.faults)
            following: list[Placement] = []
            for row in _in_order(waiting, seed, batch, earlier, stage, pool):
                done.rows.append(row)
                following += ((*row.placement, letter) for letter in row.following or ())
                tried(row)
                if row.verdict == "invalid" and stops:
                    done.counterexample = _counterexample(prop, bound, row, stage)
                    return done
            if size == 0 and not following:
                raise NothingToPlaceError(seed)
            waiting = following
    return done


def _counterexample(
    prop: Property, bound: CertificateBound, row: Row, stage: Stage
) -> Counterexample:
    data = Placing.of(prop.data, bound.letters).data_with(row.placement)
    return shrunk({**data, "seed": row.seed}, stage.on_trio)


def _in_order(
    placements: Sequence[Placement],
    seed: int,
    batch: Callable[[list[Placement]], list[Row]],
    earlier: Mapping[str, Row],
    stage: Stage,
    pool: WorkerPool,
) -> Iterator[Row]:
    """Yield the rows of placements in their order, the earlier ones as they are."""
    keys = [json.dumps([seed, placement], sort_keys=True) for placement in placements]
    new = (each for key, each in zip(keys, placements, strict=True) if key not in earlier)
    batches = iter(lambda: list(islice(new, BATCHES[stage.world])), [])
    results = (row for rows in pool.in_order(partial(batch, b) for b in batches) for row in rows)
    for key in keys:
        yield earlier[key] if key in earlier else next(results)


# --- inside a process


@dataclass(frozen=True, slots=True)
class _PlacementWork:
    """The work of a certificate, as a worker process receives it."""

    text: str
    filename: str
    alphabet: str
    all_apis: bool
    stage: Stage


@lru_cache(maxsize=8)
def _placing(text: str, filename: str, alphabet: str, all_apis: bool) -> Placing:
    letters = load_alphabet(alphabet)
    return Placing.of(
        parse_scenario(text, filename).data, letters.with_all_apis() if all_apis else letters
    )


def _try_all(
    work: _PlacementWork, seed: int, goes_on: bool, placements: list[Placement]
) -> list[Row]:
    """Run placements and return their rows."""
    placing = _placing(work.text, work.filename, work.alphabet, work.all_apis)
    return [try_placement(placing, each, seed, work.stage, goes_on) for each in placements]


def try_placement(
    placing: Placing, placement: Placement, seed: int, stage: Stage, goes_on: bool
) -> Row:
    """Run one placement and judge it.

    Args:
        placing: places letters in the scenario.
        placement: the placement.
        seed: the seed of the run.
        stage: the world and the driver.
        goes_on: whether the letters that can follow are wanted.
    """
    with gc_paused():
        outcome = stage.outcome(placing.scenario_with(placement, seed))
        history, result = outcome.history, outcome.result
        placed = (times for name, times in result.fired.items() if name.startswith(NAMED))
        return Row(
            seed=seed,
            placement=placement,
            verdict=result.verdict,
            broken=outcome.failed,
            reasons=tuple(result.reasons),
            fired=sum(bool(times) for times in placed),
            frames=tuple(_frames(history)),
            outcomes=tuple(record.outcome for record in history.records),
            logs=_logs(history),
            figures=dict(result.figures),
            following=tuple(placing.following(placement, history)) if goes_on else None,
        )


def _frames(history: History) -> Iterator[str]:
    """Yield one line for each frame while faults could strike."""
    striking = False
    for event in history.events:
        match event:
            case CallEnded():
                striking = True
            case Healed():
                return
            case FrameRead() | FrameWritten() if striking:
                where = f"{event.connection} {event.server} {event.api} {event.partition}"
                yield f"{type(event).__name__} {where}"


def _logs(history: History) -> dict[str, list[int]]:
    ids = {record.value or record.key: record.id for record in history.records}
    return {
        str(partition): [ids.get(bytes(record.value) or record.key, -1) for record in log]
        for partition, log in history.logs.items()
    }
