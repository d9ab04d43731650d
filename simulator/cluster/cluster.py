"""The state of a Fluvio cluster: SPUs, topics, partitions, leaders. Plain and synchronous.

Nothing here waits or knows a clock; where a time matters it is handed in. Who wants to know of
changes subscribes; subscribers are told at once, before the call that made the change returns, so
that a client's watch hears of a topic before the answer to its creation leaves.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from simulator.cluster.log import SEGMENT_BYTES_DEFAULT, PartitionLog
from simulator.cluster.memory import Memory
from wire.api.storage import TopicCompression
from wire.api.topic import Assigned, Computed, TopicSpec
from wire.error_code import Code, ErrorCode, SystemSpecDeletionAttempt
from wire.topic_name import SYSTEM_TOPIC, check_topic_name

SPU_ID_FIRST = 5001
"""The id of SPU 0 on the wire; ``fluvio cluster start --local`` numbers its SPUs like this."""

PARTITIONS_MAX = 10_000
"""Partitions in the whole cluster: a watch sends all of them in one frame, of about 1 MB then."""

RETENTION_SECONDS_MIN = 10
SEGMENT_BYTES_MIN = 1024
PARTITION_BYTES_MIN = 2048
"""The least that a topic may ask for (``fluvio-types/src/defaults.rs``)."""

NEWS_FRAMES_MAX = 64
"""The most frames in which the SC tells of all partitions of one SPU. A real SC tells of 168 of
them in 52 frames when their SPU stops; a client that reads has room for thousands of frames."""


class ClusterError(Exception):
    """The cluster refuses a change, for a reason that an admin client can be told.

    Args:
        code: what the SC answers.
        text: why, for a person.
    """

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(slots=True)
class Spu:
    """One SPU. ``host`` and ``port`` are what clients are told."""

    index: int
    host: str = ""
    port: int = 0
    online: bool = True

    @property
    def id(self) -> int:
        """The number on the wire."""
        return SPU_ID_FIRST + self.index


@dataclass(slots=True, eq=False)
class Partition:
    """One partition: its log, and the SPUs (by index) that replicate it, the leader first."""

    topic: "Topic"
    index: int
    replicas: list[int]
    log: PartitionLog
    served: bool = True
    """Whether its leader is there and serves it; an SPU that starts serves it some time later."""

    @property
    def leader(self) -> int:
        """The index of the SPU that leads."""
        return self.replicas[0]

    @property
    def name(self) -> str:
        """The name in the SC's metadata."""
        return f"{self.topic.name}-{self.index}"


@dataclass(slots=True, eq=False)
class Topic:
    """One topic."""

    name: str
    spec: TopicSpec
    partitions: list[Partition] = field(default_factory=list)


Thing = Topic | Partition | Spu
Subscriber = Callable[[list[Thing], bool], None]
"""Called with things of one type and whether they are gone (else they are new or have changed)."""


