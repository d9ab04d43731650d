"""Types of options that several commands share."""

from typing import Any

import click

from wire.duration import parse_duration


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
