"""Where a cluster is and how to trust it: addresses, TLS policies, and Fluvio's profile file.

Source: ``crates/fluvio/src/config/``. The file is TOML at ``~/.fluvio/config``, or where the
environment variable ``FLV_PROFILE_PATH`` says; it names profiles, each of which points to a cluster
with an endpoint and a TLS policy.
"""

import os
import ssl
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from producer.errors import ConfigError

SC_PORT = 9003
"""The SC's port where an address names none."""

PORT_MAX = 65535

PATH_VARIABLE = "FLV_PROFILE_PATH"
"""The environment variable that names another profile file."""

PROFILE_BYTES_MAX = 1024 * 1024
"""A profile with a few inline certificates has some kilobytes; more is another file."""


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """How connections are secured; the default is not at all.

    With ``verified`` the server must show a certificate for ``domain`` that ``ca_cert`` has signed;
    with ``cert`` and ``key`` the client shows one too. ``anonymous`` encrypts and trusts anybody.
    """

    policy: Literal["disabled", "anonymous", "verified"] = "disabled"
    domain: str = ""
    """The name in the SC's certificate; an SPU's has its own name in front of it."""
    ca_cert: str | Path | None = None
    """The authority's certificate: a path, or the PEM text itself; None for the system's."""
    cert: str | Path | None = None
    """The client's certificate, likewise."""
    key: str | Path | None = field(default=None, repr=False)
    """The client's private key, likewise."""

    def context(self) -> ssl.SSLContext | None:
        """What the ``ssl`` module needs, None for plain TCP.

        Raises:
            ConfigError: a file cannot be read or is no certificate or key.
        """
        if self.policy == "disabled":
            return None
        context = ssl.create_default_context()
        if self.policy == "anonymous":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        try:
            self._load_authority(context)
            self._load_identity(context)
        except OSError as error:  # SSLError is one too
            reason = error.strerror or str(error)
            where = f"{error.filename}: " if error.filename else ""
            raise ConfigError(f"TLS: {where}{reason}") from error
        except ConfigError:
            raise
        except (ValueError, TypeError) as error:  # text that is no certificate, a path that is none
            raise ConfigError(f"TLS: {error}") from error
        return context

    def _load_authority(self, context: ssl.SSLContext) -> None:
        if isinstance(self.ca_cert, Path):
            context.load_verify_locations(cafile=_readable(self.ca_cert))
        elif self.ca_cert is not None:
            context.load_verify_locations(cadata=self.ca_cert)

    def _load_identity(self, context: ssl.SSLContext) -> None:
        if self.cert is None or self.key is None:
            if self.cert is not None or self.key is not None:
                raise ConfigError("TLS: a client needs both cert and key, or neither")
            return
        # The ssl module reads these from files only; a directory of our own is private to us.
        with tempfile.TemporaryDirectory() as directory:
            paths = []
            for name, given in (("cert", self.cert), ("key", self.key)):
                path = given if isinstance(given, Path) else Path(directory, name)
                if not isinstance(given, Path):
                    path.write_text(given)
                paths.append(_readable(path))
            context.load_cert_chain(certfile=paths[0], keyfile=paths[1])

    @property
    def sc_name(self) -> str | None:
        """The name that the SC's certificate must carry; None for the host dialled."""
        return self.domain or None

    def spu_name(self, spu: str) -> str | None:
        """The name that an SPU's certificate must carry; None for the host dialled."""
        return f"{spu}.{self.domain}" if self.domain else None


@dataclass(frozen=True, slots=True)
class Profile:
    """One cluster of the profile file."""

    endpoint: str
    """The SC's ``host:port``."""
    tls: TlsPolicy = TlsPolicy()
    use_spu_local_address: bool = False
    """SPUs are reached under their local addresses."""
    client_id: str | None = None


def parse_address(address: str) -> tuple[str, int]:
    """Split ``host:port``, ``host`` or ``[ipv6]:port``.

    >>> parse_address("example.org"), parse_address("[::1]:9004")
    (('example.org', 9003), ('::1', 9004))

    Raises:
        ConfigError: it is none of these.
    """
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        host, port = address, str(SC_PORT)
    host = host.removeprefix("[").removesuffix("]")
    digits = port.isascii() and port.isdigit() and len(port) <= len(str(PORT_MAX))
    if not host or not digits or not 0 < int(port) <= PORT_MAX:
        raise ConfigError(f"{address!r} is not an address; write HOST:PORT")
    return host, int(port)


