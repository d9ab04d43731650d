"""One connection of ``tail`` to an SC or an SPU: the greeting, calls, and responses of streams."""

import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

import trio

from wire.address import Address
from wire.api import Api
from wire.codec import WireError, decode
from wire.connection import ClientConnection

CLIENT_ID = "spu-simulator-tail"

ANSWER_S = 10.0
"""The time for connecting and for each answer; none takes a second unless a fault holds it back."""

RECEIVE_BYTES = 64 * 1024

TailDial = Callable[[Address], Awaitable[trio.abc.Stream]]
"""Connects to an address; raises OSError if that fails."""

Q = TypeVar("Q")
R = TypeVar("R")


class TailError(Exception):
    """A server cannot be asked, or has not what is asked for.

    Args:
        what: what is wrong and where.
        advice: what to do if it is so at the start; later ``tail`` tries again by itself.
    """

    def __init__(self, what: str, advice: str = "run tail again once it serves") -> None:
        super().__init__(f"{what}; {advice}" if advice else what)
        self.what = what


async def dial_over_tcp(address: Address) -> trio.SocketStream:
    """Connect over TCP.

    Raises:
        OSError: the host does not resolve, or no server listens there.
    """
    return await trio.open_tcp_stream(address.host, address.port)


class TailConnection:
    """One connection that was greeted; ``open_tail_connection`` makes it.

    Args:
        stream: the connection.
        name: the server in messages, for example ``the SC at 127.0.0.1:9003``.
        client_id: the client id of every request.
    """

    def __init__(self, stream: trio.abc.Stream, name: str, client_id: str = CLIENT_ID) -> None:
        self.name = name
        self._stream = stream
        self._wire = ClientConnection(client_id)
        self._received: list[tuple[int, bytes]] = []

    async def greet(self) -> None:
        """Exchange ApiVersions.

        Raises:
            TailError: the server closes the connection, or does not answer.
        """
        with _explained(self.name), trio.fail_after(ANSWER_S):
            await self._stream.send_all(self._wire.hello())
            self._wire.welcome((await self._next())[1])

    def version_of(self, api: Api[Q, R]) -> int:
        """Return the highest version of an API that both sides support.

        Raises:
            TailError: no common version exists.
        """
        with _explained(self.name):
            return self._wire.version_of(api)

    def request(self, api: Api[Q, R], body: Q) -> tuple[int, bytes]:
        """Return the correlation id and the frame of the next request, which must be sent next.

        Raises:
            TailError: no common version exists.
        """
        with _explained(self.name):
            return self._wire.request(api, body, self._wire.version_of(api))

    async def send_frame(self, frame: bytes) -> None:
        """Send the frame of a request.

        Raises:
            TailError: the connection is closed.
        """
        with _explained(self.name):
            await self._stream.send_all(frame)

    async def call(self, api: Api[Q, R], body: Q) -> R:
        """Send a request and return its response; no other response may be under way.

        Raises:
            TailError: no common version exists, the connection is closed, or the response does not
                come or does not decode.
        """
        correlation_id, frame = self.request(api, body)
        await self.send_frame(frame)
        with trio.move_on_after(ANSWER_S):
            answered, data = await self.receive()
            if answered != correlation_id:
                raise TailError(
                    f"{self.name} answered a request that was not sent", "run tail again"
                )
            return self.decoded(api, data)
        raise _silent(self.name)

    async def receive(self) -> tuple[int, bytes]:
        """Wait for the next response; return its correlation id and its body.

        Raises:
            TailError: the connection is closed.
        """
        with _explained(self.name):
            return await self._next()

    def decoded(self, api: Api[Q, R], data: bytes) -> R:
        """Decode a response.

        Raises:
            TailError: it does not decode.
        """
        with _explained(self.name):
            return decode(api.response, data, self._wire.version_of(api))

    async def _next(self) -> tuple[int, bytes]:
        while not self._received:
            data = await self._stream.receive_some(RECEIVE_BYTES)
            if not data:
                raise EOFError
            self._received += self._wire.receive(bytes(data))
        return self._received.pop(0)


@asynccontextmanager
async def open_tail_connection(
    dial: TailDial, address: Address, what: str, client_id: str = CLIENT_ID
) -> AsyncIterator[TailConnection]:
    """Connect to a server and greet it; close the connection at the end.

    Args:
        dial: makes the connection.
        address: where the server listens.
        what: the server in messages, for example ``the SC``.
        client_id: the client id of every request.

    Raises:
        TailError: the server is not there, or does not answer.
    """
    name = f"{what} at {address}"
    try:
        with trio.fail_after(ANSWER_S):
            stream = await dial(address)
    except trio.TooSlowError as error:
        raise _silent(name) from error
    except (OSError, UnicodeError) as error:
        raise TailError(
            f"cannot connect to {name}: {_reason(error)}",
            "is it started, and is the address right?",
        ) from error
    try:
        connection = TailConnection(stream, name, client_id)
        await connection.greet()
        yield connection
    finally:
        await trio.aclose_forcefully(stream)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn the failures of a connection into a TailError."""
    try:
        yield
    except trio.TooSlowError as error:
        raise _silent(name) from error
    except (EOFError, trio.BrokenResourceError) as error:
        raise TailError(f"{name} closed the connection") from error
    except WireError as error:
        raise TailError(f"{name} does not speak Fluvio as tail does: {error}", "") from error


def _silent(name: str) -> TailError:
    what = f"{name} did not answer within {ANSWER_S:g} s"
    return TailError(what, "does a fault hold its answers back?")


def _reason(error: BaseException) -> str:
    """Return the text of the system for a failed connect."""
    cause: BaseException = error
    # trio tries each address of a host and raises from the group of the failures.
    while cause.__cause__ is not None or isinstance(cause, BaseExceptionGroup):
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        elif cause.__cause__ is not None:
            cause = cause.__cause__
    if isinstance(cause, OSError) and cause.errno is not None:
        # The numbers of a failed look-up of a name are not those of the system.
        known = not isinstance(cause, socket.gaierror)
        return (os.strerror(cause.errno) if known else str(cause.strerror)).lower()
    return str(cause)
