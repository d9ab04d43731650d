"""The names of trio that the fast loop stands in for, and their installation.

While a run is on the fast loop, the names in the modules ``trio`` and ``trio.lowlevel`` are those
of the fast loop. The code under test says ``trio.Event()``, looks the name up when it runs, and
is unchanged. trio's exceptions and abstract classes stay. Every other public name raises as soon as
it is used: a program that needs more of trio must not be given half of it.

The names are those of the whole process, so that no other thread may use trio during a run.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import trio

from chaos.world.loop import nursery, scopes, state, waiting

LoopName = Literal["fast", "trio"]

LOOP: Final[LoopName] = "fast"
"""The event loop of examples unless another one is asked for."""

VERSIONS: Final = ("0.35.0",)
"""The versions of trio whose histories the fast loop was compared with."""

TRIO: Final[dict[str, Any]] = {
    "CancelScope": scopes.LoopScope,
    "Cancelled": state.LoopCancelled,
    "Event": waiting.LoopEvent,
    "Lock": waiting.LoopLock,
    "Nursery": nursery.LoopNursery,
    "Semaphore": waiting.LoopSemaphore,
    "aclose_forcefully": scopes.aclose_forcefully,
    "current_time": state.current_time,
    "fail_after": scopes.fail_after,
    "move_on_after": scopes.move_on_after,
    "move_on_at": scopes.move_on_at,
    "open_nursery": nursery.LoopNursery,
    "sleep": scopes.sleep,
    "sleep_forever": scopes.sleep_forever,
    "sleep_until": scopes.sleep_until,
}
"""The names of ``trio`` that the fast loop stands in for."""

LOWLEVEL: Final[dict[str, Any]] = {
    "ParkingLot": waiting.LoopParkingLot,
    "Task": state.LoopTask,
    "cancel_shielded_checkpoint": state.cancel_shielded_checkpoint,
    "checkpoint": state.checkpoint,
    "checkpoint_if_cancelled": state.checkpoint_if_cancelled,
    "current_clock": state.current_clock,
    "current_task": state.current_task,
    "reschedule": state.reschedule,
    "wait_task_rescheduled": state.wait_task_rescheduled,
}
"""The names of ``trio.lowlevel`` that the fast loop stands in for."""

KEPT: Final = {"Abort", "TASK_STATUS_IGNORED", "TaskStatus", "abc", "lowlevel"}
"""The names that stay trio's, beside its exceptions."""


class AbsentName:
    """A name of trio that the fast loop does not have.

    Args:
        name: the name.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def _refuse(self, *_: object, **__: object) -> Any:
        sentence = f"the fast loop does not have {self._name}; run with --loop trio"
        state.RUN.absent = sentence
        raise NotImplementedError(sentence)

    __call__ = __instancecheck__ = __getattr__ = _refuse


def refusal() -> str | None:
    """Return why the fast loop does not serve with the installed trio; None if it does."""
    if trio.__version__ in VERSIONS:
        return None
    return (
        f"the fast loop was not compared with trio {trio.__version__} "
        f"(but with {', '.join(VERSIONS)}); trio serves instead"
    )


@contextmanager
def installed() -> Iterator[None]:
    """Let the fast loop stand in for trio during the block.

    Raises:
        RuntimeError: trio runs in another thread, which would be given the names of the fast loop.
    """
    if threading.active_count() > 1 and _runs_in_another_thread():
        raise RuntimeError("trio runs in another thread; run with --loop trio")
    vars(trio).update(_HERE)
    vars(trio.lowlevel).update(_HERE_LOWLEVEL)
    try:
        yield
    finally:
        vars(trio).update(_THERE)
        vars(trio.lowlevel).update(_THERE_LOWLEVEL)


def _runs_in_another_thread() -> bool:
    own = threading.get_ident()
    frames = [frame for thread, frame in sys._current_frames().items() if thread != own]  # noqa: SLF001
    while frames:
        frame = frames.pop()
        if frame.f_code is _TRIO_RUN:
            return True
        if frame.f_back is not None:
            frames.append(frame.f_back)
    return False


def _replaced(module: Any, names: dict[str, Any]) -> dict[str, Any]:
    """Return what the public names of a module of trio are during a run."""
    return {
        name: names.get(name) or AbsentName(f"{module.__name__}.{name}")
        for name, value in vars(module).items()
        if (not name.startswith("_") and name not in KEPT and not _is_exception(value))
        or name in names
    }


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)


_TRIO_RUN = trio.run.__code__
_HERE = _replaced(trio, TRIO)
_HERE_LOWLEVEL = _replaced(trio.lowlevel, LOWLEVEL)
_THERE = {name: vars(trio)[name] for name in _HERE}
_THERE_LOWLEVEL = {name: vars(trio.lowlevel)[name] for name in _HERE_LOWLEVEL}
