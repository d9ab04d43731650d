"""Tasks in lanes: one that hangs or dies harms no other."""

import os
from collections.abc import Callable
from functools import partial
from itertools import count
from operator import add

from chaos.cli.lanes import in_lanes

NEVER_S = 600.0
"""No task here takes so long, unless it hangs."""


def hangs() -> int:
    for _ in count():
        pass
    raise AssertionError("unreachable")


def dies() -> int:
    os._exit(3)


def done_by(tasks: list[Callable[[], int]], jobs: int, limit_s: float) -> dict[int, int | None]:
    results: dict[int, int | None] = {}
    in_lanes(tasks, jobs, limit_s, results.__setitem__)
    return results


def test_each_task_is_done_once_however_many_lanes_there_are() -> None:
    tasks: list[Callable[[], int]] = [partial(add, n, n) for n in range(7)]
    assert done_by(tasks, 2, NEVER_S) == {n: 2 * n for n in range(7)}
    assert done_by(tasks[:1], 8, NEVER_S) == {0: 0}


def test_a_task_that_takes_its_process_along_leaves_the_others_their_own() -> None:
    assert done_by([dies, partial(add, 1, 1)], 1, NEVER_S) == {0: None, 1: 2}


def test_a_task_that_hangs_is_ended() -> None:
    assert done_by([hangs], 1, 0.0) == {0: None}


def test_nothing_to_do_is_done_at_once() -> None:
    assert done_by([], 2, NEVER_S) == {}
