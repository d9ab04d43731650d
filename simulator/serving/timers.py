"""Calls at a time, for state that has no tasks of its own, and the time since a moment."""

from collections.abc import Callable

import trio


class TimeSince:
    """The time since a moment. It refers to a clock alone, so that what keeps ``seconds`` does not
    refer back to a simulator that owns it.

    Args:
        clock: the time in seconds.
    """

    __slots__ = ("_clock", "since")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.since = clock()
        """The moment, by the clock; at first that of the creation."""

    def seconds(self) -> float:
        """Return the seconds since the moment."""
        return self._clock() - self.since


def calls_at(nursery: trio.Nursery) -> Callable[[float, Callable[[], None]], None]:
    """Return a function that calls another one at a time of trio's clock, or soon if that has
    passed; calls end with the nursery."""

    async def call(when: float, function: Callable[[], None]) -> None:
        await trio.sleep_until(when)
        function()

    def call_at(when: float, function: Callable[[], None]) -> None:
        nursery.start_soon(call, when, function)

    return call_at


class ChangeSignal:
    """Wakes tasks that wait for a change.

    A task checks its condition and then calls ``wait``, without a checkpoint between the two: a
    ``send`` at that checkpoint would be lost. It holds an event only while a task waits: most
    changes of a connection have no waiter. ``producer.signal`` has the same for the producer, which
    shares nothing with the simulator.
    """

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: trio.Event | None = None

    async def wait(self) -> None:
        """Wait for the next change; always a checkpoint."""
        if self._event is None:
            self._event = trio.Event()
        await self._event.wait()

    def send(self) -> None:
        """Wake all tasks that wait."""
        if self._event is not None:
            self._event.set()
            self._event = None
