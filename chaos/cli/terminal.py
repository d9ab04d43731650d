"""Standard output and the progress bar, also if they are redirected or closed; and Ctrl-C.

A Ctrl-C ends the work at any instruction, and finished results are kept.
"""

import io
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING

import click
from rich.console import Console, RenderableType
from rich.text import Text

from chaos.world.stopwatch import Stopwatch

if TYPE_CHECKING:
    # rich.progress is imported by a bar only, since a pipe gets none.
    from rich.progress import Progress, TaskID

REDIRECTED_COLUMNS = 120
"""The width of tables, in columns, if standard output is not a terminal."""

SAY_S = 10.0
"""The time between two lines of progress in a pipe, in seconds of real time."""


def discard_output() -> None:
    """Redirect standard output to the null device, so that Python closes it without an error."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)


def prepare_streams() -> None:
    """Make sure that standard output exists, and that it and standard error accept any character;
    ``wire/launch.py`` makes sure of the rest."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  open until the process ends
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names come from files


class PipeConsole(Console):
    """A console whose reader may go away."""

    def on_broken_pipe(self) -> None:
        """Print nothing from now on."""
        self.quiet = True
        discard_output()


class Terminal:
    """Prints on standard output, and shows the progress bar on standard error."""

    def __init__(self) -> None:
        width = None if sys.stdout.isatty() else REDIRECTED_COLUMNS
        self._console = PipeConsole(highlight=False, markup=False, emoji=False, width=width)

    def say(self, what: RenderableType = "") -> None:
        """Print a line or a table."""
        self._console.print(what, soft_wrap=isinstance(what, str))

    def say_all(self, lines: Iterable[str], style: str = "") -> None:
        """Print lines, the first one in a style."""
        for n, line in enumerate(lines):
            self._console.print(Text(line, style="" if n else style), soft_wrap=True)

    def raw(self, text: str) -> None:
        """Print text for a machine, without any change."""
        if self._console.quiet:
            return
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            self._console.on_broken_pipe()

    @property
    def width(self) -> int:
        """The width of tables, in columns."""
        return self._console.width

    @contextmanager
    def progress(self, what: str, total: int | None, unit: str) -> Iterator["Progressing"]:
        """Show progress on standard error during the ``with`` block.

        A terminal gets a bar, which is drawn when it is told of progress, and not by a thread with
        its own clock. A pipe gets a line every ``SAY_S``.

        Args:
            what: the label.
            total: the number of steps; None if it is unknown.
            unit: what a step is, in the singular.
        """
        console = Console(stderr=True, highlight=False)
        if not console.is_terminal:
            yield Progressing(None, what, total, unit)
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
        with Progress(*columns, console=console, transient=True, auto_refresh=False) as bar:
            yield Progressing((bar, bar.add_task(what, total=total)), what, total, unit)


class Progressing:
    """Shows the progress of one piece of work."""

    def __init__(
        self, bar: "tuple[Progress, TaskID] | None", what: str, total: int | None, unit: str
    ) -> None:
        self._bar = bar
        """The bar and its only task; None in a pipe."""
        self._what = what
        self._total = total
        self._unit = unit
        self._since = Stopwatch()
        """Since the last line."""

    def reached(self, done: int) -> None:
        """Show the number of completed steps."""
        if self._bar is not None:
            bar, task = self._bar
            bar.update(task, completed=done, refresh=True)
        elif self._since.seconds >= SAY_S:
            whole = "" if self._total is None else f" of {self._total:,}"
            self._say(f"{done:,}{whole} {self._unit}s")

    def stage(self, text: str) -> None:
        """Show what happens now, for some time without completed steps."""
        if self._bar is not None:
            bar, task = self._bar
            bar.update(task, description=f"{self._what}: {text}", refresh=True)
        else:
            self._say(text)

    def _say(self, text: str) -> None:
        self._since = Stopwatch()
        click.echo(f"{self._what}: {text}", err=True)


# --- Ctrl-C

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
