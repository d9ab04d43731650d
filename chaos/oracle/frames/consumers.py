"""The connections of consumers, and what happened on them.

A consumer is beside the producer under test. What happens on its connections is no evidence about
the producer, and the other way round. The client id of its first frame tells whose a connection is.
It belongs to each consumption of that consumer that was under way, unless a consumer of the harness
told that it dialled from the connection's port. A port tells less than a client id: real sockets
use one again after a connection, and for two connections to different servers. It alone decides
for a connection without a frame, which otherwise counts as the producer's; of several connections
from the port whose frames have no other client id, the nearest in time is meant.
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
        by_client_id: defaultdict[str, list[Consumption]] = defaultdict(list)
        for each in history.consumptions:
            by_client_id[each.client_id].append(each)
        opened: defaultdict[int, list[ConnectionOpened | ConnectRefused]] = defaultdict(list)
        first_frames: dict[int, FrameRead] = {}
        struck: list[FaultHit] = []
        for event in server_events:
            match event:
                case ConnectionOpened() | ConnectRefused():
                    opened[event.port].append(event)
                case FrameRead():
                    first_frames.setdefault(event.connection, event)
                case FaultHit(shadowed=False):
                    struck.append(event)
        found = {
            connection: frozenset(
                each.n for each in under_way if each.started <= frame.t <= each.until
            )
            for connection, frame in first_frames.items()
            if (under_way := by_client_id.get(frame.client_id))
        }
        spoken = {connection: frame.client_id for connection, frame in first_frames.items()}
        for dialled in history.events:
            if not isinstance(dialled, ConsumerDialled):
                continue
            client_id = history.consumptions[dialled.consumption].client_id
            possible = [
                each
                for each in opened.get(dialled.port, ())
                if spoken.get(each.connection, client_id) == client_id
            ]
            if possible:
                meant = min(possible, key=lambda each: abs(each.t - dialled.t))
                found[meant.connection] = frozenset({dialled.consumption})
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
