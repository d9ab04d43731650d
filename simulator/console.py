"""What a person sees: one line for each entry of the journal, in colour on a terminal."""

import fcntl
import os
import select
import sys
import termios
from array import array

from rich.console import Console, RenderableType
from rich.text import Text

from simulator.events import Entry

LINE_CHARACTERS_MAX = 500
"""A line is cut here. Names in it are the peer's word, and a short line always fits into a pipe
that is ready for writing."""

LAST_WORDS_S = 0.5
"""How long the summary waits, in real seconds, for a reader of the pipe that has fallen behind."""

_STYLES = {
    "connection": "cyan",
    "frame": "dim",
    "verdict": "bold red",
    "append": "green",
    "cluster": "yellow",
}


class _Console(Console):
    """A console whose reader may go away."""

    def on_broken_pipe(self) -> None:
        """Print nothing from now on, and let nothing fail when Python closes standard output."""
        self.quiet = True
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)


class Output:
    """Standard output that never makes the simulator wait.

    A program that starts the simulator with a pipe and reads only its first line must not stop it
    when the pipe is full: lines that nobody takes are counted and left out.

    Args:
        verbose: whether lines tell versions, sizes and client ids too.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        # Names may hold anything: no markup, no emoji.
        self._console = _Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
        self._verbose = verbose
        self._skipped = 0
        self._room = _half_of_pipe()

    def say(self, what: RenderableType) -> None:
        """Print something that must be seen."""
        if self._ready(LAST_WORDS_S):
            self._admit_gaps()
            self._console.print(what)

    def entry(self, entry: Entry) -> None:
        """Print an entry of the journal; a sink."""
        if self._console.quiet:
            return
        if not self._ready(0) or (self._room is not None and _unread() > self._room):
            self._skipped += 1
            return
        self._admit_gaps()
        line = _printable(line_of(entry, verbose=self._verbose))
        self._console.print(Text(line, style=_STYLES[entry.kind]))

    def _admit_gaps(self) -> None:
        if self._skipped:
            skipped, self._skipped = self._skipped, 0
            self._console.print(f"... {skipped} lines left out: nobody reads them fast enough")

    def _ready(self, seconds: float) -> bool:
        return bool(select.select([], [sys.stdout], [], seconds)[1])


def _half_of_pipe() -> int | None:
    """Half of what standard output holds unread, if it is a pipe and the system tells.

    The other half is for the summary, so that it is there even for a reader who comes only then.
    """
    try:
        return fcntl.fcntl(sys.stdout, fcntl.F_GETPIPE_SZ) // 2
    except (AttributeError, OSError):
        return None


def _unread() -> int:
    """How many bytes wait in the pipe that standard output is."""
    waiting = array("i", [0])
    fcntl.ioctl(sys.stdout, termios.FIONREAD, waiting)
    return waiting[0]


def line_of(entry: Entry, *, verbose: bool = False) -> str:
    """One line that a person can follow."""
    where = f"#{entry.connection:<4} {entry.server or '':<6} " if entry.connection else ""
    return f"{entry.t:10.3f}  {where}{_what(entry, verbose)}"


def _what(entry: Entry, verbose: bool) -> str:
    partition = f" {entry.topic}/{entry.partition}" if entry.topic is not None else ""
    call = f"{entry.api} id={entry.correlation_id}{partition}"
    match entry.kind:
        case "frame":
            more = f" v{entry.api_version} {entry.size} bytes {entry.client_id}" if verbose else ""
            return f"{'>' if entry.direction == 'request' else '<'} {call}{more}"
        case "verdict":
            at = f" at {entry.direction} of {call}" if entry.direction else ""
            detail = entry.detail or ""
            # A fault of the command line is named by its kind, which the detail begins with.
            name = "" if detail.split(" ")[0] == entry.fault else f"{entry.fault}: "
            return f"! {name}{detail}{at}"
        case "append":
            copy = f", a copy made by {entry.fault}" if entry.fault else ""
            noun = "record" if entry.records == 1 else "records"
            return f"+{partition} stored {entry.records} {noun} at {entry.base_offset}{copy}"
        case _:
            return f"= {entry.detail}{partition}"


def _printable(line: str) -> str:
    """Names come from peers: nothing in them may move a cursor or end a line."""
    shown = line if line.isprintable() else "".join(c if c.isprintable() else "?" for c in line)
    if len(shown) <= LINE_CHARACTERS_MAX:
        return shown
    return shown[: LINE_CHARACTERS_MAX - 3] + "..."
