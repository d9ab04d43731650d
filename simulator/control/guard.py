"""Who may use the control API: checks of each HTTP request before it reaches an operation.

A page of another origin that a browser on this machine shows can send requests to a server on
loopback, also under a name of its own that resolves to loopback. Such requests have another
``Origin`` or ``Host``, and a page cannot send ``application/json`` there without asking first.
"""

import hmac
import ipaddress
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from simulator.options import SimulatorError
from wire.address import Address, bracketed

CONTROL_PORT = 8475
"""The port of the control API unless told otherwise."""

TOKEN_VARIABLE = "SPU_SIMULATOR_CONTROL_TOKEN"  # noqa: S105  the name of a variable
"""The environment variable with the token."""

CHANGING = frozenset({"POST", "PUT", "DELETE"})
"""The methods that change something."""


def read_token(path: Path | None) -> str | None:
    """Return the token of a file, or of the environment; None without one.

    Raises:
        SimulatorError: the file or the variable holds no token.
    """
    where = str(path) if path is not None else TOKEN_VARIABLE
    text = path.read_text(errors="replace") if path is not None else os.environ.get(where)
    if text is None:
        return None
    if not (token := text.strip()) or not token.isascii() or any(c.isspace() for c in token):
        raise SimulatorError(f"{where}: no token; write one word of ASCII characters")
    return token


class Forbidden(Exception):  # noqa: N818  it is an answer, not a defect
    """A request is refused.

    Args:
        status: the HTTP status.
        text: why, and what to do.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Guard:
    """Checks requests.

    Args:
        address: where the server listens.
        token: the secret that each request must carry; None if there is none.
    """

    def __init__(self, address: Address, token: str | None) -> None:
        self._port = str(address.port)
        self._hosts = {bracketed(address.host), "localhost"}
        self._everywhere = is_everywhere(address.host)
        self._token = None if token is None else token.encode()

    def check(self, method: str, headers: Mapping[str, str], *, has_body: bool) -> None:
        """Check a request.

        Args:
            method: the method.
            headers: the headers, by name in lower case.
            has_body: whether the operation takes a body.

        Raises:
            Forbidden: the request is refused.
        """
        if not self._is_here(headers.get("host", "")):
            text = "Host must be the address of this server or localhost, with its port"
            raise Forbidden(421, text)
        origin = headers.get("origin")
        if origin is not None and not self._is_here(origin.partition("://")[2]):
            raise Forbidden(403, "requests of pages of another origin are refused")
        if self._token is not None:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            right = hmac.compare_digest(given.strip().encode(), self._token)
            if scheme.lower() != "bearer" or not right:
                raise Forbidden(401, "write the token: Authorization: Bearer TOKEN")
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if method in CHANGING and content_type != "application/json":
            what = "the body must be JSON" if has_body else "even without a body"
            raise Forbidden(415, f"changes need Content-Type: application/json ({what})")

    def _is_here(self, host: str) -> bool:
        name, _, port = host.rpartition(":")
        if port != self._port:
            return False
        # Under every address of the machine: a name that resolves to it may be anybody's.
        return name.lower() in self._hosts or (self._everywhere and _is_number(name))


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host."""
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return all(ipaddress.ip_address(each[4][0]).is_loopback for each in found)


def is_everywhere(host: str) -> bool:
    """Return whether a host stands for every address of the machine."""
    return host in ("", "::") or (_is_number(host) and ipaddress.ip_address(host).is_unspecified)


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
