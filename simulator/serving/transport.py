"""Real sockets: listening, and resetting a connection.

trio's streams cannot reset a connection, so a transport provides a function for it together with
its listeners. A network in memory provides the same interface.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import trio

from simulator.serving.socket_stream import TcpListener, TcpStream

Stream = trio.abc.HalfCloseableStream


@dataclass(frozen=True, slots=True)
class Bound:
    """The listeners of a server, its port, and a function that resets its connections."""

    listeners: Sequence[trio.abc.Listener[Stream]]
    port: int
    reset: Callable[[Stream], None]
    """Closes a connection immediately so that the peer sees a reset; unsent bytes are lost."""


Listen = Callable[[str, int], Awaitable[Bound]]
"""Listens on a host and a port (0 selects a free one); raises OSError on failure."""


async def listen_on_tcp(host: str, port: int) -> Bound:
    """Listen on real sockets.

    Raises:
        OSError: the port is in use, or the host is not an address of this machine.
    """
    listeners = await trio.open_tcp_listeners(port, host=host)
    if port == 0:
        # Each address of the host would get its own port; one is enough.
        for extra in listeners[1:]:
            await extra.aclose()
        listeners = listeners[:1]
    chosen: int = listeners[0].socket.getsockname()[1]
    return Bound([TcpListener(each) for each in listeners], chosen, reset_tcp)


def reset_tcp(stream: Stream) -> None:
    """Close a connection so that its peer sees a reset."""
    assert isinstance(stream, TcpStream)
    stream.reset()
