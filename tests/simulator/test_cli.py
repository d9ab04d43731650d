"""The command line, as a process."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from simulator.cli import run
from tests.simulator.client import Client, Connect, batch, produce_request
from wire.api import PRODUCE
from wire.api.stream_fetch import StreamFetchRequest
from wire.framing import RequestHeader, request_frame

COMMAND = [sys.executable, "-P", "-m", "simulator"]
READY = re.compile(r"ready sc=(127\.0\.0\.1:\d+) spu=((?:127\.0\.0\.1:\d+,?)+) seed=(\d+)\n")


class Process:
    """A simulator that has printed its ready line."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.output = b""

    async def read_until(self, pattern: re.Pattern[str]) -> re.Match[str]:
        assert self.process.stdout is not None
        while not (match := pattern.search(self.output.decode())):
            data = await self.process.stdout.receive_some()
            assert data, f"no {pattern.pattern} in {self.output!r}"
            self.output += data
        return match

    async def stop(self, how: signal.Signals = signal.SIGINT) -> str:
        """Stop it and return all that it printed."""
        self.process.send_signal(how)
        printed = await self.rest()
        assert await self.process.wait() == 0
        return printed

    async def rest(self) -> str:
        """All that it printed, to its end."""
        assert self.process.stdout is not None
        async for data in self.process.stdout:
            self.output += data
        return self.output.decode()


@asynccontextmanager
async def started(
    *options: str,
    environment: dict[str, str] | None = None,
    ready: re.Pattern[str] = READY,
    stderr: int | None = None,
) -> AsyncIterator[tuple[Process, re.Match[str]]]:
    command = [*COMMAND, "--port", "0", "--spu-port", "0", *options]
    with trio.fail_after(30):
        process = Process(
            await trio.lowlevel.open_process(
                command,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, **(environment or {})},
            )
        )
        try:
            yield process, await process.read_until(ready)
        finally:
            process.process.kill()
            with trio.CancelScope(shield=True):
                await process.process.wait()
                if process.process.stdout is not None:
                    await process.process.stdout.aclose()


async def produce(connect: Connect, address: str, *values: bytes) -> None:
    client = await connect(address)
    for value in values:
        await client.send(PRODUCE, produce_request(("greetings", 0, batch(value))))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_it_with_a_summary_though_connections_are_open_and_delays_pending(
    connect: Connect,
    how: signal.Signals,
) -> None:
    async with started("--delay", "10m", "--summary", "json", "--quiet") as (process, ready):
        await produce(connect, ready[2], b"never applied")
        idle = await connect(ready[1])
        last = (await process.stop(how)).splitlines()[-1]
        await idle.stream.aclose()
    assert json.loads(last)["partitions"] == {
        "greetings/0": {"stored": 0, "distinct": 0, "resent": 0}
    }


async def test_the_json_summary_has_the_fields_that_scripts_rely_on(connect: Connect) -> None:
    options = ["--seed", "7", "--disconnect", "1", "--at", "response", "--summary", "json"]
    async with started(*options) as (process, ready):
        assert ready[3] == "7"
        await produce(connect, ready[2], b"stored, never answered")
        await process.read_until(re.compile("reset by a fault"))
        summary = json.loads((await process.stop()).splitlines()[-1])
    assert summary == {
        "partitions": {"greetings/0": {"stored": 1, "distinct": 1, "resent": 0}},
        "faults": {"disconnect": {"fired": 1, "shadowed": 0}},
        "connections": 1,
        "frames": 3,
        "unanswered_records": 1,
        "not_served": {},
    }


async def test_each_frame_verdict_and_append_is_a_line_that_a_person_can_follow(
    connect: Connect,
) -> None:
    options = ["--drop", "1", "--at", "response", "--topic", "greetings", "--topic", "t:2"]
    async with started(*options) as (process, ready):
        await produce(connect, ready[2], b"a")
        await process.read_until(re.compile("! drop at"))
        printed = await process.stop()
    lines = [line.split(maxsplit=3)[-1] for line in printed.splitlines() if "spu:0" in line]
    assert lines == [
        "= opened",
        "> api-versions id=1",
        "< api-versions id=1",
        "> produce id=1 greetings/0",
        "+ greetings/0 stored 1 record at 0",
        "! drop at response of produce id=1 greetings/0",
    ]
    assert "greetings/0       1         1       0" in printed
    assert "stored records whose answer was never written: 1" in printed
    assert "\x1b" not in printed


