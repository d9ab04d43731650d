"""The application of a request of which a fault refuses a part."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from types import GeneratorType
from typing import Any

from simulator.cluster.cluster import Partition
from simulator.faults.effects import StruckEntries
from simulator.handlers import CommitWait, Context, Pause, ServedApi, WaitUntil
from simulator.handlers.codes import code_of


def partly_refused(
    served_api: ServedApi,
    request: Any,
    context: Context,
    code_name: str,
    target: StruckEntries | None,
) -> Generator[CommitWait | WaitUntil | Pause, bool, Any]:
    """Apply the part of a request that a fault does not refuse; return the response.

    Yields the waits of the handler.

    Args:
        served_api: the API of the request.
        request: the whole request.
        context: the context of the request.
        code_name: the name of the error code for the refused part.
        target: the entries that are refused, or None for the whole request.
    """
    codes = served_api.codes
    assert codes is not None, "an error fault needs an API with a field for its code"
    found, response = codes.remaining(request, target), None
    if found is not None:
        remaining, kept = found
        response = served_api.handle(remaining, _at_places(context, kept))
        if response.__class__ is GeneratorType:
            response = yield from response
    code = code_of(code_name, request, target)
    return codes.refused(request, response, target, code, context.version)


def _at_places(context: Context, kept: Sequence[int]) -> Context:
    """Return the context for a part of a request, whose entries have these positions."""

    def appended(partition: Partition, base_offset: int, records: int, entry: int) -> None:
        context.appended(partition, base_offset, records, kept[entry])

    return replace(context, appended=appended)
