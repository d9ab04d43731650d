"""What the SC says of SPUs, partitions and topics: plain state, updates in, questions answered.

An SC tells of every topic that it has, and a client has no say in how many these are. So only what
producers asked for is kept: ``want`` says so, before the topic is looked up (``watching.py``).
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import trio

from producer.errors import NotFoundError
from producer.net.connection import Connection
from producer.signal import Signal
from wire.address import unbracketed
from wire.api.admin import WatchResponse
from wire.api.envelope import PARTITION, SPU, TOPIC
from wire.api.objects import (
    ChangeKind,
    Partition,
    PartitionUpdate,
    Spu,
    SpuUpdate,
    Topic,
    TopicUpdate,
)
from wire.api.partition import PartitionResolution
from wire.api.storage import TopicCompression
from wire.codec import decode_repeated

LABELS = (SPU, PARTITION, TOPIC)
"""What is watched, in the order of the official client."""

SPUS_MAX = 10_000
"""SPUs that are kept: more than any cluster has, few enough for some megabytes."""

PARTITIONS_MAX = 65_536
"""Partitions of one topic that are kept; each costs its producer a task."""

logger = logging.getLogger("producer")

T = TypeVar("T", Topic, Partition, Spu)


class SpuEndpoint(NamedTuple):
    """Where an SPU listens."""

    spu: int
    """Its id."""
    name: str
    """Its name, the first label of the name in its certificate."""
    host: str
    port: int


@dataclass(slots=True)
class Metadata:
    """The state of the cluster, as far as it was told.

    Args:
        use_spu_local_address: whether SPUs are reached under their local addresses.
    """

    use_spu_local_address: bool = False
    topics: dict[str, Topic] = field(default_factory=dict)
    partitions: dict[str, Partition] = field(default_factory=dict)
    spus: dict[str, Spu] = field(default_factory=dict)
    synced: set[str] = field(default_factory=set)
    """The labels that were answered at least once."""
    on_change: list[Callable[[], None]] = field(default_factory=list)
    """Called after each update."""
    connection: Connection | None = None
    """To the SC, while there is one."""
    _wanted: Counter[str] = field(default_factory=Counter)
    """The topics that producers asked for, and how many of them did."""
    _changed: Signal = field(default_factory=Signal)
    _doubted: trio.Event = field(default_factory=lambda: trio.Event())

    def doubt(self) -> None:
        """Say that what was told led nowhere: a leader that is none, an SPU that is not there."""
        self._doubted.set()

    async def doubted(self) -> None:
        """Wait until that is said, from the last ``renewing`` on."""
        await self._doubted.wait()

    def renewing(self) -> None:
        """Everything is asked for anew: what was doubted so far is dealt with."""
        self._doubted = trio.Event()

    def apply(self, label: str, body: bytes, version: int, *, first: bool) -> None:
        """Take in an answer of the watch with this label; ``first`` of its connection.

        A whole list replaces what was known, changes amend it. The first answer does so even when
        it is empty: then there is nothing. What no producer wants is not kept.

        Raises:
            WireError: it does not decode.
        """
        envelope = decode_repeated(WatchResponse, body, version).object
        match label:
            case "Topic":
                topics = decode_repeated(TopicUpdate, envelope.body, version)
                changes = [(c.kind, c.content) for c in topics.changes]
                _amend(self.topics, topics.all, changes, first, self._is_wanted_topic)
            case "Partition":
                partitions = decode_repeated(PartitionUpdate, envelope.body, version)
                news = [(c.kind, c.content) for c in partitions.changes]
                _amend(self.partitions, partitions.all, news, first, self._is_wanted_partition)
            case _:
                spus = decode_repeated(SpuUpdate, envelope.body, version)
                moves = [(c.kind, c.content) for c in spus.changes]
                _amend(self.spus, spus.all, moves, first, self._has_room_for_spu)
                if len(self.spus) >= SPUS_MAX:
                    logger.warning("the SC tells of %d SPUs or more; no more are kept", SPUS_MAX)
        self.synced.add(label)
        self._tell()

    def learn(self, topics: Iterable[Topic], partitions: Iterable[Partition]) -> None:
        """Take in what a look-up found; what no producer wants is not kept."""
        self.topics.update({t.name: t for t in topics if self._is_wanted_topic(t)})
        self.partitions.update({p.name: p for p in partitions if self._is_wanted_partition(p)})
        self._tell()

    def want(self, topic: str) -> None:
        """A producer of a topic begins: keep what is told of it."""
        self._wanted[topic] += 1

    def unwant(self, topic: str) -> None:
        """That producer ended; with the last one what was told of its topic is forgotten."""
        self._wanted[topic] -= 1
        if self._wanted[topic] > 0:
            return
        del self._wanted[topic]
        self.topics.pop(topic, None)
        for name in [name for name in self.partitions if name.rpartition("-")[0] == topic]:
            del self.partitions[name]

    def knows(self, topic: str) -> bool:
        """Whether a topic and a first partition of it were told."""
        return topic in self.topics and f"{topic}-0" in self.partitions

    def connected(self, connection: Connection | None) -> None:
        """There is a connection to the SC, or (None) there is none any more."""
        self.connection = connection
        self._changed.send()

    async def usable_connection(self) -> Connection:
        """Wait for a usable connection to the SC."""
        while self.connection is None or not self.connection.usable:
            await self._changed.wait()
        return self.connection

    def _tell(self) -> None:
        self._changed.send()
        for call in tuple(self.on_change):
            call()

    def _is_wanted_topic(self, topic: Topic) -> bool:
        return topic.name in self._wanted

    def _is_wanted_partition(self, partition: Partition) -> bool:
        topic, _, index = partition.name.rpartition("-")
        return topic in self._wanted and index.isdecimal() and int(index) < PARTITIONS_MAX

    def _has_room_for_spu(self, spu: Spu) -> bool:
        return len(self.spus) < SPUS_MAX or spu.name in self.spus

    async def all_synced(self) -> None:
        """Wait until everything was told once."""
        while len(self.synced) < len(LABELS):
            await self._changed.wait()

    def partition_count(self, topic: str) -> int:
        """How many partitions a topic has: those from 0 on that exist without a gap.

        Raises:
            NotFoundError: there is no such topic.
        """
        if topic not in self.topics:
            raise NotFoundError(f"there is no topic {topic!r}")
        count = 0
        while f"{topic}-{count}" in self.partitions:
            count += 1
        if not count:
            raise NotFoundError(f"topic {topic!r} has no partitions yet")
        return count

    def available(self, topic: str, count: int) -> list[int]:
        """Which of the first ``count`` partitions are online; all of them if none is."""
        online = [
            index
            for index in range(count)
            if (found := self.partitions.get(f"{topic}-{index}")) is not None
            and found.status.resolution is PartitionResolution.ONLINE
        ]
        return online or list(range(count))

    def compression(self, topic: str) -> TopicCompression:
        """What a topic allows in its batches.

        Raises:
            NotFoundError: there is no such topic.
        """
        if topic not in self.topics:
            raise NotFoundError(f"there is no topic {topic!r}")
        return self.topics[topic].spec.compression

    def leader(self, topic: str, partition: int) -> SpuEndpoint:
        """Where the leader of a partition listens.

        Raises:
            NotFoundError: there is no such partition, or the SPU that leads it is unknown.
        """
        found = self.partitions.get(f"{topic}-{partition}")
        if found is None:
            raise NotFoundError(f"there is no partition {topic}/{partition}")
        for spu in self.spus.values():
            if spu.spec.id == found.spec.leader:
                return self._endpoint(spu)
        raise NotFoundError(
            f"the leader of {topic}/{partition}, SPU {found.spec.leader}, is unknown"
        )

    def _endpoint(self, spu: Spu) -> SpuEndpoint:
        spec, host = spu.spec, ""
        local = spec.public_endpoint_local
        if self.use_spu_local_address and local is not None:
            return SpuEndpoint(spec.id, spu.name, unbracketed(local.host), local.port)
        if spec.public_endpoint.ingress:
            ingress = spec.public_endpoint.ingress[0]
            host = ingress.hostname or ingress.ip or ""
        return SpuEndpoint(spec.id, spu.name, unbracketed(host), spec.public_endpoint.port)


def _amend(
    store: dict[str, T],
    everything: list[T],
    changes: list[tuple[ChangeKind, T]],
    first: bool,
    kept: Callable[[T], bool],
) -> None:
    if everything or (first and not changes):
        store.clear()
        changes = [(ChangeKind.UPDATE, thing) for thing in everything]
    for kind, thing in changes:
        if kind is ChangeKind.DELETE:
            store.pop(thing.name, None)
        elif kept(thing):
            store[thing.name] = thing
