"""Ctrl-C during a run: it is raised in the code of a task at once, but not in the loop itself.

An exception at an arbitrary instruction of the loop would leave its state half changed, and the
tasks to Python's destructors. As in trio, a Ctrl-C that arrives there is kept, and raised in the
task of the main function when it waits.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import CO_COROUTINE, unwrap
from pathlib import Path
from types import FrameType

from chaos.world.loop.nursery import LoopNursery
from chaos.world.loop.state import RUN, LoopTask, resume_with

_ROOM = str(Path(__file__).parent)

# Without the wrappers of the standard library, which look for an enum member that equals the
# handler: an exception is raised and caught for each handler that is a function.
_get_handler = unwrap(signal.getsignal)
_set_handler = unwrap(signal.signal)


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Keep a Ctrl-C that arrives in the loop until ``raise_interrupt``.

    Without effect if the process handles Ctrl-C in a way of its own, and outside the main thread.

    Raises:
        KeyboardInterrupt: at the end, if none was raised in the block.
    """
    before = _get_handler(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if before is not signal.default_int_handler or not is_main:
        yield
        return
    _set_handler(signal.SIGINT, _handle)
    try:
        yield
    finally:
        _set_handler(signal.SIGINT, before)
        if RUN.interrupted:
            RUN.interrupted = False
            raise KeyboardInterrupt


def raise_interrupt(root: LoopTask) -> None:
    """Raise a kept Ctrl-C in the task of the main function, if that task waits."""
    if isinstance(root.wait, LoopNursery):
        root.wait.fail(KeyboardInterrupt())
    elif root.wait is None or not resume_with(root, KeyboardInterrupt()):
        return
    RUN.interrupted = False


def _handle(number: int, frame: FrameType | None) -> None:
    if _is_in_loop(frame):
        RUN.interrupted = True
    else:
        signal.default_int_handler(number, frame)


def _is_in_loop(frame: FrameType | None) -> bool:
    """Return whether code of the loop is at work, and not the code of a task alone."""
    callee: FrameType | None = None
    while frame is not None:
        if frame.f_code.co_filename.startswith(_ROOM):
            is_task = callee is not None and callee.f_code.co_flags & CO_COROUTINE
            return not (is_task and frame.f_code.co_name == "run")
        callee, frame = frame, frame.f_back
    return True
