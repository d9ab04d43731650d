"""Fluvio's profile file as data: which clusters there are, and how to trust them.

Source: ``crates/fluvio/src/config/``. The file is TOML; it names profiles, each of which points to
a cluster with an endpoint and a TLS policy. Where the file is, and reading it, is the client's job.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wire.address import parse_address


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


def parse_profile(text: str, name: str | None = None) -> Profile:
    """Read one profile of a profile file.

    Args:
        text: what the file holds.
        name: which profile; the current one if None.

    Raises:
        ValueError: it is not TOML, not a profile file, or has no such profile.
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
