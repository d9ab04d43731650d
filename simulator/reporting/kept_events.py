"""The events that a simulator keeps in memory, for who asked for no other sink."""

from typing import Any

from simulator.events import (
    Appended,
    ConnectionClosed,
    Event,
    FaultHit,
    FramePartlyRead,
    FrameRead,
    FrameWritten,
)
from simulator.faults.effects import Effect

_NEVER_APPLIED = {Effect.NOT_APPLIED, Effect.NOT_ANSWERED}
"""Effects of a fault after which nothing of a request comes."""


class KeptEvents:
    """A sink that keeps all events, but no bytes of requests that were not applied.

    Until a request is applied its bytes are kept aside; an append puts them into its event.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._aside: dict[int, tuple[FrameRead, tuple[tuple[str, int, Any], ...]]] = {}
        """By transmission."""

    def clear(self) -> None:
        """Forget all events."""
        self.events.clear()
        self._aside.clear()

    def __call__(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)
        match event:
            case FrameRead(carried=carried) if carried:
                self._aside[event.transmission] = (event, carried)
                event.carried = ()
            case FramePartlyRead():
                event.data = b""
            case Appended():
                if aside := self._aside.pop(event.transmission, None):
                    aside[0].carried = aside[1]
            case FaultHit(shadowed=False) if _NEVER_APPLIED.issubset(event.effects):
                self._aside.pop(event.transmission, None)
            case FrameWritten():
                self._aside.pop(event.transmission, None)
            case ConnectionClosed():
                for number, (read, _) in tuple(self._aside.items()):
                    if read.connection == event.connection:
                        del self._aside[number]
