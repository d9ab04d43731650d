"""What a person sees of the command, and what becomes of it when nobody can see anything."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from producer.config import TopicProducerConfig
from producer.console import INTERRUPTED_FLUSH_S, STATUS_INTERRUPTED, Job, Run
from simulator import open_simulator
from simulator.events import Appended, ConnectRefused, FaultHit
from tests.producer.cluster import Cluster
from tests.producer.test_at_least_once import fault
from tests.producer.test_cli import Watcher
from wire.launch import Forgiving

FAILING = fault("error", at="request", code="TopicNotFound")


# --- interrupted


@asynccontextmanager
async def running(cluster: Cluster, lines: bytes) -> AsyncIterator[list[int]]:
    """The command in virtual time, until it ends; its input stays open. Its status comes last."""
    reading, writing = os.pipe()
    os.write(writing, lines)
    statuses: list[int] = []
    address = cluster.simulator.address
    job = Job("greetings", address, None, None, False, TopicProducerConfig())

    async def run() -> None:
        statuses.append(await Run(job, reading, cluster.dial).to_the_end())

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            yield statuses
    finally:
        os.close(writing)  # which lets the thread that reads go
        os.close(reading)


@pytest.mark.parametrize("times", [1, 2])
async def test_interrupted_it_ends_within_its_bound_and_twice_at_once(
    cluster: Cluster, autojump_clock: MockClock, capsys: pytest.CaptureFixture[str], times: int
) -> None:
    dropped = Watcher(FaultHit)
    faults = [fault("drop", at="request")]
    async with open_simulator(
        listen=cluster.network.listen, faults=faults, sinks=[dropped]
    ) as cluster.simulator:
        async with running(cluster, b"a\nb\n") as statuses:
            await dropped.seen.wait()
            interrupted_at = trio.current_time()
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
                await trio.testing.wait_all_tasks_blocked()
        took = trio.current_time() - interrupted_at
    assert took == pytest.approx(INTERRUPTED_FLUSH_S if times == 1 else 0)
    assert statuses == [STATUS_INTERRUPTED]
    err = capsys.readouterr().err
    assert "producer: interrupted, 2 records not delivered" in err
    assert "sent 2, acknowledged 0, failed 2" in err


async def test_interrupted_while_it_connects_it_ends_at_once(
    cluster: Cluster, autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    hung = Watcher(ConnectRefused)
    faults = [fault("refuse", server="sc", how="hang")]
    async with open_simulator(
        listen=cluster.network.listen, faults=faults, sinks=[hung]
    ) as cluster.simulator:
        async with running(cluster, b"") as statuses:
            await hung.seen.wait()
            signal.raise_signal(signal.SIGINT)
        assert trio.current_time() == 0
    assert statuses == [STATUS_INTERRUPTED]
    assert capsys.readouterr().err == ""


# --- with a terminal


class Terminal:
    """A pseudo-terminal that a command writes its messages to."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.openpty()
        self.shown = b""

    async def until(self, pattern: bytes) -> None:
        """Read until this was shown."""
        while not re.search(pattern, self.shown):
            self.shown += await trio.to_thread.run_sync(os.read, self.ours, 4096)

    async def to_the_end(self) -> None:
        """Read until nobody has the terminal open any more."""
        with suppress(OSError):  # which is how Linux says so
            while data := await trio.to_thread.run_sync(os.read, self.ours, 4096):
                self.shown += data

    def hang_up(self) -> None:
        if self.ours >= 0:
            os.close(self.ours)
            self.ours = -1


@asynccontextmanager
async def on_a_terminal(address: str) -> AsyncIterator[tuple[trio.Process, Terminal]]:
    terminal = Terminal()
    plain = {"NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LINES"}
    environment = {name: value for name, value in os.environ.items() if name not in plain}
    process = await trio.lowlevel.open_process(
        [sys.executable, "-P", "-m", "producer", "greetings", "--address", address],
        stdin=subprocess.PIPE,
        stderr=terminal.theirs,
        env={**environment, "TERM": "xterm-256color"},
    )
    os.close(terminal.theirs)
    try:
        yield process, terminal
    finally:
        terminal.hang_up()


async def test_a_terminal_shows_how_it_goes_on_while_it_goes_on() -> None:
    async with open_simulator() as sim, on_a_terminal(sim.address) as (process, terminal):
        assert process.stdin is not None
        await terminal.until(b"connecting")
        await process.stdin.send_all(b"a\nb\n")
        await terminal.until(b"sent 2, acknowledged 2, failed 0, retries 0")
        await process.stdin.send_all(b"c\n")
        await terminal.until(b"sent 3, acknowledged 3, failed 0, retries 0")
        assert b"seconds" not in terminal.shown  # which only the tally tells
        await process.stdin.aclose()
        await terminal.to_the_end()
        assert await process.wait() == 0
        assert re.search(rb"sent 3, acknowledged 3, .* seconds\r\n", terminal.shown)


