"""The fast loop gives the same histories as trio."""

import ast
import gc
import inspect
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

import simulator
from chaos.spec.scenario import Scenario
from chaos.world.clock import VirtualClock
from chaos.world.loop import names
from chaos.world.loop.names import LoopName, installed
from chaos.world.loop.running import run
from chaos.world.world import TaskOrder, World, run_in
from tests.chaos.world import programs
from tests.chaos.world.arbitrary_programs import arbitrary
from tests.chaos.world.programs import PROGRAMS, Log, Program, main_of
from tests.garbage import garbage_of

SCENARIO = Scenario.model_validate({"name": "x", "workload": ["flush"]})
ROOT = Path(__file__).parents[3]
SEEDS = 12


def trace(program: Program, seed: int, loop: LoopName) -> Log:
    log: Log = []
    scenario = SCENARIO.model_copy(update={"seed": seed})
    try:
        run_in("virtual", scenario, main_of(program, log), loop)
    except Exception as error:
        log.append(programs.flat(error))
    return log


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_program_gives_the_same_trace_on_both_loops(program: Program) -> None:
    for seed in range(SEEDS):
        expected = trace(program, seed, "trio")
        assert expected
        assert trace(program, seed, "fast") == expected, seed


def test_arbitrary_programs_give_the_same_trace_on_both_loops() -> None:
    lengths = []
    for seed in range(400):
        expected = trace(arbitrary(seed), seed, "trio")
        assert trace(arbitrary(seed), seed, "fast") == expected, seed
        lengths.append(len(expected))
    assert sum(length > 20 for length in lengths) > 150


def used(source: str) -> set[str]:
    """The names of trio that a source uses."""
    found = {
        ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)
    }
    return {name for name in found if name.startswith("trio.")}


def test_each_name_has_a_program() -> None:
    has = {f"trio.{name}" for name in names.TRIO} | {
        f"trio.lowlevel.{name}" for name in names.LOWLEVEL
    }
    assert has <= used(inspect.getsource(programs))


@pytest.mark.parametrize(
    "use",
    [
        lambda: trio.open_memory_channel(1),
        lambda: trio.to_thread.run_sync(print),
        lambda: trio.socket.socket(),
        lambda: trio.Condition(),
        lambda: trio.fail_at(1),
        lambda: trio.lowlevel.current_statistics(),
        lambda: trio.current_effective_deadline(),
        lambda: isinstance(1, trio.SSLStream),
    ],
)
def test_any_other_name_raises_at_once_even_if_the_code_goes_on(use: Any) -> None:
    async def main(_: World) -> str:
        with pytest.raises(NotImplementedError, match="the fast loop does not have trio"):
            use()
        return "went on"

    with pytest.raises(NotImplementedError, match=r"run with --loop trio"):
        run_in("virtual", SCENARIO, main, "fast")


def test_exceptions_and_abstract_classes_are_those_of_trio() -> None:
    def kept() -> tuple[object, ...]:
        return trio.ClosedResourceError, trio.abc.Stream, trio.lowlevel.Abort

    before = kept()
    with installed():
        assert kept() == before


async def stops_and_fails() -> None:
    """Cancel tasks, fail in one, and let a deadline pass."""

    async def fails() -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(trio.sleep_forever)
        await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails)
            nursery.start_soon(trio.sleep_forever)
            await trio.sleep_forever()
    except* ValueError:
        pass
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 5)


def test_a_run_leaves_nothing_for_the_garbage_collector() -> None:
    async def main(_: World) -> None:
        await stops_and_fails()

    assert garbage_of(lambda: run_in("virtual", SCENARIO, main, "fast")) == 0


def test_trio_is_itself_again_after_a_run() -> None:
    before = dict(vars(trio)), dict(vars(trio.lowlevel))

    async def fails(_: World) -> None:
        raise KeyError(1)

    with pytest.raises(KeyError):
        run_in("virtual", SCENARIO, fails, "fast")
    assert (dict(vars(trio)), dict(vars(trio.lowlevel))) == before
    trio.run(trio.sleep, 0)


def test_with_another_version_of_trio_trio_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    async def is_ours(_: World) -> bool:
        return trio.Event is names.TRIO["Event"]

    assert run_in("virtual", SCENARIO, is_ours, "fast")
    monkeypatch.setattr(names, "VERSIONS", ("0.0.1",))
    assert not run_in("virtual", SCENARIO, is_ours, "fast")
    assert trio.__version__ in (names.refusal() or "")


def test_it_does_not_start_while_trio_runs_in_another_thread() -> None:
    async def nothing(_: World) -> None: ...

    with simulator.running(), pytest.raises(RuntimeError, match="another thread"):
        run_in("virtual", SCENARIO, nothing, "fast")
    run_in("virtual", SCENARIO, nothing, "fast")


def test_a_run_whose_function_cannot_be_called_leaves_nothing_behind() -> None:
    with pytest.raises(TypeError):
        run_in("virtual", SCENARIO, lambda: None, "fast")  # type: ignore[arg-type,misc]
    with pytest.raises(TypeError):
        run_in("virtual", SCENARIO, lambda: None, "fast")  # type: ignore[arg-type,misc]


def test_a_run_that_would_wait_forever_ends() -> None:
    async def waits(_: World) -> None:
        await trio.Event().wait()

    with pytest.raises(RuntimeError, match="no task can run"):
        run_in("virtual", SCENARIO, waits, "fast")


async def sleeps(_: World) -> str:
    await trio.sleep(1)
    return "slept"


def test_a_coroutine_that_is_finalized_after_its_run_leaves_the_next_one_alone() -> None:
    """Its run found no task that could run; it wakes another one as it is finalized."""

    async def waits_forever(_: World) -> None:
        event = trio.Event()

        async def waits() -> None:
            await event.wait()

        async def sets_at_last() -> None:
            try:
                await trio.Event().wait()
            finally:
                event.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits)
            nursery.start_soon(sets_at_last)

    with suppress(RuntimeError):
        run_in("virtual", SCENARIO, waits_forever, "fast")
    gc.collect()
    assert run_in("virtual", SCENARIO, sleeps, "fast") == "slept"


def test_a_name_that_is_refused_before_a_run_does_not_fail_the_run() -> None:
    with installed():
        with pytest.raises(NotImplementedError):
            trio.lowlevel.spawn_system_task(trio.sleep, 1)
        assert run(partial(trio.sleep, 1), clock=VirtualClock(), order=TaskOrder(1)) is None


def test_a_run_inside_a_run_is_refused() -> None:
    async def inner(_: World) -> None:
        run_in("virtual", SCENARIO, inner, "fast")

    with pytest.raises(RuntimeError, match="from inside"):
        run_in("virtual", SCENARIO, inner, "fast")
    with pytest.raises(RuntimeError, match="from inside"):
        run_in("virtual", SCENARIO, inner, "trio")
