"""Scenarios in a cluster behind the proxy: a simulator in a process of its own stands for it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from chaos.history import Need
from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.runner.cluster_client import ClusterClient
from chaos.runner.real_cluster import PREFIX, clean_up, not_possible, renamed
from chaos.spec.loader import load_scenario_file, parse_scenario
from chaos.spec.scenario import Scenario
from simulator.events import Appended
from simulator.proxying.config import upstream_of

SCENARIOS = Path(__file__).parents[3] / "scenarios"

TWELVE = [
    path
    for path in sorted(SCENARIOS.glob("*.yaml"))
    if "worlds: [virtual, tcp, cluster]" in path.read_text(encoding="utf-8")
]


@contextmanager
def simulating(*options: str) -> Iterator[str]:
    """A simulator in a process of its own, for the duration of the block; the address of its SC."""
    command = [sys.executable, "-m", "simulator", "--port", "0", "--spu-port", "0", "--quiet"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = re.match(r"ready sc=(\S+) ", process.stdout.readline())
            assert ready is not None
            yield ready[1]
        finally:
            process.kill()


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of the SC of a cluster with two SPUs."""
    with simulating("--spus", "2") as address:
        yield address


def scenario_in(text: str) -> Scenario:
    return parse_scenario(text, "test.yaml").scenario()


def test_twelve_scenarios_run_in_a_cluster() -> None:
    assert len(TWELVE) == 12
    for path in TWELVE:
        assert not_possible(load_scenario_file(path).scenario()) is None


@pytest.mark.parametrize("path", TWELVE, ids=lambda path: path.stem)
def test_a_scenario_has_the_same_verdict_as_over_tcp(path: Path, cluster: str) -> None:
    scenario = load_scenario_file(path).scenario()
    over_tcp = judge(run_scenario(scenario, "tcp"))
    history = run_scenario(scenario, "cluster", cluster=cluster)
    found = judge(history)
    assert (found.verdict, found.reasons) == (over_tcp.verdict, over_tcp.reasons)
    assert found.fired == over_tcp.fired
    assert found.figures == over_tcp.figures
    # Every check that applies over tcp applies here, and judges.
    assert history.lacks == {}
    assert {each.check for each in found.findings if each.judged} == {
        each.check for each in over_tcp.findings if each.judged
    }


async def test_a_run_leaves_no_topic(cluster: str) -> None:
    assert await ClusterClient(upstream_of(cluster, None)).topics(PREFIX) == []


TEXT = """
name: topics come and go
worlds: [cluster]
seed: 7
topic: {name: orders, partitions: 2}
producer: {attempt_timeout: 300ms, retry: {max_retries: 4, initial_delay: 10ms, timeout: 3s}}
faults:
  - drop: {name: lost, at: response, nth: 1, match: {topic: orders, partition: 1}}
workload:
  - send: {count: 4, keys: 4, wait: true}
  - add_partitions: {count: 1}
  - cut: {server: spu}
  - send: {count: 4, keys: 4, wait: true}
  - delete_topic
  - sleep: 200ms
  - create_topic
  - sleep: 200ms
  - send: {count: 2, wait: true}
always: {lost: 0}
"""


def test_topics_are_created_changed_and_deleted(cluster: str) -> None:
    scenario = scenario_in(TEXT)
    history = run_scenario(scenario, "cluster", cluster=cluster)
    assert (history.defect, history.crash) == (None, None)
    assert history.scenario.topic.name == "spu-chaos-7-1-orders"
    assert history.faults["lost"].fired == 1
    assert [sorted(logs) for logs in history.incarnations] == [[0, 1, 2], [0]]
    assert judge(history).verdict == "valid"


def test_consumers_are_judged_too(cluster: str) -> None:
    scenario = load_scenario_file(SCENARIOS / "consumers-at-most-once.yaml").scenario()
    result = judge(run_scenario(scenario, "cluster", cluster=cluster))
    assert (result.verdict, result.reasons) == ("valid", ())


def test_an_unanswered_request_leaves_appends_unknown(cluster: str) -> None:
    """A cluster that keeps an answer back is one whose appends are not known."""
    text = (
        "name: x\nproducer: {retry: {max_retries: 1, initial_delay: 10ms, timeout: 400ms}}\n"
        "workload: [send, wait]\n"
    )
    with simulating("--drop", "1", "--at", "response") as address:
        history = run_scenario(scenario_in(text), "cluster", cluster=address)
    assert re.match(
        "the cluster left [0-9]+ produce requests without an answer", history.lacks["appends"]
    )
    assert not [event for event in history.events if isinstance(event, Appended)]
    result = judge(history)
    assert result.verdict == "inconclusive"
    assert Need.APPENDS in history.lacks
    assert any("the promise cannot be checked" in reason for reason in result.reasons)


def test_a_cluster_that_is_not_there_is_no_verdict() -> None:
    result = judge(run_scenario(scenario_in(TEXT), "cluster", cluster="127.0.0.1:1"))
    assert result.verdict == "inconclusive"
    (reason,) = result.reasons
    assert reason.endswith("the cluster cannot be connected to: 127.0.0.1:1: connection refused")


@pytest.mark.parametrize(("world", "cluster"), [("cluster", None), ("tcp", "127.0.0.1:1")])
def test_an_address_goes_with_the_world_cluster(world: Any, cluster: str | None) -> None:
    with pytest.raises(ValueError, match="needs the address of a cluster"):
        run_scenario(scenario_in(TEXT), world, cluster=cluster)


def test_what_a_real_cluster_cannot_do_is_named() -> None:
    for text, why in {
        "cluster: {spus: 2}\nworkload: [send]": (
            "a real cluster decides the keys of cluster: spus"
        ),
        "workload: [send, {stop_spu: {spu: 0}}]": "its step stop_spu needs the simulator",
        "workload: [{concurrently: [[send], [{move_leader: {partition: 0, to: 0}}]]}]": (
            "its step move_leader needs the simulator"
        ),
        "workload: [send, {consume: {consumer_id: group}}]": (
            "a real cluster keeps the offsets of a consumer_id when the topic is deleted"
        ),
    }.items():
        assert not_possible(scenario_in(f"name: x\n{text}\n")) == why


@pytest.mark.parametrize(
    "step", ["move_leader: {to: 0}", "fail_leader", "stop_spu", "start_spu", "change_address"]
)
def test_a_step_that_needs_the_simulator_is_refused_before_the_cluster_is_connected_to(
    step: str,
) -> None:
    scenario = scenario_in(f"name: x\nworkload:\n  - send\n  - {step}\n")
    text = f"'x' cannot run in a real cluster: its step {step.split(':')[0]} needs the simulator"
    with pytest.raises(ValueError, match=re.escape(text)):
        run_scenario(scenario, "cluster", cluster="127.0.0.1:1")


def test_a_renamed_topic_is_renamed_in_faults() -> None:
    scenario = renamed(scenario_in(TEXT), "other")
    (fault,) = scenario.faults
    assert (scenario.topic.name, fault.match.topic) == ("other", "other")  # type: ignore[attr-defined]


async def test_what_a_killed_run_left_is_cleaned_up(cluster: str) -> None:
    client = ClusterClient(upstream_of(cluster, None))
    await client.create(f"{PREFIX}1-1-left", 1)
    await client.create("a-topic-of-its-user", 1)
    with trio.fail_after(30):
        assert await clean_up(cluster) == [f"{PREFIX}1-1-left"]
        assert await clean_up(cluster) == []
    assert await client.topics("a-topic") == ["a-topic-of-its-user"]
