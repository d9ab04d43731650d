"""How connections begin: dialling, the TLS handshake, the greeting, and what can go wrong there."""

import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

import trio

from producer.errors import ConnectError
from producer.net.connection import RECEIVE_BYTES, Connection
from wire.address import Address
from wire.codec import WireError
from wire.connection import ClientConnection

Dial = Callable[[str, int], Awaitable[trio.abc.Stream]]
"""Connects to a host and port; raises OSError if that fails."""

KEEPALIVE_IDLE_S = 30
KEEPALIVE_EVERY_S = 10
KEEPALIVE_TRIES = 3
"""A peer that vanished without a word is noticed after a minute of silence; the watches of the SC
have no other way to notice, and two hours, as systems have it, is too late for a moved leader."""

NAMES_REMEMBERED = 128
"""Servers whose names are kept: those of a large cluster."""

_FAILURES = (OSError, WireError, trio.BrokenResourceError, EOFError, UnicodeError)
"""What dialling, shaking hands and greeting raise; UnicodeError is what a host that no name server
could know gives."""


async def dial_tcp(host: str, port: int) -> trio.SocketStream:
    """Connect over TCP.

    Raises:
        OSError: the host does not resolve, or nothing listens there.
    """
    stream = await trio.open_tcp_stream(host, port)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_EVERY_S),
        ("TCP_KEEPCNT", KEEPALIVE_TRIES),
    ):
        option = getattr(socket, name, None)  # not every system has each of them
        if option is not None:
            stream.setsockopt(socket.IPPROTO_TCP, option, value)
    return stream


async def open_connection(
    dial: Dial,
    host: str,
    port: int,
    *,
    client_id: str,
    tls: ssl.SSLContext | None = None,
    server_name: str | None = None,
    heard: Callable[[], None] = lambda: None,
    answered: Callable[[], None] = lambda: None,
) -> Connection:
    """Connect, shake hands, and learn what the server offers.

    Args:
        dial: makes the stream.
        host: the host to dial.
        port: the port to dial.
        client_id: what stands in the header of every request.
        tls: how to secure the stream; None for plain TCP.
        server_name: the name that the server's certificate must carry; ``host`` if None.
        heard: called when the server accepted, and when hands were shaken.
        answered: called with each answer that the connection gets later, but for the greeting.

    Raises:
        ConnectError: any of it fails; the text says what.
    """
    name = _name_of(host, port)
    stream: trio.abc.Stream | None = None
    try:
        stream = await dial(host, port)
        heard()
        if tls is not None:
            stream = _secured(stream, tls, server_name or host)
            await stream.do_handshake()
            heard()
        wire = ClientConnection(client_id)
        await _greet(stream, wire)
    except BaseException as error:
        if stream is not None:
            await trio.aclose_forcefully(stream)
        if isinstance(error, _FAILURES):
            raise ConnectError(f"cannot connect to {name}: {_reason(error)}") from error
        raise
    return Connection(stream, wire, name, answered)


@lru_cache(NAMES_REMEMBERED)
def _name_of(host: str, port: int) -> str:
    """Name a server for errors, which most connections to it do not have."""
    return str(Address(host, port))


def _secured(stream: trio.abc.Stream, tls: ssl.SSLContext, name: str) -> trio.SSLStream[Any]:
    try:
        return trio.SSLStream(stream, tls, server_hostname=name)
    except (ValueError, TypeError) as error:
        # An SPU's name is the SC's word, and not each is one that a certificate could carry.
        raise ConnectError(f"{name!r} is no name for a TLS server: {error}") from error


async def _greet(stream: trio.abc.Stream, wire: ClientConnection) -> None:
    await stream.send_all(wire.hello())
    while True:
        data = await stream.receive_some(RECEIVE_BYTES)
        if not data:
            raise EOFError("it closed the connection before it answered")
        for _, body in wire.receive(bytes(data)):
            wire.welcome(body)
            return


def _reason(error: BaseException) -> str:
    """What a person can use: the innermost cause of a failed handshake, the text of an OSError."""
    cause: Any = error
    while cause.__cause__ is not None or isinstance(cause, BaseExceptionGroup):
        # trio tries every address of a host and raises from the group of what became of each.
        cause = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate does not verify: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed: {cause.reason or cause}"
    if isinstance(cause, OSError):
        return _os_reason(cause).lower()
    return str(cause) or "the connection broke"


def _os_reason(error: OSError) -> str:
    """The system's text for the error number; trio writes the address as a tuple before it."""
    if error.errno is None or isinstance(error, socket.gaierror):  # whose numbers are of its own
        return error.strerror or str(error)
    return os.strerror(error.errno)
