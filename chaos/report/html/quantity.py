"""Durations in few characters."""

LEAST = 0.9995
"""What is less becomes less than one in three digits."""


def brief(seconds: float) -> str:
    """Return a duration for a label: three digits at most, and a unit."""
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * factor >= LEAST:
            return f"{seconds * factor:.3g} {unit}" if seconds < 1000 else f"{seconds:.0f} s"
    return "0 s"
