"""Events, parking lots, locks and semaphores."""

import types
from collections.abc import Generator
from typing import Any

import trio

from chaos.world.loop.state import (
    RUN,
    LoopTask,
    cancel_shielded_checkpoint,
    checkpoint,
    checkpoint_if_cancelled,
)


class LoopEvent:
    """Stands in for ``trio.Event``."""

    __slots__ = ("_set", "_tasks")

    def __init__(self) -> None:
        self._set = False
        self._tasks: dict[LoopTask, None] | None = None
        """The tasks that wait; most events have none."""

    def is_set(self) -> bool:
        """Return whether the event has occurred."""
        return self._set

    def set(self) -> None:
        """Let the event occur, and wake all tasks that wait for it."""
        self._set = True
        if self._tasks:
            _wake(self._tasks)

    @types.coroutine
    def wait(self) -> Generator[Any, None, None]:
        """Wait for the event; always a checkpoint."""
        if self._set:
            yield from checkpoint()
        else:
            tasks = self._tasks
            if tasks is None:
                tasks = self._tasks = {}
            tasks[RUN.task] = None
            yield tasks


class LoopParkingLot:
    """Stands in for ``trio.lowlevel.ParkingLot``."""

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks: dict[LoopTask, None] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    @types.coroutine
    def park(self) -> Generator[Any, None, None]:
        """Wait to be woken."""
        self._tasks[RUN.task] = None
        yield self._tasks

    def unpark_all(self) -> None:
        """Wake all tasks."""
        _wake(self._tasks)

    def unpark_first(self) -> LoopTask:
        """Wake the task that has waited longest, and return it."""
        task = next(iter(self._tasks))
        del self._tasks[task]
        _wake({task: None})
        return task


def _wake(tasks: dict[LoopTask, None]) -> None:
    for task in tasks:
        task.wait = None
    RUN.ready.extend(tasks)
    tasks.clear()


class _Acquired:
    """A context manager that acquires and releases."""

    __slots__ = ("_lot",)

    def __init__(self) -> None:
        self._lot = LoopParkingLot()

    def _take(self) -> bool:
        """Take what is to be acquired; return False if it has to be waited for."""
        raise NotImplementedError

    def release(self) -> None:
        """Give back what was acquired."""
        raise NotImplementedError

    async def acquire(self) -> None:
        """Acquire, waiting if necessary; always a checkpoint."""
        await checkpoint_if_cancelled()
        if self._take():
            await cancel_shielded_checkpoint()
        else:
            await self._lot.park()

    def acquire_nowait(self) -> None:
        """Acquire without waiting.

        Raises:
            trio.WouldBlock: it would have to be waited for.
        """
        if not self._take():
            raise trio.WouldBlock

    __aenter__ = acquire

    async def __aexit__(self, *_: object) -> None:
        self.release()


class LoopLock(_Acquired):
    """Stands in for ``trio.Lock``."""

    __slots__ = ("_owner",)

    def __init__(self) -> None:
        super().__init__()
        self._owner: LoopTask | None = None

    def locked(self) -> bool:
        """Return whether a task holds the lock."""
        return self._owner is not None

    def _take(self) -> bool:
        if self._owner is RUN.task:
            raise RuntimeError("attempt to re-acquire an already held Lock")
        if self._owner is not None:
            return False
        self._owner = RUN.task
        return True

    def release(self) -> None:
        """Hand the lock to the task that has waited longest."""
        if self._owner is not RUN.task:
            raise RuntimeError("can't release a Lock you don't own")
        self._owner = self._lot.unpark_first() if self._lot else None


class LoopSemaphore(_Acquired):
    """Stands in for ``trio.Semaphore``."""

    __slots__ = ("_max_value", "value")

    def __init__(self, initial_value: int, *, max_value: int | None = None) -> None:
        super().__init__()
        self.value = initial_value
        self._max_value = max_value

    def _take(self) -> bool:
        if not self.value:
            return False
        self.value -= 1
        return True

    def release(self) -> None:
        """Wake the task that has waited longest, or count up."""
        if self._lot:
            self._lot.unpark_first()
        elif self.value == self._max_value:
            raise ValueError("semaphore released too many times")
        else:
            self.value += 1
