"""Converts a declared class to a tree of kinds.

Each field has one *kind*: a small description of its encoding, independent of Python's typing. The
encoder, the decoder, the reference docs and the strategies and the interpreter of the tests read
this tree alone.
"""

import types
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum
from functools import cache
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin, get_type_hints

from wire.codec.types import Blob, Fixed, VarintBlob

STRING_BYTES_MAX = 32767
"""The longest string: its length is written as u16 and read as i16 (``core/decoder.rs``)."""

MAP_ENTRIES_MAX = 65535
"""The largest map: its count is a u16 (``core/encoder.rs``)."""


ITEMS_MAX = 200_000
"""The maximum number of items in all lists and maps of one message. A frame of 64 MiB could
announce millions of tiny items and keep its reader busy for a minute. The largest legitimate
message, a response to a watch of 10,000 partitions, has a third of this number."""


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer of the ``struct`` format ``format``."""

    format: str


@dataclass(frozen=True, slots=True)
class Boolean:
    """One byte, 0 or 1; any other value is an error."""


@dataclass(frozen=True, slots=True)
class String:
    """UTF-8 with an i16 length; a length below 1 reads as empty."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes with an i32 length; ``view`` decodes without a copy and refuses a negative length;
    ``reads`` says how much of them a reader takes."""

    view: bool
    reads: Callable[[bytes, int, int], tuple[int, int]] | None


@dataclass(frozen=True, slots=True)
class VarintBytes:
    """Bytes with a zig-zag varint length."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """An i32 count and that many items; a count below 1 reads as empty."""

    item: "Kind"


@dataclass(frozen=True, slots=True)
class Option:
    """One byte: 0 for none, or 1 followed by the item."""

    item: "Kind"


@dataclass(frozen=True, slots=True)
class Mapping:
    """A u16 count, then that many pairs of key and value, written in ascending order of keys."""

    key: "Kind"
    value: "Kind"


@dataclass(frozen=True, slots=True)
class Struct:
    """The fields of a message, in order."""

    cls: type


@dataclass(frozen=True, slots=True)
class Tag:
    """An enumeration without fields: its number, in the ``struct`` format ``format``."""

    cls: type[IntEnum]
    format: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A tag, then the fields of the variant with that tag.

    ``units`` is the enumeration of the variants without fields, or None.
    """

    format: str
    variants: tuple[tuple[int, type], ...]
    units: type[IntEnum] | None


Kind: TypeAlias = (
    Integer
    | Boolean
    | String
    | Bytes
    | VarintBytes
    | Sequence
    | Option
    | Mapping
    | Struct
    | Tag
    | Choice
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message, on the wire only in the versions from ``since`` to ``until``."""

    name: str
    kind: Kind
    since: int | None
    until: int | None
    default: Any
    """The value in a version without the field, unless ``default_factory`` creates it."""
    default_factory: Any

    def present(self, version: int) -> bool:
        """Return whether a message of this API version has the field."""
        return (self.since is None or version >= self.since) and (
            self.until is None or version <= self.until
        )


@cache
def fields_of(cls: type) -> tuple[Field, ...]:
    """Return the fields of a declared message, in wire order."""
    assert is_dataclass(cls), f"{cls.__name__} is not declared with @message"
    hints = get_type_hints(cls, include_extras=True)
    return tuple(
        Field(
            field.name,
            _kind(hints[field.name]),
            field.metadata.get("since"),
            field.metadata.get("until"),
            field.default,
            field.default_factory,
        )
        for field in fields(cls)
    )


def tag_of(cls: type) -> int:
    """Return the number of this message as a variant of a union."""
    tag: int = cls.__dict__["__tag__"]
    return tag


def _kind(hint: Any) -> Kind:
    marks: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        marks = tuple(rest)
    for mark in marks:
        if isinstance(mark, Blob):
            return Bytes(mark.view, mark.reads)
        if isinstance(mark, VarintBlob):
            return VarintBytes()
    width = next((mark.format for mark in marks if isinstance(mark, Fixed)), None)
    if hint is int:
        assert width, "an integer needs a width: u8 to u64 or i8 to i64"
        return Integer(width)
    if hint is bool:
        return Boolean()
    if hint is str:
        return String()
    if get_origin(hint) in (Union, types.UnionType):
        return _union(get_args(hint), width or "B")
    if width and is_dataclass(hint):
        return _union((hint,), width)
    return _generic(hint, width or "B")


def _generic(hint: Any, width: str) -> Kind:
    arguments = get_args(hint)
    if get_origin(hint) is list:
        return Sequence(_kind(arguments[0]))
    if get_origin(hint) is dict:
        return Mapping(_kind(arguments[0]), _kind(arguments[1]))
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return Tag(hint, width)
    assert is_dataclass(hint), f"{hint!r} has no encoding"
    assert isinstance(hint, type)
    return Struct(hint)


def _union(members: tuple[Any, ...], width: str) -> Kind:
    if type(None) in members:
        rest = tuple(member for member in members if member is not type(None))
        return Option(_kind(rest[0]) if len(rest) == 1 else _union(rest, width))
    units = [m for m in members if isinstance(m, type) and issubclass(m, IntEnum)]
    variants = sorted((tag_of(m), m) for m in members if m not in units)
    assert len(units) <= 1, "a union has one enumeration of variants without fields"
    taken = [tag for tag, _ in variants] + [int(unit) for cls in units for unit in cls]
    assert len(taken) == len(set(taken)), "two variants share a tag"
    return Choice(width, tuple(variants), units[0] if units else None)


@cache
def thresholds(cls: type) -> tuple[int, ...]:
    """Return the API versions at which the encoding of a message changes, in ascending order."""
    found: set[int] = set()
    for field in fields_of(cls):
        if field.since is not None:
            found.add(field.since)
        if field.until is not None:
            found.add(field.until + 1)
        for inner in messages_in(field.kind):
            found.update(thresholds(inner))
    return tuple(sorted(found))


def messages_in(kind: Kind) -> tuple[type, ...]:
    """Return the messages that a kind contains directly."""
    match kind:
        case Struct(cls):
            return (cls,)
        case Sequence(item) | Option(item):
            return messages_in(item)
        case Mapping(key, value):
            return messages_in(key) + messages_in(value)
        case Choice(_, variants, _):
            return tuple(cls for _, cls in variants)
        case _:
            return ()
