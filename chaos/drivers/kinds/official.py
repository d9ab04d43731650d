"""The official Python client on trial, in a process of its own.

Starting that process takes half a second, and a run a tenth of it. So each process of the harness
keeps one, and has it connect again for the next run; a new one is started only when the old one was
ended because it did not answer.
"""

import atexit
import importlib.util
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chaos.drivers import Client, Recorder
from chaos.drivers.process import Process
from chaos.drivers.program import connected
from chaos.drivers.registry import OFFICIAL, DriverKind, register_driver
from chaos.spec.scenario import Scenario
from chaos.world.world import World

PROGRAM = Path(__file__).parent.with_name("official_program.py")

SOCKET_WAIT_S = 1
"""How long the client waits for an answer: whole seconds, the least it takes; 60 if unsaid. It
reads the variable once, when it starts."""

ABSENT = (
    "the official client is not installed (package fluvio, for Python 3.11 to 3.13 on Linux x86-64 "
    "and Apple silicon)"
)


class _Kept:
    """The process that is kept between runs."""

    process: Process | None = None

    def get(self) -> Process:
        """One that runs."""
        if self.process is None or not self.process.alive:
            self.process = Process(
                # Without its folder on the path: what lies beside it has the names of packages.
                [sys.executable, "-P", str(PROGRAM)],
                {"FLV_SOCKET_WAIT": str(SOCKET_WAIT_S)},
            )
        return self.process

    def end(self) -> None:
        """End it."""
        if self.process is not None and self.process.alive:
            self.process.kill()


_kept = _Kept()
atexit.register(_kept.end)


def is_installed() -> bool:
    """Whether the official client can be imported."""
    return importlib.util.find_spec("fluvio") is not None


@asynccontextmanager
async def open_official(
    address: str, scenario: Scenario, world: World, recorder: Recorder
) -> AsyncIterator[Client]:
    """Connect the official client; an ``OpenClient``."""
    async with connected(_kept.get(), address, scenario, recorder) as client:
        yield client


register_driver(
    DriverKind(
        word=OFFICIAL,
        text="The official Python client, in a process of its own.",
        open=lambda _: open_official,
        worlds=("tcp",),
        unavailable=lambda: None if is_installed() else ABSENT,
    )
)
