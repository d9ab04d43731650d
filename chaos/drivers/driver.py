"""A driver: what ``--client`` names, and what is put on trial."""

from collections.abc import Sequence
from dataclasses import dataclass

import chaos.drivers.kinds  # noqa: F401  registers every kind
from chaos.drivers import OpenClient
from chaos.drivers.registry import DRIVERS
from chaos.world.world import WorldName


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver that was chosen."""

    name: str
    """As on the command line."""
    open: OpenClient
    worlds: Sequence[WorldName]
    """Where it can run."""
    unavailable: str | None = None
    """Why it cannot run on this machine."""


def driver_named(name: str) -> Driver:
    """The driver that a name means.

    Args:
        name: a word of ``DRIVERS``; where it takes an argument, with a colon and that behind it.

    Raises:
        ValueError: it means none.
    """
    word, colon, argument = name.partition(":")
    kind = DRIVERS.get(word)
    if kind is None or bool(colon) != bool(kind.argument):
        *forms, last = [each.form for each in DRIVERS.values()]
        raise ValueError(f"unknown client {name!r}; write {', '.join(forms)}, or {last}")
    return Driver(name, kind.open(argument), kind.worlds, kind.unavailable())
