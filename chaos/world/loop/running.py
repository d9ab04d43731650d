"""The run loop: turns of tasks that can run, in trio's order, and time that jumps between them."""

import random
from collections.abc import Callable, Coroutine
from heapq import heapify, heappop
from math import inf
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from chaos.world.loop.interrupts import raise_interrupt
from chaos.world.loop.state import AGAIN, RUN, LoopTask, interrupt

if TYPE_CHECKING:
    from chaos.world.clock import VirtualClock

T = TypeVar("T")

_NUMBER = attrgetter("number")

STALE_MIN = 1000
"""The size of the heap of deadlines above which stale entries are removed from it."""


def run(  # noqa: C901  a turn makes no call that it can save
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
    ready, deadlines = RUN.ready, RUN.deadlines
    turn: list[LoopTask] = []
    try:
        root = LoopTask(main(*args), None)
        order.shuffle([0, 1])  # trio's second turn has this task and one of its own
        while True:
            while not turn:
                if RUN.interrupted:
                    raise_interrupt(root)
                if not ready:
                    _move_on(clock)
                if deadlines and deadlines[0][0] <= clock.now:
                    _expire(clock.now)
                turn += ready
                ready.clear()
                if len(turn) > 1:
                    turn.sort(key=_NUMBER)
                    order.shuffle(turn)
            RUN.task = task = turn.pop()
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
                    ready.append(task)
                else:
                    task.wait = wait
                    if RUN.cancelled:
                        interrupt(task)
                continue
            assert task.nursery is not None
            task.nursery.ended(task, error)
    finally:
        error = None  # the frame that an error knows would know the error
        RUN.end()


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
