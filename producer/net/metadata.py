"""What the SC says of SPUs, partitions and topics, kept current by its watches.

``Metadata`` is the plain state: updates in, questions answered. ``watch`` keeps it current for as
long as the client lives: one connection to the SC with three watches, whose first answers
replace what was known; when the connection is lost, another one, with growing pauses between
tries. What was known stays usable meanwhile: an SC that is away stops nobody from producing.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from producer.errors import FluvioError, NotFoundError
from producer.net.connection import Connection
from wire.address import unbracketed
from wire.api import WATCH
from wire.api.admin import WatchOptions, WatchRequest, WatchResponse
from wire.api.envelope import PARTITION, SPU, TOPIC, seal
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
from wire.codec import WireError, decode

RECONNECT_DELAY_S = 0.050
RECONNECT_DELAY_MAX_S = 2.0
"""The pause before the SC is tried again, twice as long each time. A cluster that restarts must not
be stormed, and a leader that moved must not stay unknown for long."""

LABELS = (SPU, PARTITION, TOPIC)
"""What is watched, in the order of the official client."""

logger = logging.getLogger("producer")


RENEW_S = 2.0
"""How long a connection to the SC is given at least: an SPU that is down makes producers doubt with
every attempt, and the SC should not suffer for it."""

T = TypeVar("T", Topic, Partition, Spu)


@dataclass(frozen=True, slots=True)
class Endpoint:
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
    _changed: trio.Event = field(default_factory=trio.Event)
    _doubted: trio.Event = field(default_factory=trio.Event)

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
        it is empty: then there is nothing.

        Raises:
            WireError: it does not decode.
        """
        envelope = decode(WatchResponse, body, version).object
        match label:
            case "Topic":
                topics = envelope.open(TopicUpdate, version)
                changes = [(c.kind, c.content) for c in topics.changes]
                _amend(self.topics, topics.all, changes, first)
            case "Partition":
                partitions = envelope.open(PartitionUpdate, version)
                news = [(c.kind, c.content) for c in partitions.changes]
                _amend(self.partitions, partitions.all, news, first)
            case _:
                spus = envelope.open(SpuUpdate, version)
                _amend(self.spus, spus.all, [(c.kind, c.content) for c in spus.changes], first)
        self.synced.add(label)
        self._changed.set()
        self._changed = trio.Event()
        for call in tuple(self.on_change):
            call()

    async def all_synced(self) -> None:
        """Wait until everything was told once."""
        while self.synced < set(LABELS):
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

    def leader(self, topic: str, partition: int) -> Endpoint:
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

    def _endpoint(self, spu: Spu) -> Endpoint:
        spec, host = spu.spec, ""
        local = spec.public_endpoint_local
        if self.use_spu_local_address and local is not None:
            return Endpoint(spec.id, spu.name, unbracketed(local.host), local.port)
        if spec.public_endpoint.ingress:
            ingress = spec.public_endpoint.ingress[0]
            host = ingress.hostname or ingress.ip or ""
        return Endpoint(spec.id, spu.name, unbracketed(host), spec.public_endpoint.port)


def _amend(
    store: dict[str, T], everything: list[T], changes: list[tuple[ChangeKind, T]], first: bool
) -> None:
    if everything or (first and not changes):
        store.clear()
        store.update({thing.name: thing for thing in everything})
        return
    for kind, thing in changes:
        if kind is ChangeKind.DELETE:
            store.pop(thing.name, None)
        else:
            store[thing.name] = thing


async def watch(
    metadata: Metadata, connection: Connection, connect: Callable[[], Awaitable[Connection]]
) -> None:
    """Keep ``metadata`` current, beginning on a connection that is there; never returns.

    Args:
        metadata: what to keep current.
        connection: to the SC.
        connect: makes another connection when one is lost; each try is bounded by itself.
    """
    while True:
        await _follow(metadata, connection)
        connection = await _reconnect(connect)


async def _follow(metadata: Metadata, connection: Connection) -> None:
    """Watch on one connection until it ends."""
    async with trio.open_nursery() as nursery:
        try:
            for label in LABELS:
                _submit_watch(metadata, connection, label)
        except (FluvioError, WireError) as error:
            logger.warning("the SC cannot be watched: %s", error)
            connection.retire()
        nursery.start_soon(_renew, metadata, connection)
        await connection.run()
        nursery.cancel_scope.cancel()


async def _renew(metadata: Metadata, connection: Connection) -> None:
    """End a connection whose news led nowhere; the next one begins with everything there is.

    An update can be lost on its way, and an SC can fall silent with its connection open. Nobody
    would ever notice but by the leader that is none.
    """
    metadata.renewing()
    since = trio.current_time()
    await metadata.doubted()
    await trio.sleep_until(since + RENEW_S)
    connection.end()


def _submit_watch(metadata: Metadata, connection: Connection, label: str) -> None:
    version = connection.version_of(WATCH)
    first = True

    def answered(body: bytes) -> None:
        nonlocal first
        try:
            metadata.apply(label, body, version, first=first)
        except WireError as error:
            # Better nothing new of these objects than no client: others may still be current.
            logger.warning("an update of %s objects does not decode: %s", label, error)
        first = False

    request = WatchRequest(object=seal(label, WatchOptions(), version))
    connection.submit(WATCH, request, answered=answered)


async def _reconnect(connect: Callable[[], Awaitable[Connection]]) -> Connection:
    delay = RECONNECT_DELAY_S
    while True:
        await trio.sleep(delay)
        try:
            return await connect()
        except FluvioError as error:
            logger.info("the SC is away: %s", error)
        delay = min(2 * delay, RECONNECT_DELAY_MAX_S)