async def test_quiet_prints_the_ready_line_and_the_summary_only(connect: Connect) -> None:
    async with started("--quiet") as (process, ready):
        await produce(connect, ready[2], b"a")
        printed = await process.stop()
    assert "produce" not in printed
    assert printed.startswith("ready ")
    assert "greetings/0" in printed


async def test_a_request_that_is_not_served_is_told_in_spite_of_quiet(connect: Connect) -> None:
    request = StreamFetchRequest(topic="greetings", fetch_offset=0)
    header = RequestHeader(api_key=1003, api_version=17, correlation_id=9, client_id="old")
    async with started("--quiet", stderr=subprocess.STDOUT) as (process, ready):
        client = await connect(ready[2])
        await client.stream.send_all(request_frame(header, request))
        asked = "stream-fetch in version 17, asked of spu:0,"
        told = f"simulator: a client was disconnected: {asked} is not served\n"
        await process.read_until(re.compile(told))
        printed = await process.stop()
    assert printed.count(told) == 1
    assert printed.endswith(f"not served: {asked} 1 times\n")


async def test_the_journal_is_json_lines_in_one_order(connect: Connect, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    async with started("--journal", str(path), "--duplicate", "1", "--quiet") as (process, ready):
        client = await connect(ready[2])
        await client.send(PRODUCE, produce_request(("greetings", 0, batch(b"a", b"b"))))
        for _ in range(4):  # both copies of the request are applied, each answered twice
            await client.answer()
        await process.stop()
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert [entry["n"] for entry in entries] == list(range(1, len(entries) + 1))
    appends = [entry for entry in entries if entry["event"] == "Appended"]
    assert [(a["base_offset"], a["records"], a["transmission"]) for a in appends] == [
        (0, 2, 2),
        (2, 2, 2),
    ]
    assert [a.get("copied_by") for a in appends] == [None, "duplicate"]


async def test_a_seed_that_was_not_given_is_drawn_and_printed() -> None:
    seeds = set()
    for _ in range(2):
        async with started("--quiet") as (_, ready):
            seeds.add(ready[3])
    assert len(seeds) == 2


async def test_several_spus_are_joined_by_commas(connect: Connect) -> None:
    async with started("--spus", "3", "--quiet") as (_, ready):
        addresses = ready[2].split(",")
        for address in addresses:
            await connect(address)
    assert len(set(addresses)) == 3


async def test_a_reader_that_takes_only_the_ready_line_stops_nothing_and_finds_the_summary(
    connect: Connect,
) -> None:
    async with started("-v", "--summary", "json") as (process, ready):
        client = await connect(ready[2])
        # Each request makes two lines or more: far more than a pipe holds.
        for _ in range(2000):
            await client.produce("greetings", 0, b"x")
        process.process.send_signal(signal.SIGINT)
        assert await process.process.wait() == 0
        printed = await process.rest()
    assert "lines left out: the reader is too slow" in printed
    assert json.loads(printed.splitlines()[-1])["partitions"]["greetings/0"]["stored"] == 2000


@pytest.mark.parametrize(
    ("first", "second"), [(signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)]
)
async def test_a_second_signal_spoils_nothing(
    first: signal.Signals, second: signal.Signals
) -> None:
    async with started("--quiet", "--summary", "json") as (process, _):
        process.process.send_signal(first)
        process.process.send_signal(second)
        assert json.loads((await process.stop(second)).splitlines()[-1])["connections"] == 0


async def test_names_that_look_like_markup_are_names(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("- drop: {name: '[/x]:bug:'}\n")
    async with started("--quiet", "--summary", "json", "--faults", str(path)) as (process, _):
        summary = json.loads((await process.stop()).splitlines()[-1])
    assert list(summary["faults"]) == ["[/x]:bug:"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
async def test_a_journal_that_cannot_be_written_ends_and_the_simulator_goes_on(
    connect: Connect,
) -> None:
    async with started("--journal", "/dev/full", "--quiet") as (process, ready):
        client = await connect(ready[2])
        assert (await client.produce("greetings", 0, b"x")).base_offset == 0
        printed = await process.stop()
    assert "greetings/0       1         1       0" in printed


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
async def test_output_on_a_full_disk_ends_and_the_simulator_goes_on(
    connect: Connect, tmp_path: Path
) -> None:
    path = tmp_path / "journal.jsonl"
    ports = [str(port) for port in free_ports()]
    command = [*COMMAND, "--port", ports[0], "--spu-port", ports[1], "--journal", str(path)]
    with trio.fail_after(30), Path("/dev/full").open("w") as full:  # noqa: ASYNC230
        process = await trio.lowlevel.open_process(command, stdout=full, stderr=subprocess.PIPE)
        assert process.stderr is not None
        told = bytes(await process.stderr.receive_some())
        client = await connect(f"127.0.0.1:{ports[1]}")
        assert (await client.produce("greetings", 0, b"x")).base_offset == 0
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 1, "the summary is not there"
        await process.stderr.aclose()
    assert told == b"simulator: standard output: No space left on device; nothing more is printed\n"
    assert '"Appended"' in path.read_text()


def free_ports() -> tuple[int, int]:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        return one.getsockname()[1], other.getsockname()[1]


@pytest.mark.parametrize("read", [False, True])
async def test_a_journal_into_a_pipe_that_is_not_read_holds_nothing_up(
    connect: Connect, tmp_path: Path, read: bool
) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if read else None
    async with started("--journal", str(path), "--quiet", "--summary", "json") as (process, ready):
        client = await connect(ready[2])
        # Each request makes three lines of 200 characters: more than a pipe holds.
        for _ in range(300):
            await client.produce("greetings", 0, b"x")
        printed = await process.stop()
    if reader is not None:
        os.close(reader)
    assert json.loads(printed.splitlines()[-1])["partitions"]["greetings/0"]["stored"] == 300


async def test_a_summary_that_nobody_reads_ends_with_status_1_and_not_with_a_part_of_it(
    connect: Connect,
) -> None:
    options = ["--topic", "greetings:3000", "--quiet", "--summary", "json"]
    async with started(*options) as (process, _):
        process.process.send_signal(signal.SIGTERM)
        assert await process.process.wait() == 1
    async with started(*options) as (process, _):
        summary = json.loads((await process.stop()).splitlines()[-1])
    assert len(summary["partitions"]) == 3000


async def test_nohup_outlives_its_terminal(connect: Connect) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        async with started("--quiet") as (process, ready):
            process.process.send_signal(signal.SIGHUP)
            client = await connect(ready[2])
            assert (await client.produce("greetings", 0, b"x")).base_offset == 0
            await process.stop()
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_foreign_letters_are_printed_whatever_the_terminal_takes(
    connect: Connect, tmp_path: Path
) -> None:
    path = tmp_path / "journal.jsonl"
    plain = {"PYTHONIOENCODING": "ascii", "LC_ALL": "POSIX", "PYTHONUTF8": "0"}
    async with started("-v", "--journal", str(path), environment=plain) as (process, ready):
        host, _, port = ready[2].rpartition(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await Client(stream, client_id="é").hello()
        await process.stop()
    assert '"client_id": "é"' in path.read_text(encoding="utf-8")


async def test_a_thousand_connections_fit_though_the_soft_limit_of_files_is_lower(
    connect: Connect,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        async with started("--quiet", "--summary", "json") as (process, ready):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
            for _ in range(1000):
                await connect(ready[2])
            summary = json.loads((await process.stop()).splitlines()[-1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert summary["connections"] == 1000


async def test_a_reader_that_goes_away_stops_nothing(connect: Connect) -> None:
    async with started() as (process, ready):
        assert process.process.stdout is not None
        await process.process.stdout.aclose()
        client = await connect(ready[2])
        assert (await client.produce("greetings", 0, b"x")).base_offset == 0
        process.process.send_signal(signal.SIGINT)
        assert await process.process.wait() == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--drop", "1.5"], "'--drop': 1.5 is not in the range 0<=x<=1"),
        (["--drop", "often"], "'--drop': 'often' is not a valid float"),
        (["--delay", "gamma(1,2)"], "'--delay'"),
        (["--commit-delay", "5"], "'5' is not a duration"),
        (["--recovery", "soon"], "'--recovery': 'soon' is not a duration"),
        (["--topic", "a:b"], "'a:b' is not a topic; write NAME or NAME:PARTITIONS"),
        (["--topic", "Bad_Name"], "topic Bad_Name: Invalid topic name"),
        (["--topic", "a", "--topic", "a:2"], "--topic: two topics have the same name"),
        (["--host", "0.0.0.0"], "say with --advertise HOST"),
        (["--journal", "no/such/folder/j"], "no/such/folder/j: No such file or directory"),
        (["--spus", "2", "--spu-port", "65530"], "ports end at 65535"),
        (["--advertise", "127.0.0.1:9010"], "advertise: '127.0.0.1:9010' is not a host; write"),
        (["--advertise", "http://localhost"], "'http://localhost' is not a host"),
        (["--advertise", ""], "advertise: '' is not a host"),
        (["--port", "9003", "--spu-port", "9003"], "would both listen on port 9003"),
        (["--memory", "1TB"], "'--memory': '1TB' is not a size"),
        (["--control", "127.0.0.1:70000"], "a port in 0..65535, for example 127.0.0.1:8475"),
        (["--control-token-file", "x"], "--control-token-file needs --control HOST:PORT"),
        (["--memory", "1KiB"], "memory: '1KiB' is less than 1024 KiB, the least"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_status_2(
    options: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # In this process: each is found before anything is begun.
    monkeypatch.setattr(sys, "argv", ["simulator", "--port", "0", *options])
    with pytest.raises(SystemExit) as end:
        run()
    told = capsys.readouterr()
    assert (end.value.code, told.out) == (2, "")
    assert message in told.err
    assert told.err.startswith("simulator: ")
    assert told.err.count("\n") == 1


def test_each_of_several_mistakes_is_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["simulator", "--advertise", "a b", "--memory", "1KiB"])
    with pytest.raises(SystemExit):
        run()
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("simulator: advertise: ")
    assert second.startswith("simulator: memory: ")


async def test_the_ready_line_shows_what_is_advertised(connect: Connect) -> None:
    shown = re.compile(r"ready sc=\[::1\]:(\d+) spu=\[::1\]:\d+ seed=")
    options = ["--advertise", "[::1]", "--quiet"]
    async with started(*options, ready=shown) as (_, ready):
        await connect(f"127.0.0.1:{ready[1]}")


def test_a_mistake_ends_the_process_with_status_2() -> None:
    done = subprocess.run([*COMMAND, "--dorp"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("simulator: No such option '--dorp'. (Did you mean")
    assert done.stderr.count("\n") == 1


def test_a_port_in_use_is_one_line_on_stderr_and_status_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [*COMMAND, "--spu-port", "0", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr


def test_a_bad_faults_file_is_told_line_by_line_with_places(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("- drop: {probability: 1.5}\n- stal\n")
    command = [*COMMAND, "--faults", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert first == f"{path}:1:10: faults[0].drop.probability: 1.5 is outside 0..1"
    assert second.startswith(f"{path}:2:3: faults[1]: ")
    assert "did you mean 'stall'?" in second


async def test_the_control_api_has_a_free_port_and_its_open_streams_hold_up_no_end() -> None:
    controlled = re.compile(READY.pattern[:-2] + r" control=http://127\.0\.0\.1:(\d+)\n")
    options = ("--control", "127.0.0.1:0", "--quiet", "--summary", "json")
    async with started(*options, ready=controlled) as (process, ready):
        port = int(ready[4])
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        request = f"GET /events HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"
        await stream.send_all(request.encode())
        assert b" 200 " in await stream.receive_some()
        assert '"connections": 0' in await process.stop(signal.SIGTERM)
        await stream.aclose()


def test_help_teaches_by_example() -> None:
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0
    assert "spu-simulator --drop 0.1" in done.stdout
    assert "fluvio profile add" in done.stdout
