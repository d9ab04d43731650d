"""What a scenario demands of a run: ``always`` in every run, ``sometimes`` in some example.

An expectation is an interval in which a figure of the run must lie: the number of records with an
outcome, of attempts and connections, or the time of calls. Here ``a..b`` is an interval, never a
generator.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from simulator.documents.strict_model import Strict, shown
from wire.duration import DURATION_PATTERN, NUMBER_CHARS_MAX, parse_duration

_NUMBER = rf"[0-9]{{1,{NUMBER_CHARS_MAX}}}"
_NUMBERS = re.compile(rf"({_NUMBER})\.\.({_NUMBER})?|\.\.({_NUMBER})")
_TIMES = re.compile(r"(.{1,40}?)\.\.(.{1,40})?|\.\.(.{1,40})")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The values between two ends, both included."""

    text: str
    """The interval as written."""
    low: float
    high: float
    """Infinite if the interval has no upper end."""


def _whole_numbers(value: object) -> Wanted:
    if isinstance(value, Wanted):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Wanted(str(value), value, value)
    match = _NUMBERS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            f"{shown(value)} is not a number and no interval; write a number, or 1.. for at least "
            "one, ..5 for at most five, 2..5"
        )
    first, last, only = match.groups()
    return _forward(match[0], int(first or 0), int(last or only) if last or only else inf)


def _durations(value: object) -> Wanted:
    if isinstance(value, Wanted):
        return value
    match = _TIMES.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            f"{shown(value)} is no interval of times; write ..2s for at most two seconds, or 1s..2s"
        )
    first, last, only = match.groups()
    high = parse_duration(last or only) if last or only else inf
    return _forward(match[0], parse_duration(first) if first else 0.0, high)


def _forward(text: str, low: float, high: float) -> Wanted:
    if low > high:
        raise ValueError(f"{text} ends below its start; write the smaller end first")
    return Wanted(text, low, high)


def _written(interval: Wanted) -> int | str:
    return int(interval.text) if interval.text.isdecimal() else interval.text


_AS_WRITTEN = PlainSerializer(_written, when_used="json")

Counted = Annotated[
    Wanted,
    PlainValidator(_whole_numbers),
    _AS_WRITTEN,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {
                    "description": "an interval (`1..`, `..5`, `2..5`)",
                    "type": "string",
                    "pattern": r"^([0-9]+\.\.[0-9]*|\.\.[0-9]+)$",
                    "examples": ["1.."],
                },
            ]
        }
    ),
]
"""A whole number, or an interval of whole numbers."""

_TIME = f"({DURATION_PATTERN})"

Timed = Annotated[
    Wanted,
    PlainValidator(_durations),
    _AS_WRITTEN,
    WithJsonSchema(
        {
            "description": "an interval of durations (`..2s`, `1s..2s`)",
            "type": "string",
            "pattern": rf"^({_TIME}\.\.({_TIME})?|\.\.{_TIME})$",
            "examples": ["..2s"],
        }
    ),
]
"""An interval of durations, in seconds."""


class CallTimes(Strict):
    """The times of the calls of one kind."""

    max: Timed | None = None
    """The time of the longest call."""
    p99: Timed | None = None
    """The time that 99 of 100 calls do not exceed."""


class Expectations(Strict):
    """Figures of a run and the intervals in which they must lie. Records are those of the workload,
    without probes. Times are judged in the virtual world; in another one only if ``worlds`` names
    that one alone."""

    lost: Counted | None = None
    """Records without a stored copy."""
    duplicated: Counted | None = None
    """Records with more than one stored copy."""
    acknowledged: Counted | None = None
    """Records that the client reported as stored."""
    failed: Counted | None = None
    """Records that the client reported as certainly not stored."""
    unknown: Counted | None = None
    """Records that the client reported as possibly stored, or did not report at all."""
    attempts: Counted | None = None
    """The most request frames that carried one record."""
    connections: Counted | None = None
    """Connections that the servers accepted, from the end of the client's connect to healing."""
    send: CallTimes = CallTimes()
    """The times of ``send``, one for each record; ``send_all`` does not count."""
    flush: CallTimes = CallTimes()
    """The times of ``flush``."""
    wait: CallTimes = CallTimes()
    """The times of ``wait``."""
    close: CallTimes = CallTimes()
    """The times of ``close``."""
    recovery: Timed | None = None
    """The longest time from the end of an effect to the next acknowledgement, without the time in
    which no record was open."""

    def each(self) -> Iterator[tuple[str, Wanted]]:
        """Yield each expectation: its path, for example ``lost`` or ``flush.p99``, and its
        interval."""
        if not self.model_fields_set:
            return  # most scenarios expect nothing
        for name, value in self:
            if isinstance(value, CallTimes):
                yield from ((f"{name}.{key}", each) for key, each in value if each is not None)
            elif value is not None:
                yield name, value


def is_timed(path: str) -> bool:
    """Return whether an expectation is about time."""
    return path.partition(".")[0] in _TIMED


def missing_word(key: str) -> str | None:
    """Return what to write in place of a key that scenarios had once; None for other keys."""
    if key != "expect":
        return None
    return (
        "there is no 'expect'; write always: for what must hold in every run, or sometimes: for "
        "what must occur in some example (and 1.. in place of some)"
    )


def without_times(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain data of a scenario without its expectations about time."""
    return {
        key: {name: each for name, each in value.items() if name not in _TIMED}
        if key in ("always", "sometimes")
        else value
        for key, value in data.items()
    }


_TIMED = {
    name
    for name, field in Expectations.model_fields.items()
    if field.annotation is CallTimes or name == "recovery"
}
