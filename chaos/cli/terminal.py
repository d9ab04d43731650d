"""Standard output and the progress bar, also if they are redirected or closed."""

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

REDIRECTED_COLUMNS = 120
"""The width of tables, in columns, if standard output is not a terminal."""


def discard_output() -> None:
    """Redirect standard output to the null device, so that Python closes it without an error."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)


def prepare_streams() -> None:
    """Make sure that standard output and error exist and accept any character."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  open until the process ends
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  the same
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

    @contextmanager
    def progress(self, what: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Show a progress bar during the ``with`` block, if standard error is a terminal.

        The bar is drawn when its function is called, and not by a thread with its own clock.

        Args:
            what: the label of the bar.
            total: the number of steps; None if it is unknown.

        Yields:
            A function that takes the number of completed steps.
        """
        console = Console(stderr=True, highlight=False)
        columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
        with Progress(
            *columns,
            console=console,
            transient=True,
            auto_refresh=False,
            disable=not console.is_terminal,
        ) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.update(task, completed=done, refresh=True)
