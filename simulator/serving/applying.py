"""Running a handler to its end, waits included, or all of it that a fault lets through."""

from types import GeneratorType
from typing import Any

import trio

from simulator.handlers import CommitWait, Context, Handler
from simulator.serving.answers import (
    PartitionName,
    code_of,
    refused_status,
    with_refused,
    without_partition,
)


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
    handler: Handler, request: Any, context: Context, code_name: str, target: PartitionName | None
) -> Any:
    """The answer to a request of which a fault refuses a part; the rest is applied.

    Args:
        handler: what applies the rest.
        request: the whole request.
        context: its surroundings.
        code_name: what the refused part is answered.
        target: the partition whose entries are refused, or None for all of the request.
    """
    code = code_of(code_name, request, target)
    if target is None:
        return refused_status(request, context.version, code)
    rest = await finished(handler(without_partition(request, target), context))
    return with_refused(request, rest, target, code)


async def _in_time(wait: CommitWait) -> bool:
    """Wait for a commit; whether it came within the timeout."""
    left = wait.committed_at - trio.current_time()
    if left > 0:
        await trio.sleep(min(left, wait.timeout_s))
    return left <= wait.timeout_s
