"""The command ``proxy``, as a process."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner

from simulator import open_simulator
from simulator.options import SimulatorError
from simulator.proxying.command import proxy
from simulator.proxying.config import upstream_of
from tests.simulator.client import Connect

COMMAND = [sys.executable, "-P", "-m", "simulator", "proxy", "--port", "0", "--spu-port", "0"]
READY = re.compile(r"ready sc=(\S+) spu=(\S+) seed=7 control=(\S+)\n")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def asked(url: str, body: object = None) -> tuple[int, object]:
    """What the control API answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


async def test_a_proxy_says_where_it_is_is_controlled_and_ends_with_a_summary(
    connect: Connect,
) -> None:
    async with open_simulator(spus=2) as sim, trio.open_nursery() as nursery:
        options = ["--seed", "7", "--quiet", "--summary", "json", "--control"]
        command = [*COMMAND, "--upstream", sim.address, *options, f"127.0.0.1:{free_port()}"]
        process = await nursery.start(partial(trio.run_process, command, stdout=subprocess.PIPE))
        printed = b""
        while not (ready := READY.match(printed.decode())):
            printed += await process.stdout.receive_some()
        _, spus, control = ready.groups()
        assert len(spus.split(",")) == 2
        client = await connect(spus.split(",")[0])
        assert (await client.produce("greetings", 0, b"a")).error_code == 0
        lost = [{"drop": {"name": "lost", "at": "response"}}]
        added = await trio.to_thread.run_sync(asked, f"{control}/faults", lost)
        assert added == (200, ["lost"])
        status, refusal = await trio.to_thread.run_sync(asked, f"{control}/partitions")
        assert (status, refusal) == (
            400,
            {"error": "partitions: the cluster behind a proxy decides this"},
        )
        process.send_signal(signal.SIGINT)
        async for data in process.stdout:
            printed += data
        summary = json.loads(printed.decode().splitlines()[-1])
        assert summary["partitions"] == {}
        assert summary["faults"] == {"lost": {"fired": 0, "shadowed": 0}}
        assert (summary["connections"], summary["frames"]) == (1, 4)


def test_a_cluster_that_is_not_there_is_one_line() -> None:
    done = subprocess.run(
        [*COMMAND, "--upstream", "127.0.0.1:1"], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
    assert done.stderr == "simulator: the upstream SC, 127.0.0.1:1: connection refused\n"
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--tls-cert", "a"], "--tls-cert and --tls-key go together"),
        (["--tls-domain", "a"], "--tls-domain and --tls-ca go together"),
        (
            ["--tls-cert", "a", "--tls-key", "a", "--tls-domain", "a", "--tls-ca", "a"],
            "--tls-cert and --tls-domain exclude each other",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(options: list[str], text: str) -> None:
    assert text in CliRunner().invoke(proxy, ["--upstream", "a", *options]).output


def test_what_names_no_cluster_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="name the cluster: --upstream"):
        upstream_of(None, None)
    with pytest.raises(SimulatorError, match="is not an address"):
        upstream_of("a:b", None)
    with pytest.raises(SimulatorError, match="No such file"):
        upstream_of(None, tmp_path / "missing")
    (tmp_path / "config").write_text("= nothing")
    with pytest.raises(SimulatorError, match="not TOML"):
        upstream_of(None, tmp_path / "config")
