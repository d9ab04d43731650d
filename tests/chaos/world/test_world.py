"""One seed runs the world."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from trio._core import _run as trio_run

from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario
from chaos.world.clock import EPOCH_NS, VirtualClock
from chaos.world.world import TaskOrder, World, run_in
from tests.chaos.histories import digest_of, history_of

SEEDS = 100
SCENARIO = Scenario.model_validate({"name": "x", "workload": ["flush"]})


def digests(hash_seed: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.histories", str(SEEDS)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )


def test_a_seed_gives_the_same_history_in_another_process_and_no_other_seed_does() -> None:
    processes = [digests("1"), digests("2")]
    first, second = (process.communicate()[0].splitlines() for process in processes)
    assert len(first) == SEEDS
    assert first == second
    rows = [line.split("\t") for line in first]
    assert len({digest for digest, _, _ in rows}) == SEEDS
    assert all(int(fired) > 0 for _, fired, _ in rows)
    assert {defect for _, _, defect in rows} == {"sound"}


def test_an_earlier_run_in_the_same_process_leaves_no_trace() -> None:
    before = digest_of(history_of(7))
    history_of(8, "at-most-once")
    assert digest_of(history_of(7)) == before


def test_the_order_of_tasks_comes_from_the_seed() -> None:
    async def order(_: World) -> list[int]:
        woken: list[int] = []

        async def wait(n: int) -> None:
            await trio.sleep(1)
            woken.append(n)

        async with trio.open_nursery() as nursery:
            for n in range(20):
                nursery.start_soon(wait, n)
        return woken

    def with_seed(seed: int) -> list[int]:
        return run_in("virtual", SCENARIO.model_copy(update={"seed": seed}), order)

    assert with_seed(1) == with_seed(1)
    assert with_seed(1) != with_seed(2)
    assert sorted(with_seed(1)) == list(range(20))


def test_tasks_are_shuffled_with_the_draws_of_the_generator_that_trio_has() -> None:
    ours, theirs = TaskOrder(), random.Random(0)
    for seed in range(50):
        ours.seed(seed)
        theirs.seed(seed)
        for count in (0, 1, 2, 3, 2, 5, 8, 9, 40):
            shuffled, expected = list(range(count)), list(range(count))
            ours.shuffle(shuffled)
            theirs.shuffle(expected)
            assert shuffled == expected


def test_trio_still_has_the_two_names_that_order_its_tasks() -> None:
    assert isinstance(trio_run._ALLOW_DETERMINISTIC_SCHEDULING, bool)
    trio_run._r.shuffle([])


def test_virtual_time_costs_nothing_and_the_time_of_day_goes_along() -> None:
    async def a_day(world: World) -> tuple[int, int, bool]:
        before = world.now_ns()
        await trio.sleep(86_400)
        clock = trio.lowlevel.current_clock()
        return before, world.now_ns(), isinstance(clock, VirtualClock)

    assert run_in("virtual", SCENARIO, a_day) == (EPOCH_NS, EPOCH_NS + 86_400 * 10**9, True)


def test_real_sockets_have_the_real_clock() -> None:
    async def clock(_: World) -> bool:
        return isinstance(trio.lowlevel.current_clock(), VirtualClock)

    assert not run_in("tcp", SCENARIO, clock)


@pytest.mark.parametrize(
    "fault",
    [
        {"drop": {"at": "request", "nth": 2}},
        {"duplicate": {"at": "request", "nth": 2}},
        {"disconnect": {"at": "response", "nth": 2, "how": "fin"}},
        {"stall": {"at": "response", "nth": 2}},
        {"error": {"at": "response", "nth": 2, "code": "StorageError"}},
    ],
    ids=lambda fault: next(iter(fault)),
)
@pytest.mark.parametrize("semantic", ["at-least-once", "at-most-once"])
def test_a_closed_loop_has_the_same_trace_in_both_worlds(
    fault: dict[str, object], semantic: str
) -> None:
    scenario = Scenario.model_validate(
        {
            "name": "closed loop",
            "producer": {
                "delivery_semantic": semantic,
                "retry": {
                    "max_retries": 5,
                    "initial_delay": "10ms",
                    "timeout": "4s",
                    "strategy": "fixed-delay",
                },
                "attempt_timeout": "400ms",
                "response_timeout": "400ms",
            },
            "faults": [fault],
            "workload": [{"send": {"count": 4, "wait": True}}],
        }
    )
    virtual, tcp = (run_scenario(scenario, world) for world in ("virtual", "tcp"))
    assert virtual.defect is None
    assert virtual.trace() == tcp.trace()
