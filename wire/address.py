"""Addresses as people and Fluvio write them: ``host:port``, an IPv6 host in brackets."""

from ipaddress import IPv6Address
from typing import NamedTuple

SC_PORT = 9003
"""The default port of an SC."""

PORT_MAX = 65535

SHOWN_CHARS_MAX = 60
"""The longest part of an invalid text that a message repeats."""


class Address(NamedTuple):
    """A host and a port; ``parse_address`` parses its text."""

    host: str
    """A host name or an IP address, without brackets."""
    port: int

    def __str__(self) -> str:
        """Return the address as ``host:port``."""
        return f"{bracketed(self.host)}:{self.port}"


def bracketed(host: str) -> str:
    """Return a host as it is written before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def unbracketed(host: str) -> str:
    """Return a host as name servers and certificates write it: an IPv6 address without brackets."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def parse_address(text: str, default_port: int = SC_PORT, port_min: int = 1) -> Address:
    """Parse ``host``, ``host:port``, ``[ipv6]:port``, ``[ipv6]`` or a bare IPv6 address.

    >>> parse_address("example.org"), parse_address("::1"), parse_address("[::1]:9004")
    (Address(host='example.org', port=9003), Address(host='::1', port=9003), \
Address(host='::1', port=9004))

    Args:
        text: the address.
        default_port: the port of an address without one.
        port_min: the lowest port; 0 where a listener may pick a free one.

    Raises:
        ValueError: the text is not an address; the message says what to write.
    """
    host, colon, port = text, "", ""
    if text.startswith("["):
        inner, bracket, rest = text[1:].partition("]")
        colon, port = rest[:1], rest[1:]
        host = inner if bracket and _is_ipv6(inner) and colon in ("", ":") else ""
    elif text.count(":") == 1:
        host, colon, port = text.partition(":")
    elif ":" in text and not _is_ipv6(text):
        host = ""
    if not host or any(c.isspace() or c in "[]/" for c in host):
        raise ValueError(_not_an_address(text, default_port, port_min))
    if not colon:
        return Address(host, default_port)
    digits = port.isascii() and port.isdigit() and len(port) <= len(str(PORT_MAX))
    if not digits or not port_min <= int(port) <= PORT_MAX:
        raise ValueError(_not_an_address(text, default_port, port_min))
    return Address(host, int(port))


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def _not_an_address(text: str, example: int, port_min: int) -> str:
    shown = repr(text[:SHOWN_CHARS_MAX])
    return (
        f"{shown} is not an address; write HOST:PORT with a port in {port_min}..{PORT_MAX},"
        f" for example 127.0.0.1:{example} or [::1]:{example}"
    )
