"""What a person sees: one line for each event, in colour on a terminal."""

import fcntl
import io
import sys
import termios
from array import array
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.text import Text

from simulator.documents.diagnostic import printable
from simulator.documents.emitter import one_line
from simulator.events import (
    AddressChanged,
    Appended,
    ClosedBy,
    CloseReason,
    ConnectionClosed,
    ConnectionEvent,
    ConnectionOpened,
    ConnectionsCut,
    ConnectRefused,
    DialRefused,
    Event,
    EventsLeftOut,
    Evicted,
    ExchangeEvent,
    FaultAdded,
    FaultChanged,
    FaultHit,
    FaultRemoved,
    FramePartlyRead,
    FrameRead,
    FrameWritten,
    Healed,
    LeaderElected,
    LeaderMoved,
    ListenerClosed,
    ListenerReopened,
    PartitionsAdded,
    PartitionServed,
    ReplicaCaughtUp,
    SimulatorReset,
    SpuStarted,
    SpuStopped,
    TopicCreated,
    TopicDeleted,
)
from simulator.faults.effects import CutPoint
from simulator.reporting.repeats import Repeats
from simulator.reporting.writer import Writer

LINE_CHARACTERS_MAX = 500
"""A line is cut here. Names in it are the peer's word, and a short line always fits into a pipe
that is ready for writing."""

BACKLOG_CHARS_MAX = 1024 * 1024
"""Lines that wait for a terminal or a file; ten thousand of them."""

_STYLES: dict[type[Event], str] = {
    ConnectionOpened: "cyan",
    ConnectionClosed: "cyan",
    FrameRead: "dim",
    FramePartlyRead: "dim",
    FrameWritten: "dim",
    FaultHit: "bold red",
    ConnectRefused: "bold red",
    Appended: "green",
}
"""By class of event; changes of the cluster have the style below."""

_CLUSTER_STYLE = "yellow"

_CLOSED: dict[tuple[ClosedBy, CloseReason], str] = {
    (ClosedBy.CLIENT, CloseReason.FIN): "closed by the client",
    (ClosedBy.CLIENT, CloseReason.RESET): "reset by the client",
    (ClosedBy.FAULT, CloseReason.FIN): "closed by a fault",
    (ClosedBy.FAULT, CloseReason.RESET): "reset by a fault",
    (ClosedBy.FAULT, CloseReason.HALF_CLOSE): "half-closed by a fault",
    (ClosedBy.FAULT, CloseReason.STALL): "stalled by a fault",
    (ClosedBy.UPSTREAM, CloseReason.FIN): "closed by the cluster",
    (ClosedBy.UPSTREAM, CloseReason.RESET): "reset by the cluster",
    (ClosedBy.UPSTREAM, CloseReason.UNREACHABLE): "reset: the cluster's server is not there",
    (ClosedBy.SIMULATOR, CloseReason.UNDECODABLE): "closed, undecodable input",
    (ClosedBy.SIMULATOR, CloseReason.ANSWERS_UNREAD): "reset: the client does not read its answers",
    (ClosedBy.SIMULATOR, CloseReason.EVICTED): "reset: another connection needs its place",
    (ClosedBy.SIMULATOR, CloseReason.SPU_STOPPED): "reset: the SPU stopped",
    (ClosedBy.SIMULATOR, CloseReason.HEALED): "reset: all faults are lifted",
    (ClosedBy.SIMULATOR, CloseReason.SHUTDOWN): "closed by the simulator",
}


