"""Real sockets: how a server listens, and how it resets a connection.

trio's streams have no way to reset, so whoever listens says how. A network in memory offers the
same two things.
"""

import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import trio

_NO_LINGER = struct.pack("ii", 1, 0)

Stream = trio.abc.HalfCloseableStream


@dataclass(frozen=True, slots=True)
class Bound:
    """A server's place on a network."""

    listeners: Sequence[trio.abc.Listener[Stream]]
    port: int
    reset: Callable[[Stream], None]
    """Ends a connection at once, so that the peer sees a reset; what is unsent is lost."""


Listen = Callable[[str, int], Awaitable[Bound]]
"""Begins to listen on a host and port (0 picks a free one); raises OSError if it cannot."""


async def listen_on_tcp(host: str, port: int) -> Bound:
    """Listen on real sockets.

    Raises:
        OSError: the port is taken, or the host is none of this machine's.
    """
    listeners = await trio.open_tcp_listeners(port, host=host)
    if port == 0:
        # Each address of the host would get a port of its own; one is enough.
        for extra in listeners[1:]:
            await extra.aclose()
        listeners = listeners[:1]
    chosen: int = listeners[0].socket.getsockname()[1]
    return Bound(listeners, chosen, reset_tcp)


def reset_tcp(stream: Stream) -> None:
    """Close a socket so that its peer sees a reset (SO_LINGER 0)."""
    assert isinstance(stream, trio.SocketStream)
    if stream.socket.fileno() >= 0:
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        stream.socket.close()
