"""From a scenario that fails to the smallest one that fails in the same way.

A failing example is full of accidents: faults that struck by a draw, records and options that do
not matter. The naive way shrinks the draws it was made of, and gets stuck: one record less, and
other frames are struck. So the example is first rewritten without draws (``as_fired``): each fault
that struck becomes one that strikes exactly this exchange. That form is run again, and what is left
is a tree of lists, numbers and durations in which every part can be left out or made smaller on its
own.

The search is greedy. It tries to leave out members of lists, half of them at once first, faults
before steps; then one of them together with the exchange that it made, so that the ordinals of
later ones are lower by one; then keys, for their defaults; then smaller numbers and shorter times.
Whatever fails in the same way is the new example, until nothing smaller does.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from chaos.history import History
from chaos.search.injection_points import Data as Data
from chaos.search.injection_points import InjectionPoints
from chaos.spec.generators import named_faults
from simulator.events import FaultHit
from simulator.faults.model import Placed
from wire.duration import UNITS_US, duration_text, parse_duration

RUNS_MAX = 2_000
"""How many candidates are run at most: some seconds in the virtual world, and a find that is not
quite the smallest is still a find."""

KEPT = {"name", "nth", "every", "probability", "at", "to", "workload", "delivery_semantic"}
"""Keys that are never left out: without its trigger a fault strikes more often, not less."""


def as_fired(data: Data, history: History) -> Data:
    """The same scenario with every fault that struck in the form that strikes just there.

    Faults that did not strike are left out; ``refuse``, which has no trigger, stays.
    """
    moments = InjectionPoints(history)
    struck: dict[str, list[FaultHit]] = {}
    for event in history.events:
        if isinstance(event, FaultHit) and not event.shadowed:
            struck.setdefault(event.fault, []).append(event)
    faults: list[Any] = []
    written = named_faults(data.get("faults", ()))
    for (name, kind, fields), fault in zip(written, history.scenario.faults, strict=True):
        if not isinstance(fault, Placed):
            faults.append({kind: {**fields, "name": name}})
            continue
        hits = struck.get(name, [])
        for n, hit in enumerate(hits, 1):
            moment = moments.at(fault, hit.transmission, hit.at)
            if moment is None:
                continue  # what cannot be read again cannot be placed
            exact = moments.exactly(fault, fields, moment, hit.delay_s)
            unique = name if len(hits) == 1 else f"{name}-{n}"
            faults.append({kind: {**exact, "name": unique}})
    return {**data, "faults": faults}


def shrink(data: Data, fails: Callable[[Data], bool], runs_max: int = RUNS_MAX) -> Data:
    """The smallest scenario that can be reached from one that fails.

    Args:
        data: a concrete scenario that fails, as plain data.
        fails: whether a scenario fails in the same way; false for what is no scenario.
        runs_max: how many different candidates are asked about.
    """
    asked: set[str] = {_text(data)}
    progress = True
    while progress:
        progress = False
        for candidates in _PASSES:
            steps = iter(candidates(data))
            while (candidate := next(steps, None)) is not None:
                text = _text(candidate)
                if text in asked:
                    continue
                if len(asked) > runs_max:
                    return data
                asked.add(text)
                if fails(candidate):
                    data, progress = candidate, True
                    steps = iter(candidates(data))
    return data


def _text(data: Data) -> str:
    return json.dumps(data, sort_keys=True, default=str)


# --- the passes: smaller scenarios next to one, the boldest first


def _shorter_lists(data: Data) -> Iterator[Data]:
    """Leave out members of lists."""
    for path, value in _nodes(data):
        if isinstance(value, list) and (len(path) == 1 or path[-1] == "nth"):
            size = len(value)
            while size:
                for start in range(0, len(value), size):
                    yield _with(data, path, value[:start] + value[start + size :])
                size //= 2


def _shorter_and_earlier(data: Data) -> Iterator[Data]:
    """Leave out one fault or step, and the exchange that it made: later ones come one earlier."""
    for key in ("faults", "workload"):
        for left_out, member in enumerate(data.get(key, ())):
            after = _ordinal(member) if key == "faults" else 1
            if after is None:
                continue
            rest = _with(data, (key,), data[key][:left_out] + data[key][left_out + 1 :])
            for n, fault in enumerate(rest.get("faults", ())):
                ordinal = _ordinal(fault)
                if ordinal is not None and ordinal > after:
                    ((kind, fields),) = fault.items()
                    rest["faults"][n] = {kind: {**fields, "nth": ordinal - 1}}
            yield rest


def _ordinal(fault: Any) -> int | None:
    """Which exchange a fault strikes, if it is one."""
    fields = next(iter(fault.values())) if isinstance(fault, Mapping) else {}
    nth = fields.get("nth")
    return nth if isinstance(nth, int) else None


def _fewer_keys(data: Data) -> Iterator[Data]:
    """Leave out keys, so that their defaults hold."""
    for path, value in _nodes(data):
        if isinstance(value, Mapping):
            for key in value:
                if key not in KEPT and not (len(path) > 1 and len(value) == 1):
                    yield _with(data, path, {k: v for k, v in value.items() if k != key})


def _smaller_numbers(data: Data) -> Iterator[Data]:
    """Smaller numbers, shorter times, false for true."""
    for path, value in _nodes(data):
        for smaller in _smaller(value):
            yield _with(data, path, smaller)


def _smaller(value: Any) -> Iterator[Any]:
    if value is True:
        yield False
    elif isinstance(value, int):
        yield from _below(value)
    elif isinstance(value, str):
        try:
            seconds = parse_duration(value)
        except ValueError:
            return
        for fewer in _below(round(seconds * UNITS_US["s"])):
            yield duration_text(_rounded(fewer))


def _below(number: int) -> Iterator[int]:
    """Numbers below one: none, one, then nearer and nearer to it."""
    gap = number
    tried = None
    while gap:
        if number - gap != tried:
            yield (tried := number - gap)
        gap //= 2


def _rounded(us: int) -> int:
    """A time with two leading digits, which is shorter to read."""
    scale: int = 10 ** max(0, len(str(us)) - 2)
    return us // scale * scale


_PASSES: Sequence[Callable[[Data], Iterator[Data]]] = (
    _shorter_lists,
    _shorter_and_earlier,
    _fewer_keys,
    _smaller_numbers,
)


# --- trees


def _nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every part of a tree with its path, the larger ones first; faults before the rest."""
    yield path, value
    if isinstance(value, Mapping):
        for key in sorted(value, key=lambda key: (key != "faults", key != "workload")):
            yield from _nodes(value[key], (*path, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _nodes(item, (*path, position))


def _with(data: Data, path: tuple[Any, ...], value: Any) -> Data:
    """A copy of a tree with another value at a path."""
    if not path:
        return dict(value)
    copy = deepcopy(data)
    at: Any = copy
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    return copy
