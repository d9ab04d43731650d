"""How the commands start: with our own packages, and open to Ctrl-C from the first import on.

``python -m`` looks for modules in the working directory before anywhere else. A file there, named
as one of our packages or as a module of the standard library, would be imported in its place. So
each ``__main__`` moves the working directory to the end of the path before it imports anything, and
``launch`` takes it off the path, or says which file is in the way. Console scripts (``spu-chaos``)
never have it on their path.

The commands import for half a second. A KeyboardInterrupt meanwhile may surface anywhere, also
where Python prints and ignores it; so until a command runs, SIGINT ends the process by itself.
"""

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import PathFinder
from types import FrameType

STATUS_INTERRUPTED = 130
"""What shells give to a command that SIGINT ended."""

STATUS_HIDDEN = 2
"""A file hides one of our packages."""

_ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


def launch(command: str, target: str, needs: Sequence[str], directory: str | None) -> None:
    """Import a command and run it.

    Args:
        command: the name of its console script.
        target: its function, as ``module:function``.
        needs: our packages that it imports besides its own.
        directory: the working directory, the last entry of ``sys.path``; None if the path is
            without it.
    """
    before = signal.getsignal(signal.SIGINT)
    takes_interrupts = before is signal.default_int_handler  # a shell's background job ignores them
    if takes_interrupts:
        signal.signal(signal.SIGINT, _leave)
    if directory is not None and os.path.realpath(directory) != _ROOT:
        sys.path.pop()
        _refuse_hidden(command, needs, directory)
    module, _, function = target.partition(":")
    run = getattr(import_module(module), function)
    try:
        if takes_interrupts:
            signal.signal(signal.SIGINT, before)
        run()
    except KeyboardInterrupt:
        _leave()


def _leave(number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
    """End at once. An exception would be lost where an import swallows it."""
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