def default_path() -> Path:
    """Where the profile file is."""
    named = os.environ.get(PATH_VARIABLE)
    return Path(named) if named else Path.home() / ".fluvio" / "config"


def load_profile(name: str | None = None, path: Path | None = None) -> Profile:
    """Read one profile.

    Args:
        name: which profile; the current one if None.
        path: the file; ``default_path()`` if None.

    Raises:
        ConfigError: the file is not there or not understood, or has no such profile.
    """
    path = path or default_path()
    try:
        with path.open("rb") as file:
            text = file.read(PROFILE_BYTES_MAX + 1)
        if len(text) > PROFILE_BYTES_MAX:
            raise ConfigError(f"{path}: larger than {PROFILE_BYTES_MAX} bytes")
        document = tomllib.loads(text.decode())
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: there is no profile file; give the SC's address, or set {PATH_VARIABLE}"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except ConfigError:
        raise
    except (ValueError, RecursionError) as error:  # both decoders' errors are ValueErrors
        raise ConfigError(f"{path}: not TOML: {error}") from error
    try:
        return _profile(document, name)
    except (ValueError, RuntimeError) as error:  # a ConfigError, or a home that nobody has
        raise ConfigError(f"{path}: {error}") from error


def _profile(document: dict[str, Any], name: str | None) -> Profile:
    if name is None:
        name = _text(document, "current_profile", "there is no current_profile")
    profile = _table(_table(document, "profile"), name, f"there is no profile {name!r}")
    cluster_name = _text(profile, "cluster", f"profile {name!r} names no cluster")
    cluster = _table(
        _table(document, "cluster"), cluster_name, f"there is no cluster {cluster_name!r}"
    )
    key = "endpoint" if "endpoint" in cluster else "addr"
    endpoint = _text(cluster, key, f"cluster {cluster_name!r} has no endpoint")
    parse_address(endpoint)
    client_id = document.get("client_id")
    return Profile(
        endpoint=endpoint,
        tls=_tls(cluster.get("tls")),
        use_spu_local_address=cluster.get("use_spu_local_address") is True,
        client_id=client_id if isinstance(client_id, str) else None,
    )


def _tls(table: Any) -> TlsPolicy:
    if table is None:
        return TlsPolicy()
    if not isinstance(table, dict):
        raise ConfigError("tls is not a table")
    policy = _text(table, "tls_policy", "tls has no tls_policy")
    match policy:
        case "disabled" | "disable":
            return TlsPolicy()
        case "anonymous":
            return TlsPolicy("anonymous")
        case "verified" | "verify":
            return _verified(table)
    raise ConfigError(f"tls_policy is {policy!r}; it can be disabled, anonymous or verified")


def _verified(table: dict[str, Any]) -> TlsPolicy:
    source = _text(table, "tls_source", "a verified tls needs a tls_source, inline or files")
    if source not in ("inline", "files", "file"):
        raise ConfigError(f"tls_source is {source!r}; it can be inline or files")
    certs = _table(table, "certs", "a verified tls needs a table of certs")
    domain = _text(certs, "domain", "the certs need a domain")
    held: dict[str, str | Path | None] = {}
    for name in ("ca_cert", "cert", "key"):
        value = certs.get(name)
        if value is not None and not isinstance(value, str):
            raise ConfigError(f"{name} in the certs is not a text")
        held[name] = value if value is None or source == "inline" else Path(value).expanduser()
    return TlsPolicy("verified", domain, held["ca_cert"], held["cert"], held["key"])


def _table(table: dict[str, Any], key: str, missing: str | None = None) -> dict[str, Any]:
    found = table.get(key)
    if not isinstance(found, dict):
        raise ConfigError(missing or f"there is no table {key!r}")
    return found


def _text(table: dict[str, Any], key: str, missing: str) -> str:
    found = table.get(key)
    if not isinstance(found, str) or not found:
        raise ConfigError(missing if found is None else f"{key} is not a text")
    return found


def _readable(path: Path) -> Path:
    """The same path, if it can be opened: the ssl module's own errors do not name the file."""
    with path.open("rb"):
        return path
