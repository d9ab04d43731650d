"""Durations and times in few characters."""

from collections.abc import Iterable

LEAST = 0.9995
"""What is less becomes less than one in three digits."""

LONG = 1000
"""The shortest time in seconds with four digits before the point."""


def brief(seconds: float) -> str:
    """Return a duration for a label: three digits at most, and a unit."""
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * factor >= LEAST:
            return f"{seconds * factor:.3g} {unit}" if seconds < 1000 else f"{seconds:.0f} s"
    return "0 s"


def decimals_of(times: Iterable[float]) -> int:
    """Return the decimals for times in seconds: 3, or 4 if 3 would make two of them equal.

    Times from ``LONG`` on have 3, since a label has room for eight characters.
    """
    whole = {round(t, 6) for t in times}
    equal = len({f"{t:.3f}" for t in whole}) < len(whole)
    return 4 if equal and max(whole) < LONG else 3
