"""Applying as much of a request as a fault lets through."""

from collections.abc import Generator
from types import GeneratorType
from typing import Any

from simulator.handlers import CommitWait, Context, Pause, ServedApi
from simulator.handlers.codes import code_of


def partly_refused(
    served_api: ServedApi,
    request: Any,
    context: Context,
    code_name: str,
    target: tuple[str, int] | None,
) -> Generator[CommitWait | Pause, bool, Any]:
    """The answer to a request of which a fault refuses a part; the rest is applied.

    Yields what the handler of the rest waits for.

    Args:
        served_api: what applies the rest.
        request: the whole request.
        context: its surroundings.
        code_name: what the refused part is answered.
        target: the partition whose entries are refused, or None for all of the request.
    """
    codes = served_api.codes
    assert codes is not None, "an error fault needs an API with a place for its code"
    remaining, response = codes.remaining(request, target), None
    if remaining is not None:
        response = served_api.handle(remaining, context)
        if response.__class__ is GeneratorType:
            response = yield from response
    code = code_of(code_name, request, target)
    return codes.refused(request, response, target, code, context.version)
