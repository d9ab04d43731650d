"""Shrinking: reduce a failing scenario to the smallest one that fails in the same way.

A failing example contains much that does not matter: faults that struck by chance, records,
options. Shrinking the random draws behind the example gets stuck: with one record less, the faults
strike other frames. The example is therefore first rewritten without draws (``as_fired``): each
fault that fired becomes a fault that is pinned to the same exchange. The rewritten scenario is a
tree of lists, numbers and durations in which every part can be left out or made smaller on its own.

The search is greedy. It leaves out members of lists, large parts first, faults before steps; then
one fault or step together with the exchange that it caused, so that the ordinals of later faults
drop by one; then keys, so that their defaults apply; then it tries smaller numbers and shorter
times. A candidate that fails in the same way becomes the new example, until no smaller one does.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from chaos.history import History
from chaos.search.injection_points import Data, InjectionPoints
from chaos.spec.generators import named_faults
from chaos.spec.workload import written_steps
from simulator.events import FaultHit
from simulator.faults.model import Placed
from wire.duration import UNITS_US, duration_text, parse_duration

RUNS_MAX = 2_000
"""The most candidates that are run: some seconds in the virtual world. A counterexample that is not
quite the smallest is still useful."""

KEPT = {"name", "nth", "every", "probability", "at", "to", "workload", "delivery_semantic"}
"""Keys that are never left out; for example, a fault without its trigger strikes more often."""

_DISTURBANCES = (
    "move_leader",
    "fail_leader",
    "stop_spu",
    "start_spu",
    "create_topic",
    "delete_topic",
    "add_partitions",
    "change_address",
    "cut",
)
"""Steps that count as faults, since they disturb a run as much as a lost answer does."""


def as_fired(data: Data, history: History) -> Data:
    """Return the scenario with every fault that fired pinned to the exchanges that it struck.

    Faults that did not fire are left out; ``refuse``, which has no trigger, stays.

    Args:
        data: the scenario as plain data.
        history: a run of that scenario.
    """
    points = InjectionPoints(history)
    fired: dict[str, list[FaultHit]] = {}
    for event in history.events:
        if isinstance(event, FaultHit) and not event.shadowed:
            fired.setdefault(event.fault, []).append(event)
    faults: list[Any] = []
    written = named_faults(data.get("faults", ()))
    for (name, kind, fields), fault in zip(written, history.scenario.faults, strict=True):
        if not isinstance(fault, Placed):
            faults.append({kind: {**fields, "name": name}})
            continue
        hits = fired.get(name, [])
        for n, hit in enumerate(hits, 1):
            point = points.at(fault, hit.transmission, hit.at)
            if point is None:
                continue  # the events of the run do not show this exchange
            pinned = points.pinned(fault, fields, point, hit.delay_s)
            unique = name if len(hits) == 1 else f"{name}-{n}"
            faults.append({kind: {**pinned, "name": unique}})
    return {**data, "faults": faults}


def shrink(data: Data, fails: Callable[[Data], bool], runs_max: int = RUNS_MAX) -> Data:
    """Return the smallest failing scenario that the search reaches from a failing one.

    Args:
        data: a concrete scenario that fails, as plain data.
        fails: returns whether a candidate fails in the same way; False for an invalid scenario.
        runs_max: the most different candidates that ``fails`` is called with.
    """
    tried: set[str] = {_text(data)}
    progress = True
    while progress:
        progress = False
        for candidates in _PASSES:
            steps = iter(candidates(data))
            while (candidate := next(steps, None)) is not None:
                text = _text(candidate)
                if text in tried:
                    continue
                if len(tried) > runs_max:
                    return data
                tried.add(text)
                if fails(candidate):
                    data, progress = candidate, True
                    steps = iter(candidates(data))
    return data


def size_of(data: Data) -> tuple[int, int]:
    """Return the number of records that a scenario sends, and the number of its disturbances.

    Faults and the steps in ``_DISTURBANCES`` are disturbances; a fault with several ordinals in
    ``nth`` counts once for each.
    """
    faults = records = 0
    for fault in data.get("faults", ()):
        fields = next(iter(fault.values())) if isinstance(fault, dict) else {}
        nth = fields.get("nth", 1)
        faults += len(nth) if isinstance(nth, list | tuple) else 1
    for step in written_steps(data["workload"]):
        records += step.sends
        faults += step.kind in _DISTURBANCES
    return records, faults


def _text(data: Data) -> str:
    return json.dumps(data, sort_keys=True, default=str)


# --- the passes: each yields smaller candidates of a scenario, the largest steps first


def _shorter_lists(data: Data) -> Iterator[Data]:
    """Leave out members of lists."""
    for path, value in _nodes(data):
        if isinstance(value, list) and (
            path[-1] == "nth" or path[0] == "workload" or len(path) == 1
        ):
            size = len(value)
            while size:
                for start in range(0, len(value), size):
                    yield _with(data, path, value[:start] + value[start + size :])
                size //= 2


def _shorter_and_earlier(data: Data) -> Iterator[Data]:
    """Leave out one fault or step and the exchange that it caused: later ordinals drop by one."""
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
    """Return the ordinal of a fault that is pinned to a single exchange; None for others."""
    fields = next(iter(fault.values())) if isinstance(fault, Mapping) else {}
    nth = fields.get("nth")
    return nth if isinstance(nth, int) else None


def _fewer_keys(data: Data) -> Iterator[Data]:
    """Leave out keys, so that their defaults apply."""
    for path, value in _nodes(data):
        if isinstance(value, Mapping):
            for key in value:
                if key not in KEPT and not (len(path) > 1 and len(value) == 1):
                    yield _with(data, path, {k: v for k, v in value.items() if k != key})


def _smaller_numbers(data: Data) -> Iterator[Data]:
    """Try smaller numbers, shorter times, and false for true."""
    for path, value in _nodes(data):
        if path[:1] == ("always",):
            continue  # what is demanded stays as it is
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
    """Yield smaller numbers: 0 first, then closer and closer to the number."""
    gap = number
    tried = None
    while gap:
        if number - gap != tried:
            yield (tried := number - gap)
        gap //= 2


def _rounded(us: int) -> int:
    """Return a time rounded down to two leading digits, which is easier to read."""
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
    """Yield every node of a tree with its path: parents first, faults before the rest."""
    yield path, value
    if isinstance(value, Mapping):
        for key in sorted(value, key=lambda key: (key != "faults", key != "workload")):
            yield from _nodes(value[key], (*path, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _nodes(item, (*path, position))


def _with(data: Data, path: tuple[Any, ...], value: Any) -> Data:
    """Return a copy of a tree with another value at a path."""
    if not path:
        return dict(value)
    copy = deepcopy(data)
    at: Any = copy
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    return copy
