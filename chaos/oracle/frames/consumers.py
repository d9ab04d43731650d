"""The connections of consumers, and what happened on them.

A consumer is beside the producer under test. What happens on its connections is no evidence about
the producer, and the other way round. A consumer of the harness tells the ports of its connections.
One of a program tells none, and its connections are known by the client id of their frames: one
without a frame counts as the producer's, and one belongs to each consumption of the consumer that
was under way.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from chaos.consumption import ConsumerDialled, Consumption
from chaos.history import History
from simulator.events import (
    ConnectionEvent,
    ConnectionOpened,
    ConnectRefused,
    DialRefused,
    Event,
    FaultHit,
    FrameRead,
)


@dataclass(slots=True)
class ConsumerEvents:
    """Which events belong to consumers."""

    consumptions: dict[int, frozenset[int]] = field(default_factory=dict)
    """By connection of a consumer, the numbers of its consumptions."""
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
        by_client_id: defaultdict[str, list[Consumption]] = defaultdict(list)
        for each in history.consumptions:
            by_client_id[each.client_id].append(each)
        found: dict[int, frozenset[int]] = {}
        struck: list[FaultHit] = []
        for event in server_events:
            match event:
                case ConnectionOpened() | ConnectRefused() if event.port in ports:
                    found[event.connection] = frozenset({ports[event.port]})
                case FrameRead() if event.connection not in found:
                    if under_way := by_client_id.get(event.client_id):
                        found[event.connection] = frozenset(
                            each.n for each in under_way if each.started <= event.t <= each.until
                        )
                case FaultHit(shadowed=False):
                    struck.append(event)
        hits: defaultdict[int, list[FaultHit]] = defaultdict(list)
        for hit in struck:
            for n in found.get(hit.connection, ()):
                hits[n].append(hit)
        return cls(found, hits, frozenset(by_client_id))

    def own(self, event: Event) -> bool:
        """Return whether an event belongs to a consumer."""
        if isinstance(event, ConnectionEvent):
            return event.connection in self.consumptions
        return isinstance(event, DialRefused) and event.client_id in self.client_ids
