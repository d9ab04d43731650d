"""The driver ``fluvio``: the official Python client, in a process of its own.

Starting this process takes half a second, and a run a tenth of a second. So each process of the
harness keeps one program and has it connect again for the next run, and those of its consumers. A
new program is started only after the previous one was killed because it did not answer.
"""

import atexit
import importlib.util
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chaos.drivers import DriverSession, Recorder
from chaos.drivers.process import Process
from chaos.drivers.program import connected
from chaos.drivers.program_consumer import ConsumerProcesses
from chaos.drivers.registry import OFFICIAL, OFFICIAL_ENVIRONMENT, DriverKind, register_driver
from chaos.spec.scenario import Scenario
from chaos.world.world import World

PROGRAM = Path(__file__).parent.with_name("official_program.py")

ABSENT = (
    "the official client is not installed (package fluvio, for Python 3.11 to 3.13 on Linux x86-64 "
    "and Apple silicon)"
)


def start_program() -> Process:
    """Start the program."""
    # -P: modules in the program's folder must not hide packages of the same names.
    return Process([sys.executable, "-P", str(PROGRAM)], OFFICIAL_ENVIRONMENT)


class _Kept:
    """The programs that are kept between runs."""

    process: Process | None = None
    """The one that produces."""
    consumers = ConsumerProcesses(start_program, keep=True)

    def get(self) -> Process:
        """Return the running program that produces; start one if there is none."""
        if self.process is None or not self.process.alive:
            if self.process is not None:
                self.process.kill()  # with all that it started
            self.process = start_program()
        return self.process

    def end(self) -> None:
        """Kill the programs and all that they started, also if they have ended by themselves."""
        if self.process is not None:
            self.process.kill()
        self.consumers.end()


_kept = _Kept()
atexit.register(_kept.end)


def is_installed() -> bool:
    """Return whether the official client can be imported."""
    return importlib.util.find_spec("fluvio") is not None


@asynccontextmanager
async def open_official(
    address: str, scenario: Scenario, world: World, recorder: Recorder
) -> AsyncIterator[DriverSession]:
    """Connect the official client; an ``OpenSession``."""
    async with connected(_kept.get(), _kept.consumers, address, scenario, recorder) as client:
        yield client


register_driver(
    DriverKind(
        word=OFFICIAL,
        text="The official Python client, in a process of its own.",
        open=lambda _: open_official,
        worlds=("tcp", "cluster"),
        unavailable=lambda: None if is_installed() else ABSENT,
    )
)
