"""What a running simulator holds at the moment, as plain data."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from simulator.cluster.cluster import Cluster
from simulator.cluster.log import PartitionLog
from simulator.serving.node import Node
from wire.batch import decode_batch
from wire.record_set import as_stored

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
    """How many records came in a batch whose bytes it held already."""


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


@dataclass(frozen=True, slots=True)
class RecordState:
    """One stored record."""

    offset: int
    timestamp_ms: int
    """In milliseconds since the epoch."""
    key: str | None
    """The key as text; bytes that are no UTF-8 are shown as escapes."""
    value: str
    """The value in the same way."""


def record_states(log: PartitionLog, first: int, count: int, chars_max: int) -> list[RecordState]:
    """Return some records of a partition.

    Args:
        log: the log.
        first: the offset of the first record.
        count: the maximum number of records.
        chars_max: the number of characters of keys and values behind which no record follows.

    Raises:
        WireError: a producer stored a batch that does not decode.
    """
    found: list[RecordState] = []
    position = max(bisect_right(log.base_offsets, first) - 1, 0)
    for base, body in zip(log.base_offsets[position:], log.bodies[position:], strict=True):
        for record in decode_batch(as_stored(base, body), check_crc=False)[1]:
            if len(found) == count or chars_max < 0:
                return found
            if record.offset >= first:
                key = None if record.key is None else _text(record.key)
                value = _text(record.value)
                chars_max -= len(key or "") + len(value)
                found.append(RecordState(record.offset, record.timestamp_ms, key, value))
    return found


def _text(data: bytes) -> str:
    return bytes(data).decode(errors="backslashreplace")


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
