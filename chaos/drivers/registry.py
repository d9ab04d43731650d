"""The kinds of drivers.

Each kind registers itself in ``DRIVERS``, in its module in ``kinds/``. The command line, its
messages and ``python -m chaos list`` are derived from ``DRIVERS``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chaos.drivers import OpenSession
from chaos.world.world import WorldName
from wire.registry import Registry

PRODUCER = "producer"
"""The name of our own producer, the default."""

OFFICIAL = "fluvio"
"""The name of the official Python client."""

OFFICIAL_RUST = "fluvio-rust"
"""The name of the official Rust client."""

OFFICIAL_NODE = "fluvio-node"
"""The name of the official Node client."""

OFFICIAL_WAIT_S = 1
"""How long the official clients wait for an answer, in whole seconds: the shortest that they
accept; their default is 60. A client reads the variable once, when it starts."""

OFFICIAL_ENVIRONMENT = {"FLV_SOCKET_WAIT": str(OFFICIAL_WAIT_S)}
"""The environment variables of the official clients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverKind:
    """One kind of driver: ``producer``, or ``command`` followed by a colon and a program."""

    word: str
    """The part of the name before the colon."""
    text: str
    """What the driver drives; help text."""
    open: Callable[[str], OpenSession]
    """Takes the part after the colon (empty if the kind takes no argument); raises ValueError with
    a hint if the argument is invalid."""
    worlds: Sequence[WorldName]
    """The worlds in which it can run; another process cannot use the virtual network."""
    argument: str = ""
    """What follows the colon, for messages; empty if the kind takes no argument."""
    unavailable: Callable[[], str | None] = lambda: None
    """Returns why the driver cannot run on this machine, or None."""

    @property
    def form(self) -> str:
        """The notation on the command line."""
        return f"{self.word}:{self.argument}" if self.argument else self.word


DRIVERS: Registry[DriverKind] = Registry(
    "driver", order=(PRODUCER, OFFICIAL, OFFICIAL_RUST, OFFICIAL_NODE, "command")
)
"""Every kind of driver by its word."""


def register_driver(kind: DriverKind) -> None:
    """Make a kind of driver available on the command line.

    Raises:
        ValueError: the word is taken.
    """
    DRIVERS.add(kind.word, kind)
