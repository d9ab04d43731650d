"""Types of options that several commands share."""

from typing import Any

import click

from wire.address import SC_PORT, Address, parse_address
from wire.duration import parse_duration


class AddressType(click.ParamType[Address]):
    """The address of a server.

    Args:
        default_port: the port of an address without one.
    """

    name = "HOST:PORT"

    def __init__(self, default_port: int = SC_PORT) -> None:
        self._default_port = default_port

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address:
        """Return the address."""
        if isinstance(value, Address):
            return value
        try:
            return parse_address(value, self._default_port)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class DurationType(click.ParamType[float]):
    """A duration such as ``50ms``, as seconds."""

    name = "DURATION"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the duration in seconds."""
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
