"""The pool: a process that hangs or dies affects its own task only, and no process remains."""

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from multiprocessing import active_children
from operator import add

import pytest

from chaos.search.pool import AHEAD, Lost, TaskLostError, WorkerPool

NEVER_S = 600.0
"""A time limit that only a task that hangs exceeds."""


def hangs() -> int:
    for _ in count():
        pass
    raise AssertionError("unreachable")


def succeeds() -> int:
    return 2


def dies() -> int:
    os._exit(3)


def fails() -> int:
    return int("x")


def around() -> tuple[int, bool, bool]:
    """Return the process id, whether it leads a group, and whether it ignores a Ctrl-C."""
    ignores = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    blocked = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return os.getpid(), os.getpgid(0) == os.getpid(), ignores and not blocked


def results_of(
    tasks: list[Callable[[], int]], jobs: int, limit_s: float | None = NEVER_S
) -> dict[int, int | Lost]:
    with WorkerPool(jobs, limit_s) as pool:
        found = dict(pool.results(tasks))
    assert not active_children()
    return found


@pytest.mark.parametrize("jobs", [1, 2, 8])
@pytest.mark.parametrize("limit_s", [None, NEVER_S])
def test_each_task_is_done_once_however_many_processes_there_are(
    jobs: int, limit_s: float | None
) -> None:
    tasks: list[Callable[[], int]] = [partial(add, n, n) for n in range(7)]
    assert results_of(tasks, jobs, limit_s) == {n: 2 * n for n in range(7)}


def test_without_tasks_there_are_no_results() -> None:
    assert results_of([], 2) == {}


def test_results_come_in_the_order_of_their_tasks() -> None:
    with WorkerPool(3) as pool:
        tasks = [partial(add, n, 1) for n in range(20)]
        assert list(pool.in_order(tasks)) == list(range(1, 21))


def test_in_order_no_task_begins_far_ahead_of_the_oldest() -> None:
    taken: list[int] = []

    def endless() -> Iterator[Callable[[], int]]:
        for n in count():
            taken.append(n)
            yield partial(add, n, 0)

    with WorkerPool(2) as pool:
        for result in pool.in_order(endless()):
            assert len(taken) <= result + 1 + AHEAD * 2
            if result == 50:
                break
    assert not active_children()


def test_one_job_without_a_limit_runs_in_the_calling_process() -> None:
    with WorkerPool(1) as pool:
        [(_, here)] = pool.results([around])
    with WorkerPool(1, NEVER_S) as pool:
        [(_, elsewhere)] = pool.results([around])
    assert isinstance(here, tuple)
    assert isinstance(elsewhere, tuple)
    assert here[0] == os.getpid() != elsewhere[0]


def test_a_process_leads_a_group_and_leaves_a_ctrl_c_to_its_parent() -> None:
    with WorkerPool(1, NEVER_S) as pool:
        [(_, found)] = pool.results([around])
    assert isinstance(found, tuple)
    assert found[1:] == (True, True)


def test_a_task_that_kills_its_process_does_not_affect_the_others() -> None:
    found = results_of([dies, succeeds], 1)
    assert isinstance(found[0], Lost)
    assert found[0].reason.startswith("its process died")
    assert found[1] == 2


def test_a_task_that_hangs_is_ended() -> None:
    assert results_of([hangs], 1, 0.0) == {0: Lost("its process did not end within 0 s")}


def test_in_order_a_lost_task_is_an_error() -> None:
    with pytest.raises(TaskLostError, match="its process died"), WorkerPool(2) as pool:
        list(pool.in_order([succeeds, dies]))
    assert not active_children()


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_exception_of_a_task_is_raised(jobs: int) -> None:
    with pytest.raises(ValueError, match="invalid literal") as caught, WorkerPool(jobs) as pool:
        list(pool.results([fails, succeeds]))
    if jobs > 1:
        assert "in fails" in caught.value.__notes__[0]
    assert not active_children()


def test_a_ctrl_c_ends_every_process_and_its_task() -> None:
    def interrupted() -> None:
        with WorkerPool(2) as pool:
            for _ in pool.results([hangs, succeeds]):
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not active_children()


def test_a_signal_that_was_blocked_stays_so() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with WorkerPool(2) as pool:
            assert len(list(pool.results([os.getpid, os.getpid]))) == 2
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
