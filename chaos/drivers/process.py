"""A child process that is asked in lines and answers in lines, and can be ended at any time.

A process may outlive a run. trio's streams belong to one run of trio, so that each run opens its
own streams on the same pipes (``open_dialogue``).

A program runs in a session of its own and ends with every process that it has started. A Ctrl-C of
the terminal does not reach it, so that the harness alone decides when it ends. A guard, which waits
for the end of a pipe, kills the program's process group if the harness is killed.
"""

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

import trio

from chaos.drivers import Broken

LINE_BYTES_MAX = 1024 * 1024
"""The longest line that is accepted as an answer; a usual answer has a hundred bytes."""

COMPLAINT_BYTES = 4096
"""How many of the last bytes of standard error are kept to explain why a program ended."""

ENDS_WITHIN_S = 1.0
"""How long to wait for the exit status of a program that has closed its output, in seconds."""

_CHUNK_BYTES = 65536

_GUARD = 'read -r group || exit; read -r _; kill -s KILL -- "-$group"'
"""The shell script of the guard; its first line of input is the process group."""


class Process:
    """A started program.

    Args:
        command: the program and its arguments.
        environment: variables in addition to those of this process.

    Raises:
        OSError: the program cannot be started.
    """

    asked = 0
    """How many questions the program was asked, in all of its runs."""
    answered = False
    """Whether it gave an answer, in any run."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] = {}) -> None:
        # The guard comes first: the harness can be killed as soon as the program runs.
        self._guard = subprocess.Popen(  # noqa: S603  our own script
            ["/bin/sh", "-c", _GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._guard.stdin is not None
        try:
            self._popen = subprocess.Popen(  # noqa: S603  the user names the program
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        except OSError:
            self._guard.stdin.close()
            self._guard.wait()
            raise
        self._guard.stdin.write(b"%d\n" % self._popen.pid)
        self._guard.stdin.flush()
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self._killed = False
        self.pipes = (self._popen.stdin, self._popen.stdout, self._popen.stderr)

    @property
    def alive(self) -> bool:
        """Whether the program is still running."""
        return self._popen.poll() is None

    async def ended(self, within_s: float = ENDS_WITHIN_S) -> int | None:
        """Wait for the end; return the exit status, negative for a signal, or None if the program
        is still running after ``within_s`` seconds."""
        try:
            wait = partial(self._popen.wait, within_s)
            return await trio.to_thread.run_sync(wait, abandon_on_cancel=True)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        """Ask the program, and the processes that it started, to end."""
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the program and the processes that it started, whatever they are doing.

        Another call does nothing: the number of the process group may belong to others then.
        """
        if self._killed:
            return
        self._killed = True
        self._guard.kill()
        self._guard.wait()
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        assert self._guard.stdin is not None
        for pipe in (*self.pipes, self._guard.stdin):
            pipe.close()


class Ended(Broken):
    """The program ended or closed its output.

    Args:
        text: how.
        status: its exit status, negative for a signal; None if the program is still running.
    """

    def __init__(self, text: str, status: int | None) -> None:
        super().__init__(text)
        self.status = status


class Dialogue:
    """Lines to a process and lines from it, for one run.

    Args:
        process: the process with the pipes.
        line_bytes_max: the longest line that is accepted.
    """

    def __init__(self, process: Process, line_bytes_max: int = LINE_BYTES_MAX) -> None:
        self._line_bytes_max = line_bytes_max
        self._process = process
        self._stdin, self._stdout, self._stderr = (
            trio.lowlevel.FdStream(os.dup(pipe.fileno())) for pipe in process.pipes
        )
        self._buffer = bytearray()
        self._complaint = b""
        self._complained = trio.Event()

    async def say(self, line: bytes) -> None:
        """Write a line.

        Raises:
            Broken: the process no longer reads.
        """
        try:
            await self._stdin.send_all(line + b"\n")
        except trio.BrokenResourceError:
            raise await self._ending() from None

    async def hear(self) -> bytes:
        """Read a line; return it without its newline.

        Raises:
            Broken: the process has closed its output, or the line is too long.
        """
        seen = 0
        while (end := self._buffer.find(b"\n", seen)) < 0:
            seen = len(self._buffer)
            if seen > self._line_bytes_max:
                longest = self._line_bytes_max
                raise Broken(f"the program wrote a line of more than {longest:,} bytes")
            data = await self._stdout.receive_some(_CHUNK_BYTES)
            if not data:
                raise await self._ending()
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    async def listen_to_complaints(self) -> None:
        """Read standard error, since a full pipe would block the program; keep the last bytes."""
        while data := await self._stderr.receive_some(_CHUNK_BYTES):
            self._complaint = (self._complaint + data)[-COMPLAINT_BYTES:]
        self._complained.set()

    async def complaint(self) -> list[str]:
        """Wait for the end of standard error, for ``ENDS_WITHIN_S`` at most; return its last
        lines."""
        with trio.move_on_after(ENDS_WITHIN_S):
            await self._complained.wait()
        return self._lines_of_complaint

    @property
    def _lines_of_complaint(self) -> list[str]:
        lines = self._complaint.decode(errors="replace").splitlines()
        return [line.rstrip() for line in lines if line.strip()]

    async def ignore_output(self) -> None:
        """Read standard output, since a full pipe would block the program, and forget it."""
        while await self._stdout.receive_some(_CHUNK_BYTES):
            pass

    async def end_input(self) -> None:
        """Close the program's standard input."""
        await trio.aclose_forcefully(self._stdin)
        self._process.pipes[0].close()  # its duplicate keeps the pipe open

    @property
    def unfinished(self) -> str:
        """Describe the bytes that came without a newline; empty if there are none."""
        count = len(self._buffer)
        bytes_came = "1 byte" if count == 1 else f"{count:,} bytes"
        return f" ({bytes_came} came without a newline)" if count else ""

    async def _ending(self) -> Ended:
        """Describe how the program ended."""
        status = await self._process.ended()
        if status is None:
            return Ended(f"the program closed its output{self.unfinished}", None)
        how = f"with status {status}" if status >= 0 else f"by signal {-status}"
        lines = self._lines_of_complaint
        why = f": {lines[-1].strip()}" if lines else ""
        return Ended(f"the program ended {how}{self.unfinished}{why}", status)

    async def aclose(self) -> None:
        """Close the pipe ends of this run."""
        for stream in (self._stdin, self._stdout, self._stderr):
            await trio.aclose_forcefully(stream)


@asynccontextmanager
async def open_dialogue(
    process: Process,
    *tasks: Callable[[Dialogue], Awaitable[None]],
    line_bytes_max: int = LINE_BYTES_MAX,
) -> AsyncIterator[Dialogue]:
    """Exchange lines with a process for the duration of the block.

    Args:
        process: the process.
        tasks: what goes on in the background, beside reading standard error.
        line_bytes_max: the longest line that is accepted.
    """
    dialogue = Dialogue(process, line_bytes_max)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        for task in (Dialogue.listen_to_complaints, *tasks):
            nursery.start_soon(task, dialogue)
        try:
            yield dialogue
        except Exception as error:
            failure = error  # raised below, outside the nursery, so that no group wraps it
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await dialogue.aclose()
    if failure is not None:
        raise failure
