"""The clients that ``--client`` names."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from shutil import which

from chaos.drivers import OpenClient
from chaos.drivers.official import ABSENT, is_installed, open_official
from chaos.drivers.producer import open_producer
from chaos.drivers.program import open_program
from chaos.world.world import WorldName

PRODUCER = "producer"
OFFICIAL = "fluvio"
COMMAND = "command:"


@dataclass(frozen=True, slots=True)
class NamedClient:
    """A client that can be put on trial."""

    name: str
    """As on the command line."""
    open: OpenClient
    worlds: Sequence[WorldName]
    """Where it can run: another process knows no virtual network."""
    unavailable: str | None = None
    """Why it cannot run on this machine."""


def client_named(name: str) -> NamedClient:
    """The client that a name means.

    Args:
        name: ``producer``, ``fluvio``, or ``command:PROGRAM ARGUMENT...``, in the words of a shell.

    Raises:
        ValueError: it means none.
    """
    if name == PRODUCER:
        return NamedClient(name, open_producer, ("virtual", "tcp"))
    if name == OFFICIAL:
        return NamedClient(name, open_official, ("tcp",), None if is_installed() else ABSENT)
    if not name.startswith(COMMAND):
        raise ValueError(
            f"unknown client {name!r}; write producer, fluvio, or command:PROGRAM ARGUMENT..."
        )
    try:
        words = shlex.split(name.removeprefix(COMMAND))
    except ValueError as error:
        raise ValueError(f"{name!r} is no command: {str(error).lower()}") from error
    if not words:
        raise ValueError("command: names no program; write for example 'command:python client.py'")
    if which(words[0]) is None:
        raise ValueError(f"there is no program {words[0]!r} that could be started for --client")
    return NamedClient(name, open_program(words), ("tcp",))
