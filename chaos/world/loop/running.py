"""The run loop: turns of tasks that can run, in trio's order, and time that jumps between them."""

import random
from collections.abc import Callable, Coroutine
from heapq import heapify, heappop
from math import inf
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from chaos.world.loop.interrupts import raise_interrupt
from chaos.world.loop.state import AGAIN, RUN, LoopTask, interrupt, start

if TYPE_CHECKING:
    from chaos.world.clock import VirtualClock

T = TypeVar("T")

_NUMBER = attrgetter("number")

STALE_MIN = 1000
"""The size of the heap of deadlines above which stale entries are removed from it."""


def run(
    main: Callable[..., Coroutine[Any, Any, T]],
    *args: Any,
    clock: "VirtualClock",
    order: random.Random,
) -> T:
    """Run an async function and all tasks that it starts.

    Args:
        main: the function.
        args: its arguments.
        clock: the clock of the run.
        order: shuffles the tasks of each turn.

    Raises:
        RuntimeError: no task can run, and none sleeps; trio would wait forever.
        BaseException: what the function raises.
    """
    RUN.begin(clock)
    try:
        root = start(main, args, None)
        order.shuffle([0, 1])  # trio's second turn has this task and one of its own
        while True:
            if RUN.interrupted:
                raise_interrupt(root)
            for task in reversed(_next_turn(clock, order)):
                RUN.task = task
                error = task.error
                try:
                    if error is None:
                        wait = task.send(None)
                    else:
                        task.error = None
                        wait = task.coroutine.throw(error)
                except StopIteration as stop:
                    if task is root:
                        result: T = stop.value
                        return result
                    error = None
                except BaseException as raised:
                    if task is root:
                        raise
                    error = raised
                else:
                    if wait is AGAIN:
                        RUN.ready.append(task)
                    else:
                        task.wait = wait
                        if RUN.cancelled:
                            interrupt(task)
                    continue
                assert task.nursery is not None
                task.nursery.ended(task, error)
    finally:
        RUN.end()


def _next_turn(clock: "VirtualClock", order: random.Random) -> list[LoopTask]:
    """Return the tasks of the next turn, the first one last."""
    if not RUN.ready:
        _move_on(clock)
    deadlines = RUN.deadlines
    if deadlines and deadlines[0][0] <= clock.now:
        _expire(clock.now)
    turn, RUN.ready = RUN.ready, []
    if len(turn) > 1:
        turn.sort(key=_NUMBER)
        order.shuffle(turn)
    return turn


def _move_on(clock: "VirtualClock") -> None:
    """Move the time to the next deadline or timer."""
    deadlines = RUN.deadlines
    if len(deadlines) > RUN.stale_max:
        deadlines[:] = [entry for entry in deadlines if entry[2].registered == entry[0]]
        heapify(deadlines)
        RUN.stale_max = max(STALE_MIN, 2 * len(deadlines))
    while deadlines and deadlines[0][2].registered != deadlines[0][0]:
        heappop(deadlines)
    if clock.deadline_to_sleep_time(deadlines[0][0] if deadlines else inf) == inf:
        raise RuntimeError("no task can run, and none sleeps")


def _expire(now: float) -> None:
    """Cancel the scopes and wake the sleeping tasks whose deadline has passed."""
    deadlines = RUN.deadlines
    while deadlines and deadlines[0][0] <= now:
        at, _, owner = heappop(deadlines)
        if owner.registered == at:
            owner.expire()
