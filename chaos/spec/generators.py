"""Generators: the parts of a scenario that are drawn, and the substitution of values for them.

``1..200`` becomes a ``Range``, ``any: [x, y]`` an ``AnyOf``, ``some: [...]`` in a list of faults a
``SomeOf``. A generator takes the place of a value in the plain data of a file, and knows its path.
``Substitution`` replaces each generator by a value that its ``Choices`` select: the loader selects
ends and options to find mistakes (``variants.py``), a property draws (``property.py``).

A fault without a name is named by its position, and the draws of a fault depend on its name. If
leaving out some faults changed the names of the others, those would fire elsewhere, and a
counterexample could not be shrunk. So faults are named here, by their positions in the full list.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeAlias

from simulator.documents.diagnostic import PathInFile
from simulator.documents.quantities import RANGE, SIZE_UNITS_BYTES
from simulator.documents.reader import resolved
from simulator.documents.strict_model import hint, shown
from simulator.faults.model import FAULTS
from wire.duration import UNITS_S, UNITS_US, duration_text

DECIMALS = 3
"""Fractions are drawn as thousandths; finer steps make no visible difference in a run."""

DECIMALS_MAX = 9
"""Finer ends have more decimals, up to nine, which a float still represents well enough to be read
back unchanged."""

RangeKind: TypeAlias = Literal["number", "duration", "size"]


@dataclass(slots=True)
class Range:
    """Any value between two ends, both included."""

    path: PathInFile
    written: str
    ends: tuple[Any, Any]
    """The ends as they were written."""
    kind: RangeKind
    low: Decimal
    """In plain numbers, milliseconds or bytes."""
    high: Decimal
    decimals: int
    """The decimals of the finer end; a duration with decimals is drawn in microseconds."""
    fractions: bool = False
    """Whether fractions are drawn. Between whole ends this depends on the field; the loader finds
    out."""
    above: Mapping[PathInFile, int] = field(default_factory=dict)
    """The options that contain this generator, by the paths of their lists."""

    @property
    def steps(self) -> tuple[int, int]:
        """The range as whole numbers, of which one is drawn."""
        return int(self.low * self._scale), int(self.high * self._scale)

    @property
    def counts(self) -> bool:
        """Whether the range is a count or a size: a number without fractions, or a size."""
        return self.kind != "duration" and not self.fractions

    def value(self, step: int) -> Any:
        """Return the value of a step in the form that the field takes."""
        match self.kind:
            case "duration":
                return duration_text(step * 1_000 // self._scale)
            case "size":
                return size_text(step)
        if step % self._scale:
            return step / self._scale
        return step // self._scale

    @property
    def _scale(self) -> int:
        match self.kind:
            case "duration":
                return 1_000 if self.decimals else 1
            case "size":
                return 1
        return 10 ** max(DECIMALS, self.decimals) if self.fractions else 1


@dataclass(slots=True)
class AnyOf:
    """One of several values."""

    path: PathInFile
    options: list[Any]
    above: Mapping[PathInFile, int]

    def option_path(self, index: int) -> PathInFile:
        """Return the path of an option in the file."""
        return (*self.path, "any", index)


@dataclass(slots=True)
class SomeOf:
    """Any subset of several faults."""

    path: PathInFile
    members: list[Any]

    def items(self) -> Iterator[tuple[PathInFile, Any]]:
        """Yield the members with their paths in the file."""
        for n, member in enumerate(self.members):
            yield (*self.path, "some", n), member


@dataclass(slots=True)
class Faults:
    """A list of faults, of which some may be left out."""

    items: list[tuple[PathInFile, Any]]
    """Each fault with its path in the file."""


def size_text(size: int) -> int | str:
    """Return a size in its largest whole unit."""
    for unit in ("MiB", "KiB"):
        if size and size % SIZE_UNITS_BYTES[unit] == 0:
            return f"{size // SIZE_UNITS_BYTES[unit]}{unit}"
    return size


def read_range(text: str, path: PathInFile, above: Mapping[PathInFile, int]) -> Range | None:
    """Return the range that a text stands for; None if the text is not a range.

    Raises:
        ValueError: the text is an invalid range.
    """
    match = RANGE.fullmatch(text)
    if match is None:
        return None
    first, first_number, first_unit, last, last_number, last_unit = match.groups()
    kinds = {_kind(unit) for unit in (first_unit, last_unit)}
    numbers = [Decimal(first_number), Decimal(last_number)]
    if kinds == {"number", "size"} and all(number == int(number) for number in numbers):
        kinds = {"size"}
    if len(kinds) > 1:
        raise ValueError(
            f"the ends of {text} are of two kinds; write both with a unit, for example 0ms..2s"
        )
    kind = kinds.pop()
    for n, unit in enumerate((first_unit, last_unit)):
        if kind == "duration":
            numbers[n] *= Decimal(UNITS_US[unit]) / 1_000
        elif kind == "size":
            numbers[n] *= SIZE_UNITS_BYTES[unit or ""]
    low, high = numbers
    if low > high:
        raise ValueError(f"{text} ends below its start; write the smaller end first")
    decimals = max(_decimals(number) for number in numbers)
    if kind == "duration" and decimals > DECIMALS:
        raise ValueError(f"{text} is finer than a microsecond; write whole ones")
    if decimals > DECIMALS_MAX:
        raise ValueError(f"{text} has more than {DECIMALS_MAX} decimals, the most")
    ends = resolved(first), resolved(last)
    fractions = kind == "number" and any(isinstance(end, float) for end in ends)
    return Range(path, text, ends, kind, low, high, decimals, fractions, above)


def _kind(unit: str | None) -> RangeKind:
    if unit is None:
        return "number"
    if unit in UNITS_S:
        return "duration"
    if unit in SIZE_UNITS_BYTES:
        return "size"
    known = [*UNITS_S, *filter(None, SIZE_UNITS_BYTES)]
    raise ValueError(f"unknown unit {shown(unit)}{hint(unit, known)}")


def _decimals(number: Decimal) -> int:
    """Return the number of decimals without trailing zeros."""
    exponent = number.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


# --- substitution


class Choices(Protocol):
    """Selects the value of each generator."""

    def value_in(self, generator: Range) -> Any:
        """Return a value of a range."""

    def option_of(self, generator: AnyOf) -> int:
        """Return the index of an option."""

    def members_of(self, generator: SomeOf) -> Iterable[bool]:
        """Return for each member whether it is included."""


_PLAIN = frozenset({str, int, float, bool, type(None)})
"""The types of most nodes, which hold no generator."""


class Substitution:
    """Replaces the generators in plain data by values."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self.origins: dict[PathInFile, PathInFile] = {}
        """For each path in the new data, its path in the file."""

    def value(self, node: Any, path: PathInFile = (), here: PathInFile = ()) -> Any:
        """Return the plain data for a node.

        Args:
            node: a part of the data of a file.
            path: its path in the file.
            here: the path of its value in the new data.
        """
        self.origins[here] = path
        if node.__class__ in _PLAIN:
            return node
        match node:
            case dict():
                return {
                    key: self.value(item, (*path, key), (*here, key)) for key, item in node.items()
                }
            case list():
                return [self.value(item, (*path, n), (*here, n)) for n, item in enumerate(node)]
            case Range():
                return self._choices.value_in(node)
            case AnyOf():
                index = self._choices.option_of(node)
                return self.value(node.options[index], node.option_path(index), here)
            case Faults():
                return list(self._members(node, here))
        return node

    def _members(self, faults: Faults, here: PathInFile) -> Iterator[Any]:
        taken = self._taken(faults.items, 1)
        for n, (path, item, position) in enumerate(taken):
            yield _with_name(self.value(item, path, (*here, n)), position)

    def _taken(
        self, items: Iterable[tuple[PathInFile, Any]], position: int
    ) -> Iterator[tuple[PathInFile, Any, int]]:
        """Yield the included faults, with their paths in the file and their positions in the full
        list."""
        for path, item in items:
            match item:
                case SomeOf():
                    there = self._choices.members_of(item)
                    for member, taken in zip(item.items(), there, strict=True):
                        if taken:
                            yield from self._taken([member], position)
                        position += _width(member[1])
                    continue
                case AnyOf():
                    index = self._choices.option_of(item)
                    option = (item.option_path(index), item.options[index])
                    yield from self._taken([option], position)
                case _:
                    yield path, item, position
            position += _width(item)


