"""The kinds of drivers.

A kind registers itself in ``DRIVERS``, in the module of ``kinds/`` that opens it; the command line,
its messages and ``python -m chaos list`` follow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chaos.drivers import OpenClient
from chaos.world.world import WorldName
from wire.registry import Registry

PRODUCER = "producer"
"""The word for our own producer, the default."""

OFFICIAL = "fluvio"
"""The word for the official Python client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverKind:
    """One kind of driver: ``producer``, or ``command`` with a program behind a colon."""

    word: str
    """The first word on the command line."""
    text: str
    """What it drives, for a person."""
    open: Callable[[str], OpenClient]
    """Takes what stands behind the colon (empty if nothing may stand there); raises ValueError if
    that is wrong, with what to write."""
    worlds: Sequence[WorldName]
    """Where it can run: another process knows no virtual network."""
    argument: str = ""
    """What stands behind the colon, for messages; empty if nothing may."""
    unavailable: Callable[[], str | None] = lambda: None
    """Says why it cannot run on this machine, or None."""

    @property
    def form(self) -> str:
        """How the command line writes it."""
        return f"{self.word}:{self.argument}" if self.argument else self.word


DRIVERS: Registry[DriverKind] = Registry("driver", order=(PRODUCER, OFFICIAL, "command"))
"""Every kind of driver, by its word."""


def register_driver(kind: DriverKind) -> None:
    """Let the command line name a kind of driver.

    Raises:
        ValueError: another one has its word.
    """
    DRIVERS.add(kind.word, kind)
