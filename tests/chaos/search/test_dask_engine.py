"""The engine on Dask: a cluster of two workers on this machine, one of which is killed."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from operator import add
from pathlib import Path

import pytest
from click.testing import CliRunner
from distributed import Client, LocalCluster

from chaos.cli.main import main
from chaos.search.dask_engine import DaskEngine
from chaos.search.pool import AHEAD, Lost
from tests.chaos.search.test_explore import SOME, found, honest


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=2, threads_per_worker=2, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as started:
        yield started


@pytest.fixture
def address(cluster: LocalCluster) -> str:
    """The address of the scheduler, once the workers that a test killed are there again."""
    with Client(cluster.scheduler_address) as client:
        client.wait_for_workers(2)
    return str(cluster.scheduler_address)


def dies_once(marker: Path) -> str:
    """Kill the own worker the first time."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return "done by another worker"
    os.kill(os.getpid(), signal.SIGKILL)
    return "unreachable"


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fails() -> int:
    return int("x")


def test_results_come_in_the_order_of_their_tasks_and_few_begin_ahead(address: str) -> None:
    taken: list[int] = []

    def endless() -> Iterator[Callable[[], int]]:
        for n in count():
            taken.append(n)
            yield partial(add, n, 0)

    with DaskEngine(address) as engine:
        assert engine.width == 2
        for expected, result in enumerate(engine.in_order(endless())):
            assert result == expected
            assert len(taken) <= result + 1 + AHEAD * 2
            if result == 20:
                break


def test_equal_tasks_are_each_done(address: str) -> None:
    with DaskEngine(address) as engine:
        processes = dict(engine.results([os.getpid] * 4))
    assert sorted(processes) == [0, 1, 2, 3]
    assert os.getpid() not in processes.values()


def test_an_exploration_finds_what_one_process_finds_though_a_worker_is_killed(
    address: str, tmp_path: Path
) -> None:
    here, _ = honest("at-least-once")
    killed = False

    def kill_one(_: object) -> None:
        nonlocal killed
        if not killed:
            killed = True
            with DaskEngine(address) as engine:
                done = engine.in_order([partial(dies_once, tmp_path / "once")])
                assert list(done) == ["done by another worker"]

    there = found("at-least-once", examples=SOME, dask=address, progress=kill_one)
    assert there == here
    assert killed


def test_the_command_explores_on_the_workers(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.yaml").write_text("name: x\nworlds: [virtual]\nworkload: [send, flush]\n")
    explored = ["explore", "one.yaml", "--examples", "20", "--out"]
    for out, engine in (("here", ["--jobs", "1"]), ("there", ["--dask", address])):
        assert (
            CliRunner().invoke(main, [*explored, out, *engine], standalone_mode=False).exit_code
            == 0
        )
    kept = [Path(out, "one-virtual", "result.json").read_bytes() for out in ("here", "there")]
    assert kept[0] == kept[1]


def test_an_exception_of_a_task_is_raised(address: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"), DaskEngine(address) as engine:
        list(engine.results([fails]))


def test_a_task_that_kills_every_worker_is_lost(
    address: str, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    with DaskEngine(address) as engine:
        [(_, lost)] = engine.results([dies])
    assert isinstance(lost, Lost)
    assert lost.reason.startswith("the Dask workers that ran it died")


def test_an_address_at_which_no_scheduler_listens_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chaos.search.dask_engine.CONNECT_S", 0.01)
    with socket.socket() as bound:  # and not listening
        bound.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(ConnectionError, match=f"no Dask scheduler answers at {address}"):
            DaskEngine(address).__enter__()
