"""Processes that share tasks: one that hangs or dies takes no other along, and none is left behind.

``concurrent.futures.ProcessPoolExecutor`` is not enough: a pool that loses one process is broken as
a whole, a task cannot be ended alone, and the pool's own threads and locks do not survive a
``KeyboardInterrupt`` at any moment. Here each process has a pipe to this one and one task at a
time, and this process waits for pipes, without threads. So a Ctrl-C is an exception like any other,
and leaving the block kills every process.

A Ctrl-C in a terminal goes to all processes of the foreground. So a process is started while SIGINT
is blocked: it inherits that, and ignores the signal from its first instruction on. It leads a
process group, so that a client that its task started ends with it, and a thread in it waits for the
end of this process and then ends the group. It comes from a fork server that has imported what it
needs, so that one more process costs a millisecond and not half a second.

Python starts these processes as ``python -c``, which imports from the working directory first: a
``random.py`` there would end them. ``PYTHONSAFEPATH`` prevents that. It is set only while processes
start, and each of them takes it back: a program of the user's that a task starts does not get it.
"""

import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import inf
from multiprocessing import connection, get_context, parent_process, resource_tracker
from multiprocessing.context import ForkServerProcess
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

from chaos.world.stopwatch import Stopwatch

R = TypeVar("R")

PRELOADED = ("chaos.search.explore",)
"""What every process needs and takes long to import."""

SAFE_PATH = "PYTHONSAFEPATH"
"""A variable of Python: a process that has it does not import from the working directory."""

JOBS_PER_CORE = 2
"""Processes for each core: a run over real sockets waits for most of its time."""

AHEAD = 2
"""How many tasks for each process may have begun since the oldest one that has not ended, where
results come in the order of their tasks."""

_Pipe: TypeAlias = "connection.Connection[Any, Any]"


def default_jobs() -> int:
    """How many processes share work unless the user says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (cores or 1) * JOBS_PER_CORE


class TaskLostError(Exception):
    """A task has no result: its process died, or was killed for the time that it took.

    An exception that the task raised itself is raised as it is.
    """


@dataclass(frozen=True, slots=True)
class Lost:
    """Stands in the place of the result of a task that has none."""

    reason: str
    """Why, for a person."""


class WorkerPool:
    """Some processes, for as long as the block lasts.

    With one process and no limit tasks are carried out in this process.

    Args:
        jobs: how many processes.
        limit_s: how long a task may take, in real time, before its process is killed; None for no
            limit. It is a safety net for tasks that hang, and no measure of anything.
    """

    def __init__(self, jobs: int, limit_s: float | None = None) -> None:
        self._jobs = jobs
        self._limit_s = limit_s
        self._idle: list[_Worker] = []
        self._busy: dict[_Pipe, _Worker] = {}
        self._begun = 0
        """How many tasks have begun."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with _sigint_blocked():
            for worker in (*self._idle, *self._busy.values()):
                worker.kill()
            self._idle, self._busy = [], {}

    def in_order(self, tasks: Iterable[Callable[[], R]]) -> Iterator[R]:
        """Carry out tasks, and yield their results in the order of the tasks.

        Args:
            tasks: as for ``results``, but none begins that is ``AHEAD`` tasks for each process
                ahead of the oldest one that has not ended.

        Raises:
            TaskLostError: a task has no result.
            Exception: what a task raised, with its traceback as a note.
        """
        early: dict[int, R] = {}
        following = 0
        for number, result in self.results(tasks, AHEAD * self._jobs):
            if isinstance(result, Lost):
                raise TaskLostError(result.reason)
            early[number] = result
            while following in early:
                yield early.pop(following)
                following += 1

    def results(
        self, tasks: Iterable[Callable[[], R]], ahead: float = inf
    ) -> Iterator[tuple[int, R | Lost]]:
        """Carry out tasks, and yield their positions and results as they end.

        Args:
            tasks: each can be pickled, and so can its result. One is taken whenever a process is
                free, so that there may be any number of them.
            ahead: none begins that is so many tasks ahead of the oldest one that has not ended.

        Raises:
            Exception: what a task raised, with its traceback as a note.
        """
        waiting = enumerate(tasks)
        if self._jobs == 1 and self._limit_s is None:
            for number, task in waiting:
                yield number, task()
            return
        while True:
            while self._has_room(ahead) and (following := next(waiting, None)) is not None:
                self._begin(*following)
            if not self._busy:
                return
            yield from self._ended()

    def _has_room(self, ahead: float) -> bool:
        """Whether another task may begin."""
        oldest = min((worker.number for worker in self._busy.values()), default=self._begun)
        return len(self._busy) < self._jobs and self._begun - oldest < ahead

    def _begin(self, number: int, task: Callable[[], Any]) -> None:
        if not self._idle:
            with _safe_path():  # not while SIGINT is blocked: the tracker unblocks it
                resource_tracker.ensure_running()
        with _sigint_blocked():
            worker = self._idle.pop() if self._idle else _Worker()
            self._busy[worker.pipe] = worker
        self._begun = number + 1
        worker.begin(number, task)

    def _ended(self) -> Iterator[tuple[int, Any]]:
        """Wait until some tasks have ended, or have taken too long."""
        for pipe in connection.wait(list(self._busy), self._patience_s()):
            assert isinstance(pipe, connection.Connection)
            worker = self._busy[pipe]
            try:
                failed, result = pipe.recv()
            except (EOFError, OSError):  # also in the middle of a message
                self._kill(worker)
                reason = "its process died, perhaps for want of memory; try --jobs 1"
                yield worker.number, Lost(reason)
                continue
            self._idle.append(self._busy.pop(pipe))
            if failed:
                raise result
            yield worker.number, result
        for worker in [each for each in self._busy.values() if self._is_overdue(each)]:
            self._kill(worker)
            yield worker.number, Lost(f"its process did not end within {self._limit_s:g} s")

    def _patience_s(self) -> float | None:
        """How long to wait at most: until the next task is overdue."""
        if self._limit_s is None:
            return None
        oldest = max(worker.watch.seconds for worker in self._busy.values())
        return max(0.0, self._limit_s - oldest)

    def _is_overdue(self, worker: "_Worker") -> bool:
        return self._limit_s is not None and worker.watch.seconds >= self._limit_s

    def _kill(self, worker: "_Worker") -> None:
        with _sigint_blocked():
            worker.kill()
            del self._busy[worker.pipe]


