"""What a running simulator holds at the moment, as plain data."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from simulator.cluster.cluster import Cluster
from simulator.serving.node import Node

Condition = Literal["open", "stalled", "silent", "hanging"]


@dataclass(frozen=True, slots=True)
class PartitionState:
    """One partition; system topics have none."""

    topic: str
    partition: int
    leader: int
    """The index of the SPU that leads it."""
    served: bool
    """Whether its leader serves it."""
    stored: int
    """How many records it holds."""
    resent: int
    """How many of them came in a batch whose bytes had been stored before."""


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """One open connection of a client."""

    number: int
    """Its number, from 1 in the order in which connections were accepted."""
    server: str
    """``sc`` or ``spu:N``."""
    condition: Condition
    """``stalled``: a fault keeps it from being read; ``silent``: from being written; ``hanging``:
    from being answered at all."""


def partitions_of(cluster: Cluster) -> list[PartitionState]:
    """Return all partitions of topics that are not system topics."""
    return [
        PartitionState(
            topic=each.topic.name,
            partition=each.index,
            leader=each.leader,
            served=each.served,
            stored=len(each.log),
            resent=each.log.resent,
        )
        for each in cluster.partitions()
        if not each.topic.spec.system
    ]


def connections_of(nodes: Iterable[Node]) -> list[ConnectionState]:
    """Return all open connections, in the order of their numbers."""
    return sorted(_connections(nodes), key=lambda each: each.number)


def _connections(nodes: Iterable[Node]) -> Iterator[ConnectionState]:
    for node in nodes:
        for connection in node.connections.values():
            if connection.task is None:
                condition: Condition = "hanging"
            elif connection.task.stalled:
                condition = "stalled"
            else:
                condition = "silent" if connection.task.held_open else "open"
            yield ConnectionState(connection.number, node.name, condition)
