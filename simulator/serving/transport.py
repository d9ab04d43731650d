"""Real sockets: streams, listening, and resetting a connection.

``trio.SocketStream`` gives way to other tasks in every send, also if the kernel takes all bytes at
once. A server that answers each request pays for that turn as much as for the request. The stream
here gives way in every receive, so a connection that is always readable still lets others run, and
in a send only when the kernel's buffer is full.

A transport provides a function that resets a connection together with its listeners. A network in
memory provides the same interface.
"""

import errno
import fcntl
import socket
import struct
import termios
from array import array
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import trio

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER, on, for 0 seconds: closing sends a reset."""


class TcpStream(trio.abc.HalfCloseableStream):
    """One connected TCP socket; one task may send while another one receives.

    Args:
        connected: the socket, which the stream owns from now on.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected
        self._ended = False
        """Whether the writing direction is closed."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive what has arrived, up to ``max_bytes``, or wait for it.

        Raises:
            trio.BrokenResourceError: the peer has reset the connection.
            trio.ClosedResourceError: the stream is closed.
        """
        size = 64 * 1024 if max_bytes is None else max_bytes
        try:
            data = self._socket.recv(size)
        except BlockingIOError:
            pass
        except OSError as error:
            raise _failure(error) from error
        else:
            await trio.lowlevel.checkpoint()
            return data
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            try:
                return self._socket.recv(size)
            except BlockingIOError:
                continue
            except OSError as error:
                raise _failure(error) from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Hand all bytes to the kernel; wait only while its buffer is full.

        Raises:
            trio.BrokenResourceError: the peer accepts no more bytes.
            trio.ClosedResourceError: the stream is closed, or its writing direction.
        """
        sent = self._sent(data)
        if sent == len(data):
            return
        with memoryview(data) as view:
            while sent < len(view):
                await self.wait_send_all_might_not_block()
                sent += self._sent(view[sent:])

    def _sent(self, data: bytes | bytearray | memoryview) -> int:
        """Hand bytes to the kernel, and return how many it took."""
        if self._ended:
            raise trio.ClosedResourceError("the writing direction is closed")
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise _failure(error) from error

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the kernel takes bytes; raises as ``send_all``."""
        try:
            await trio.lowlevel.wait_writable(self._socket)
        except OSError as error:
            raise _failure(error) from error

    async def send_eof(self) -> None:
        """Close the writing direction; raises as ``send_all``."""
        await trio.lowlevel.checkpoint()
        if not self._ended:
            self._ended = True
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError as error:
                raise _failure(error) from error

    async def aclose(self) -> None:
        """Close the socket; tasks that wait for it get ``trio.ClosedResourceError``."""
        self._close()
        await trio.lowlevel.checkpoint()

    @property
    def client_port(self) -> int:
        """The port of the peer; 0 if it is gone."""
        try:
            port: int = self._socket.getpeername()[1]
        except OSError:
            return 0
        return port

    @property
    def unsent(self) -> int:
        """How many bytes the peer's system has not taken, as far as ours tells; 0 once closed."""
        if self._socket.fileno() < 0:
            return 0
        waiting = array("i", [0])
        fcntl.ioctl(self._socket, termios.TIOCOUTQ, waiting)
        return waiting[0]

    def reset(self) -> None:
        """Close the socket so that the peer sees a reset; what is unsent is lost."""
        if self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._close()

    def _close(self) -> None:
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()


class TcpListener(trio.abc.Listener[TcpStream]):
    """Accepts connections as ``TcpStream``.

    Args:
        listener: the listener of trio, which this one owns from now on.
    """

    def __init__(self, listener: trio.SocketListener) -> None:
        self._listener = listener

    async def accept(self) -> TcpStream:
        """Wait for a connection; raises as ``trio.SocketListener.accept``."""
        accepted = await self._listener.accept()
        return TcpStream(socket.socket(fileno=accepted.socket.detach()))

    async def aclose(self) -> None:
        """Stop listening."""
        await self._listener.aclose()


def _failure(error: OSError) -> trio.BrokenResourceError | trio.ClosedResourceError:
    if error.errno == errno.EBADF:
        return trio.ClosedResourceError("the socket is closed")
    return trio.BrokenResourceError(str(error))


Stream = trio.abc.HalfCloseableStream


@dataclass(frozen=True, slots=True)
class Bound:
    """The listeners of a server, its port, and a function that resets its connections."""

    listeners: Sequence[trio.abc.Listener[Stream]]
    port: int
    reset: Callable[[Stream], None]
    """Closes a connection immediately so that the peer sees a reset; unsent bytes are lost."""
    client_port: Callable[[Stream], int] = lambda stream: 0
    """Returns the port of the client of a connection; 0 if it is not known."""


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
    return Bound([TcpListener(each) for each in listeners], chosen, reset_tcp, tcp_client_port)


def tcp_client_port(stream: Stream) -> int:
    """Return the port of the client of a connection."""
    assert isinstance(stream, TcpStream)
    return stream.client_port


def reset_tcp(stream: Stream) -> None:
    """Close a connection so that its peer sees a reset."""
    assert isinstance(stream, TcpStream)
    stream.reset()
