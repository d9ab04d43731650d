"""The simulator under measurement, as a process that is started with its usual command."""

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

READY_S_MAX = 20.0
"""The limit on the start in seconds. It takes half a second; a busy machine needs more."""

SUMMARY_S_MAX = 20.0
"""The limit on the stop in seconds, with a gigabyte to free."""

COMMAND = "-m simulator --port 0 --spu-port 0 --memory 4GiB --quiet --summary json"
"""The arguments of Python for the simulator."""


class BenchmarkError(Exception):
    """The subject of a benchmark failed, so that its figures would be meaningless."""


class Server:
    """A running simulator.

    Args:
        process: the process, whose ready line was read.
        spu_address: where its SPU listens.
    """

    def __init__(self, process: "subprocess.Popen[str]", spu_address: tuple[str, int]) -> None:
        self._process = process
        self.spu_address = spu_address

    def stop(self) -> dict[str, Any]:
        """Stop it with SIGINT and return its summary."""
        self._process.send_signal(signal.SIGINT)
        try:
            output, _ = self._process.communicate(timeout=SUMMARY_S_MAX)
        except subprocess.TimeoutExpired as error:
            raise BenchmarkError("the simulator does not stop") from error
        if self._process.returncode or not output:
            raise BenchmarkError(f"the simulator ended with status {self._process.returncode}")
        summary: dict[str, Any] = json.loads(output.splitlines()[-1])
        return summary


@contextmanager
def running_server() -> Iterator[Server]:
    """Start a simulator that ends with the ``with`` block.

    Raises:
        BenchmarkError: the simulator does not become ready.
    """
    with _running(COMMAND, r"ready .*spu=([\d.]+):(\d+)") as (process, address):
        yield Server(process, address)


@contextmanager
def running_echo() -> Iterator[tuple[str, int]]:
    """Start a bare echo server that ends with the ``with`` block; yield its address.

    Raises:
        BenchmarkError: the server does not become ready.
    """
    with _running("-m benchmarks.echo", r"ready echo=([\d.]+):(\d+)") as (_, address):
        yield address


@contextmanager
def _running(
    arguments: str, ready_line: str
) -> Iterator[tuple["subprocess.Popen[str]", tuple[str, int]]]:
    """Start a server of Python; its ready line names its host and its port."""
    command = [sys.executable, *arguments.split()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            # The end of the process closes the pipe, which ends the read.
            watchdog = threading.Timer(READY_S_MAX, process.kill)
            watchdog.daemon = True
            watchdog.start()
            line = process.stdout.readline()
            watchdog.cancel()
            ready = re.match(ready_line, line)
            if ready is None:
                raise BenchmarkError(f"python {arguments} does not become ready")
            yield process, (ready[1], int(ready[2]))
        finally:
            process.kill()
