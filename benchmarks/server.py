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


PROXY_COMMAND = (
    "-m simulator proxy --upstream SC --port 0 --spu-port 0 --drop 0.000000001 --at request --quiet"
)
"""The arguments of Python for a proxy, with the address of the SC; it decodes what it forwards, and
drops one request in a thousand million."""


class BenchmarkError(Exception):
    """The subject of a benchmark failed, so that its figures would be meaningless."""


class Server:
    """A running simulator.

    Args:
        process: the process, whose ready line was read.
        sc_address: where its SC listens.
        spu_address: where its SPU listens.
    """

    def __init__(
        self,
        process: "subprocess.Popen[str]",
        sc_address: tuple[str, int],
        spu_address: tuple[str, int],
    ) -> None:
        self._process = process
        self.sc_address = sc_address
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
    ready = r"ready sc=([\d.]+):(\d+) spu=([\d.]+):(\d+)"
    with _running(COMMAND.split(), ready) as (process, found):
        yield Server(process, (found[1], int(found[2])), (found[3], int(found[4])))


@contextmanager
def running_echo() -> Iterator[tuple[str, int]]:
    """Start a bare echo server that ends with the ``with`` block; yield its address.

    Raises:
        BenchmarkError: the server does not become ready.
    """
    with _running(["-m", "benchmarks.echo"], r"ready echo=([\d.]+):(\d+)") as (_, found):
        yield found[1], int(found[2])


@contextmanager
def running_pump(address: tuple[str, int]) -> Iterator[tuple[str, int]]:
    """Start a naive proxy before a server, and yield its address.

    Raises:
        BenchmarkError: the proxy does not become ready.
    """
    arguments = ["-m", "benchmarks.pump", f"{address[0]}:{address[1]}"]
    with _running(arguments, r"ready pump=([\d.]+):(\d+)") as (_, found):
        yield found[1], int(found[2])


@contextmanager
def running_proxy(sc: tuple[str, int]) -> Iterator[tuple[str, int]]:
    """Start the proxy before a simulator, and yield the address of its SPU.

    Raises:
        BenchmarkError: the proxy does not become ready.
    """
    arguments = PROXY_COMMAND.replace("SC", f"{sc[0]}:{sc[1]}").split()
    with _running(arguments, r"ready .*spu=([\d.]+):(\d+)") as (_, found):
        yield found[1], int(found[2])


@contextmanager
def _running(
    arguments: list[str], ready_line: str
) -> Iterator[tuple["subprocess.Popen[str]", re.Match[str]]]:
    """Start a server of Python; yield it and its ready line."""
    command = [sys.executable, *arguments]
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
                raise BenchmarkError(f"python {' '.join(arguments)} does not become ready")
            yield process, ready
        finally:
            process.kill()
