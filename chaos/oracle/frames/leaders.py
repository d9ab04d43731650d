"""Which SPU leads each partition of the topic, and whether it serves it, from event to event.

An SPU that stops serves nothing, and one that starts listens before it serves: it serves each
partition from an event of its own on. A partition that moves is served at once if its new leader
runs.
"""

from collections.abc import Collection

from simulator.events import (
    Event,
    LeaderElected,
    LeaderMoved,
    PartitionsAdded,
    PartitionServed,
    SpuStarted,
    SpuStopped,
    TopicCreated,
    TopicDeleted,
)

LEADER_EVENTS: tuple[type[Event], ...] = (
    TopicCreated,
    TopicDeleted,
    PartitionsAdded,
    LeaderMoved,
    LeaderElected,
    SpuStopped,
    SpuStarted,
    PartitionServed,
)
"""The events that ``Leaders`` reads."""


class Leaders:
    """The leaders after the events so far.

    Args:
        topic: the name of the topic.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self.assigned: dict[int, int] = {}
        """By partition, the SPU that leads it, whether or not it serves it."""
        self._stopped: set[int] = set()
        self._unserved: set[int] = set()

    @property
    def serving(self) -> dict[int, int]:
        """By partition, the SPU that leads and serves it, for those that are served."""
        return {p: spu for p, spu in self.assigned.items() if p not in self._unserved}

    def serving_of(self, partition: int) -> int | None:
        """Return the SPU that leads and serves a partition; None if no SPU does."""
        return None if partition in self._unserved else self.assigned.get(partition)

    def follow(self, happened: Event) -> Collection[int]:
        """Take the next event in; return the partitions that it concerns."""
        match happened:
            case TopicCreated(topic=self._topic, leaders=leaders):
                return self._assign(dict(enumerate(leaders)))
            case PartitionsAdded(topic=self._topic, first=first, leaders=leaders):
                return self._assign(dict(enumerate(leaders, first)))
            case (
                LeaderMoved(topic=self._topic, partition=partition, spu=spu)
                | LeaderElected(topic=self._topic, partition=partition, spu=spu)
            ):
                return self._assign({partition: spu})
            case TopicDeleted(topic=self._topic):
                gone = [*self.assigned]
                self.assigned.clear()
                self._unserved.clear()
                return gone
            case SpuStopped(spu=spu):
                self._stopped.add(spu)
                led = [p for p, leader in self.assigned.items() if leader == spu]
                self._unserved.update(led)
                return led
            case SpuStarted(spu=spu):
                self._stopped.discard(spu)
            case PartitionServed(topic=self._topic, partition=partition):
                self._unserved.discard(partition)
                return (partition,)
        return ()

    def _assign(self, leaders: dict[int, int]) -> Collection[int]:
        self.assigned.update(leaders)
        self._unserved.difference_update(leaders)
        if self._stopped:
            self._unserved.update(p for p, spu in leaders.items() if spu in self._stopped)
        return leaders
