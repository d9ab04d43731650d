"""Quantities as people write them: durations, sizes, probabilities, whole numbers.

The functions take what a YAML file or a command line holds and raise ValueError with one line that
says what was wrong and what is accepted. The types beside them are for fields of models.
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
"""Two quantities with two dots between them: each as written, its number and its unit. Names may
hold dots, too, but no such thing. Every part is bounded: digits and dots without end would be taken
apart in ever new ways."""


def check_duration(value: object) -> float:
    """Seconds from a text such as ``50ms`` or ``1.5s``.

    Raises:
        ValueError: it is not a duration, or one above a day.
    """
    if not isinstance(value, str):
        raise ValueError(not_a_duration(shown(value)))
    return parse_duration(value)


def parse_size(value: object) -> int:
    """Bytes from a number, or from a number with ``KiB`` or ``MiB``.

    Raises:
        ValueError: it is not a size.
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
    """A number between 0 and 1, both included.

    Raises:
        ValueError: it is no number, or outside.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{shown(value)} is not a number; write a probability in 0..1")
    if not 0 <= value <= 1:  # also false for a NaN
        raise ValueError(f"{shown(value)} is outside 0..1")
    return float(value)


def parse_probability(text: str) -> float:
    """A probability from the command line, for example ``0.1``.

    Raises:
        ValueError: it is no number, or outside 0..1.
    """
    try:
        number = float(text)
    except ValueError:
        return check_probability(text)
    return check_probability(number)


def check_index(value: object) -> int:
    """A whole number from 0.

    Raises:
        ValueError: it is something else.
    """
    return _whole(value, 0)


def check_count(value: object) -> int:
    """A whole number from 1.

    Raises:
        ValueError: it is something else.
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
"""A field of seconds, written as a number and a unit."""

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
"""A field of bytes, written as a number, or as one with a unit."""

Probability = Annotated[
    float,
    PlainValidator(check_probability),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1}),
]
"""A field between 0 and 1."""

Index = Annotated[
    int, PlainValidator(check_index), WithJsonSchema({"type": "integer", "minimum": 0})
]
"""A field that names one of several, numbered from 0."""

Count = Annotated[
    int, PlainValidator(check_count), WithJsonSchema({"type": "integer", "minimum": 1})
]
"""A field that counts from 1."""

Window = Annotated[tuple[Duration, Duration], BeforeValidator(_window), AfterValidator(_forward)]
"""A field of two times in seconds, the first below the second."""

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
"""A field of one or more whole numbers from 1, written as a number or a list."""
