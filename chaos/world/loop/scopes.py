"""Cancel scopes and sleeping.

trio keeps a tree of cancel statuses that is updated with each scope that is entered, left or
cancelled. Here a scope knows its parent, and the state is looked up when a task waits: upwards,
and only if some scope is cancelled. Cancelling a scope visits the tasks below it.
"""

import types
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from math import inf, isnan
from types import TracebackType
from typing import NoReturn, Self

import trio
from trio._core._run import collapse_exception_group

from chaos.world.loop.state import (
    AGAIN,
    INTERRUPTIBLE,
    RUN,
    LoopCancelled,
    LoopTask,
    checkpoint,
    interrupt,
    is_cancelled,
)


class LoopScope:
    """Stands in for ``trio.CancelScope``, but ``shield`` cannot be changed."""

    __slots__ = (
        "_deadline",
        "_entered",
        "_relative_deadline",
        "cancelled",
        "cancelled_caught",
        "children",
        "parent",
        "registered",
        "shield",
        "task",
    )

    def __init__(
        self, *, deadline: float = inf, relative_deadline: float = inf, shield: bool = False
    ) -> None:
        if not (deadline == relative_deadline == inf):
            if deadline != deadline or relative_deadline != relative_deadline:
                raise ValueError("deadline must not be NaN")
            if relative_deadline < 0:
                raise ValueError("timeout must be non-negative")
        self._deadline = deadline
        self._relative_deadline = relative_deadline
        self.shield = shield
        self.cancelled = False
        self.cancelled_caught = False
        self.registered = inf
        """The deadline in the heap that counts; infinity for none."""
        self.parent: LoopScope | None
        """The scope around it, as soon as a task has entered it."""
        self.task: LoopTask | None = None
        """The task that is in the scope; None before and after."""
        self.children: dict[LoopTask, None] | None = None
        """The tasks of its nursery, if it has one."""
        self._entered = False

    def __enter__(self) -> Self:
        if self._entered:
            raise RuntimeError("Each CancelScope may only be used for a single 'with' block")
        self._entered = True
        self.task = task = RUN.task
        self.parent = task.scope
        task.scope = self
        if self._relative_deadline != inf:
            self._deadline = RUN.clock.now + self._relative_deadline
            self._relative_deadline = inf
        deadline = self._deadline
        if deadline != inf and not self.cancelled:
            if deadline <= RUN.clock.now:
                self.cancelled = True
            else:
                RUN.register(self, deadline)
        if self.cancelled:
            RUN.cancelled += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        left = self.close(error)
        if left is error:
            return error is None
        if left is None:
            return True
        return reraise(left)

    def close(self, error: BaseException | None) -> BaseException | None:
        """Leave the scope; return what is left of an error after the scope's cancellation."""
        task = self.task
        if task is None or task.scope is not self or task is not RUN.task:
            raise RuntimeError("Cancel scope stack corrupted")
        task.scope = parent = self.parent
        self.task = None
        self.registered = inf
        if self.cancelled:
            RUN.cancelled -= 1
            if error is not None and (self.shield or not is_cancelled(parent)):
                return self._without_cancellation(error)
        return error

    def _without_cancellation(self, error: BaseException) -> BaseException | None:
        if isinstance(error, LoopCancelled):
            self.cancelled_caught = True
            return None
        if not isinstance(error, BaseExceptionGroup):
            return error
        matched, rest = error.split(LoopCancelled)
        if matched is not None:
            self.cancelled_caught = True
        return None if rest is None else collapse_exception_group(rest)

    @property
    def deadline(self) -> float:
        """When the scope is cancelled; can be changed."""
        self._check_absolute()
        return self._deadline

    @deadline.setter
    def deadline(self, deadline: float) -> None:
        if isnan(deadline):
            raise ValueError("deadline must not be NaN")
        self._check_absolute()
        self._deadline = float(deadline)
        if self.task is not None and not self.cancelled and self._deadline != self.registered:
            RUN.register(self, self._deadline)

    def _check_absolute(self) -> None:
        if self._relative_deadline != inf:
            raise RuntimeError(
                "Unentered relative cancel scope does not have an absolute deadline."
            )

    def cancel(self, reason: str | None = None) -> None:
        """Cancel what is in the scope."""
        if self.cancelled:
            return
        self.cancelled = True
        self.registered = inf
        if self.task is not None:
            RUN.cancelled += 1
            interrupt_below(self.task, self.parent)

    expire = cancel

    @property
    def cancel_called(self) -> bool:
        """Whether the scope was cancelled or its deadline has passed."""
        if (
            not self.cancelled
            and (self.task is not None or not self._entered)
            and RUN.clock.now >= self._deadline
        ):
            self.cancel()
        return self.cancelled


def interrupt_below(task: LoopTask, top: LoopScope | None) -> None:
    """Interrupt a task, and all tasks in the nurseries that it has open below a scope."""
    scope = task.scope
    while scope is not top:
        assert scope is not None
        if scope.children is not None:
            for child in scope.children:
                interrupt_below(child, scope)
        scope = scope.parent
    interrupt(task)


def reraise(error: BaseException) -> NoReturn:
    """Raise an error without changing what it was raised from."""
    context = error.__context__
    try:
        raise error
    finally:
        error.__context__ = context
        del error, context  # which know this frame


# --- the names of trio


def move_on_at(deadline: float, *, shield: bool = False) -> LoopScope:
    """Return a scope with a deadline."""
    return LoopScope(deadline=deadline, shield=shield)


def move_on_after(seconds: float, *, shield: bool = False) -> LoopScope:
    """Return a scope whose deadline is so many seconds after it is entered."""
    if seconds < 0:
        raise ValueError("`seconds` must be non-negative")
    return LoopScope(relative_deadline=seconds, shield=shield)


@contextmanager
def fail_after(seconds: float, *, shield: bool = False) -> Iterator[LoopScope]:
    """Cancel the block so many seconds after it is entered.

    Raises:
        TooSlowError: the block was cancelled.
    """
    with move_on_after(seconds, shield=shield) as scope:
        yield scope
    if scope.cancelled_caught:
        raise trio.TooSlowError


@types.coroutine
def sleep_forever() -> Generator[object, None, None]:
    """Sleep until cancelled."""
    yield INTERRUPTIBLE
    raise RuntimeError("Should never have been rescheduled!")


@types.coroutine
def sleep_until(deadline: float) -> Generator[object, None, None]:
    """Sleep until a time; if it has passed, let other tasks run.

    trio's version cancels a scope of its own. Like a scope, it catches that cancellation only if
    none reaches it from outside.
    """
    if deadline != deadline:
        raise ValueError("deadline must not be NaN")
    task = RUN.task
    if deadline <= RUN.clock.now:
        yield AGAIN
    else:
        RUN.register(task, deadline)
        yield INTERRUPTIBLE
    if RUN.cancelled and is_cancelled(task.scope):
        raise LoopCancelled


async def sleep(seconds: float) -> None:
    """Sleep so many seconds; always a checkpoint."""
    if seconds < 0:
        raise ValueError("`seconds` must be non-negative")
    if seconds == 0:
        await checkpoint()
    else:
        await sleep_until(RUN.clock.now + seconds)


async def aclose_forcefully(resource: trio.abc.AsyncResource) -> None:
    """Close a resource without waiting."""
    with LoopScope() as scope:
        scope.cancel()
        await resource.aclose()
