"""A signal: wakes the tasks that wait for it at this moment, and remembers nothing.

The naive way is a ``trio.Event`` that is set and replaced by a new one. Most signals come while no
task waits, and each then costs two objects. Here an event is made by the first task that waits.
"""

import trio


class Signal:
    """Wakes the tasks that wait for a change.

    A task checks its condition and then calls ``wait``, without a checkpoint between the two: a
    ``send`` at that checkpoint would be lost.
    """

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: trio.Event | None = None

    def send(self) -> None:
        """Wake the tasks that wait now."""
        event = self._event
        if event is not None:
            self._event = None
            event.set()

    async def wait(self) -> None:
        """Wait until the next ``send``."""
        if self._event is None:
            self._event = trio.Event()
        await self._event.wait()
