"""Processes that share work, and that nothing leaves behind.

``ProcessPoolExecutor`` does the work. What it does not do is to end well: a Ctrl-C in a terminal
goes to all processes of the foreground, so that each of them prints a traceback of its own, those
that are still being imported too; and when the parent is killed its workers wait for work for ever.

So workers are started while SIGINT is blocked. They inherit that, ignore it from their first
instruction on, and leave it to the parent to end them. A thread in each of them waits for the end
of the parent and then ends the process. Each leads a process group of its own, so that a client
that it started, and that may hang, ends with it. They come from a fork server that has imported
what they need, so that one more of them costs a millisecond and not half a second.

Python starts these processes as ``python -c``, which imports from the working directory first: a
``random.py`` there would end them. ``PYTHONSAFEPATH`` prevents that. It is set only while processes
start, and each worker takes it back: a program of the user's that a worker starts does not get it.
"""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

PRELOADED = ("chaos.runner", "chaos.oracle.judge", "chaos.spec.loader")
"""What every worker needs and takes long to import."""

SAFE_PATH = "PYTHONSAFEPATH"
"""A variable of Python: a process that has it does not import from the working directory."""

JOBS_PER_CORE = 2
"""Processes for each core: a run over real sockets waits for most of its time."""


def default_jobs() -> int:
    """How many processes share work if nobody says."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (cores or 1) * JOBS_PER_CORE


class Workers:
    """Some processes; made by ``open_workers``.

    Args:
        jobs: how many.
    """

    def __init__(self, jobs: int) -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload(list(PRELOADED))
        safe_path = os.environ.get(SAFE_PATH)
        with _safe_path():  # the tracker of semaphores is a process too
            self._pool = ProcessPoolExecutor(
                jobs, context, initializer=_begin, initargs=(safe_path,)
            )

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have something done; this is where processes are started."""
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with _safe_path():
                return self._pool.submit(work, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def kill(self) -> None:
        """End all processes, whatever they are doing."""
        processes = list((self._pool._processes or {}).values())  # noqa: SLF001  no public way
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            assert process.pid is not None  # it was started
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:  # it has ended, or leads no group yet
                process.kill()
        for process in processes:
            process.join()

    def close(self) -> None:
        """End all processes, which have nothing to do any more."""
        self._pool.shutdown()


@contextmanager
def open_workers(jobs: int) -> Iterator[Workers]:
    """Some processes, for as long as the block lasts.

    Args:
        jobs: how many.
    """
    workers = Workers(jobs)
    try:
        yield workers
    except BaseException:
        workers.kill()
        raise
    workers.close()


def _set_safe_path(value: str | None) -> None:
    if value is None:
        os.environ.pop(SAFE_PATH, None)
    else:
        os.environ[SAFE_PATH] = value


@contextmanager
def _safe_path() -> Iterator[None]:
    """Keep the processes that are started in this block from importing what lies around."""
    before = os.environ.get(SAFE_PATH)
    _set_safe_path("1")
    try:
        yield
    finally:
        _set_safe_path(before)


def _begin(safe_path: str | None) -> None:
    """Prepare a worker process.

    Args:
        safe_path: the value of ``PYTHONSAFEPATH`` for the processes that the worker starts.
    """
    _set_safe_path(safe_path)
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Clients that are processes of their own must not inherit a blocked signal.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.killpg(0, signal.SIGKILL)
