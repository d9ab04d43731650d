"""A process that a run starts, reads line by line, and ends in any case."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

import trio


class Child:
    """A process that speaks in lines."""

    def __init__(self, process: trio.Process, complaints: IO[bytes]) -> None:
        self._process = process
        self._complaints = complaints
        self._buffer = b""

    async def line(self) -> str | None:
        """The next line that it prints, or None once it prints no more."""
        assert self._process.stdout is not None
        while b"\n" not in self._buffer:
            data = await self._process.stdout.receive_some()
            if not data:
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def complaint(self) -> str:
        """The last line that it wrote on stderr."""
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it does not say why")


@asynccontextmanager
async def child(*arguments: str, **environment: str) -> AsyncIterator[Child]:
    """Run a module of this project; the process is killed at the end of the block."""
    # A file takes what stderr gets: a pipe that nobody reads would stop the process once full.
    with tempfile.TemporaryFile() as complaints:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", *arguments],
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**os.environ, **environment},
        )
        try:
            yield Child(process, complaints)
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
