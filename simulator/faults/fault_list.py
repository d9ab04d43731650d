"""A list of faults as YAML writes it, and the names of its members.

In YAML a fault is a mapping with one key, its kind, ``drop: {at: response, nth: 1}``, and a kind
alone means its defaults. ``FaultList`` is the type of a field that holds such a list. The path of
an error in it is the path in the document, for example ``1, drop, probability``.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeAlias, get_args

from pydantic import BeforeValidator, Discriminator, Tag, WrapValidator

from simulator.documents.strict_model import (
    Conflict,
    Form,
    kind_of,
    one_known_kind,
    shown,
    with_conflicts,
)
from simulator.faults.model import (
    AnyFault,
    Delay,
    Disconnect,
    Drop,
    Duplicate,
    Error,
    Refuse,
    Stall,
)

KINDS: tuple[str, ...] = tuple(kind.kind for kind in get_args(AnyFault))
"""The words for faults, in the order of the documentation."""


def _one_known_kind(value: Any) -> Any:
    return one_known_kind(value, "fault", {kind.kind: kind for kind in get_args(AnyFault)})


OneFault: TypeAlias = Annotated[
    Annotated[Delay, Form("delay"), Tag("delay")]
    | Annotated[Drop, Form("drop"), Tag("drop")]
    | Annotated[Duplicate, Form("duplicate"), Tag("duplicate")]
    | Annotated[Disconnect, Form("disconnect"), Tag("disconnect")]
    | Annotated[Stall, Form("stall"), Tag("stall")]
    | Annotated[Error, Form("error"), Tag("error")]
    | Annotated[Refuse, Form("refuse"), Tag("refuse")],
    Discriminator(kind_of),
    BeforeValidator(_one_known_kind),
]
"""A field that holds one fault."""


def named(faults: Sequence[AnyFault]) -> list[AnyFault]:
    """The same faults, those without a name named by kind and position, for example ``drop-1``.

    Raises:
        ValueError: two have the same name.
    """
    result = [
        fault if fault.name else fault.model_copy(update={"name": f"{fault.kind}-{n}"})
        for n, fault in enumerate(faults, 1)
    ]
    for name, times in Counter(fault.name for fault in result).items():
        if times > 1:
            raise ValueError(f"{times} faults are named {name!r}; give each a name of its own")
    return result


def _written_names(value: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Path and name of each member of a list that nothing is known about."""
    for n, item in enumerate(value if isinstance(value, list | tuple) else ()):
        kind, fields = item, None
        if isinstance(item, Mapping) and len(item) == 1:
            kind, fields = next(iter(item.items()))
        elif isinstance(item, get_args(AnyFault)):
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
            text = f"the name {shown(name)} is that of fault {first[name]} in this list already"
            yield Conflict(path, f"{text}; write another name")
        first.setdefault(name, position + 1)


def _own_names(value: Any, handler: Callable[[Any], list[AnyFault]]) -> list[AnyFault]:
    return named(with_conflicts("faults", handler, value, _taken_names(_written_names(value))))


FaultList: TypeAlias = Annotated[list[OneFault], WrapValidator(_own_names)]
"""A field that holds faults, each with a name, no two with the same."""
