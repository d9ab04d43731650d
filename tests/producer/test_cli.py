"""The command line, as functions and as a process."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest
import trio

from producer.cli import main, run
from producer.config import TopicProducerConfig
from producer.console import Job, LineError, Run, lines_of
from producer.delivery.semantics import DeliverySemantic, RetryPolicy
from producer.errors import ConnectError
from simulator import open_simulator
from simulator.events import Appended, Event, FaultHit
from simulator.serving.server import Simulator
from tests.producer.test_at_least_once import fault

SHORT = DeliverySemantic.at_least_once(RetryPolicy(max_retries=0, timeout=0.2))


def pipe_with(data: bytes) -> int:
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    return reading


async def produce(
    sim: Simulator, data: bytes, separator: bytes | None = None, **config: Any
) -> int:
    job = Job("greetings", sim.address, None, separator, False, TopicProducerConfig(**config))
    fileno = pipe_with(data)
    try:
        return await Run(job, fileno).to_the_end()
    finally:
        os.close(fileno)


def records(sim: Simulator) -> list[tuple[bytes | None, bytes]]:
    return [(record.key, record.value) for record in sim.log("greetings", 0)]


async def test_each_line_is_a_record_and_the_tally_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with open_simulator() as sim:
        assert await produce(sim, b"a\n\nb") == 0
        assert records(sim) == [(None, b"a"), (None, b""), (None, b"b")]
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("sent 3, acknowledged 3, failed 0, retries 0, ")


async def test_a_separator_divides_key_and_value() -> None:
    async with open_simulator() as sim:
        assert await produce(sim, b"k:a:b\n:c\n", b":") == 0
        assert records(sim) == [(b"k", b"a:b"), (b"", b"c")]


async def test_a_line_without_the_separator_ends_the_input_and_loses_nothing_before_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with open_simulator() as sim:
        assert await produce(sim, b"k:a\nb\nk:c\n", b":") == 2
        assert records(sim) == [(b"k", b"a")]
    assert "producer: line 2 has no separator ':'" in capsys.readouterr().err


async def test_a_line_that_is_too_long_is_told_by_its_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with open_simulator() as sim:
        assert await produce(sim, b"a\n" + b"b" * 3000, max_request_size=2000) == 2
        assert records(sim) == [(None, b"a")]
    assert "line 2 is longer than 2000 bytes" in capsys.readouterr().err


async def test_what_was_not_delivered_is_told_and_gives_status_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with open_simulator(faults=[fault("drop", at="request")]) as sim:
        assert await produce(sim, b"a\nb\n", delivery_semantic=SHORT) == 1
    err = capsys.readouterr().err
    assert "producer: 2 records of greetings/0: not delivered, perhaps stored" in err
    assert "sent 2, acknowledged 0, failed 2, retries 0" in err


async def test_at_most_once_that_lost_an_answer_gives_status_1() -> None:
    semantic = DeliverySemantic.at_most_once()
    async with open_simulator(faults=[fault("drop", at="response")]) as sim:
        assert await produce(sim, b"a\n", delivery_semantic=semantic) == 1
        assert len(records(sim)) == 1


async def test_a_cluster_that_is_not_there_is_an_error_before_anything_is_read() -> None:
    job = Job("greetings", "127.0.0.1:1", None, None, False, TopicProducerConfig())
    with pytest.raises(ConnectError, match="refused"):
        await Run(job, -1).to_the_end()


async def test_lines_are_cut_wherever_reads_end() -> None:
    reading, writing = os.pipe()
    found: list[bytes] = []

    async def write() -> None:
        for piece in (b"a", b"b\nc", b"\n", b"\nd"):
            os.write(writing, piece)
            await trio.testing.wait_all_tasks_blocked(0.01)
        os.close(writing)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        found += [line async for line in lines_of(reading, 100)]
    os.close(reading)
    assert found == [b"ab", b"c", b"", b"d"]


async def test_a_line_ends_with_lf_or_with_cr_lf_and_keeps_a_cr_elsewhere() -> None:
    reading = pipe_with(b"a\r\nb\rc\n\r\nd\r")
    assert [line async for line in lines_of(reading, 100)] == [b"a", b"b\rc", b"", b"d\r"]
    os.close(reading)


async def test_standard_input_may_be_non_blocking() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    found: list[bytes] = []

    async def read() -> None:
        found.extend([line async for line in lines_of(reading, 100)])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked(0.01)
        os.write(writing, b"late\n")
        os.close(writing)
    os.close(reading)
    assert found == [b"late"]


async def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    reading = pipe_with(b"x" * 1000)
    with pytest.raises(LineError, match="line 1 is longer than 999 bytes"):
        await anext(lines_of(reading, 999))
    os.close(reading)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'TOPIC'"),
        (["t", "--linger", "5x"], "'5x' is not a duration; write a number and one of us, ms, s, m"),
        (["t", "--batch-size", "5KB"], "'5KB' is not a size"),
        (["t", "--batch-size", "0"], "batch_size is 0"),
        (["t", "--timeout", "0s"], "timeout is 0"),
        (["t", "--delivery-semantic", "exactly-once"], "exactly-once"),
        (["t", "--address", "nowhere:port"], "'nowhere:port' is not an address"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["producer", *arguments])
    reading = pipe_with(b"")
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(SystemExit) as caught:
            run()
    assert caught.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("producer: ")
    assert message in lines[0]


def test_the_help_names_every_option_and_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    for name in ("--address", "--key-separator", "--max-retries", "--linger", "--partition", "130"):
        assert name in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_an_interrupted_process_delivers_what_it_has_and_says_130(number: int) -> None:
    stored = Watcher(Appended)
    async with open_simulator(sinks=[stored]) as sim:
        process = await _start(sim)
        assert process.stdin is not None
        await process.stdin.send_all(b"a\nb\n")
        await stored.seen.wait()
        process.send_signal(number)
        assert await process.wait() == 130
        assert process.stderr is not None
        told = b"".join([bytes(data) async for data in process.stderr])
        assert b"sent 2, acknowledged 2, failed 0" in told
        await process.stdin.aclose()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_second_signal_ends_it_with_status_130_and_the_tally(number: int) -> None:
    dropped = Watcher(FaultHit)
    async with open_simulator(faults=[fault("drop", at="request")], sinks=[dropped]) as sim:
        process = await _start(sim)
        assert process.stdin is not None
        await process.stdin.send_all(b"a\n")
        await dropped.seen.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_signal_again, process, number)
            assert await process.wait() == 130
            nursery.cancel_scope.cancel()
        assert process.stderr is not None
        told = b"".join([bytes(data) async for data in process.stderr])
        assert b"sent 1, acknowledged 0, failed 1" in told
        assert b"Traceback" not in told
        await process.stdin.aclose()


async def _signal_again(process: trio.Process, number: int) -> None:
    """Send a signal again and again: several that come at once are one."""
    while True:
        with suppress(ProcessLookupError):
            process.send_signal(number)
        await trio.sleep(0.01)


async def test_under_nohup_it_goes_on_when_the_terminal_hangs_up() -> None:
    stored = Watcher(Appended)
    async with open_simulator(sinks=[stored]) as sim:
        process = await _start(sim, "nohup")
        assert process.stdin is not None
        await process.stdin.send_all(b"a\n")
        await stored.seen.wait()
        process.send_signal(signal.SIGHUP)
        await process.stdin.send_all(b"b\n")
        await process.stdin.aclose()
        assert await process.wait() == 0
        assert records(sim) == [(None, b"a"), (None, b"b")]


class Watcher:
    """A sink that waits for the first event of a class."""

    def __init__(self, awaited: type[Event]) -> None:
        self.awaited = awaited
        self.seen = trio.Event()

    def __call__(self, event: Event) -> None:
        if isinstance(event, self.awaited):
            self.seen.set()


async def _start(sim: Simulator, *before: str) -> trio.Process:
    command = [
        *before,
        sys.executable,
        "-P",
        "-m",
        "producer",
        "greetings",
        "--address",
        sim.address,
    ]
    return await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
