"""The simulator that is measured: a process of its own, as users start it."""

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
"""How long it may take to start. It takes half a second; a busy machine needs room."""

SUMMARY_S_MAX = 20.0
"""How long it may take to stop, with a gigabyte to free."""

COMMAND = "-m simulator --port 0 --spu-port 0 --quiet --summary json"
"""What is measured, for this Python."""


class BenchmarkError(Exception):
    """What was measured did not do what it was asked for, so that no figure would be honest."""


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
        """Stop it as Ctrl-C does; returns its summary."""
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
    """Start a simulator; it ends with the block, whatever happens there.

    Raises:
        BenchmarkError: it does not become ready.
    """
    command = [sys.executable, *COMMAND.split()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            # Its end closes the pipe, and so ends the read.
            watchdog = threading.Timer(READY_S_MAX, process.kill)
            watchdog.daemon = True
            watchdog.start()
            line = process.stdout.readline()
            watchdog.cancel()
            ready = re.match(r"ready .*spu=([\d.]+):(\d+)", line)
            if ready is None:
                raise BenchmarkError("the simulator does not become ready")
            yield Server(process, (ready[1], int(ready[2])))
        finally:
            process.kill()
