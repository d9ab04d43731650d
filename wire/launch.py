"""The start of the commands: import our own packages, and obey Ctrl-C from the first import on.

``python -m`` searches the working directory for modules first. A file there with the name of one of
our packages or of a module of the standard library would be imported instead. So each ``__main__``
moves the working directory to the end of the path before any import, and ``launch`` removes it from
the path, or reports a file that hides a package. The path of a console script (``spu-chaos``) never
includes the working directory.

The imports of a command take half a second. A KeyboardInterrupt during an import may surface
anywhere, also where Python prints and ignores it. So until a command runs, SIGINT ends the process.
SIGTERM and SIGHUP do so too, whenever a command has no handler of its own: the exit status is 130,
and the process does not die by the signal, which a caller could take for a crash.

What a command writes to standard error is for people. Where it cannot be written, because the disk
is full or the reader of a pipe is gone, the command goes on, and its status says what it found.
"""

import atexit
import io
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.machinery import PathFinder
from types import FrameType

STATUS_INTERRUPTED = 130
"""The exit status of a command that SIGINT ended, as in shells."""

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that end a command with ``STATUS_INTERRUPTED``, unless it handles them."""

STATUS_HIDDEN = 2
"""The exit status if a file hides one of our packages."""

_ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


def launch(command: str, target: str, needs: Sequence[str], directory: str | None) -> None:
    """Import a command and run it.

    Args:
        command: the name of the console script.
        target: the function of the command, as ``module:function``.
        needs: the packages of ours that the command imports in addition to its own.
        directory: the working directory, the last entry of ``sys.path``; None if the path does not
            include it.
    """
    # A shell's background job ignores SIGINT, and what runs under nohup SIGHUP.
    before = {n: signal.getsignal(n) for n in STOPPING if signal.getsignal(n) != signal.SIG_IGN}
    _leave_at(before)
    atexit.register(_ignore, before)
    _forgive_standard_error()
    if directory is not None and os.path.realpath(directory) != _ROOT:
        sys.path.pop()
        _refuse_hidden(command, needs, directory)
    module, _, function = target.partition(":")
    run = getattr(import_module(module), function)
    try:
        try:
            if signal.SIGINT in before:
                signal.signal(signal.SIGINT, before[signal.SIGINT])
            run()
        finally:
            _leave_at(n for n in before if signal.getsignal(n) != signal.SIG_IGN)
    except KeyboardInterrupt:
        _leave()


class Forgiving(io.TextIOWrapper):
    """A stream for messages that may have no reader: what cannot be written, and all that follows,
    is discarded. A console of rich would end the program when its reader has gone."""

    def write(self, text: str, /) -> int:
        """Write a text, if that can be done; return its length."""
        try:
            return super().write(text)
        except OSError:
            self._discard()
            return len(text)

    def flush(self) -> None:
        """Write what is held back, if that can be done."""
        try:
            super().flush()
        except OSError:
            self._discard()

    def _discard(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def _forgive_standard_error() -> None:
    if sys.stderr is None:  # it was closed before the program began
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  open until the process ends
    elif isinstance(sys.stderr, io.TextIOWrapper):
        encoding, errors = sys.stderr.encoding, sys.stderr.errors
        sys.stderr = sys.__stderr__ = Forgiving(  # type: ignore[misc]
            sys.stderr.detach(), encoding, errors, line_buffering=True
        )


def _leave_at(numbers: Iterable[int]) -> None:
    for number in numbers:
        signal.signal(number, _leave)


def _ignore(numbers: Iterable[int]) -> None:
    """Ignore signals once the status is decided: Python's last act is to take handlers away."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def _leave(number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
    """End the process at once; an import could swallow an exception."""
    os._exit(STATUS_INTERRUPTED)


def _refuse_hidden(command: str, needs: Sequence[str], directory: str) -> None:
    for package in needs:
        spec = PathFinder.find_spec(package, [directory])
        if spec is None or spec.origin is None:  # a folder without __init__.py hides nothing
            continue
        file = os.path.relpath(spec.origin, directory).removesuffix("__init__.py")
        sys.stderr.write(
            f"{command}: {file} in the working directory hides the package {package} from"
            f" python -m; run the command {command} instead\n"
        )
        sys.exit(STATUS_HIDDEN)
