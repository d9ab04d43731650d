"""TLS on both sides of a proxy: certificates, contexts and streams.

The proxy ends the TLS of its clients with a certificate of the user's, or with one of an authority
of its own, and begins another one to the upstream as a Fluvio profile says.

An end of one direction is carried as a FIN without the goodbye of TLS, as Fluvio's own servers and
clients end connections; so each side takes such a FIN for an end.
"""

import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from simulator.options import SimulatorError
from simulator.serving.transport import Bound, Listen, Stream
from wire.profile import TlsPolicy


class TlsStream(trio.abc.HalfCloseableStream):
    """One connection secured with TLS.

    Args:
        inner: the connection that carries the encrypted bytes; the stream owns it from now on.
        context: how it is secured.
        server_hostname: the name that the server's certificate must have; None on a server.

    Raises:
        ValueError: the name cannot be one of a server.
    """

    def __init__(
        self, inner: Stream, context: ssl.SSLContext, *, server_hostname: str | None = None
    ) -> None:
        self.inner = inner
        self._tls = trio.SSLStream(
            inner,
            context,
            server_hostname=server_hostname,
            server_side=server_hostname is None,
            https_compatible=True,
        )

    async def do_handshake(self) -> None:
        """Shake hands; raises trio.BrokenResourceError if that fails."""
        await self._tls.do_handshake()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive what has arrived; raises as ``trio.SSLStream.receive_some``."""
        return bytes(await self._tls.receive_some(max_bytes))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all bytes; raises as ``trio.SSLStream.send_all``."""
        await self._tls.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the connection takes bytes; raises as ``send_all``."""
        await self._tls.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Close the writing direction; raises as ``send_all``."""
        await self.inner.send_eof()

    async def aclose(self) -> None:
        """Close both directions."""
        await trio.aclose_forcefully(self._tls)


class TlsListener(trio.abc.Listener[Stream]):
    """Accepts connections that are secured with TLS; each shakes hands when it is first used.

    Args:
        inner: accepts the connections that carry the encrypted bytes.
        context: how they are secured.
    """

    def __init__(self, inner: trio.abc.Listener[Stream], context: ssl.SSLContext) -> None:
        self._inner = inner
        self._context = context

    async def accept(self) -> Stream:
        """Wait for a connection; raises as the inner listener."""
        return TlsStream(await self._inner.accept(), self._context)

    async def aclose(self) -> None:
        """Stop listening."""
        await self._inner.aclose()


def listen_with_tls(listen: Listen, context: ssl.SSLContext) -> Listen:
    """Return a function that listens as another one does, and secures the connections."""

    async def listen_securely(host: str, port: int) -> Bound:
        bound = await listen(host, port)

        def reset(stream: Stream) -> None:
            assert isinstance(stream, TlsStream)
            bound.reset(stream.inner)

        return Bound([TlsListener(each, context) for each in bound.listeners], bound.port, reset)

    return listen_securely


def upstream_context(policy: TlsPolicy) -> ssl.SSLContext | None:
    """Return the TLS of connections to the upstream; None for plain TCP.

    Raises:
        SimulatorError: a file cannot be read, or holds no certificate or key.
    """
    if policy.policy == "disabled":
        return None
    context = ssl.create_default_context()
    if policy.policy == "anonymous":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    with _explained():
        if isinstance(policy.ca_cert, Path):
            context.load_verify_locations(cafile=_readable(policy.ca_cert))
        elif policy.ca_cert is not None:
            context.load_verify_locations(cadata=policy.ca_cert)
    if policy.cert is not None and policy.key is not None:
        _load_identity(context, policy.cert, policy.key)
    return context


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """Return the TLS that ends at the proxy, with a certificate of the user's.

    Raises:
        SimulatorError: a file cannot be read, or holds no certificate or key.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _load_identity(context, cert, key)
    return context


def own_server_context(domain: str, ca_file: Path) -> ssl.SSLContext:
    """Return the TLS that ends at the proxy, with a certificate of a new authority.

    Args:
        domain: the name in the certificate; it also has each name below that.
        ca_file: where the certificate of the authority is written, for clients.

    Raises:
        SimulatorError: trustme is not installed, or the file cannot be written.
    """
    try:
        import trustme
    except ImportError as error:
        raise SimulatorError(
            "--tls needs trustme to make certificates: pip install trustme; or name your own with"
            " --tls-cert and --tls-key"
        ) from error
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority = trustme.CA()
    authority.issue_cert(domain, f"*.{domain}").configure_cert(context)
    with _explained():
        authority.cert_pem.write_to_path(str(ca_file))
    return context


def _load_identity(context: ssl.SSLContext, cert: str | Path, key: str | Path) -> None:
    """Load a certificate and its key, each a path or the PEM text."""
    # The ssl module reads these from files only; a directory of our own is private to us.
    with tempfile.TemporaryDirectory() as directory, _explained():
        paths = []
        for name, given in (("cert", cert), ("key", key)):
            path = given if isinstance(given, Path) else Path(directory, name)
            if not isinstance(given, Path):
                path.write_text(given)
            paths.append(_readable(path))
        context.load_cert_chain(certfile=paths[0], keyfile=paths[1])


def _readable(path: Path) -> Path:
    """Return the path in full if it can be opened: errors of the ssl module name no file."""
    path = path.expanduser()
    with path.open("rb"):
        return path


@contextmanager
def _explained() -> Iterator[None]:
    """Raise what is wrong with certificates and keys as a SimulatorError."""
    try:
        yield
    except OSError as error:  # SSLError is one
        where = f"{error.filename}: " if error.filename else ""
        raise SimulatorError(f"TLS: {where}{error.strerror or error}") from error
    except ValueError as error:
        raise SimulatorError(f"TLS: {error}") from error
