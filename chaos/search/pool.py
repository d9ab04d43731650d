"""A pool of worker processes: a process that hangs or dies affects its own task only.

``concurrent.futures.ProcessPoolExecutor`` is not enough: a pool that loses one process is broken as
a whole, a single task cannot be ended, and the pool's own threads and locks do not survive a
``KeyboardInterrupt`` at an arbitrary instruction. Here each worker process has a pipe to the parent
process and one task at a time, and the parent waits for the pipes, without threads. A Ctrl-C is
therefore an ordinary exception, and leaving the block kills every worker process.

A Ctrl-C in a terminal goes to all processes of the foreground. Workers are therefore started while
SIGINT is blocked: a worker inherits the blocked signal and ignores it from its first instruction
on. Each worker leads a process group, so that a client that its task started ends with it; a thread
in the worker waits for the end of the parent and then ends the group. Workers come from a fork
server that has imported what they need, so that a new one costs a millisecond, not half a second.

Python starts these processes as ``python -c``, which imports from the working directory first: a
``random.py`` there would end them. ``PYTHONSAFEPATH`` prevents that. The variable is set only while
processes start, and each worker restores the old value, so that a user's program that a task starts
does not inherit it.
"""

import os
import signal
import traceback
from abc import ABC, abstractmethod
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
"""The modules that the fork server imports: every worker needs them, and the import is slow."""

SAFE_PATH = "PYTHONSAFEPATH"
"""An environment variable of Python: with it, a process does not import from the working directory.
"""

JOBS_PER_CORE = 2
"""Worker processes for each core: a run over real sockets waits most of the time."""

AHEAD = 2
"""For results in task order: the most tasks per process that may be started ahead of the oldest
unfinished one."""

_Pipe: TypeAlias = "connection.Connection[Any, Any]"


def default_jobs() -> int:
    """Return the default number of worker processes: ``JOBS_PER_CORE`` for each core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (cores or 1) * JOBS_PER_CORE


class TaskLostError(Exception):
    """A task has no result: its process died, or was killed at the time limit.

    An exception that the task itself raises is raised unchanged.
    """


@dataclass(frozen=True, slots=True)
class Lost:
    """The result of a task whose process died or was killed."""

    reason: str
    """The cause, as text for a person."""


class Engine(ABC):
    """Runs tasks within a ``with`` block: what ``search`` needs of worker processes."""

    @property
    @abstractmethod
    def width(self) -> int:
        """The number of tasks that run at the same time."""

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the tasks that still run."""

    @abstractmethod
    def results(
        self, tasks: Iterable[Callable[[], R]], ahead: float = inf
    ) -> Iterator[tuple[int, R | Lost]]:
        """Run tasks and yield their positions and results as they end.

        Args:
            tasks: the tasks; they and their results must be picklable. The iterable is read
                lazily, one task whenever a process is free, so that it may be infinite.
            ahead: a task starts only if it is fewer than this many tasks ahead of the oldest
                unfinished one.

        Raises:
            Exception: the exception of a task, with its traceback as a note.
        """

    def in_order(self, tasks: Iterable[Callable[[], R]]) -> Iterator[R]:
        """Run tasks and yield their results in the order of the tasks.

        Args:
            tasks: as for ``results``; a task starts only if it is fewer than ``AHEAD`` tasks per
                process ahead of the oldest unfinished one.

        Raises:
            TaskLostError: a task has no result.
            Exception: the exception of a task, with its traceback as a note.
        """
        early: dict[int, R] = {}
        following = 0
        for number, result in self.results(tasks, AHEAD * self.width):
            if isinstance(result, Lost):
                raise TaskLostError(result.reason)
            early[number] = result
            while following in early:
                yield early.pop(following)
                following += 1