class _Worker:
    """A process that carries out one task at a time. SIGINT must be blocked while it is made."""

    def __init__(self) -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload(list(PRELOADED))
        safe_path = os.environ.get(SAFE_PATH)
        self.pipe, theirs = context.Pipe()
        self.number = -1
        """The position of its task."""
        self.watch = Stopwatch()
        """Runs since its task began."""
        self._process: ForkServerProcess = context.Process(target=_serve, args=(theirs, safe_path))
        with _safe_path():
            self._process.start()
        theirs.close()  # so that the end of the process is the end of the pipe

    def begin(self, number: int, task: Callable[[], Any]) -> None:
        self.number = number
        self.watch = Stopwatch()
        with suppress(ConnectionError):  # it has died, which the end of the pipe will say
            self.pipe.send(task)

    def kill(self) -> None:
        """End the process and everything that it started, whatever it is doing."""
        assert self._process.pid is not None  # it was started
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has ended, or leads no group yet
            self._process.kill()
        self._process.join()
        self.pipe.close()


class _sigint_blocked:  # noqa: N801  a context manager is used like a function
    """Keep a Ctrl-C for the end of the block."""

    def __enter__(self) -> None:
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)


def _set_safe_path(value: str | None) -> None:
    if value is None:
        os.environ.pop(SAFE_PATH, None)
    else:
        os.environ[SAFE_PATH] = value


@contextmanager
def _safe_path() -> Iterator[None]:
    """Keep the processes that start in this block from importing from the working directory."""
    before = os.environ.get(SAFE_PATH)
    _set_safe_path("1")
    try:
        yield
    finally:
        _set_safe_path(before)


# --- inside a process


def _serve(pipe: _Pipe, safe_path: str | None) -> None:
    """Carry out tasks until there are no more.

    Args:
        pipe: brings tasks and takes their results.
        safe_path: the value of ``PYTHONSAFEPATH`` for the processes that tasks start.
    """
    _set_safe_path(safe_path)
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Clients that are processes of their own must not inherit a blocked signal.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        failed, result = False, None
        try:
            result = task()
        except Exception as error:
            error.add_note(traceback.format_exc())
            failed, result = True, error
        pipe.send((failed, result))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.killpg(0, signal.SIGKILL)
