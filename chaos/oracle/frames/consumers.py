"""The connections of consumers, and what happened on them.

A consumer of the harness is beside the client under test. What happens on its connections is no
evidence about the producer, and the other way round.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from chaos.consumption import ConsumerDialled
from chaos.history import History
from simulator.events import (
    ConnectionEvent,
    ConnectionOpened,
    ConnectRefused,
    DialRefused,
    Event,
    FaultHit,
)


@dataclass(slots=True)
class ConsumerEvents:
    """Which events belong to consumers."""

    consumptions: dict[int, int] = field(default_factory=dict)
    """By connection of a consumer, the number of the consumption."""
    hits: dict[int, list[FaultHit]] = field(default_factory=dict)
    """By number of the consumption, the faults that struck its connections and had an effect."""
    client_ids: frozenset[str] = frozenset()

    @classmethod
    def of(cls, history: History, server_events: Iterable[Event]) -> "ConsumerEvents":
        """Find the connections of the consumers of a run.

        Args:
            history: the run.
            server_events: the events of its servers.
        """
        ports = {e.port: e.consumption for e in history.events if isinstance(e, ConsumerDialled)}
        found: dict[int, int] = {}
        hits: defaultdict[int, list[FaultHit]] = defaultdict(list)
        for event in server_events:
            match event:
                case ConnectionOpened() | ConnectRefused() if event.port in ports:
                    found[event.connection] = ports[event.port]
                case FaultHit(shadowed=False) if event.connection in found:
                    hits[found[event.connection]].append(event)
        return cls(found, hits, frozenset(each.client_id for each in history.consumptions))

    def own(self, event: Event) -> bool:
        """Return whether an event belongs to a consumer."""
        if isinstance(event, ConnectionEvent):
            return event.connection in self.consumptions
        return isinstance(event, DialRefused) and event.client_id in self.client_ids