class WorkerPool(Engine):
    """Worker processes that live as long as the ``with`` block.

    With one process and no time limit, tasks run in the calling process.

    Args:
        jobs: the number of processes.
        limit_s: the time limit of a task in seconds of real time, after which its process is
            killed; None for no limit. It is a safety net for tasks that hang, not a budget.
    """

    def __init__(self, jobs: int, limit_s: float | None = None) -> None:
        self._jobs = jobs
        self._limit_s = limit_s
        self._idle: list[_Worker] = []
        self._busy: dict[_Pipe, _Worker] = {}
        self._begun = 0
        """The number of tasks that were started."""

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

    @property
    def width(self) -> int:
        """The number of processes."""
        return self._jobs

    def results(
        self, tasks: Iterable[Callable[[], R]], ahead: float = inf
    ) -> Iterator[tuple[int, R | Lost]]:
        """Run tasks and yield their positions and results as they end."""
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
        """Return whether another task may start."""
        oldest = min((worker.number for worker in self._busy.values()), default=self._begun)
        return len(self._busy) < self._jobs and self._begun - oldest < ahead

    def _begin(self, number: int, task: Callable[[], Any]) -> None:
        if not self._idle:
            # The tracker unblocks SIGINT, which may be blocked in a background job.
            with _safe_path(), _sigmask_kept():
                resource_tracker.ensure_running()
        with _sigint_blocked():
            worker = self._idle.pop() if self._idle else _Worker()
            self._busy[worker.pipe] = worker
        self._begun = number + 1
        worker.begin(number, task)

    def _ended(self) -> Iterator[tuple[int, Any]]:
        """Wait until tasks end or exceed the limit, and yield their results."""
        for pipe in connection.wait(list(self._busy), self._timeout_s()):
            assert isinstance(pipe, connection.Connection)
            worker = self._busy[pipe]
            try:
                failed, result = pipe.recv()
            except (EOFError, OSError):  # the pipe may also end inside a message
                self._kill(worker)
                reason = "its process died, perhaps for lack of memory; try --jobs 1"
                yield worker.number, Lost(reason)
                continue
            self._idle.append(self._busy.pop(pipe))
            if failed:
                raise result
            yield worker.number, result
        for worker in [each for each in self._busy.values() if self._is_overdue(each)]:
            self._kill(worker)
            yield worker.number, Lost(f"its process did not end within {self._limit_s:g} s")

    def _timeout_s(self) -> float | None:
        """Return the seconds until the next task is overdue; None without a limit."""
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
    """A process that runs one task at a time. The caller must block SIGINT during ``__init__``."""

    def __init__(self) -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload(list(PRELOADED))
        safe_path = os.environ.get(SAFE_PATH)
        self.pipe, theirs = context.Pipe()
        self.number = -1
        """The position of its task."""
        self.watch = Stopwatch()
        """Measures the time since the start of the task."""
        self._process: ForkServerProcess = context.Process(target=_serve, args=(theirs, safe_path))
        with _safe_path():
            self._process.start()
        theirs.close()  # so that the pipe ends with the process

    def begin(self, number: int, task: Callable[[], Any]) -> None:
        self.number = number
        self.watch = Stopwatch()
        with suppress(ConnectionError):  # the process died; the end of the pipe reports it
            self.pipe.send(task)

    def kill(self) -> None:
        """Kill the process and every process that it started."""
        assert self._process.pid is not None  # set by start()
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:  # the process ended, or does not lead its group yet
            self._process.kill()
        self._process.join()
        self.pipe.close()


@contextmanager
def _sigmask_kept() -> Iterator[None]:
    """Have the same signals blocked after the block as before."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _sigint_blocked:  # noqa: N801  a context manager is used like a function
    """Defer a Ctrl-C until the end of the block."""

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
    """Prevent processes started in this block from importing from the working directory."""
    before = os.environ.get(SAFE_PATH)
    _set_safe_path("1")
    try:
        yield
    finally:
        _set_safe_path(before)


# --- inside a process


def _serve(pipe: _Pipe, safe_path: str | None) -> None:
    """Run tasks until the pipe ends.

    Args:
        pipe: carries tasks to the worker and results back.
        safe_path: the value of ``PYTHONSAFEPATH`` for the processes that tasks start.
    """
    _set_safe_path(safe_path)
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Clients that run as processes must not inherit a blocked signal.
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
