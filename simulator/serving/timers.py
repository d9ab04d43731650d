"""Calls at a time, for state that has no tasks of its own."""

from collections.abc import Callable

import trio


def calls_at(nursery: trio.Nursery) -> Callable[[float, Callable[[], None]], None]:
    """Return a function that calls another one at a time of trio's clock, or soon if that has
    passed; calls end with the nursery."""

    async def call(when: float, function: Callable[[], None]) -> None:
        await trio.sleep_until(when)
        function()

    def call_at(when: float, function: Callable[[], None]) -> None:
        nursery.start_soon(call, when, function)

    return call_at
