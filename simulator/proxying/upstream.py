"""Connections to the upstream: over TCP, with TLS or without."""

import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import trio

from simulator.proxying.tls import TlsStream
from simulator.serving.transport import Stream, TcpStream
from wire.address import Address

CONNECT_S = 10.0
"""The time for connecting and the TLS handshake; a client that waits has a bound of its own."""

SENT_S = 1.0
"""The time, in seconds, for the upstream's system to take what was sent before a reset: a reset
discards what it has not taken."""

SENT_POLL_S = 0.001
"""The interval of looking whether it has."""

UpstreamDial = Callable[[Address], Awaitable[Stream]]
"""Connects to an address; raises OSError if that fails."""


class UnreachableError(Exception):
    """A server of the upstream cannot be connected to; the text says why."""


async def dial_upstream(address: Address) -> TcpStream:
    """Connect over TCP.

    Raises:
        OSError: the host does not resolve, or no server listens there.
    """
    stream = await trio.open_tcp_stream(address.host, address.port)
    return TcpStream(socket.socket(fileno=stream.socket.detach()))


async def reset_when_sent(stream: Stream) -> None:
    """Reset a connection once the peer's system has all that was sent."""
    assert isinstance(stream, TcpStream)
    with trio.move_on_after(SENT_S):
        while stream.unsent:  # noqa: ASYNC110  the system tells no event of it
            await trio.sleep(SENT_POLL_S)
    stream.reset()


@dataclass(frozen=True, slots=True)
class UpstreamStream:
    """A connection to a server of the upstream."""

    stream: Stream
    reset: Callable[[], Awaitable[None]]
    """Resets it once the upstream's system has all that was sent."""

    async def send_eof(self) -> None:
        """Send a FIN; a connection that has ended is left as it is."""
        try:
            await self.stream.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def close(self) -> None:
        """Close the connection at once, with a FIN if all of its input was read."""
        await trio.aclose_forcefully(self.stream)


@dataclass(frozen=True, slots=True)
class Upstream:
    """How the servers of a cluster are connected to."""

    sc: Address
    dial: UpstreamDial = dial_upstream
    reset: Callable[[Stream], Awaitable[None]] = reset_when_sent
    """Resets a connection once the peer's system has all that was sent."""
    context: ssl.SSLContext | None = None
    """Secures connections; None for plain TCP."""
    domain: str = ""
    """The name in the SC's certificate; an SPU's has the SPU's name before it. Empty for the host
    of the connection."""
    local_addresses: bool = False
    """Whether SPUs are connected to at their local addresses."""

    async def connect(self, address: Address, spu: str | None = None) -> UpstreamStream:
        """Connect to a server, and shake hands.

        Args:
            address: where it listens.
            spu: the name of the SPU; None for the SC.

        Raises:
            UnreachableError: that fails.
        """
        try:
            with trio.fail_after(CONNECT_S):
                stream = await self.dial(address)
                if self.context is None:
                    return UpstreamStream(stream, partial(self.reset, stream))
                return await self._secured(stream, address, spu)
        except trio.TooSlowError as error:
            raise UnreachableError(f"{address} does not answer") from error
        except (OSError, UnicodeError, trio.BrokenResourceError, ValueError) as error:
            raise UnreachableError(f"{address}: {reason(error)}") from error

    async def _secured(self, stream: Stream, address: Address, spu: str | None) -> UpstreamStream:
        assert self.context is not None
        name = self.domain or address.host
        if spu is not None and self.domain:
            name = f"{spu}.{self.domain}"
        try:
            secured = TlsStream(stream, self.context, server_hostname=name)
            await secured.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return UpstreamStream(secured, partial(self.reset, stream))


def reason(error: BaseException) -> str:
    """Return the text of the system, or of TLS, for a failure to connect."""
    cause: BaseException = error
    # trio tries each address of a host and raises from the group of the failures.
    while cause.__cause__ is not None or isinstance(cause, BaseExceptionGroup):
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        elif cause.__cause__ is not None:
            cause = cause.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate does not verify: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed: {cause.reason or cause}"
    if isinstance(cause, OSError) and cause.errno is not None:
        # The numbers of a failed look-up of a name are not those of the system.
        known = not isinstance(cause, socket.gaierror)
        return (os.strerror(cause.errno) if known else str(cause.strerror)).lower()
    return str(cause) or "the connection broke"
