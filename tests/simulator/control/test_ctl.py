"""``spu-simulator ctl`` against what is no simulator, or one that refuses."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio
from click.testing import CliRunner

from simulator import SimulatorError, open_simulator
from simulator.control.ctl import ctl
from simulator.control.event_feed import EventFeed
from simulator.control.http import control_server
from wire.address import Address


def refused(*arguments: str) -> str:
    """Run a command that fails, and return its one sentence."""
    result = CliRunner().invoke(ctl, arguments, standalone_mode=False)
    assert isinstance(result.exception, SimulatorError), result.exception
    return str(result.exception)


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Serve one answer for every connection, and give the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(65536)
                    peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield "{}:{}".format(*listener.getsockname())
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


@pytest.mark.parametrize("operation", ["info", "heal", "events"])
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        OK + b"\r\n<html></html>",
        OK + b"\r\n\xff",
        b"HTTP/1.1 403 No\r\nConnection: close\r\n\r\n<html></html>",
        b"HTTP/1.1 403 No\r\nConnection: close\r\n\r\n[]",
        OK + b"Content-Length: 100\r\n\r\n{",
    ],
)
def test_what_is_no_simulator_is_told_in_one_line(answer: bytes, operation: str) -> None:
    with answering(answer) as address:
        text = refused("--at", address, operation)
    assert text.startswith(f"no control API at {address}: ")
    assert "\n" not in text


def test_a_host_that_is_none_is_told_in_one_line() -> None:
    assert refused("--at", "a..b:80", "info").startswith("no control API at a..b:80: this is not")


def test_a_refusal_cannot_control_the_terminal() -> None:
    body = json.dumps({"error": "a\x1b[2Jb\nc"}).encode()
    head = b"HTTP/1.1 400 No\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    with answering(head + body) as address:
        assert refused("--at", address, "info") == "a\\x1b[2Jb\nc"


async def test_an_operation_whose_fields_all_have_defaults_needs_none() -> None:
    async with open_simulator() as sim:
        async with control_server(sim, EventFeed(), Address("127.0.0.1", 0)) as address:
            arguments = ["--at", str(address), "add-partitions", "greetings"]
            result = await trio.to_thread.run_sync(
                lambda: CliRunner().invoke(ctl, arguments, standalone_mode=False)
            )
        assert result.exception is None
        assert len(sim.partitions()) == 2
