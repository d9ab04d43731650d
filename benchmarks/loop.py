"""``python -m benchmarks.loop``: the CPU time of single steps on trio and on the fast loop."""

import time
from collections.abc import Awaitable, Callable

import trio
from rich.console import Console
from rich.table import Table

from chaos.spec.scenario import Scenario
from chaos.world.loop.names import LoopName
from chaos.world.world import World, run_in

ROUNDS = 5
STEPS = 5_000
RUNS = 200
SCENARIO = Scenario.model_validate({"name": "benchmark", "workload": ["flush"]})

Step = Callable[[], Awaitable[object]]


async def nothing() -> None:
    """End at once."""


async def nursery() -> None:
    """Start a task and wait for it."""
    async with trio.open_nursery() as tasks:
        tasks.start_soon(nothing)


async def sleep() -> None:
    """Sleep for a second."""
    await trio.sleep(1)


async def checkpoint() -> None:
    """Let other tasks run."""
    await trio.lowlevel.checkpoint()


async def interrupted() -> None:
    """Wait until a deadline."""
    with trio.move_on_after(1):
        await trio.Event().wait()


async def scope() -> None:
    """Enter a scope and leave it."""
    with trio.move_on_after(1):  # noqa: ASYNC100  nothing else is measured
        pass


STEPS_OF: dict[str, Step] = {
    "a nursery with one task": nursery,
    "a sleep": sleep,
    "a wait that a deadline interrupts": interrupted,
    "a cancel scope with a deadline": scope,
    "a checkpoint": checkpoint,
}


def empty_us(loop: LoopName) -> float:
    """Return the CPU time of an empty run in microseconds."""

    async def main(_: World) -> None: ...

    started = time.process_time()
    for _run in range(RUNS):
        run_in("virtual", SCENARIO, main, loop)
    return (time.process_time() - started) / RUNS * 1e6


def step_us(step: Step, loop: LoopName) -> float:
    """Return the CPU time of one step in microseconds."""

    async def main(_: World) -> float:
        started = time.process_time()
        for _step in range(STEPS):
            await step()
        return (time.process_time() - started) / STEPS * 1e6

    return run_in("virtual", SCENARIO, main, loop)


def main() -> None:
    """Measure everything and print a table."""
    table = Table("step", "trio, us", "fast loop, us")
    best = {name: [float("inf"), float("inf")] for name in ("an empty run", *STEPS_OF)}
    loops: tuple[LoopName, LoopName] = ("trio", "fast")
    for _ in range(ROUNDS):
        for column, loop in enumerate(loops):
            for name, row in best.items():
                step = STEPS_OF.get(name)
                figure = empty_us(loop) if step is None else step_us(step, loop)
                row[column] = min(row[column], figure)
    for name, (reference, fast) in best.items():
        table.add_row(name, f"{reference:.1f}", f"{fast:.1f}")
    Console(highlight=False).print(table)


if __name__ == "__main__":
    main()
