"""From a scenario that fails to the smallest one that fails in the same way.

A failing example is full of accidents: faults that struck by a draw, records and options that do
not matter. The naive way shrinks the draws it was made of, and gets stuck: one record less, and
other frames are struck. So the example is first rewritten without draws (``as_fired``): each fault
that struck becomes one that strikes exactly this exchange. That form is run again, and what is left
is a tree of lists, numbers and durations in which every part can be left out or made smaller on its
own.

The search is greedy. It tries to leave out members of lists, half of them at once first, faults
before steps; then keys, for their defaults; then smaller numbers and shorter times. Whatever fails
in the same way is the new example, until nothing smaller does.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from chaos.history import History
from simulator.journal import Entry

RUNS_MAX = 2_000
"""How many candidates are run at most: some seconds in the virtual world, and a find that is not
quite the smallest is still a find."""

TRIGGERS = ("probability", "nth", "every", "between", "limit")
"""What decides when a fault strikes, replaced by the exchange that it struck."""

KEPT = {"name", "nth", "every", "probability", "at", "to", "workload", "delivery_semantic"}
"""Keys that are never left out: without its trigger a fault strikes more often, not less."""

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(us|ms|s|m)")
_US = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000}
_DELAYED = re.compile(r"delay ([0-9.]+)ms")

Data = dict[str, Any]


def as_fired(data: Data, history: History) -> Data:
    """The same scenario with every fault that struck in the form that strikes just there.

    Faults that did not strike are left out; ``refuse``, which has no trigger, stays.
    """
    verdicts = [
        event for event in history.events if isinstance(event, Entry) and event.kind == "verdict"
    ]
    faults: list[Any] = []
    for position, fault in enumerate(data.get("faults", ()), 1):
        kind, fields = _parts(fault)
        name = fields.get("name") or f"{kind}-{position}"
        if kind == "refuse":
            faults.append(fault)
            continue
        struck = [e for e in verdicts if e.fault == name and "shadowed" not in (e.detail or "")]
        for n, entry in enumerate(struck, 1):
            unique = name if len(struck) == 1 else f"{name}-{n}"
            faults.append({kind: _exactly(unique, fields, entry)})
    return {**data, "faults": faults}


def _exactly(name: str, fields: Mapping[str, Any], entry: Entry) -> Data:
    """The fields of a fault that strikes one exchange."""
    match = dict(fields.get("match", {}))
    if (
        entry.topic is not None
        and entry.api in ("produce", "fetch")
        and entry.partition is not None
    ):
        match["partition"] = entry.partition
    else:
        match["connection"] = entry.connection
    if entry.api != "produce":
        match["api"] = entry.api
    kept = {key: value for key, value in fields.items() if key not in TRIGGERS}
    exact = {**kept, "name": name, "at": entry.direction, "nth": entry.ordinal, "match": match}
    if entry.direction == "request":
        exact.pop("after_bytes", None)
    delayed = _DELAYED.match(entry.detail or "")
    if delayed:
        exact["by"] = f"{round(float(delayed[1]) * 1000)}us"
    return exact


def _parts(fault: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(fault, str):
        return fault, {}
    kind, fields = next(iter(fault.items()))
    return str(kind), fields


def reduced(data: Data, fails: Callable[[Data], bool], runs_max: int = RUNS_MAX) -> Data:
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
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        us = round(float(match[1]) * _US[match[2]])
        for fewer in _below(us):
            yield _duration(_rounded(fewer))


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


def _duration(us: int) -> str:
    for unit in ("s", "ms"):
        if us and us % _US[unit] == 0:
            return f"{us // _US[unit]}{unit}"
    return f"{us}us" if us else "0ms"


_PASSES: Sequence[Callable[[Data], Iterator[Data]]] = (
    _shorter_lists,
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