async def test_a_terminal_shows_errors_whole_beside_the_progress() -> None:
    async with (
        open_simulator(faults=[FAILING]) as sim,
        on_a_terminal(sim.address) as (process, terminal),
    ):
        assert process.stdin is not None
        await terminal.until(b"connecting")
        await process.stdin.send_all(b"a\n")
        await terminal.until(rb"producer: 1 record of greetings/0: [^\r\n]*TopicNotFound\r\n")
        await terminal.until(b"sent 1, acknowledged 0, failed 1")
        await process.stdin.aclose()
        await terminal.to_the_end()
        assert await process.wait() == 1


async def test_a_terminal_that_goes_away_takes_nothing_with_it() -> None:
    stored = Watcher(Appended)
    async with (
        open_simulator(sinks=[stored]) as sim,
        on_a_terminal(sim.address) as (process, terminal),
    ):
        assert process.stdin is not None
        await terminal.until(b"sent 0")
        terminal.hang_up()
        await process.stdin.send_all(b"a\n")
        await stored.seen.wait()
        await process.stdin.aclose()
        assert await process.wait() == 0


# --- without anybody who reads


@pytest.mark.parametrize(
    "redirected",
    ["2>&-", "2>/dev/full", ">&-", ">&- 2>&-", ">/dev/full 2>/dev/full"],
)
@pytest.mark.parametrize("status", [0, 1, 2])
async def test_the_status_is_right_wherever_messages_go(redirected: str, status: int) -> None:
    faults = [FAILING] if status == 1 else []
    async with open_simulator(faults=faults) as sim:
        address = "127.0.0.1:1" if status == 2 else sim.address
        done = await _in_a_shell(f"greetings --address {address} {redirected}", b"a\n")
        stored = [record.value for record in sim.log("greetings", 0)]
    assert done.returncode == status
    assert stored == ([b"a"] if status == 0 else [])
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"\n") == (max(1, 2 * (status == 1)) if redirected == ">&-" else 0)


def test_what_cannot_be_shown_now_or_later_is_lost_without_an_error() -> None:
    with Forgiving(Path("/dev/full").open("wb"), "utf-8") as forgiving:
        assert forgiving.write("held back") == 9
        forgiving.flush()
        assert forgiving.write("x" * 100_000) == 100_000
        assert not forgiving.isatty()


async def test_messages_that_nobody_reads_are_lost_and_the_records_are_not() -> None:
    read, write = os.pipe()
    os.close(read)  # from here on each message fails by a broken pipe
    refused = Watcher(FaultHit)
    async with open_simulator(
        faults=[{"error": FAILING["error"] | {"nth": 1}}], sinks=[refused]
    ) as sim:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-P", "-m", "producer", "greetings", "--address", sim.address],
            stdin=subprocess.PIPE,
            stderr=write,
        )
        os.close(write)
        assert process.stdin is not None
        await process.stdin.send_all(b"fails and is told to nobody\n")
        await refused.seen.wait()
        await process.stdin.send_all(b"arrives\n")
        await process.stdin.aclose()
        assert await process.wait() == 1
        assert [record.value for record in sim.log("greetings", 0)] == [b"arrives"]


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ("--help >&-", 0, b""),
        ("--help >/dev/full", 2, b"producer: no space left on device\n"),
        ("--help >/dev/full 2>/dev/full", 2, b""),
        ("--nope 2>&-", 2, b""),
        ("--nope 2>/dev/full", 2, b""),
        ("greetings <&- 2>&-", 2, b""),
    ],
)
async def test_what_ends_before_it_begins_gives_its_status_wherever_messages_go(
    arguments: str, status: int, told: bytes
) -> None:
    done = await _in_a_shell(arguments)
    assert (done.returncode, done.stderr) == (status, told)


async def test_input_that_cannot_be_read_is_told_and_gives_status_2() -> None:
    async with open_simulator() as sim:
        done = await _in_a_shell(f"greetings --address {sim.address} 0>/dev/null")
    assert done.returncode == 2
    assert b"producer: standard input cannot be read: bad file descriptor\n" in done.stderr


async def _in_a_shell(command: str, data: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return await trio.run_process(
        ["sh", "-c", f"exec {sys.executable} -P -m producer {command}"],
        stdin=data,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
