"""Running a handler to its end, waits included, or all of it that a fault lets through."""

from types import GeneratorType
from typing import Any

import trio

from simulator.handlers import CommitWait, Context, Endpoint
from simulator.handlers.codes import code_of


async def finished(outcome: Any) -> Any:
    """The response of a handler; waits for what a waiting handler asks for."""
    if outcome.__class__ is not GeneratorType:
        return outcome
    try:
        wait = next(outcome)
        while True:
            wait = outcome.send(await _in_time(wait))
    except StopIteration as end:
        return end.value


async def refused(
    endpoint: Endpoint,
    request: Any,
    context: Context,
    code_name: str,
    target: tuple[str, int] | None,
) -> Any:
    """The answer to a request of which a fault refuses a part; the rest is applied.

    Args:
        endpoint: what applies the rest.
        request: the whole request.
        context: its surroundings.
        code_name: what the refused part is answered.
        target: the partition whose entries are refused, or None for all of the request.
    """
    codes = endpoint.codes
    assert codes is not None, "an error fault needs an API with a place for its code"
    remaining, response = codes.remaining(request, target), None
    if remaining is not None:
        response = await finished(endpoint.handle(remaining, context))
    code = code_of(code_name, request, target)
    return codes.refused(request, response, target, code, context.version)


async def _in_time(wait: CommitWait) -> bool:
    """Wait for a commit; whether it came within the timeout."""
    left = wait.committed_at - trio.current_time()
    if left > 0:
        await trio.sleep(min(left, wait.timeout_s))
    return left <= wait.timeout_s
