"""Durations in few characters."""


def brief(seconds: float) -> str:
    """Return a duration for a label: three digits at most, and a unit."""
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}" if seconds < 1000 else f"{seconds:.0f} s"
    return "0 s"