class Output:
    """Standard output that never makes the simulator wait.

    A program that starts the simulator with a pipe and reads only its first line must not stop it
    when the pipe is full: further lines are counted and left out.

    Args:
        failed: called once with the error that ends the output.
        verbose: whether lines tell versions, sizes and client ids too.
    """

    def __init__(self, failed: Callable[[OSError], None], *, verbose: bool = False) -> None:
        stdout = sys.stdout
        self._rendered = _Rendered(stdout)
        # Names may hold anything: no markup, no emoji.
        self._console = Console(
            file=self._rendered, highlight=False, soft_wrap=True, markup=False, emoji=False
        )
        self._writer = Writer(lambda: stdout, failed, BACKLOG_CHARS_MAX)
        self._verbose = verbose
        self._repeated = Repeats()
        self._skipped = 0
        self._begun = False
        self._room = _half_of_pipe()

    def begin(self, line: str) -> None:
        """Print the first line; events before it are left out, since programs read this line."""
        self.say(line)
        self._begun = True

    def say(self, what: RenderableType) -> None:
        """Print something that must be seen."""
        self._print(what, needed=True)

    def event(self, event: Event) -> None:
        """Print an event; a sink."""
        repeats = self._repeated.look(event)
        if not self._begun:
            return
        if self._room is not None and _unread() + self._writer.backlog > self._room:
            self._skipped += 1
            return
        line = _cut(line_of(event, repeats=repeats, verbose=self._verbose))
        self._print(Text(line, style=_STYLES.get(type(event), _CLUSTER_STYLE)), needed=False)

    def finish(self, seconds: float) -> bool:
        """Wait until all is printed.

        Args:
            seconds: how long at most, in real seconds.

        Returns:
            Whether it is, or the reader has gone away and wants nothing.
        """
        return self._writer.finish(seconds) or isinstance(self._writer.error, BrokenPipeError)

    def _print(self, what: RenderableType, *, needed: bool) -> None:
        if self._skipped:
            self._console.print(f"... {self._skipped} lines left out: the reader is too slow")
        self._console.print(what)
        if self._writer.put(self._rendered.take(), needed=needed):
            self._skipped = 0
        else:
            self._skipped += 1


class _Rendered(io.StringIO):
    """What a console would print on a file."""

    def __init__(self, file: TextIO) -> None:
        super().__init__()
        self._file = file

    def isatty(self) -> bool:
        return self._file.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a StringIO has none
        return self._file.encoding

    def take(self) -> str:
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


def _half_of_pipe() -> int | None:
    """Half of what standard output holds unread, if it is a pipe and the system tells.

    The other half is for the summary, so that it is there even for a reader who comes only then.
    """
    try:
        return fcntl.fcntl(sys.stdout, fcntl.F_GETPIPE_SZ) // 2
    except (AttributeError, OSError, ValueError):
        return None


def _unread() -> int:
    """How many bytes wait in the pipe that standard output is."""
    waiting = array("i", [0])
    fcntl.ioctl(sys.stdout, termios.FIONREAD, waiting)
    return waiting[0]


def line_of(event: Event, *, repeats: FrameRead | None = None, verbose: bool = False) -> str:
    """One line that a person can follow.

    Args:
        event: what happened.
        repeats: of a request the earlier one that brought the same.
        verbose: whether to tell versions, sizes and client ids too.
    """
    where = (
        f"#{event.connection:<4} {event.server:<6} " if isinstance(event, ConnectionEvent) else ""
    )
    return f"{event.t:10.3f}  {where}{_what(event, repeats, verbose)}"


def closing(event: ConnectionClosed) -> str:
    """How a connection ended, and who ended it."""
    text = _CLOSED.get((event.by, event.reason), f"closed by the {event.by}: {event.reason}")
    return f"{text}: {event.error}" if event.error else text


def _what(event: Event, repeats: FrameRead | None, verbose: bool) -> str:
    match event:
        case FrameRead():
            more = f" v{event.api_version} {event.size} bytes {event.client_id}" if verbose else ""
            return f"> {_call(event, _repeating(event, repeats))}{more}"
        case FrameWritten():
            more = f" {event.size} bytes" if verbose or not event.whole else ""
            return f"< {_call(event)}{more}{'' if event.whole else f' of {event.frame_size}'}"
        case FramePartlyRead():
            return f"> {event.size} bytes of a request that did not end"
        case FaultHit():
            # A fault of the command line is named by its kind, which the text begins with.
            name = "" if event.kind == event.fault else f"{event.fault}: "
            return f"! {name}{_hit(event)} at {event.at} of {_call(event)}"
        case ConnectRefused():
            return f"! {event.fault}: refuse, how: {event.how}"
        case Appended():
            copy = f", a copy made by {event.copied_by}" if event.copied_by else ""
            noun = "record" if event.records == 1 else "records"
            where = f"{event.topic}/{event.partition}"
            return f"+ {where} stored {event.records} {noun} at {event.base_offset}{copy}"
    return f"= {_change(event)}"


