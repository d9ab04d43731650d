"""Many tasks: in this process or in several, to the end or to a Ctrl-C."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Timer
from typing import Any

from chaos.cli.tasks import Task, perform, unfinished
from chaos.report.outcome import Outcome
from chaos.search.pool import Workers, open_workers

AGAIN_S = 0.02
"""How soon a Ctrl-C that was swallowed comes again: when the destructor has long returned."""


class Interrupted(Exception):  # noqa: N818  somebody's wish, not a mistake
    """Somebody pressed Ctrl-C. What was reached until then is kept."""


def perform_all(tasks: Sequence[Task], jobs: int, done: Callable[[int, Outcome], None]) -> None:
    """Carry out tasks.

    Args:
        tasks: what to do.
        jobs: how many processes share them; with 1, or for one task, this one alone.
        done: called with the position and the outcome of each as it is done.

    Raises:
        Interrupted: by SIGINT while several processes are at work; none is left behind.
    """
    if jobs == 1 or len(tasks) < 2:
        for n, task in enumerate(tasks):
            done(n, perform(task))
        return
    with open_workers(min(jobs, len(tasks))) as workers:
        _share(tasks, workers, done)


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn a Ctrl-C in the block into ``Interrupted``; another one changes nothing any more."""
    try:
        with _not_swallowed():
            yield
    except BaseException as error:
        if not _is_interrupt(error):
            raise
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise Interrupted from error


@contextmanager
def _not_swallowed() -> Iterator[None]:
    """Have a Ctrl-C come again that a destructor met.

    Python prints what is raised in one and goes on, so that the wish would be lost.
    """
    before = sys.unraisablehook

    def look(unraisable: "sys.UnraisableHookArgs") -> None:
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            # Not from here: what is raised in this hook is printed, too.
            Timer(AGAIN_S, os.kill, (os.getpid(), signal.SIGINT)).start()
        else:
            before(unraisable)

    sys.unraisablehook = look
    try:
        yield
    finally:
        sys.unraisablehook = before


def _is_interrupt(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(map(_is_interrupt, error.exceptions))
    return isinstance(error, KeyboardInterrupt)


def _share(tasks: Sequence[Task], workers: Workers, done: Callable[[int, Outcome], None]) -> None:
    """Hand tasks to workers and take their outcomes as they come.

    An exception that a signal raises anywhere could leave a lock of the pool behind. So the signal
    is one more event in the queue that this process waits for.
    """
    events: SimpleQueue[Future[Outcome] | None] = SimpleQueue()
    with handled(signal.SIGINT, lambda *_: events.put(None)):
        positions: dict[Future[Outcome], int] = {}
        for n in _longest_first(tasks):
            positions[workers.submit(perform, tasks[n])] = n
        for future in positions:
            future.add_done_callback(events.put)
        while positions:
            event = events.get()
            if event is None:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                workers.kill()
                raise Interrupted
            n = positions.pop(event)
            done(n, _outcome(event, tasks[n]))


def _longest_first(tasks: Sequence[Task]) -> list[int]:
    """The order in which tasks are begun: who comes last should not be who takes longest."""
    return sorted(
        range(len(tasks)),
        key=lambda n: (not tasks[n].waits, not tasks[n].slow, not tasks[n].explored, n),
    )


def _outcome(future: Future[Outcome], task: Task) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        reason = "a process of the harness was killed, perhaps for want of memory; try --jobs 1"
        return unfinished(task, reason)


@contextmanager
def handled(number: signal.Signals, handler: Callable[..., Any]) -> Iterator[None]:
    """Handle a signal in the block; behind ``Interrupted`` it stays ignored."""
    before = signal.signal(number, handler)
    try:
        yield
    except Interrupted:
        raise  # the signal is ignored from now on
    except BaseException:
        signal.signal(number, before)
        raise
    else:
        signal.signal(number, before)
