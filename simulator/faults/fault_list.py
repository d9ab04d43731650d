"""A list of faults as YAML writes it, and the names of its members.

In YAML a fault is a mapping whose single key is its kind, ``drop: {at: response, nth: 1}``; a bare
kind stands for its defaults. ``FaultList`` is the type of a field that holds such a list. The path
of an error is the path in the document, for example ``1, drop, probability``.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeAlias

from pydantic import WrapValidator

import simulator.faults.kinds  # noqa: F401  registers every kind
from simulator.documents.one_of import OneOf
from simulator.documents.strict_model import Conflict, shown, with_conflicts
from simulator.faults.model import FAULTS, Fault

OneFault: TypeAlias = Annotated[Fault, OneOf("fault", FAULTS)]
"""The type of a field that holds one fault."""


def written(fault: Fault) -> dict[str, Any]:
    """Return a fault in its YAML form, without fields that equal their defaults."""
    return {fault.kind: fault.to_data()}


def with_names(faults: Sequence[Fault], before: int = 0) -> list[Fault]:
    """Return the faults; name each unnamed one by kind and position, for example ``drop-1``.

    Args:
        faults: the faults.
        before: the number of faults before the first one.

    Raises:
        ValueError: two faults have the same name.
    """
    result = [
        fault if fault.name else fault.model_copy(update={"name": f"{fault.kind}-{n}"})
        for n, fault in enumerate(faults, before + 1)
    ]
    if len({fault.name for fault in result}) < len(result):
        [(name, times)] = Counter(fault.name for fault in result).most_common(1)
        raise ValueError(f"{times} faults are named {name!r}; give each a unique name")
    return result


def _written_names(value: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield path and name of each member of a list that is not validated yet."""
    for n, item in enumerate(value if isinstance(value, list | tuple) else ()):
        kind, fields = item, None
        if isinstance(item, Mapping) and len(item) == 1:
            kind, fields = next(iter(item.items()))
        elif isinstance(item, Fault):
            kind, fields = item.kind, {"name": item.name}
        if isinstance(kind, str):
            name = fields.get("name") if isinstance(fields, Mapping) else None
            if name and isinstance(name, str):
                yield (n, kind, "name"), name
            elif not name:
                yield (n,), f"{kind}-{n + 1}"


def _taken_names(names: Iterable[tuple[tuple[str | int, ...], str]]) -> Iterator[Conflict]:
    first: dict[str, int] = {}
    for path, name in names:
        position = int(path[0])
        if name in first:
            text = f"the name {shown(name)} is taken by fault {first[name]} of this list"
            yield Conflict(path, f"{text}; write another name")
        first.setdefault(name, position + 1)


def _own_names(value: Any, handler: Callable[[Any], list[Fault]]) -> list[Fault]:
    return with_names(with_conflicts("faults", handler, value, _taken_names(_written_names(value))))


FaultList: TypeAlias = Annotated[list[OneFault], WrapValidator(_own_names)]
"""The type of a field that holds faults, each with a unique name."""
