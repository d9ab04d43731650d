"""Nurseries: tasks that end before the block that started them does."""

from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final, Self

from chaos.world.loop.scopes import LoopScope, interrupt_below, reraise
from chaos.world.loop.state import (
    RUN,
    LoopCancelled,
    LoopTask,
    cancel_shielded_checkpoint,
    is_cancelled,
    wait_for,
)

_AsyncFunction = Callable[..., Coroutine[Any, Any, Any]]

GROUP: Final = "Exceptions from Trio nursery"

_NO_VALUE: Final = object()


class LoopNursery:
    """Stands in for ``trio.Nursery``, and for its context manager."""

    __slots__ = (
        "_block_ended",
        "_closed",
        "_errors",
        "_joining",
        "_starting",
        "cancel_scope",
        "children",
    )

    def __init__(self) -> None:
        self.children: dict[LoopTask, None] = {}
        """The tasks that run; a dict keeps their order."""
        self._block_ended = False
        self._closed = False
        self._errors: list[BaseException] | None = None
        self._joining: LoopTask | None = None
        """The task that waits at the end of the block."""
        self._starting = 0

    async def __aenter__(self) -> Self:
        self.cancel_scope = scope = LoopScope()
        scope.__enter__()
        scope.children = self.children
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is not None:
            self.fail(error)
        self._block_ended = True
        if self.children or self._starting:
            self._joining = RUN.task
            await wait_for(self)
        else:
            self._closed = True
            await cancel_shielded_checkpoint()
        left = self._left()
        if left is None:
            return True
        try:
            reraise(left)
        finally:
            del left, error, trace  # which know this frame

    def _left(self) -> BaseException | None:
        """Leave the scope; return the errors that it does not catch."""
        errors, scope = self._errors, self.cancel_scope
        if errors is None:
            return scope.close(None)
        self._errors = None  # they know frames that know the nursery
        if all(isinstance(error, LoopCancelled) for error in errors):
            # The usual end of a cancelled nursery: one of them shows whether the scope catches
            # all, and no group has to be made and split.
            if scope.close(errors[0]) is None:
                return None
            return BaseExceptionGroup(GROUP, errors)
        return scope.close(BaseExceptionGroup(GROUP, errors))

    def start_soon(self, function: _AsyncFunction, *args: Any, name: object = None) -> None:
        """Start a task."""
        if self._closed:
            raise RuntimeError("Nursery is closed to new arrivals")
        LoopTask(function(*args), self)

    async def start(self, function: _AsyncFunction, *args: Any, name: object = None) -> Any:
        """Start a task and wait until it calls ``task_status.started``."""
        if self._closed:
            raise RuntimeError("Nursery is closed to new arrivals")
        self._starting += 1
        status = _Status(self)
        try:
            try:
                async with LoopNursery() as status.before:
                    LoopTask(function(*args, task_status=status), status.before)
            except BaseExceptionGroup as group:
                reraise(group.exceptions[0])
            if status.value is _NO_VALUE:
                raise RuntimeError("child exited without calling task_status.started()")
            return status.value
        finally:
            self._starting -= 1
            self._close_if_done()

    def fail(self, error: BaseException) -> None:
        """Cancel all tasks, and raise the error at the end of the block."""
        if self._errors is None:
            self._errors = []
        self._errors.append(error)
        self.cancel_scope.cancel()

    def ended(self, task: LoopTask, error: BaseException | None) -> None:
        """Forget a task that has ended; called by the run loop."""
        del self.children[task]
        if error is not None:
            self.fail(error)
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._block_ended and not self.children and not self._starting:
            self._closed = True
            parent, self._joining = self._joining, None
            if parent is not None:
                parent.wait = None
                RUN.ready.append(parent)

    def adopt(self, other: "LoopNursery") -> None:
        """Take over the tasks of another nursery."""
        moved = list(other.children)
        other.children.clear()
        for task in moved:
            task.nursery = self
            self.children[task] = None
            _move(task, other.cancel_scope, self.cancel_scope)
            interrupt_below(task, self.cancel_scope)
        other._close_if_done()  # noqa: SLF001


def _move(task: LoopTask, before: LoopScope, after: LoopScope) -> None:
    """Let a task be in one scope where it was in another."""
    if task.scope is before:
        task.scope = after
        return
    scope = task.scope
    assert scope is not None
    while scope.parent is not before:
        assert scope.parent is not None
        scope = scope.parent
    scope.parent = after


class _Status:
    """The ``task_status`` of a task that ``start`` waits for.

    Args:
        after: the nursery of the task as soon as it has called ``started``.
    """

    def __init__(self, after: LoopNursery) -> None:
        self.before: LoopNursery
        """The nursery of the task until then."""
        self._after = after
        self.value: Any = _NO_VALUE

    def started(self, value: Any = None) -> None:
        """End the ``start`` that waits, with a value."""
        if self.value is not _NO_VALUE:
            raise RuntimeError("called 'started' twice on the same task status")
        self.value = value
        if not is_cancelled(self.before.cancel_scope):
            self._after.adopt(self.before)
