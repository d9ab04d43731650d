"""The driver ``command:PROGRAM ARGUMENT...``: any program that speaks the client protocol."""

import shlex
from shutil import which

from chaos.drivers import OpenSession
from chaos.drivers.program import open_program
from chaos.drivers.registry import DriverKind, register_driver


def open_command(command: str) -> OpenSession:
    """Return the driver of a program that is started for each run.

    Args:
        command: the program and its arguments, in shell syntax.

    Raises:
        ValueError: the syntax is invalid, or the program does not exist.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"'command:{command}' is no command: {str(error).lower()}") from error
    if not words:
        raise ValueError("command: names no program; write for example 'command:python client.py'")
    if which(words[0]) is None:
        raise ValueError(f"there is no program {words[0]!r} that could be started for --client")
    return open_program(words)


register_driver(
    DriverKind(
        word="command",
        text="Any program that speaks the client protocol (docs/client-protocol.md) over its "
        "standard input and output, in a process of its own.",
        argument="PROGRAM ARGUMENT...",
        open=open_command,
        worlds=("tcp", "cluster"),
    )
)