class Cluster:
    """One SC and its SPUs.

    Args:
        spus: how many SPUs there are, at least 1.
        memory: the budget of the simulator; one of the default size if None.
        commit_delay_s: how long after an append the high watermark passes it, in seconds.
    """

    def __init__(
        self, spus: int = 1, memory: Memory | None = None, commit_delay_s: float = 0.0
    ) -> None:
        assert spus >= 1
        self.spus = [Spu(index) for index in range(spus)]
        self.topics: dict[str, Topic] = {}
        self.commit_delay_s = commit_delay_s
        self.epoch = 0
        self.latest_news: dict[tuple[str, int], Any] = {}
        """What subscribers made of the latest change, for each other; emptied by the next one."""
        self.memory = memory or Memory()
        self._subscribers: list[Subscriber] = []
        # A watch without objects would be a trap: a client counts an empty answer as none and waits
        # a minute for another.
        self.create_topic(SYSTEM_TOPIC, topic_of(1, system=True))

    # --- looking things up

    def partitions(self) -> Iterator[Partition]:
        """Every partition, topic by topic."""
        for topic in self.topics.values():
            yield from topic.partitions

    def partition(self, topic: str, index: int) -> Partition | None:
        """The partition of that name, if there is one."""
        found = self.topics.get(topic)
        if found is None or not 0 <= index < len(found.partitions):
            return None
        return found.partitions[index]

    def led_by(self, spu: Spu, topic: str, index: int) -> Partition | None:
        """The partition of that name if this SPU leads it and serves it."""
        found = self.partition(topic, index)
        if found is None or found.leader != spu.index or not found.served:
            return None
        return found

    # --- changing things

    def create_topic(self, name: str, spec: TopicSpec) -> None:
        """Create a topic and its partitions.

        Raises:
            ClusterError: the name or the spec is not acceptable.
        """
        self.check_topic(name, spec)
        topic = Topic(name, spec)
        self._append_partitions(topic, 0)
        self.topics[name] = topic
        self._tell([*topic.partitions])
        self._tell([topic])

    def check_topic(self, name: str, spec: TopicSpec) -> None:
        """What a real SC checks, in its order (``fluvio-sc``, ``topic/create.rs``).

        Raises:
            ClusterError: the name or the spec is not acceptable.
        """
        try:
            check_topic_name(name)
        except ValueError as error:
            raise ClusterError(Code.TOPIC_INVALID_NAME, str(error)) from error
        if name in self.topics:
            raise ClusterError(Code.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists")
        _check_limits(spec)
        if spec.deduplication is not None:
            raise ClusterError(
                Code.DEDUPLICATION_SMART_MODULE_NOT_LOADED, "this simulator runs no SmartModules"
            )
        self._check_replicas(spec)

    def delete_topic(self, name: str, *, force: bool = False) -> None:
        """Delete a topic with all that it holds.

        Raises:
            ClusterError: there is none of that name, or it is a system topic without ``force``.
        """
        topic = self.topics.get(name)
        if topic is None:
            raise ClusterError(Code.TOPIC_NOT_FOUND, "not found")
        if topic.spec.system and not force:
            code = SystemSpecDeletionAttempt(kind="topic", name=name)
            raise ClusterError(code, f"'{name}' is a system topic")
        del self.topics[name]
        self.memory.stored -= sum(partition.log.charge for partition in topic.partitions)
        self._tell([*topic.partitions], gone=True)
        self._tell([topic], gone=True)

    def add_partitions(self, name: str, count: int) -> None:
        """Add partitions to a topic, spread over the SPUs as those that it has.

        Raises:
            ClusterError: there is no such topic, its partitions were assigned by hand, or there
                would be too many.
        """
        topic = self.topics.get(name)
        if topic is None:
            raise ClusterError(Code.TOPIC_NOT_FOUND, "not found")
        replicas = topic.spec.replicas
        if not isinstance(replicas, Computed):
            raise ClusterError(Code.TOPIC_ERROR, "the partitions of this topic are assigned")
        old = len(topic.partitions)
        if count + sum(1 for _ in self.partitions()) > PARTITIONS_MAX:
            raise ClusterError(
                Code.TOPIC_ERROR, f"more than {PARTITIONS_MAX} partitions in this simulator"
            )
        grown = replace(topic.spec, replicas=replace(replicas, partitions=old + count))
        topic.spec = grown
        self._append_partitions(topic, old)
        self._tell([*topic.partitions[old:]])
        self._tell([topic])

    def change_address(self, spu: Spu, host: str, port: int) -> None:
        """Say that an SPU listens elsewhere."""
        spu.host, spu.port = host, port
        self._tell([spu])

    def move_leader(self, topic: str, index: int, to: int) -> None:
        """Make another SPU (by index) the leader; the whole log goes with the partition.

        An SPU that is online serves it at once, even if it has just started.

        Raises:
            ClusterError: there is no such partition or SPU.
        """
        partition = self.partition(topic, index)
        if partition is None:
            raise ClusterError(Code.TOPIC_NOT_FOUND, f"no partition {topic}/{index}")
        if not 0 <= to < len(self.spus):
            raise ClusterError(
                Code.SPU_NOT_FOUND, f"no SPU {to}; there are {len(self.spus)}, numbered from 0"
            )
        was = partition.replicas
        # A replica changes places; an SPU that had none takes over the old leader's.
        others = was if to in was else was[1:]
        partition.replicas = [to, *(replica for replica in others if replica != to)]
        partition.served = self.spus[to].online
        self._tell([partition])

    def led(self, spu: Spu) -> list[Partition]:
        """The partitions that an SPU leads, served or not."""
        return [partition for partition in self.partitions() if partition.leader == spu.index]

    def set_online(self, spu: Spu, *, online: bool) -> None:
        """Say that an SPU went away, and with it what it leads; or that it is back.

        One that is back serves nothing of what it leads until ``serve`` says so.
        """
        spu.online = online
        self._tell([spu])
        if not online:
            led = self.led(spu)
            for partition in led:
                partition.served = False
            self._tell_in_parts(led)

    def serve(self, partitions: list[Partition]) -> None:
        """Say that their leaders, which are online, serve partitions; their storage works again."""
        for partition in partitions:
            partition.served = True
            partition.log.restarted()
        self._tell_in_parts(partitions)

    # --- telling others

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Have a callable told of every change; returns what ends that."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def _tell(self, things: list[Thing], *, gone: bool = False) -> None:
        if things:
            self.epoch += 1
            self.latest_news.clear()
            for subscriber in tuple(self._subscribers):
                subscriber(things, gone)

    def _tell_in_parts(self, partitions: list[Partition]) -> None:
        """Tell of each partition by itself, or of as few at a time as ``NEWS_FRAMES_MAX`` lets."""
        size = -(-len(partitions) // NEWS_FRAMES_MAX)
        for first in range(0, len(partitions), size or 1):
            self._tell([*partitions[first : first + size]])

    # --- where partitions go

    def _append_partitions(self, topic: Topic, first: int) -> None:
        """Make the partitions of a topic that its spec has from ``first`` on."""
        spec = topic.spec
        segment = (spec.storage and spec.storage.segment_size) or SEGMENT_BYTES_DEFAULT
        for index, replicas in enumerate(self._assign(spec)):
            if index >= first:
                log = PartitionLog(self.memory, spec.compression, segment)
                served = self.spus[replicas[0]].online
                topic.partitions.append(Partition(topic, index, replicas, log, served))

    def _check_replicas(self, spec: TopicSpec) -> None:
        replicas = spec.replicas
        if isinstance(replicas, Computed):
            count, factors = replicas.partitions, [replicas.replication_factor]
        elif isinstance(replicas, Assigned):
            count, factors = (
                len(replicas.partitions),
                [len(p.replicas) for p in replicas.partitions],
            )
            known = {spu.id for spu in self.spus}
            if any(set(p.replicas) - known for p in replicas.partitions):
                raise ClusterError(Code.TOPIC_ERROR, "a replica is assigned to an unknown SPU")
            if [p.id for p in replicas.partitions] != list(range(count)):
                raise ClusterError(Code.TOPIC_ERROR, "partition ids must be 0, 1, 2, ...")
        else:
            raise ClusterError(Code.TOPIC_ERROR, "this simulator has no mirror topics")
        if count < 1 or min(factors) < 1:
            raise ClusterError(
                Code.TOPIC_ERROR, "a topic needs at least one partition and one replica of each"
            )
        if count + sum(1 for _ in self.partitions()) > PARTITIONS_MAX:
            raise ClusterError(
                Code.TOPIC_ERROR, f"more than {PARTITIONS_MAX} partitions in this simulator"
            )
        if max(factors) > len(self.spus):
            raise ClusterError(
                Code.TOPIC_NOT_PROVISIONED,
                f"{max(factors)} replicas wanted, but there are {len(self.spus)} SPUs",
            )

    def _assign(self, spec: TopicSpec) -> list[list[int]]:
        if isinstance(spec.replicas, Assigned):
            return [
                [spu_id - SPU_ID_FIRST for spu_id in partition.replicas]
                for partition in spec.replicas.partitions
            ]
        assert isinstance(spec.replicas, Computed)
        spus = len(self.spus)
        factor = spec.replicas.replication_factor
        return [
            [(index + replica) % spus for replica in range(factor)]
            for index in range(spec.replicas.partitions)
        ]


def topic_of(
    partitions: int,
    *,
    compression: TopicCompression = TopicCompression.ANY,
    system: bool = False,
) -> TopicSpec:
    """The spec of a topic whose partitions are spread over the SPUs, each with one replica."""
    return TopicSpec(
        replicas=Computed(partitions=partitions, replication_factor=1),
        compression=compression,
        system=system,
    )


def _check_limits(spec: TopicSpec) -> None:
    policy, storage = spec.cleanup_policy, spec.storage
    if policy is not None:
        _at_least("retention_secs", policy.time_in_seconds, RETENTION_SECONDS_MIN)
    if storage is not None and storage.segment_size is not None:
        _at_least("segment_size", storage.segment_size, SEGMENT_BYTES_MIN)
    if storage is not None and storage.max_partition_size is not None:
        segment = storage.segment_size or SEGMENT_BYTES_DEFAULT
        _at_least("max_partition_size", storage.max_partition_size, PARTITION_BYTES_MIN)
        _at_least("max_partition_size", storage.max_partition_size, segment)


def _at_least(what: str, value: int, least: int) -> None:
    if value < least:
        raise ClusterError(
            Code.TOPIC_INVALID_CONFIGURATION, f"{what} {value} is less than minimum {least}"
        )
