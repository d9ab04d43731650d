"""Durations as people write them: a number and a unit, for example ``50ms`` or ``1.5s``."""

import re
from decimal import Decimal

UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
"""The units, in seconds."""

UNITS_US = {unit: round(seconds * 1_000_000) for unit, seconds in UNITS_S.items()}
"""The units, in microseconds."""

DURATION_S_MAX = 24 * 3600.0
"""The longest duration, in seconds: nothing here lasts a day, so a longer one is a typing error."""

NUMBER_CHARS_MAX = 18
"""The maximum number of digits on each side of the point; 18 digits fit into 64 bits."""

SHOWN_CHARS_MAX = 60
"""The longest part of an invalid text that a message repeats."""

_NUMBER = rf"[0-9]{{1,{NUMBER_CHARS_MAX}}}"

DURATION_PATTERN = rf"({_NUMBER}(?:\.{_NUMBER})?) ?({'|'.join(UNITS_S)})"
"""A regular expression for a duration: number and unit, with at most one space between them."""

_DURATION = re.compile(DURATION_PATTERN)


def parse_duration(text: str) -> float:
    """Parse a number and a unit; return seconds.

    >>> parse_duration("50ms")
    0.05

    Raises:
        ValueError: the text is not a duration, or is longer than a day; the message says what to
            write.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(not_a_duration(_shown(text)))
    # Division, for a unit below a second, makes 200ms the float nearest to 0.2.
    number, unit = float(match[1]), UNITS_S[match[2]]
    seconds = number * unit if unit >= 1 else number / round(1 / unit)
    if seconds > DURATION_S_MAX:
        raise ValueError(f"{_shown(text)} is longer than {DURATION_S_MAX / 60:.0f}m, the most")
    return seconds


def not_a_duration(shown: str) -> str:
    """Return the message about a value that is not a duration.

    Args:
        shown: the value as the message repeats it.
    """
    units = ", ".join(UNITS_S)
    return f"{shown} is not a duration; write a number and one of {units}, for example 50ms"


def _shown(text: str) -> str:
    return repr(text[:SHOWN_CHARS_MAX])


def duration_text(us: int) -> str:
    """Format a duration in the largest unit that gives a whole number; see ``parse_duration``.

    Args:
        us: microseconds, at least 0.

    >>> duration_text(1_500_000), duration_text(0)
    ('1500ms', '0ms')
    """
    for unit in ("m", "s", "ms"):
        if us and us % UNITS_US[unit] == 0:
            return f"{us // UNITS_US[unit]}{unit}"
    return f"{us}us" if us else "0ms"


def seconds_text(seconds: float) -> str:
    """Format a duration so that ``parse_duration`` returns the same float.

    >>> seconds_text(0.05), seconds_text(10.0), seconds_text(1e-06)
    ('50ms', '10s', '1us')

    Args:
        seconds: at least 0.
    """
    us = round(seconds * 1_000_000)
    whole = duration_text(us)
    if parse_duration(whole) == seconds:
        return whole
    for unit in ("us", "ms", "s"):
        text = f"{Decimal(repr(seconds / UNITS_S[unit])):f}{unit}"
        if _DURATION.fullmatch(text) and parse_duration(text) == seconds:
            return text
    return whole  # the rest is below the resolution of any clock here
