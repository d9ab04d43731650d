"""A driver as chosen with ``--client``."""

from collections.abc import Sequence
from dataclasses import dataclass

import chaos.drivers.kinds  # noqa: F401  registers every kind
from chaos.drivers import OpenSession
from chaos.drivers.registry import DRIVERS
from chaos.world.world import WorldName


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver, ready to open sessions."""

    name: str
    """Its name on the command line."""
    open: OpenSession
    worlds: Sequence[WorldName]
    """The worlds in which it can run."""
    unavailable: str | None = None
    """Why it cannot run on this machine; None if it can."""


def driver_named(name: str) -> Driver:
    """Return the driver with a name.

    Args:
        name: a word of ``DRIVERS``; if the kind takes an argument, a colon and the argument follow.

    Raises:
        ValueError: no driver has this name.
    """
    word, colon, argument = name.partition(":")
    kind = DRIVERS.get(word)
    if kind is None or bool(colon) != bool(kind.argument):
        *forms, last = [each.form for each in DRIVERS.values()]
        raise ValueError(f"unknown client {name!r}; write {', '.join(forms)}, or {last}")
    return Driver(name, kind.open(argument), kind.worlds, kind.unavailable())
