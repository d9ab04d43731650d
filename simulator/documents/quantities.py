"""Quantities as people write them: durations, sizes, probabilities, whole numbers.

The functions take a value of a YAML file or a command line and raise ValueError with a one-line
message that names the error and the accepted values. The types are for fields of models.
"""

import re
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

from simulator.documents.strict_model import shown
from wire.duration import (
    DURATION_PATTERN,
    NUMBER_CHARS_MAX,
    not_a_duration,
    parse_duration,
    seconds_text,
)

SIZE_UNITS_BYTES = {"": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
"""The units of sizes, in bytes."""

_DIGITS = rf"[0-9]{{1,{NUMBER_CHARS_MAX}}}"
_SIZE = re.compile(rf"({_DIGITS}) ?(KiB|MiB|GiB)?")

_END = rf"([-+]?{_DIGITS}(?:\.{_DIGITS})?)(?: ?([A-Za-z]{{1,8}}))?"
RANGE = re.compile(rf"({_END})\.\.({_END})")
"""Two quantities with two dots between them; the groups are each quantity, its number and its unit.
A name may hold dots, too, but never matches. The length of every part is bounded to avoid
catastrophic backtracking."""


def check_duration(value: object) -> float:
    """Parse a duration such as ``50ms`` or ``1.5s``; return seconds.

    Raises:
        ValueError: the value is not a duration, or is longer than a day.
    """
    if not isinstance(value, str):
        raise ValueError(not_a_duration(shown(value)))
    return parse_duration(value)


def parse_size(value: object) -> int:
    """Parse a number, optionally with the unit ``KiB`` or ``MiB``; return bytes.

    Raises:
        ValueError: the value is not a size.
    """
    plain = isinstance(value, int) and not isinstance(value, bool)
    match = _SIZE.fullmatch(str(value)) if plain or isinstance(value, str) else None
    if match is None:
        raise ValueError(
            f"{shown(value)} is not a size; write a number of bytes, or one with KiB, MiB or GiB,"
            " for example 64KiB"
        )
    return int(match[1]) * SIZE_UNITS_BYTES[match[2] or ""]


def check_probability(value: object) -> float:
    """Return a number in the closed interval from 0 to 1.

    Raises:
        ValueError: the value is not a number, or is outside the interval.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{shown(value)} is not a number; write a probability in 0..1")
    if not 0 <= value <= 1:  # also false for a NaN
        raise ValueError(f"{shown(value)} is outside 0..1")
    return float(value)


def parse_probability(text: str) -> float:
    """Parse a probability from the command line, for example ``0.1``.

    Raises:
        ValueError: the text is not a number, or the number is outside 0..1.
    """
    try:
        number = float(text)
    except ValueError:
        return check_probability(text)
    return check_probability(number)


def check_index(value: object) -> int:
    """Return a whole number of at least 0.

    Raises:
        ValueError: the value is not such a number.
    """
    return _whole(value, 0)


def check_count(value: object) -> int:
    """Return a whole number of at least 1.

    Raises:
        ValueError: the value is not such a number.
    """
    return _whole(value, 1)


def _whole(value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{shown(value)} is not a whole number of at least {least}")
    return value


def _window(value: object) -> object:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(
            f"{shown(value)} is not a window; write [start, end], for example [1s, 3s]"
        )
    return value


def _forward(window: tuple[float, float]) -> tuple[float, float]:
    if window[0] >= window[1]:
        raise ValueError("the window ends before it starts; write [start, end], start below end")
    return window


def _ordinals(value: object) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        return (check_count(value),)
    if not value:
        raise ValueError("an empty list never fires; write the ordinals, for example [1, 3]")
    return tuple(check_count(item) for item in value)


Duration = Annotated[
    float,
    PlainValidator(check_duration),
    PlainSerializer(seconds_text, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{DURATION_PATTERN}$", "examples": ["50ms"]}),
]
"""The type of a field in seconds, written as a number and a unit."""

Size = Annotated[
    int,
    PlainValidator(parse_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": f"^{_SIZE.pattern}$", "examples": ["64KiB"]},
            ]
        }
    ),
]
"""The type of a field in bytes, written as a number with an optional unit."""

Probability = Annotated[
    float,
    PlainValidator(check_probability),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1}),
]
"""The type of a field between 0 and 1."""

Index = Annotated[
    int, PlainValidator(check_index), WithJsonSchema({"type": "integer", "minimum": 0})
]
"""The type of an index, from 0."""

Count = Annotated[
    int, PlainValidator(check_count), WithJsonSchema({"type": "integer", "minimum": 1})
]
"""The type of a count, from 1."""

Window = Annotated[tuple[Duration, Duration], BeforeValidator(_window), AfterValidator(_forward)]
"""The type of a field that holds start and end in seconds, the start below the end."""

Ordinals = Annotated[
    tuple[int, ...],
    PlainValidator(_ordinals),
    PlainSerializer(list, return_type=list[int], when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1},
            ]
        }
    ),
]
"""The type of a field with one or more whole numbers from 1, written as a number or a list."""
