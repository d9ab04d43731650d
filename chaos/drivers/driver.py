"""A driver as chosen with ``--client`` or ``--app``."""

from collections.abc import Sequence
from dataclasses import dataclass

import chaos.drivers.kinds  # noqa: F401  registers every kind
from chaos.drivers import OpenSession
from chaos.drivers.application import ApplicationOnTrial
from chaos.drivers.registry import DRIVERS
from chaos.world.world import WorldName

APPLICATION = "app"
"""The name of the driver of an application."""


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver, ready to open sessions."""

    name: str
    """Its name on the command line."""
    open: OpenSession
    worlds: Sequence[WorldName]
    """The worlds in which it can run."""
    application: ApplicationOnTrial | None = None
    """The application on trial; None for a client that is driven call by call."""
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
    return Driver(name, kind.open(argument), kind.worlds, unavailable=kind.unavailable())


def driver_of(application: ApplicationOnTrial) -> Driver:
    """Return the driver of an application."""
    return Driver(APPLICATION, application.open, ("tcp",), application)
