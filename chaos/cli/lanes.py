"""Tasks that may never end, each alone in a process that can be killed.

A pool of processes that loses one of them is broken as a whole, and what the others were doing is
lost. So each lane is a pool of one process. A task that takes too long is ended with its process,
another process takes its place, and the other lanes never hear of it.
"""

import signal
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from chaos.cli.session import Interrupted, handled
from chaos.search.pool import Workers
from chaos.world.stopwatch import Stopwatch

LOOK_S = 0.2
"""How often somebody looks whether a task takes too long."""

R = TypeVar("R")


@dataclass(slots=True)
class _Lane(Generic[R]):
    """A process at work."""

    number: int
    """The position of its task."""
    workers: Workers
    watch: Stopwatch = field(default_factory=Stopwatch)


def in_lanes(
    tasks: Sequence[Callable[[], R]],
    jobs: int,
    limit_s: float,
    done: Callable[[int, R | None], None],
) -> None:
    """Carry out tasks, some at a time, in the order in which they stand.

    Args:
        tasks: what to do; each can be pickled.
        jobs: how many processes share them.
        limit_s: how long a task may take, in real time.
        done: called with the position and the result of each as it ends; None if it took too long
            or took its process along.

    Raises:
        Interrupted: by SIGINT; no process is left behind.
    """
    events: SimpleQueue[Future[R] | None] = SimpleQueue()
    waiting = deque(enumerate(tasks))
    lanes: dict[Future[R], _Lane[R]] = {}
    idle = [Workers(1) for _ in range(min(jobs, len(tasks)))]
    try:
        with handled(signal.SIGINT, lambda *_: events.put(None)):
            while waiting or lanes:
                while waiting and idle:
                    number, task = waiting.popleft()
                    lane = _Lane[R](number, idle.pop())
                    future: Future[R] = lane.workers.submit(task)
                    lanes[future] = lane
                    future.add_done_callback(events.put)
                try:
                    event = events.get(timeout=LOOK_S)
                except Empty:
                    event = _overdue(lanes, limit_s)
                else:
                    if event is None:
                        signal.signal(signal.SIGINT, signal.SIG_IGN)
                        raise Interrupted
                if event is None or event not in lanes:
                    continue
                lane = lanes.pop(event)
                result, workers = _result(event, lane.workers)
                idle.append(workers)
                done(lane.number, result)
    finally:
        for workers in (*idle, *(lane.workers for lane in lanes.values())):
            workers.kill()


def _overdue(lanes: dict[Future[Any], _Lane[Any]], limit_s: float) -> Future[Any] | None:
    return next((future for future, lane in lanes.items() if lane.watch.seconds > limit_s), None)


def _result(future: Future[Any], workers: Workers) -> tuple[Any, Workers]:
    """What came of a task, and the process that is free now: the same, or one in its place."""
    try:
        if future.done():
            return future.result(), workers
    except (BrokenProcessPool, CancelledError):
        pass
    workers.kill()
    return None, Workers(1)
