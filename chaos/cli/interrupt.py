"""Ctrl-C: ends what is under way, wherever it finds this process, and keeps what was reached."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

AGAIN_S = 0.02
"""How soon a Ctrl-C that was swallowed comes again: when the destructor has long returned."""


class Interrupted(Exception):  # noqa: N818  a user's wish, not a mistake
    """The user pressed Ctrl-C. What was reached until then is kept."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn a Ctrl-C in the block into ``Interrupted``; another one has no effect any more."""
    try:
        with _not_swallowed():
            yield
    except BaseException as error:
        if not _is_interrupt(error):
            raise
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise Interrupted from error


@contextmanager
def _not_swallowed() -> Iterator[None]:
    """Repeat a Ctrl-C that arrives in a destructor.

    Python prints what is raised in one and goes on, so that the wish would be lost.
    """
    before = sys.unraisablehook

    def look(unraisable: "sys.UnraisableHookArgs") -> None:
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            # Not from here: what is raised in this hook is printed, too.
            Timer(AGAIN_S, os.kill, (os.getpid(), signal.SIGINT)).start()
        else:
            before(unraisable)

    sys.unraisablehook = look
    try:
        yield
    finally:
        sys.unraisablehook = before


def _is_interrupt(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(map(_is_interrupt, error.exceptions))
    return isinstance(error, KeyboardInterrupt)
