"""How our producer connects, seen from the SPU, in virtual time."""

from typing import Any

import pytest

from chaos.history import History
from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario
from simulator.events import ConnectionClosed, ConnectionOpened, FrameRead

LOST_GREETING = {"drop": {"at": "response", "limit": 1, "match": {"api": "api-versions"}}}


def run(**fields: Any) -> History:
    return run_scenario(Scenario.model_validate({"name": "x", "worlds": ["virtual"], **fields}))


def connections(history: History) -> int:
    """How many were made to the SPU."""
    return sum(isinstance(e, ConnectionOpened) and e.server == "spu:0" for e in history.events)


def open_at_a_time(history: History) -> int:
    """How many connections to the SPU were open at a time at most."""
    open_now, most = set[int](), 0
    for event in history.events:
        match event:
            case ConnectionOpened(server="spu:0", connection=number):
                open_now.add(number)
            case ConnectionClosed(connection=number):
                open_now.discard(number)
        most = max(most, len(open_now))
    return most


@pytest.mark.parametrize("partitions", [50, 500])
@pytest.mark.parametrize("semantic", ["at-least-once", "at-most-once"])
def test_all_partitions_of_an_spu_share_one_connection_on_a_slow_line(
    partitions: int, semantic: str
) -> None:
    history = run(
        network={"latency": "75ms"},
        topic={"partitions": partitions},
        producer={"delivery_semantic": semantic},
        workload=[{"send": {"count": partitions}}, "wait"],
    )
    assert connections(history) == 1
    assert judge(history).figures["acknowledged"] == partitions


def test_an_spu_that_hangs_has_one_dial_at_a_time() -> None:
    history = run(
        topic={"partitions": 100},
        producer={"retry": {"max_retries": 2, "timeout": "6s"}},
        faults=[{"refuse": {"server": "spu:0", "how": "hang"}}],
        workload=[{"send": {"count": 100}}, "wait"],
    )
    assert open_at_a_time(history) == 1
    assert connections(history) <= 12


@pytest.mark.parametrize("size", [100, 16_000])
def test_one_lost_greeting_costs_at_most_a_twentieth_of_the_records_of_ten_minutes(
    size: int,
) -> None:
    history = run(
        network={"latency": "60ms"},
        producer={"delivery_semantic": "at-most-once"},
        faults=[LOST_GREETING],
        workload=[{"send": {"count": 4000, "size": size, "pace": "150ms"}}, "wait"],
    )
    assert judge(history).figures["acknowledged"] >= 3_800


def test_a_request_half_written_to_an_spu_that_goes_away_is_not_written_again() -> None:
    history = run(
        network={"latency": "1ms", "bandwidth": "64KiB"},
        producer={"delivery_semantic": "at-most-once", "response_timeout": "60s"},
        workload=[
            {"send": {"count": 1, "wait": True}},
            {"send": {"count": 1, "size": "900KiB"}},
            {"sleep": "3s"},
            {"stop_spu": {"spu": 0}},
            {"sleep": "500ms"},
            {"start_spu": {"spu": 0}},
            "wait",
            {"send": {"count": 1, "wait": True}},
        ],
    )
    (large,) = [r for r in history.records if len(r.value) > 500_000]
    assert large.outcome != "ok"
    read = [e for e in history.events if isinstance(e, FrameRead) and e.api == "produce"]
    assert all(event.size < 10_000 for event in read)  # it never arrived whole
    assert connections(history) >= 2
