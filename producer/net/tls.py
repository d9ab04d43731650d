"""How connections are secured: a TLS policy as the ``ssl`` module takes it."""

import ssl
import tempfile
from pathlib import Path

from producer.errors import ConfigError
from wire.profile import TlsPolicy

PEM_BEGINS = "-----BEGIN"
"""The first characters of each certificate and key in PEM."""


def ssl_context(policy: TlsPolicy) -> ssl.SSLContext | None:
    """The settings of a TLS connection, None for plain TCP.

    Raises:
        ConfigError: a file cannot be read or is no certificate or key.
    """
    if policy.policy == "disabled":
        return None
    context = ssl.create_default_context()
    if policy.policy == "anonymous":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        _load_authority(context, policy)
        _load_identity(context, policy)
    except OSError as error:  # SSLError is one too
        reason = error.strerror or str(error)
        where = f"{error.filename}: " if error.filename else ""
        raise ConfigError(f"TLS: {where}{reason}") from error
    except ConfigError:
        raise
    except (ValueError, TypeError, RuntimeError) as error:
        # Text that is no certificate, a path that is none, a home directory that does not exist.
        raise ConfigError(f"TLS: {error}") from error
    return context


def _load_authority(context: ssl.SSLContext, policy: TlsPolicy) -> None:
    if isinstance(policy.ca_cert, Path):
        context.load_verify_locations(cafile=_readable(policy.ca_cert))
    elif policy.ca_cert is not None:
        context.load_verify_locations(cadata=_pem("ca_cert", policy.ca_cert))


def _load_identity(context: ssl.SSLContext, policy: TlsPolicy) -> None:
    if policy.cert is None or policy.key is None:
        if policy.cert is not None or policy.key is not None:
            raise ConfigError("TLS: a client needs both cert and key, or neither")
        return
    # The ssl module reads these from files only; a directory of our own is private to us.
    with tempfile.TemporaryDirectory() as directory:
        paths = []
        for name, given in (("cert", policy.cert), ("key", policy.key)):
            path = given if isinstance(given, Path) else Path(directory, name)
            if not isinstance(given, Path):
                path.write_text(_pem(name, given))
            paths.append(_readable(path))
        context.load_cert_chain(certfile=paths[0], keyfile=paths[1])


def _pem(name: str, text: str) -> str:
    """Return a text that is PEM. The message does not repeat the text: it may be a private key."""
    if PEM_BEGINS not in text:
        raise ConfigError(
            f"TLS: {name} is a text without {PEM_BEGINS}; pass a PEM text, or the path of a file "
            "as a pathlib.Path"
        )
    return text


def _readable(path: Path) -> Path:
    """The path in full, if it can be opened: the ssl module's own errors do not name the file."""
    path = path.expanduser()
    with path.open("rb"):
        return path
