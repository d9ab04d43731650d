"""The official Rust client as a client on trial."""

import json
import subprocess
from typing import Any

import pytest

import simulator
from chaos.consumption import OffsetStored, RecordsConsumed
from chaos.drivers.driver import driver_named
from chaos.drivers.kinds.official_rust import PROGRAM
from chaos.history import History
from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario
from simulator.events import FrameRead

pytestmark = pytest.mark.rust

DOCUMENTED = {"max_retries": 5, "initial_delay": "10ms", "max_delay": "2s", "timeout": "10s"}
"""The retry policy of Fluvio's documentation."""


def ran(**data: Any) -> History:
    """Run a scenario with the Rust client."""
    scenario = Scenario.model_validate({"name": "x", "worlds": ["tcp"], **data})
    return run_scenario(scenario, "tcp", driver_named("fluvio-rust").open)


def test_without_faults_it_keeps_its_promise_with_and_without_keys() -> None:
    history = ran(
        topic={"partitions": 3},
        workload=[
            {"send": {"count": 20, "keys": 3}},
            {"send": {"count": 6}},
            "flush",
            {"send_all": {}},
        ],
    )
    result = judge(history)
    assert (result.verdict, result.figures["acknowledged"]) == ("valid", 27)
    assert history.not_applicable == []


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
def test_it_is_told_every_option(compression: str) -> None:
    history = ran(
        producer={
            "retry": {**DOCUMENTED, "strategy": "fibonacci-backoff"},
            "compression": compression,
            "isolation": "read-committed",
            "timeout": "100ms",
            "linger": "20ms",
            "batch_size": 200,
            "batch_queue_size": 10,
            "max_request_size": 4000,
        },
        workload=[{"send": {"count": 20}}, "flush"],
    )
    assert judge(history).verdict == "valid"
    assert history.not_applicable == []


def test_it_consumes_from_where_it_is_to_begin_and_resumes_behind_what_it_stored() -> None:
    payments = {"consumer_id": "payments", "within": "10s"}
    history = ran(
        workload=[
            {"send": {"count": 6, "keys": 3, "wait": True}},
            {"consume": {**payments, "count": 2}},
            {"consume": {**payments, "isolation": "read-committed"}},
            {"consume": {"start": "end", "offset": 1, "within": "10s"}},
            {"consume": {"start": "absolute", "offset": 3, "within": "10s"}},
        ],
    )
    assert judge(history).verdict == "valid"
    assert history.not_applicable == []
    read = [
        (event.consumption, offset)
        for event in history.events
        if isinstance(event, RecordsConsumed) and event.consumption < 4
        for offset in event.offsets
    ]
    resumed = [(0, 0), (0, 1), (1, 2), (1, 3), (1, 4), (1, 5)]
    assert read == [*resumed, (2, 5), (3, 3), (3, 4), (3, 5)]
    assert [e.offset for e in history.events if isinstance(e, OffsetStored)] == [*range(6)]


def test_at_most_once_is_told_to_it() -> None:
    """At-least-once would send the record again after a second."""
    late = {"delay": {"at": "response", "by": "1500ms", "nth": 1}}
    history = ran(
        producer={"delivery_semantic": "at-most-once"}, faults=[late], workload=["send", "wait"]
    )
    result = judge(history)
    assert (result.verdict, result.figures["acknowledged"]) == ("valid", 1)
    reads = [e.t for e in history.events if isinstance(e, FrameRead) and e.topic == "greetings"]
    assert len(reads) == 2, "the record and the probe"


def test_it_follows_the_documented_policy_against_silence() -> None:
    """Each attempt waits for a second, and the fifth retry does not begin within ten."""
    history = ran(
        producer={"retry": DOCUMENTED},
        faults=[{"drop": {"at": "response"}}],
        workload=["send", "flush"],
    )
    reads = [e.t for e in history.events if isinstance(e, FrameRead) and e.api == "produce"]
    after = [t - reads[0] for t in reads[:5]]
    assert after == pytest.approx([0, 1.01, 2.11, 4.11, 7.11], abs=0.3)
    (flush,) = (call for call in history.calls if call.op == "flush")
    assert flush.ended is not None
    assert flush.ended - flush.started == pytest.approx(10, abs=0.3)


def test_further_producers_are_made_and_closed() -> None:
    history = ran(workload=["send", {"with_producer": [{"send": {"count": 2}}]}, "flush", "close"])
    result = judge(history)
    assert (result.verdict, result.figures["acknowledged"]) == ("valid", 3)


def test_in_a_benchmark_it_counts_what_is_stored() -> None:
    task = {"at_most_once": False, "send_all": True, "size": 100}
    bounds = {"records_max": 3_000, "seconds_max": 60}
    with simulator.running() as sim:
        done = subprocess.run(
            [PROGRAM, "bench", sim.address],
            input=json.dumps(task | bounds) + "\n",
            capture_output=True,
            text=True,
            check=True,
        )
        counts = json.loads(done.stdout)
        assert counts["records"] + counts["before"] == len(sim.log("greetings", 0)) == 3_001
        assert counts["seconds"] > 0
