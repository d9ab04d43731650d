"""The state of a Fluvio cluster: SPUs, topics, partitions, leaders. Plain and synchronous.

Nothing here waits or knows a clock; where a time matters it is handed in. Who wants to know of
changes subscribes; subscribers are told at once, before the call that made the change returns, so
that a client's watch hears of a topic before the answer to its creation leaves.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from simulator.cluster.consumer_offsets import ConsumerOffsets
from simulator.cluster.follower import Follower
from simulator.cluster.log import PartitionLog
from simulator.cluster.memory import Memory
from simulator.cluster.smartmodules import SmartModuleKey
from simulator.cluster.topic_checks import TopicRefusal, refusal_of_name, refusal_of_spec
from simulator.cluster.topic_specs import (
    SEGMENT_BYTES_DEFAULT,
    SYSTEM_TOPIC_SPEC,
    partition_count,
    placed,
    replication_factor,
)
from simulator.storage import entries
from simulator.storage.kept_log import KeptLog
from simulator.storage.store import Store
from wire.api import WATCH
from wire.api.objects import SmartModule
from wire.api.smartmodule_spec import SmartModuleSpec
from wire.api.storage import TopicCompression
from wire.api.topic import Computed, TopicResolution, TopicSpec
from wire.codec import encode
from wire.error_code import Code, ErrorCode, SystemSpecDeletionAttempt, SystemSpecUpdatingAttempt
from wire.topic_name import SYSTEM_TOPIC

logger = logging.getLogger("simulator")

SPU_ID_FIRST = 5001
"""The id of SPU 0 on the wire; ``fluvio cluster start --local`` numbers its SPUs like this."""

PARTITIONS_MAX = 10_000
"""Partitions in the whole cluster: a watch sends all of them in one frame, of about 1 MB then."""

TOPIC_WAIT_S = 90.0
"""How long a real SC waits for the partitions of a new topic unless told otherwise."""

NEWS_FRAMES_MAX = 64
"""The most frames in which the SC tells of all partitions of one SPU. A real SC tells of 168 of
them in 52 frames when their SPU stops; a client that reads has room for thousands of frames."""

NOT_WRITTEN = "the data directory of this simulator cannot be written"
"""Why a change is refused that cannot be kept."""


class ClusterError(Exception):
    """The cluster refuses a change, for a reason that an admin client can be told.

    Args:
        code: what the SC answers.
        text: why, for a person; None where the SC says nothing beside the code.
        about: the name of the object that the answer is about; None for that of the topic.
    """

    def __init__(self, code: ErrorCode, text: str | None, about: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.about = about


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
    reported: bool = False
    """Whether the SC has heard of the partition from its leader; without that it is OFFLINE."""
    followers: list[Follower] = field(default_factory=list)
    """What the leader knows of its followers; empty where the log is not replicated."""

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
    resolution: TopicResolution = TopicResolution.INIT


Thing = Topic | Partition | Spu | SmartModule
Subscriber = Callable[[list[Thing], bool], None]
"""Called with things of one type and whether they are gone (else they are new or have changed)."""


class Cluster:
    """One SC and its SPUs.

    Args:
        spus: how many SPUs there are, at least 1.
        memory: the budget of the simulator; one of the default size if None.
        commit_delay_s: how long after an append the high watermark passes it, in seconds.
        topic_wait_s: how long the creation of a topic waits until all its partitions are online, in
            seconds.
        retain_bytes: how long a log may be before its oldest batches go, in bytes; None for any
            length.
    """

    def __init__(
        self,
        spus: int = 1,
        memory: Memory | None = None,
        commit_delay_s: float = 0.0,
        topic_wait_s: float = TOPIC_WAIT_S,
        retain_bytes: int | None = None,
    ) -> None:
        assert spus >= 1
        self.spus = [Spu(index) for index in range(spus)]
        self.topics: dict[str, Topic] = {}
        self.smartmodules: dict[str, SmartModule] = {}
        """What is stored; no SPU runs one."""
        self.commit_delay_s = commit_delay_s
        self.topic_wait_s = topic_wait_s
        self.retain_bytes = retain_bytes
        self.store: Store | None = None
        """What keeps the state across restarts, if anything does; see ``keeping``."""
        self.epochs: Counter[type[Thing]] = Counter()
        """By type of thing, how often something was told of it."""
        self.latest_news: dict[tuple[str, int, bool], Any] = {}
        """What subscribers made of the latest change, for each other; emptied by the next one."""
        self.memory = memory or Memory()
        self.consumer_offsets = ConsumerOffsets()
        self._warned_of_retention = False
        self._subscribers: list[Subscriber] = []
        # A watch without objects would be a trap: a client counts an empty answer as none and waits
        # a minute for another.
        self._add_topic(SYSTEM_TOPIC, SYSTEM_TOPIC_SPEC)

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

    def online_partitions(self, topic: Topic) -> int:
        """How many partitions of a topic are served; 0 once it is deleted."""
        if self.topics.get(topic.name) is not topic:
            return 0
        return sum(partition.served for partition in topic.partitions)

    def smartmodule(self, key: SmartModuleKey) -> SmartModule | None:
        """A SmartModule that a key names, if there is one."""
        return next((m for m in self.smartmodules.values() if key.matches(m)), None)

    # --- changing things

    def create_topic(self, name: str, spec: TopicSpec) -> Topic:
        """Create a topic and its partitions.

        The steps are those of a real SC, each of which is news: the topic waits for live SPUs, it
        is provisioned, its partitions exist, their leaders report them. A topic that wants more
        replicas than there are SPUs stays without partitions.

        Raises:
            ClusterError: the name or the spec is not acceptable, or the topic cannot be kept.
        """
        self.check_topic(name, spec)
        kept = entries.KeptTopic(name=name, spus=len(self.spus), spec=spec)
        self._keep(kept, Code.TOPIC_ERROR)
        if spec.cleanup_policy is not None and not spec.system:
            self._warn_of_retention(name)
        return self._add_topic(name, spec)

    def _add_topic(self, name: str, spec: TopicSpec) -> Topic:
        self.topics[name] = topic = Topic(name, spec)
        self._tell([topic])
        self._resolve(topic, TopicResolution.PENDING)
        if replication_factor(spec) > len(self.spus):
            self._resolve(topic, TopicResolution.INSUFFICIENT_RESOURCES)
            return topic
        self._append_partitions(topic, 0)
        self._resolve(topic, TopicResolution.PROVISIONED)
        self._tell_new(topic, 0)
        return topic

    def _warn_of_retention(self, name: str) -> None:
        """Say of the first topic with a retention that its records are kept for longer."""
        if not self._warned_of_retention:
            self._warned_of_retention = True
            logger.warning("topic %s: records are kept in spite of its retention", name)

    def check_topic(self, name: str, spec: TopicSpec) -> None:
        """What a real SC checks, in its order; the number of partitions is a limit of our own.

        Raises:
            ClusterError: the name or the spec is not acceptable.
        """
        refusal = refusal_of_name(name)
        if refusal is None and name in self.topics:
            refusal = TopicRefusal(Code.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists")
        if refusal is None:
            refusal = refusal_of_spec(spec, {spu.id for spu in self.spus}, self.smartmodules)
        if refusal is not None:
            raise ClusterError(*refusal)
        self._check_count(partition_count(spec))

    def delete_topic(self, name: str, *, force: bool = False) -> None:
        """Delete a topic with all that it holds.

        Raises:
            ClusterError: there is none of that name, it is a system topic without ``force``, or
                the deletion cannot be kept.
        """
        topic = self.topics.get(name)
        if topic is None:
            raise ClusterError(Code.TOPIC_NOT_FOUND, "not found")
        if topic.spec.system and not force:
            code = SystemSpecDeletionAttempt(kind="topic", name=name)
            raise ClusterError(code, None)
        size = sum(partition.log.bytes for partition in topic.partitions)
        self._keep(entries.KeptTopicDeletion(name=name), Code.TOPIC_ERROR, size)
        del self.topics[name]
        self.memory.stored -= sum(partition.log.charge for partition in topic.partitions)
        self._tell([*topic.partitions], gone=True)
        self._tell([topic], gone=True)

    def add_partitions(self, name: str, count: int) -> None:
        """Add partitions to a topic, spread over the SPUs as those that it has.

        Raises:
            ClusterError: there is no such topic, it is a system topic, its partitions were assigned
                by hand, it has none, there would be too many, or they cannot be kept.
        """
        topic = self.topics.get(name)
        if topic is None:
            raise ClusterError(Code.TOPIC_NOT_FOUND, "not found")
        if topic.spec.system:
            raise ClusterError(SystemSpecUpdatingAttempt(kind="topic", name=name), None)
        replicas = topic.spec.replicas
        if not isinstance(replicas, Computed):
            raise ClusterError(Code.TOPIC_INVALID_REPLICA_TYPE, "invalid replica type")
        if not topic.partitions:
            raise ClusterError(Code.TOPIC_ERROR, "there are too few SPUs for this topic")
        self._check_count(count)
        self._keep(entries.KeptPartitions(topic=name, count=count), Code.TOPIC_ERROR)
        old = len(topic.partitions)
        grown = replace(topic.spec, replicas=replace(replicas, partitions=old + count))
        topic.spec = grown
        self._append_partitions(topic, old)
        self._tell_new(topic, old)

    def clear(self) -> None:
        """Delete everything that clients can make: topics, offsets of consumers, SmartModules.

        All SPUs are online; the system topic is there, and new.

        Raises:
            ClusterError: that cannot be kept.
        """
        for name in tuple(self.topics):
            self.delete_topic(name, force=True)
        for module in tuple(self.smartmodules.values()):
            self.delete_smartmodule(SmartModuleKey(module.name))
        if not self.consumer_offsets.clear():
            raise ClusterError(Code.STORAGE_ERROR, NOT_WRITTEN)
        for spu in self.spus:
            if not spu.online:
                self.set_online(spu, online=True)
        self.create_topic(SYSTEM_TOPIC, SYSTEM_TOPIC_SPEC)

    def store_smartmodule(self, name: str, spec: SmartModuleSpec) -> SmartModule:
        """Store a SmartModule in place of the one that has its name.

        One with a package is stored under the name of that.

        Raises:
            ClusterError: its package has no name or no group, the memory is full, or it cannot be
                kept.
        """
        if spec.meta is not None:
            package = spec.meta.package
            if not package.name or not package.group:
                raise ClusterError(Code.SMART_MODULE_ERROR, "invalid SmartModule package")
            name = SmartModuleKey.of(package).store_id
        module = SmartModule(name=name, spec=spec)
        old = self.smartmodules.get(name)
        freed = 0 if old is None else Memory.charge(1, _size(old))
        self.memory.stored -= freed
        if not self.memory.store(1, _size(module)):
            self.memory.stored += freed
            why = "the memory of this simulator is full"
            raise ClusterError(Code.SMART_MODULE_ERROR, why, name)
        try:
            self._keep(entries.KeptModule(module=module), Code.SMART_MODULE_ERROR, freed)
        except ClusterError:
            self.memory.stored += freed - Memory.charge(1, _size(module))
            raise
        self.smartmodules[name] = module
        self._tell([module])
        return module

    def delete_smartmodule(self, key: SmartModuleKey) -> bool:
        """Delete the SmartModule that is stored under the name of a key; return whether it was.

        Raises:
            ClusterError: the deletion cannot be kept.
        """
        module = self.smartmodules.get(key.store_id)
        if module is None:
            return False
        freed = Memory.charge(1, _size(module))
        kept = entries.KeptModuleDeletion(name=module.name)
        self._keep(kept, Code.SMART_MODULE_ERROR, freed)
        del self.smartmodules[module.name]
        self.memory.stored -= freed
        self._tell([module], gone=True)
        return True

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

    def leader_elected(self, partition: Partition) -> None:
        """Say that a partition has another leader, which is online and serves it at once."""
        partition.served = True
        self._tell([partition])

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
            self.epochs[type(things[0])] += 1
            self.latest_news.clear()
            for subscriber in tuple(self._subscribers):
                subscriber(things, gone)

    def _tell_in_parts(self, partitions: list[Partition]) -> None:
        """Tell of each partition by itself, or of as few at a time as ``NEWS_FRAMES_MAX`` lets."""
        size = -(-len(partitions) // NEWS_FRAMES_MAX)
        for first in range(0, len(partitions), size or 1):
            self._tell([*partitions[first : first + size]])

    def _resolve(self, topic: Topic, resolution: TopicResolution) -> None:
        topic.resolution = resolution
        self._tell([topic])

    def _tell_new(self, topic: Topic, first: int) -> None:
        """Tell of the partitions of a topic from ``first`` on, before and after their leaders
        report them."""
        new = topic.partitions[first:]
        self._tell([*new])
        self._tell([topic])
        for partition in new:
            partition.reported = True
        self._tell([*new])

    def _keep(self, entry: entries.Entry, code: Code, frees: int = 0) -> None:
        """Write a change to the store, if there is one, before it is made."""
        if self.store is not None and not self.store.write(entry, frees):
            raise ClusterError(code, NOT_WRITTEN)

    # --- where partitions go

    def _append_partitions(self, topic: Topic, first: int) -> None:
        """Make the partitions of a topic that its spec has from ``first`` on."""
        spec, storage = topic.spec, topic.spec.storage
        segment = (storage and storage.segment_size) or SEGMENT_BYTES_DEFAULT
        limit = None if storage is None else storage.max_partition_size
        for index, replicas in enumerate(placed(spec, len(self.spus), SPU_ID_FIRST)):
            if index >= first:
                log = PartitionLog(self.memory, spec.compression, segment, limit, self.retain_bytes)
                if self.store is not None:
                    log.keep = KeptLog(self.store, topic.name, index)
                served = self.spus[replicas[0]].online
                topic.partitions.append(Partition(topic, index, replicas, log, served))

    def _check_count(self, count: int) -> None:
        if count + sum([len(topic.partitions) for topic in self.topics.values()]) > PARTITIONS_MAX:
            raise ClusterError(
                Code.TOPIC_ERROR, f"more than {PARTITIONS_MAX} partitions in this simulator"
            )


def _size(module: SmartModule) -> int:
    """The bytes of a SmartModule."""
    return len(encode(module, WATCH.max_version))


def topic_of(
    partitions: int,
    *,
    replicas: int = 1,
    compression: TopicCompression = TopicCompression.ANY,
) -> TopicSpec:
    """The spec of a topic whose partitions are spread over the SPUs."""
    return TopicSpec(
        replicas=Computed(partitions=partitions, replication_factor=replicas),
        compression=compression,
    )
