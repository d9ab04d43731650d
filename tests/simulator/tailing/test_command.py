"""The command ``spu-simulator tail``, as a process before a simulator over TCP."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from simulator import open_simulator
from tests.simulator.client import Connect

COMMAND = [sys.executable, "-P", "-m", "simulator", "tail"]
TOPIC = "greetings"


@asynccontextmanager
async def tailed(*arguments: str, stdout: int = subprocess.PIPE) -> AsyncIterator[trio.Process]:
    """A running command; it is killed at the end."""
    with trio.fail_after(60):
        process = await trio.lowlevel.open_process(
            [*COMMAND, *arguments], stdout=stdout, stderr=subprocess.PIPE
        )
        try:
            yield process
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
                for stream in (process.stdout, process.stderr):
                    if stream is not None:
                        await stream.aclose()


async def read(stream: trio.abc.ReceiveStream | None, until: str = "") -> str:
    """All that a process prints, or what it prints up to a text."""
    assert stream is not None
    printed = b""
    while not (until and until.encode() in printed):
        data = await stream.receive_some()
        if not data:
            assert not until, f"no {until!r} in {printed!r}"
            break
        printed += data
    return printed.decode()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_it_with_a_tally_and_status_0(
    connect: Connect, how: signal.Signals
) -> None:
    async with open_simulator() as sim:
        client = await connect(sim.spu_addresses[0])
        async with tailed(TOPIC, "--sc", sim.address) as process:
            await client.produce(TOPIC, 0, b"a")
            await client.produce(TOPIC, 0, b"a")
            printed = await read(process.stdout, until="0@1")
            process.send_signal(how)
            printed += await read(process.stdout)
            assert (await process.wait(), await read(process.stderr)) == (0, "")
    assert printed.splitlines() == [
        "0@0  a",
        "0@1  a  <- resent, first at 0@0",
        "2 records, 1 of them resent",
    ]


async def test_it_outlives_a_restart_of_the_spu_and_ends_cleanly_while_it_waits(
    connect: Connect,
) -> None:
    async with open_simulator() as sim:
        client = await connect(sim.spu_addresses[0])
        await client.produce(TOPIC, 0, b"a")
        async with tailed(TOPIC, "--sc", sim.address) as process:
            printed = await read(process.stdout, until="0@0  a\n")
            await sim.stop_spu(0)
            printed += await read(process.stdout, until="tail tries again\n")
            await sim.start_spu(0)
            await (await connect(sim.spu_addresses[0])).produce(TOPIC, 0, b"b")
            printed += await read(process.stdout, until="0@1  b\n")
            await sim.stop_spu(0)
            await read(process.stdout, until="tail tries again\n")
            process.send_signal(signal.SIGINT)
            tally = await read(process.stdout)
            assert (await process.wait(), await read(process.stderr)) == (0, "")
    first, note, second = printed.splitlines()
    assert (first, second) == ("0@0  a", "0@1  b")
    assert re.fullmatch(r"note: the SPU at \S+ closed the connection; tail tries again", note)
    assert tally == "2 records, 0 of them resent\n"


async def test_it_ends_silently_when_its_reader_has_enough(connect: Connect) -> None:
    async with open_simulator() as sim:
        client = await connect(sim.spu_addresses[0])
        await client.produce(TOPIC, 0, b"a")
        async with tailed(TOPIC, "--sc", sim.address) as process:
            await read(process.stdout, until="0@0")
            assert process.stdout is not None
            await process.stdout.aclose()
            await client.produce(TOPIC, 0, b"b")
            assert (await process.wait(), await read(process.stderr)) == (0, "")


async def test_a_reader_that_does_not_read_does_not_hold_up_the_end(connect: Connect) -> None:
    async with open_simulator() as sim:
        client = await connect(sim.spu_addresses[0])
        for _ in range(20):
            await client.produce(TOPIC, 0, *[b"x" * 60] * 200)  # more lines than a pipe holds
        async with tailed(TOPIC, "--sc", sim.address) as process:
            await read(process.stdout, until="0@0")
            process.send_signal(signal.SIGINT)
            assert (await process.wait(), await read(process.stderr)) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
async def test_a_full_disk_is_one_line_and_status_2(connect: Connect) -> None:
    async with open_simulator() as sim:
        await (await connect(sim.spu_addresses[0])).produce(TOPIC, 0, b"a")
        full = os.open("/dev/full", os.O_WRONLY)
        try:
            async with tailed(TOPIC, "--sc", sim.address, stdout=full) as process:
                told = await read(process.stderr)
                assert await process.wait() == 2
        finally:
            os.close(full)
    assert told == "simulator: standard output: No space left on device\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tail"], "Missing argument 'TOPIC'"),
        (["tail", TOPIC, "--sc", "a b"], "'a b' is not an address; write HOST:PORT"),
        (["tail", TOPIC, "--from", "now"], "'now' is not one of 'beginning', 'end'"),
        (["tail", TOPIC, "--sc", "127.0.0.1:1"], "connection refused; is it started, and"),
        (["--drop", "0.1", "tail", TOPIC], "--drop is an option of a simulator, and tail starts"),
        (["tial", TOPIC], "No such command 'tial'"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_status_2(arguments: list[str], message: str) -> None:
    done = subprocess.run([*COMMAND[:-1], *arguments], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.startswith("simulator: ")
    assert done.stderr.count("\n") == 1
