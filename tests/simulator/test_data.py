"""What ``--data`` keeps, with real processes that are killed."""

import re
import signal
import subprocess
from pathlib import Path
from random import Random

import pytest
import trio
from trio.testing import MockClock

import simulator
from simulator import SimulatorError
from simulator.cluster.keeping import release
from simulator.config import Config, new_cluster
from simulator.storage.store import DATA_FILE
from tests.simulator.admin import simulated
from tests.simulator.client import Client, Connect, batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from tests.simulator.test_cli import COMMAND, started
from wire.api import PRODUCE
from wire.codec import decode
from wire.error_code import Code

KILLS = 20

REQUESTS_MAX = 40
"""The requests of one life of the simulator, all sent at once."""


def values(directory: Path) -> list[bytes]:
    """The values of the first partition, as a directory has them."""
    cluster = new_cluster(Config(data=directory, topics={}))
    partition = cluster.partition("greetings", 0)
    release(cluster)
    return [] if partition is None else [record.value for record in partition.log]


async def next_code(client: Client) -> object:
    _, data = await client.answer()
    response = decode(PRODUCE.response, data, PRODUCE.max_version)
    return response.topics[0].partitions[0].error_code


async def test_what_was_acknowledged_outlives_twenty_kills(
    tmp_path: Path, connect: Connect
) -> None:
    """Each life ends by SIGKILL after some answers, with more requests on their way."""
    random, sent = Random(13), 0
    acknowledged = list[bytes]()
    for life in range(KILLS):
        async with started("--data", str(tmp_path), "--quiet") as (sim, ready):
            client = await connect(ready[2])
            new = [b"%d-%d" % (life, n) for n in range(random.randrange(1, REQUESTS_MAX))]
            for value in new:
                await client.send(PRODUCE, produce_request(("greetings", 0, batch(value))))
            answered = random.randrange(len(new) + 1)
            for _ in range(answered):
                assert await next_code(client) is Code.NONE
            sim.process.send_signal(signal.SIGKILL)
            await sim.process.wait()
        sent += len(new)
        acknowledged += new[:answered]
        found = values(tmp_path)
        of_this_life = [value for value in found if value.startswith(b"%d-" % life)]
        assert of_this_life == new[: len(of_this_life)]
        assert len(of_this_life) >= answered
        assert set(acknowledged) <= set(found)
        assert len(set(found)) == len(found) <= sent


async def test_a_restart_goes_on_where_the_simulator_ended(
    tmp_path: Path, connect: Connect
) -> None:
    options = ("--data", str(tmp_path), "--topic", "greetings:2", "--topic", "t", "--quiet")
    async with started(*options) as (sim, ready):
        assert (await (await connect(ready[2])).produce("greetings", 1, b"a")).base_offset == 0
        await sim.stop()
    async with started("--data", str(tmp_path), "--summary", "json") as (sim, ready):
        assert (await (await connect(ready[2])).produce("greetings", 1, b"a")).base_offset == 1
        printed = await sim.stop()
    assert '"greetings/1": {"stored": 2, "distinct": 1, "resent": 1}' in printed
    assert '"t/0": {"stored": 0' in printed


async def test_a_full_disk_is_a_storage_error_and_one_line(
    tmp_path: Path, connect: Connect
) -> None:
    """The shell limits the files of the simulator, so that writing fails in the middle."""
    command = " ".join([*COMMAND, "--port 0 --spu-port 0 --quiet --data", str(tmp_path)])
    with trio.fail_after(30):
        process = await trio.lowlevel.open_process(
            ["bash", "-c", f"ulimit -f 8; exec {command}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        ready = re.search(r"spu=(\S+)", (await process.stdout.receive_some()).decode())
        assert ready is not None
        client = await connect(ready[1])
        codes = [(await client.produce("greetings", 0, bytes(1000))).error_code for _ in range(9)]
        process.send_signal(signal.SIGINT)
        told = b"".join([part async for part in process.stderr]).decode()
        assert await process.wait() == 0
    stored = codes.index(Code.STORAGE_ERROR)
    assert stored == 7
    assert codes == [Code.NONE] * stored + [Code.STORAGE_ERROR] * 2
    path = tmp_path / DATA_FILE
    assert told == f"simulator: {path}: file too large; what is to be stored is refused\n"
    assert values(tmp_path) == [bytes(1000)] * stored


def refused(*options: str) -> str:
    """The one line with which the command ends."""
    command = [*COMMAND, "--port", "0", "--spu-port", "0", *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    return line


def test_what_cannot_be_used_is_refused_in_one_line(tmp_path: Path) -> None:
    with simulator.running(data=tmp_path, spus=2, topics={"greetings": 1}):
        in_use = refused("--data", str(tmp_path))
    file = tmp_path / DATA_FILE
    data = bytearray(file.read_bytes())
    data[60] ^= 1
    file.write_bytes(data)
    damaged = refused("--data", str(tmp_path))
    assert in_use == (
        f"simulator: {tmp_path} is in use by another simulator; end that one, or name another"
        " directory"
    )
    assert damaged.startswith(f"simulator: {file} is damaged: ")
    assert file.read_bytes() == data


def test_a_topic_keeps_its_partitions_and_the_simulator_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with simulator.running(data=tmp_path, topics={"greetings": 3}):
        pass
    with simulator.running(data=tmp_path, topics={"greetings": 3, "t": 1}):
        assert caplog.messages == []
    with simulator.running(data=tmp_path, topics={"greetings": 2}) as sim:
        assert sim.log("t", 0) == sim.log("greetings", 2) == []
    assert caplog.messages == [
        "topic greetings has 3 partitions in the data directory and keeps them; 2 were asked for"
    ]


def test_a_simulator_that_cannot_start_leaves_the_directory_to_others(tmp_path: Path) -> None:
    for _ in range(2):
        with (
            pytest.raises(SimulatorError, match="topic Greetings"),
            simulator.running(data=tmp_path, topics={"Greetings": 1}),
        ):
            pass
    with simulator.running(data=str(tmp_path)) as sim:
        port = int(sim.address.rpartition(":")[2])
        for _ in range(2):
            with (
                pytest.raises(SimulatorError, match="cannot listen"),
                simulator.running(data=tmp_path / "other", port=port),
            ):
                pass


async def test_stopped_spus_and_leaders_that_moved_change_nothing_about_the_logs(
    tmp_path: Path, network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, data=tmp_path, spus=2) as sim:
        clients = [await dial(network, address) for address in sim.spu_addresses]
        await clients[0].produce("greetings", 0, b"a")
        sim.move_leader("greetings", 0, 1)
        await clients[1].produce("greetings", 0, b"b")
        await sim.stop_spu(1)
        await sim.start_spu(1)
        client = await dial(network, sim.spu_addresses[1])
        assert (await client.produce("greetings", 0, b"c")).base_offset == 2
    assert values(tmp_path) == [b"a", b"b", b"c"]


async def test_a_reset_empties_the_directory(
    tmp_path: Path, network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, data=tmp_path) as sim:
        await (await dial(network, sim.spu_addresses[0])).produce("greetings", 0, b"a")
        await sim.reset()
        client = await dial(network, sim.spu_addresses[0])
        assert (await client.produce("greetings", 0, b"b")).base_offset == 0
    assert values(tmp_path) == [b"b"]
