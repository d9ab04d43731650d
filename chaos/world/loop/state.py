"""The state of the run in progress, its tasks, and the delivery of cancellations.

A task that waits has one *wait*: what a cancellation has to undo before the task can be resumed.
It is the collection of waiting tasks that the task leaves, an abort function, or one of two
constants. The run loop knows nothing else of what a task waits for.
"""

import types
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from heapq import heappush
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import trio

if TYPE_CHECKING:
    from chaos.world.clock import VirtualClock
    from chaos.world.loop.nursery import LoopNursery
    from chaos.world.loop.scopes import LoopScope

in_trio_run = trio.lowlevel.in_trio_run
"""trio's own: during a run the module does not have it."""

SUCCEEDED = trio.lowlevel.Abort.SUCCEEDED

RaiseCancel: TypeAlias = Callable[[], Any]
AbortFunction: TypeAlias = Callable[[RaiseCancel], trio.lowlevel.Abort]

AGAIN: Final = object()
"""What a task yields that wants to be resumed in the next turn."""

INTERRUPTIBLE: Final = object()
"""The wait of a task that sleeps: a cancellation has only its deadline to undo."""

TaskWait: TypeAlias = "dict[LoopTask, None] | AbortFunction | LoopNursery | object"


class LoopCancelled(BaseException):
    """Stands in for ``trio.Cancelled``."""


class LoopTask:
    """Stands in for ``trio.lowlevel.Task``; runs for the first time in the next turn.

    Args:
        coroutine: what it runs.
        nursery: the nursery that it is in; None for the task of the main function.
    """

    __slots__ = ("coroutine", "error", "number", "nursery", "registered", "scope", "send", "wait")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], nursery: "LoopNursery | None") -> None:
        self.coroutine = coroutine
        self.send = coroutine.send
        self.nursery = nursery
        RUN.started = self.number = RUN.started + 1
        """Its position among all tasks in the order of their start; turns are sorted by it."""
        self.scope: LoopScope | None = None
        """The innermost cancel scope that it is in."""
        if nursery is not None:
            self.scope = nursery.cancel_scope
            nursery.children[self] = None
        self.wait: TaskWait | None = None
        """What a cancellation has to undo; None if the task runs or will be resumed."""
        self.error: BaseException | None = None
        """What to raise in the task when it is resumed."""
        self.registered = inf
        """When its sleep ends; infinity if the task does not sleep."""
        RUN.ready.append(self)

    def expire(self) -> None:
        """End the sleep of the task."""
        self.registered = inf
        self.wait = None
        RUN.ready.append(self)


class LoopRun:
    """The run in progress. There is one at a time in a process."""

    __slots__ = (
        "absent",
        "begun",
        "cancelled",
        "clock",
        "deadlines",
        "interrupted",
        "ready",
        "registrations",
        "stale_max",
        "started",
        "task",
    )

    def __init__(self) -> None:
        self.begun = False
        """Whether a run is in progress."""
        self.clock: VirtualClock
        self.task: LoopTask
        """The task that runs."""
        self.interrupted = False
        """Whether a Ctrl-C has arrived that was not raised yet."""
        self.ready: list[LoopTask] = []
        """The tasks of the next turn."""
        self.deadlines: list[tuple[float, int, LoopScope | LoopTask]] = []
        """A heap of deadlines. An entry is stale if its owner has another deadline by now."""
        self._reset()

    def begin(self, clock: "VirtualClock") -> None:
        """Prepare a run.

        Raises:
            RuntimeError: a run is in progress.
        """
        if self.begun or in_trio_run():
            raise RuntimeError("Attempted to call run() from inside a run()")
        self._reset()  # a coroutine of an earlier run may have been finalized since its end
        self.begun = True
        self.clock = clock

    def end(self) -> None:
        """Forget the run, so that calls outside a run fail.

        Raises:
            NotImplementedError: the run used a name of trio that the fast loop does not have. That
                is raised again here, since the code that used it may have caught it.
        """
        absent = self.absent
        self._reset()
        self.begun = False
        del self.clock
        with suppress(AttributeError):  # no task ran
            del self.task
        if absent:
            raise NotImplementedError(absent)

    def _reset(self) -> None:
        self.ready.clear()
        self.deadlines.clear()
        self.stale_max = 0
        """The size of the heap above which stale entries are removed from it."""
        self.registrations = 0
        """How many deadlines were registered."""
        self.cancelled = 0
        """How many scopes that tasks are in are cancelled; usually none, which saves the search."""
        self.started = 0
        """How many tasks were started."""
        self.absent = ""
        """What to say of a name of trio that was used and does not exist here."""

    def register(self, owner: "LoopScope | LoopTask", deadline: float) -> None:
        """Let a scope or a sleeping task expire at a time; infinity for never."""
        owner.registered = deadline
        if deadline != inf:
            self.registrations = number = self.registrations + 1
            heappush(self.deadlines, (deadline, number, owner))


RUN: Final = LoopRun()


def is_cancelled(scope: "LoopScope | None") -> bool:
    """Return whether a cancellation reaches what is directly in a scope."""
    while scope is not None:
        if scope.cancelled:
            return True
        if scope.shield:
            return False
        scope = scope.parent
    return False


def interrupt(task: LoopTask) -> None:
    """Raise ``LoopCancelled`` in a task that waits, if a cancellation reaches the task."""
    if task.wait is not None and is_cancelled(task.scope):
        resume_with(task, LoopCancelled())


def resume_with(task: LoopTask, error: BaseException) -> bool:
    """Raise an error in a task that waits; return False if its wait cannot be undone."""
    wait, task.wait = task.wait, None
    if type(wait) is dict:
        del wait[task]
    elif wait is INTERRUPTIBLE:
        task.registered = inf
    elif not callable(wait) or wait(_raise_cancelled) is not SUCCEEDED:
        return False
    task.error = error
    RUN.ready.append(task)
    return True


def _raise_cancelled() -> None:
    raise LoopCancelled


# --- the names of trio.lowlevel


class _Steps(tuple[object, ...]):
    """An awaitable that yields its items. No frame of Python is made for it."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __await__(self) -> Generator[Any, Any, None]: ...

    else:
        __await__ = tuple.__iter__


_NONE = _Steps(())
_ONE = _Steps((AGAIN,))


def cancel_shielded_checkpoint() -> _Steps:
    """Let other tasks run."""
    return _ONE


@types.coroutine
def checkpoint() -> Generator[object, None, None]:
    """Let other tasks run, then look for a cancellation."""
    yield AGAIN
    if RUN.cancelled and is_cancelled(RUN.task.scope):
        yield INTERRUPTIBLE


def checkpoint_if_cancelled() -> Any:
    """Raise ``LoopCancelled`` if the task is cancelled."""
    if RUN.cancelled and is_cancelled(RUN.task.scope):
        return checkpoint()
    return _NONE


def wait_task_rescheduled(abort: AbortFunction) -> _Steps:
    """Wait until another task calls ``reschedule``."""
    return _Steps((abort,))


def wait_for(wait: TaskWait) -> _Steps:
    """Wait until resumed; a cancellation undoes the wait."""
    return _Steps((wait,))


def reschedule(task: LoopTask) -> None:
    """Resume a task that waits, in the next turn."""
    task.wait = None
    RUN.ready.append(task)


def current_task() -> LoopTask:
    """Return the task that runs."""
    return RUN.task


def current_clock() -> "VirtualClock":
    """Return the clock of the run."""
    return RUN.clock


def current_time() -> float:
    """Return the time of the run in seconds."""
    return RUN.clock.now