def _width(item: Any) -> int:
    """Return the largest number of positions that an item of a list of faults takes."""
    match item:
        case SomeOf():
            return sum(_width(member) for member in item.members)
        case AnyOf():
            return max(_width(option) for option in item.options)
    return 1


def named_faults(faults: Iterable[Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield name, kind and fields of each fault in a list without generators.

    Args:
        faults: plain data, as in a scenario file.
    """
    for position, fault in enumerate(faults, 1):
        kind, fields = (fault, {}) if isinstance(fault, str) else next(iter(fault.items()))
        yield fields.get("name") or f"{kind}-{position}", kind, fields


def possible_faults(node: Any, position: int = 1) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield name, kind and fields of each fault that an example may have.

    Args:
        node: the list of faults of a file, with its generators, or a part of it.
        position: its position in the full list, from 1.
    """
    match node:
        case str():
            yield f"{node}-{position}", node, {}
            return
        case Mapping():
            ((kind, fields),) = node.items()
            yield (fields or {}).get("name") or f"{kind}-{position}", kind, fields or {}
            return
        case AnyOf():
            for option in node.options:
                yield from possible_faults(option, position)
            return
        case Faults():
            members = [item for _, item in node.items]
        case SomeOf():
            members = node.members
        case _:
            members = list(node)
    for member in members:
        yield from possible_faults(member, position)
        position += _width(member)


class LowEnds:
    """Selects low ends, first options and all members."""

    def value_in(self, generator: Range) -> Any:
        """Return the low end."""
        return generator.value(generator.steps[0])

    def option_of(self, generator: AnyOf) -> int:
        """Return the first option."""
        return 0

    def members_of(self, generator: SomeOf) -> Iterable[bool]:
        """Include all members."""
        return (True for _ in generator.members)


def _with_name(fault: Any, position: int) -> Any:
    """Return a fault in its YAML form, named by its position unless it has a name."""
    kind: Any = fault
    fields: Any = {}
    if isinstance(fault, Mapping) and len(fault) == 1:
        kind, fields = next(iter(fault.items()))
    if kind not in FAULTS or not isinstance(fields, Mapping) or fields.get("name") is not None:
        return fault
    return {kind: {"name": f"{kind}-{position}", **_without(fields, "name")}}


def _without(fields: Mapping[str, Any], left_out: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != left_out}
