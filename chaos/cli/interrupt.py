"""The handling of Ctrl-C: it ends the work at any instruction, and finished results are kept."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

AGAIN_S = 0.02
"""The delay in seconds before a swallowed Ctrl-C is repeated; the destructor returns sooner."""


class Interrupted(Exception):  # noqa: N818  a user's wish, not a mistake
    """The user pressed Ctrl-C. Finished results are kept."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn a Ctrl-C in the block into ``Interrupted``, and ignore later ones.

    Raises:
        Interrupted: a Ctrl-C arrived.
    """
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

    Python prints an exception in a destructor and continues, so that the Ctrl-C would be lost.
    """
    before = sys.unraisablehook

    def look(unraisable: "sys.UnraisableHookArgs") -> None:
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            # Not raised here: Python prints exceptions of this hook, too.
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
