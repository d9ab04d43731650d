"""A program that was started, and how it ends with all that it has started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.drivers.process import Process

PARENT = """
import subprocess, sys
subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=open({fifo!r}, "w"))
print("started", flush=True)
sys.stdin.read()
"""

HARNESS = """
import os, signal, sys
from chaos.drivers.process import Process
process = Process([sys.executable, "-c", {parent!r}])
process.pipes[1].readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def fifo(tmp_path: Path) -> str:
    """A pipe that a grandchild keeps open for as long as it lives."""
    os.mkfifo(tmp_path / "fifo")
    return str(tmp_path / "fifo")


def reader(fifo: str) -> int:
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


def test_the_processes_that_a_program_started_end_with_it(fifo: str) -> None:
    reading = reader(fifo)
    process = Process([sys.executable, "-c", PARENT.format(fifo=fifo)])
    assert process.pipes[1].readline() == b"started\n"
    process.kill()
    assert os.read(reading, 1) == b""  # as soon as the last of them has ended
    process.kill()
    os.close(reading)


def test_they_end_with_a_program_that_has_ended_by_itself(fifo: str) -> None:
    reading = reader(fifo)
    script = PARENT.format(fifo=fifo).replace("sys.stdin.read()", "")
    process = Process([sys.executable, "-c", script])
    assert process.pipes[1].read() == b"started\n"
    process.kill()
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_they_end_when_the_harness_is_killed(fifo: str) -> None:
    reading = reader(fifo)
    script = HARNESS.format(parent=PARENT.format(fifo=fifo))
    assert subprocess.run([sys.executable, "-c", script]).returncode == -9
    assert os.read(reading, 1) == b""
    os.close(reading)
