"""Fluvio's profile file as data: clusters, their endpoints and their TLS policies.

Source: ``crates/fluvio/src/config/``. The file is TOML; it holds profiles, each of which names a
cluster with an endpoint and a TLS policy. The client finds and reads the file.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wire.address import parse_address


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """The TLS policy of connections; the default is no TLS.

    With ``verified`` the server must present a certificate for ``domain`` signed by ``ca_cert``;
    with ``cert`` and ``key`` the client presents one, too. ``anonymous`` encrypts without
    verification.
    """

    policy: Literal["disabled", "anonymous", "verified"] = "disabled"
    domain: str = ""
    """The name in the SC's certificate; an SPU's certificate has the SPU's name as a prefix."""
    ca_cert: str | Path | None = None
    """The certificate of the authority: a ``Path``, or the PEM text; None for the system's."""
    cert: str | Path | None = None
    """The certificate of the client: a path, or the PEM text."""
    key: str | Path | None = field(default=None, repr=False)
    """The private key of the client: a path, or the PEM text."""

    @property
    def sc_name(self) -> str | None:
        """The name that the SC's certificate must have; None for the host of the connection."""
        return self.domain or None

    def spu_name(self, spu: str) -> str | None:
        """Return the name that an SPU's certificate must have; None for the connection's host."""
        return f"{spu}.{self.domain}" if self.domain else None


@dataclass(frozen=True, slots=True)
class Profile:
    """One cluster of the profile file."""

    endpoint: str
    """The SC's ``host:port``."""
    tls: TlsPolicy = TlsPolicy()
    use_spu_local_address: bool = False
    """Whether to connect to SPUs at their local addresses."""
    client_id: str | None = None


def parse_profile(text: str, name: str | None = None) -> Profile:
    """Parse one profile of a profile file.

    Args:
        text: the content of the file.
        name: the name of the profile; None for the current one.

    Raises:
        ValueError: the text is not TOML, not a profile file, or has no such profile.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not TOML: {error}") from error
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
        raise ValueError("tls is not a table")
    policy = _text(table, "tls_policy", "tls has no tls_policy")
    match policy:
        case "disabled" | "disable":
            return TlsPolicy()
        case "anonymous":
            return TlsPolicy("anonymous")
        case "verified" | "verify":
            return _verified(table)
    raise ValueError(f"tls_policy is {policy!r}; it can be disabled, anonymous or verified")


def _verified(table: dict[str, Any]) -> TlsPolicy:
    source = _text(table, "tls_source", "a verified tls needs a tls_source, inline or files")
    if source not in ("inline", "files", "file"):
        raise ValueError(f"tls_source is {source!r}; it can be inline or files")
    certs = _table(table, "certs", "a verified tls needs a table of certs")
    domain = _text(certs, "domain", "the certs need a domain")
    held: dict[str, str | Path | None] = {}
    for name in ("ca_cert", "cert", "key"):
        value = certs.get(name)
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{name} in the certs is not a text")
        held[name] = value if value is None or source == "inline" else Path(value)
    return TlsPolicy("verified", domain, held["ca_cert"], held["cert"], held["key"])


def _table(table: dict[str, Any], key: str, missing: str | None = None) -> dict[str, Any]:
    found = table.get(key)
    if not isinstance(found, dict):
        raise ValueError(missing or f"there is no table {key!r}")
    return found


def _text(table: dict[str, Any], key: str, missing: str) -> str:
    found = table.get(key)
    if not isinstance(found, str) or not found:
        raise ValueError(missing if found is None else f"{key} is not a text")
    return found
