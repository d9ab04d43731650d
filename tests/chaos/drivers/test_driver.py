"""The names that --client takes."""

import sys
from pathlib import Path

import pytest

from chaos.drivers.driver import driver_named
from chaos.drivers.kinds import official_node, official_rust
from chaos.drivers.kinds.official import is_installed
from chaos.drivers.kinds.producer import open_producer


def test_our_producer_runs_in_both_worlds() -> None:
    client = driver_named("producer")
    assert (client.open, client.worlds) == (open_producer, ("virtual", "tcp", "cluster"))


def test_the_official_client_runs_over_tcp_where_it_is_installed() -> None:
    client = driver_named("fluvio")
    assert client.worlds == ("tcp", "cluster")
    assert (client.unavailable is None) == is_installed()


def test_the_official_rust_client_runs_over_tcp_where_it_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(official_rust, "PROGRAM", tmp_path / "rust-driver")
    client = driver_named("fluvio-rust")
    assert client.worlds == ("tcp", "cluster")
    assert client.unavailable is not None
    assert "run make rust" in client.unavailable
    (tmp_path / "rust-driver").touch()
    assert driver_named("fluvio-rust").unavailable is None


def test_the_official_node_client_runs_over_tcp_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(official_node, "CLIENT", tmp_path / "client")
    monkeypatch.setattr(official_node, "which", lambda _: "/usr/bin/node")
    client = driver_named("fluvio-node")
    assert client.worlds == ("tcp", "cluster")
    assert client.unavailable is not None
    assert "run make node" in client.unavailable
    (tmp_path / "client").mkdir()
    assert driver_named("fluvio-node").unavailable is None


def test_a_command_is_split_as_a_shell_does() -> None:
    assert driver_named(f"command:{sys.executable} 'a b' c").worlds == ("tcp", "cluster")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("flvio", "unknown client 'flvio'; write .*producer, fluvio.*command:PROGRAM ARGUMENT..."),
        ("command:", "names no program"),
        ("command:'open", "is no command: no closing quotation"),
        ("command:no-such-program x", "there is no program 'no-such-program'"),
    ],
)
def test_an_unknown_client_is_explained(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        driver_named(name)
