"""Options that several commands share, and their types."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from simulator.control.guard import CONTROL_PORT, TOKEN_VARIABLE
from simulator.documents.quantities import parse_size
from simulator.faults.distributions import CLI_FORMS, parse_distribution
from wire.address import SC_PORT, Address, parse_address
from wire.duration import parse_duration

F = TypeVar("F", bound=Callable[..., Any])

PORT = 9003
SPU_PORT = 9010
"""The ports of a local Fluvio cluster, so that a default profile finds the simulator."""


class AddressType(click.ParamType[Address]):
    """The address of a server.

    Args:
        default_port: the port of an address without one.
        port_min: the lowest port; 0 where a listener may pick a free one.
    """

    name = "HOST:PORT"

    def __init__(self, default_port: int = SC_PORT, port_min: int = 1) -> None:
        self._default_port = default_port
        self._port_min = port_min

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address:
        """Return the address."""
        if isinstance(value, Address):
            return value
        try:
            return parse_address(value, self._default_port, self._port_min)
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


class DistributionType(click.ParamType[str]):
    """A distribution of delays, validated here and parsed later."""

    name = "DIST"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text."""
        try:
            parse_distribution(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class SizeType(click.ParamType[str]):
    """A number of bytes, validated here and parsed later."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text."""
        try:
            parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


_PROBABILITY = click.FloatRange(0, 1)
_PORT = click.IntRange(0, 65535)


def _with(command: F, *options: Callable[[F], F]) -> F:
    """Add options to a command, in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def network_options(command: F) -> F:
    """Add the options of addresses."""
    return _with(
        command,
        click.option(
            "--host", default="127.0.0.1", show_default=True, help="The address to listen on."
        ),
        click.option(
            "--advertise",
            metavar="HOST",
            help="The host of the SPUs that the SC tells clients, for clients in a container or on "
            "another machine.  [default: the value of --host]",
        ),
        click.option(
            "--port",
            type=_PORT,
            default=PORT,
            show_default=True,
            help="The port of the SC; 0 selects one.",
        ),
        click.option(
            "--spu-port",
            type=_PORT,
            default=SPU_PORT,
            show_default=True,
            help="The port of SPU 0; the ports of the others are 10 apart; 0 selects free ones.",
        ),
    )


def fault_options(command: F) -> F:
    """Add the options that stand for faults."""
    return _with(
        command,
        click.option(
            "--drop", type=_PROBABILITY, metavar="P", help="Lose frames, with a chance of P."
        ),
        click.option(
            "--delay", type=DistributionType(), help=f"Hold every frame back: {CLI_FORMS}."
        ),
        click.option("--duplicate", type=_PROBABILITY, metavar="P", help="Deliver frames twice."),
        click.option("--disconnect", type=_PROBABILITY, metavar="P", help="End connections."),
        click.option(
            "--disconnect-how",
            type=click.Choice(["rst", "fin", "half-close"]),
            default="rst",
            show_default=True,
            help="A reset, an orderly end, or an end of the answers only.",
        ),
        click.option(
            "--at",
            type=click.Choice(["request", "response", "both"]),
            default="both",
            show_default=True,
            help="The cut point of these four: before a request is applied, after that, "
            "or both with a "
            "draw for each.",
        ),
        click.option(
            "--api",
            type=click.Choice(["produce", "fetch", "stream-fetch", "all"]),
            default="produce",
            show_default=True,
            help="The requests that these four concern.",
        ),
    )


def run_options(command: F) -> F:
    """Add the options of a program that runs until a signal."""
    return _with(
        command,
        click.option("--seed", type=int, help="The random seed.  [default: drawn and printed]"),
        click.option(
            "--faults",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="More faults, as YAML; see docs/faults.md.",
        ),
        click.option(
            "--journal",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Write all events (connections, frames, faults, appends) to a file, as "
            "JSON Lines.",
        ),
        click.option(
            "--summary",
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
            help="The format of the summary at the end; json is one line for scripts.",
        ),
        click.option(
            "--memory",
            type=SizeType(),
            default="1GiB",
            show_default=True,
            help="The memory budget; when stored records fill three quarters of it, "
            "partitions are full.",
        ),
        click.option(
            "--control",
            type=AddressType(CONTROL_PORT, port_min=0),
            help="Serve the control API, and a page for people, at this address; port 0 selects "
            "one; see docs/control.md.  [default: off]",
        ),
        click.option(
            "--control-token-file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="A file with the token that users of the control API must send; needed "
            "where other "
            f"machines reach it. Also read from {TOKEN_VARIABLE}.",
        ),
        click.option("--quiet", is_flag=True, help="Print only the ready line and the summary."),
        click.option(
            "-v", "--verbose", is_flag=True, help="Also print versions, sizes and client ids."
        ),
    )