def _call(event: ExchangeEvent, more: str = "") -> str:
    partition = f" {event.topic}/{event.partition}" if event.topic is not None else ""
    return f"{event.api} id={event.correlation_id}{more}{partition}"


def _repeating(event: FrameRead, earlier: FrameRead | None) -> str:
    if earlier is None:
        return ""
    of = "" if earlier.connection == event.connection else f" of #{earlier.connection}"
    return f" repeats id={earlier.correlation_id}{of}"


def _hit(event: FaultHit) -> str:
    """The kind of a fault with what it did."""
    if event.shadowed:
        return f"{event.kind} (shadowed)"
    parts = [event.kind]
    if event.delay_s:
        parts.append(f"{event.delay_s * 1000:.3f}ms")
    parts += [word for word in (event.how, event.code, event.what) if word]
    if event.at is CutPoint.RESPONSE and event.after_bytes:
        parts.append(f"after {event.after_bytes} bytes")
    return " ".join(parts)


def _change(event: Event) -> str:
    match event:
        case ConnectionOpened():
            return "opened"
        case ConnectionClosed():
            return closing(event)
        case Healed():
            return "healed"
        case EventsLeftOut():
            return f"{event.count} events left out"
        case FaultAdded():
            return f"fault {event.fault} added: {_yaml(event.definition)}"
        case FaultChanged():
            return f"fault {event.fault} changed: {_yaml(event.definition)}"
        case FaultRemoved():
            return f"fault {event.fault} removed"
        case SimulatorReset():
            return "simulator reset"
    return _cluster_change(event) or type(event).__name__


def _yaml(data: Mapping[str, Any]) -> str:
    return ", ".join(f"{kind}: {one_line(fields)}" for kind, fields in data.items())


def _cluster_change(event: Event) -> str:
    """The change of a topic or a server; empty for other events."""
    match event:
        case LeaderMoved():
            return f"leader moved to spu:{event.spu} {event.topic}/{event.partition}"
        case LeaderElected():
            where = f"{event.topic}/{event.partition}"
            return f"spu:{event.spu} elected to lead {where}, kept to {event.kept_to}"
        case Evicted():
            return f"{event.topic}/{event.partition} evicted to {event.start_offset}"
        case ReplicaCaughtUp():
            where = f"{event.topic}/{event.partition}"
            ends = f"to {event.end}, committed to {event.high_watermark}"
            return f"replica of {where} on spu:{event.spu} caught up {ends}"
        case SpuStopped() | SpuStarted() | ListenerClosed() | ListenerReopened() | DialRefused():
            return _listening(event)
        case PartitionServed():
            return f"spu:{event.spu} serves {event.topic}/{event.partition}"
        case PartitionsAdded():
            return f"topic {event.topic} has {event.first + len(event.leaders)} partitions"
        case AddressChanged():
            return f"spu:{event.spu} listens on {event.address}"
        case ConnectionsCut():
            return f"connections of {event.server} reset"
        case TopicCreated():
            return f"topic {event.topic} created, partitions: {len(event.leaders)}"
        case TopicDeleted():
            return f"topic {event.topic} deleted"
    return ""


def _listening(
    event: SpuStopped | SpuStarted | ListenerClosed | ListenerReopened | DialRefused,
) -> str:
    match event:
        case SpuStopped():
            return f"spu:{event.spu} stopped"
        case SpuStarted():
            return f"spu:{event.spu} started"
        case ListenerClosed():
            return f"{event.server} refuses connections ({event.fault})"
        case ListenerReopened():
            return f"{event.server} listens again ({event.fault})"
        case DialRefused():
            return f"{event.server} refused a connect"


def _cut(line: str) -> str:
    shown = printable(line)
    if len(shown) <= LINE_CHARACTERS_MAX:
        return shown
    return shown[: LINE_CHARACTERS_MAX - 3] + "..."
