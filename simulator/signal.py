"""A signal that something has changed, for tasks that wait for the next change."""

import trio


class Signal:
    """Wakes tasks that wait for a change.

    It holds an event only while a task waits: most changes of a connection have no waiter.
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
