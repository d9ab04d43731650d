"""The journal: numbers events, stamps them, and hands them to sinks."""

import logging
from collections import Counter
from collections.abc import Callable

from simulator.events import Event

Sink = Callable[[Event], None]


logger = logging.getLogger("simulator")

NOT_SERVED_MAX = 100
"""The kinds of refused requests that are counted: a peer chooses the numbers."""


class Journal:
    """Numbers and stamps events and hands them on, and counts what a summary tells.

    Args:
        clock: seconds since the simulator was ready.
        sinks: what takes the events.
    """

    def __init__(self, clock: Callable[[], float], sinks: list[Sink]) -> None:
        self._clock = clock
        self._sinks = sinks
        self.active = bool(sinks)
        """Whether a sink takes events; a caller makes none where this is False."""
        self._n = 0
        self._now = self._stamp = 0.0
        """The time of the latest event, and what the event says of it. Many events have the time of
        the one before, and rounding costs more than the rest of an event."""
        self.connections = 0
        """How many connections were accepted; one that a fault then refused has a number too."""
        self.frames = 0
        """How many frames were read and written."""
        self.unanswered_records = 0
        """Records that were stored and whose answer was not written in full, or not yet."""
        self.not_served: Counter[str] = Counter()
        """How many requests were refused because the simulator does not serve their API, or not in
        their version, by server and API."""

    def subscribe(self, sink: Sink) -> Callable[[], None]:
        """Give every further event to another sink; return a function that ends that."""
        self._sinks = [*self._sinks, sink]
        self.active = True

        def end() -> None:
            self._sinks = [each for each in self._sinks if each is not sink]
            self.active = bool(self._sinks)

        return end

    def close(self) -> None:
        """Let go of the sinks: no further event reaches them."""
        self._sinks, self.active = [], False

    def restart(self) -> None:
        """Start all counts from nothing; the numbers of events go on."""
        self.connections = self.frames = self.unanswered_records = 0
        self.not_served.clear()

    def refused(self, request: str) -> None:
        """Count a request that is not served, and warn of the first of its kind.

        Args:
            request: the server and the API.
        """
        if request not in self.not_served and len(self.not_served) >= NOT_SERVED_MAX:
            return
        self.not_served[request] += 1
        if self.not_served[request] == 1:
            logger.warning("a client was disconnected: %s is not served", request)

    def record(self, event: Event) -> None:
        """Give an event its number and time and hand it to the sinks."""
        if self._sinks:
            self._n = event.n = self._n + 1
            now = self._clock()
            if now != self._now:
                self._now, self._stamp = now, round(now, 6)
            event.t = self._stamp
            for sink in self._sinks:
                sink(event)
