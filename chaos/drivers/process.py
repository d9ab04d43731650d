"""A process that is asked in lines and answers in lines, and can be ended at any time.

It outlives a run where that is wanted: trio's streams belong to one run of trio, so each run gets
streams of its own onto the same pipes (``open_dialogue``).
"""

import os
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

import trio

from chaos.drivers import Broken

LINE_BYTES_MAX = 1024 * 1024
"""The longest line that is taken for an answer; an answer has a hundred bytes."""

COMPLAINT_BYTES = 4096
"""How much of what a program last wrote on standard error is kept to explain its end."""

ENDS_WITHIN_S = 1.0
"""How long a program that closed its output may take to end, so that its status is known."""

_CHUNK_BYTES = 65536


class Process:
    """A program that was started.

    Args:
        command: the program and its arguments.
        environment: what it finds in its environment beside what this process has.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] = {}) -> None:
        self._popen = subprocess.Popen(  # noqa: S603  the user names the program
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self.pipes = (self._popen.stdin, self._popen.stdout, self._popen.stderr)

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    async def ended(self) -> int | None:
        """Wait for its end; its status (negative if a signal ended it), None if it goes on."""
        try:
            wait = partial(self._popen.wait, ENDS_WITHIN_S)
            return await trio.to_thread.run_sync(wait, abandon_on_cancel=True)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it, whatever it is doing; nothing happens if it has ended."""
        self._popen.kill()
        self._popen.wait()
        for pipe in self.pipes:
            pipe.close()


class Dialogue:
    """Lines to a process and lines back, for one run.

    Args:
        process: whose pipes.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._stdin, self._stdout, self._stderr = (
            trio.lowlevel.FdStream(os.dup(pipe.fileno())) for pipe in process.pipes
        )
        self._buffer = bytearray()
        self._complaint = b""

    async def say(self, line: bytes) -> None:
        """Write a line.

        Raises:
            Broken: the process does not read any more.
        """
        try:
            await self._stdin.send_all(line + b"\n")
        except trio.BrokenResourceError:
            raise Broken(await self._ending()) from None

    async def hear(self) -> bytes:
        """Read a line, without its end.

        Raises:
            Broken: the process writes no more, or too much.
        """
        seen = 0
        while (end := self._buffer.find(b"\n", seen)) < 0:
            seen = len(self._buffer)
            if seen > LINE_BYTES_MAX:
                raise Broken(f"the program wrote a line of more than {LINE_BYTES_MAX:,} bytes")
            data = await self._stdout.receive_some(_CHUNK_BYTES)
            if not data:
                raise Broken(await self._ending())
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    async def listen_to_complaints(self) -> None:
        """Read standard error, which would stop the program once it is full; keep its end."""
        while data := await self._stderr.receive_some(_CHUNK_BYTES):
            self._complaint = (self._complaint + data)[-COMPLAINT_BYTES:]

    async def _ending(self) -> str:
        """How the process ended, in words."""
        status = await self._process.ended()
        if status is None:
            return "the program closed its output"
        how = f"with status {status}" if status >= 0 else f"by signal {-status}"
        lines = [line for line in self._complaint.decode(errors="replace").splitlines() if line]
        return f"the program ended {how}{': ' + lines[-1].strip() if lines else ''}"

    async def aclose(self) -> None:
        """Close this run's ends of the pipes."""
        for stream in (self._stdin, self._stdout, self._stderr):
            await trio.aclose_forcefully(stream)


@asynccontextmanager
async def open_dialogue(process: Process) -> AsyncIterator[Dialogue]:
    """Talk to a process for as long as the block lasts."""
    dialogue = Dialogue(process)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(dialogue.listen_to_complaints)
        try:
            yield dialogue
        except Exception as error:
            failure = error  # raised below as it is, and not in a group
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await dialogue.aclose()
    if failure is not None:
        raise failure
