"""The latest events as JSON Lines, for readers that follow them at their own speed.

All readers share one store, so a slow reader costs no memory: it reads on where it was, and is told
how many events it missed if they are no longer there.
"""

from collections import deque
from collections.abc import AsyncGenerator

import trio

from simulator.events import Event, EventsLeftOut

FEED_CHARS_MAX = 16 * 1024 * 1024
"""The most characters of events that are kept; a peer chooses the names in them."""

CHUNK_CHARS = 64 * 1024
"""The least that is sent at once if so much is there."""


class EventFeed:
    """A sink that keeps the latest events; it must get all events from the first one on."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._latest = 0
        """The number of the latest event."""
        self._chars = 0
        self._arrived = trio.Event()

    def __call__(self, event: Event) -> None:
        """Keep an event."""
        line = event.to_json() + "\n"
        self._lines.append(line)
        self._latest = event.n
        self._chars += len(line)
        while self._chars > FEED_CHARS_MAX:
            self._chars -= len(self._lines.popleft())
        self._arrived.set()
        self._arrived = trio.Event()

    async def read(self, position: int, *, follow: bool) -> AsyncGenerator[str, None]:
        """Yield events as JSON Lines, several lines at a time.

        Args:
            position: the number of the first event wanted; 0 for all that are there.
            follow: whether to go on with further events, for ever.
        """
        while True:
            if position <= self._latest:
                lines, position = self._from(position)
                yield lines
            elif follow:
                await self._arrived.wait()
            else:
                return

    def _from(self, position: int) -> tuple[str, int]:
        """Return some lines from a position on, and the position behind them."""
        first = self._latest - len(self._lines) + 1
        lines: list[str] = []
        if 0 < position < first:
            lines.append(EventsLeftOut(n=first - 1, count=first - position).to_json() + "\n")
        position = max(position, first)
        size = 0
        while position <= self._latest and size < CHUNK_CHARS:
            line = self._lines[position - first]
            lines.append(line)
            size += len(line)
            position += 1
        return "".join(lines), position
