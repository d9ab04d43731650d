"""Creates the events of topics."""

from simulator.cluster.cluster import Thing, Topic
from simulator.events import PartitionsAdded, TopicCreated, TopicDeleted
from simulator.journal import Journal
from wire.api.topic import TopicResolution

_UNDECIDED = (TopicResolution.INIT, TopicResolution.PENDING)


class TopicEvents:
    """A subscriber of the cluster that records which topics and partitions come and go.

    Args:
        journal: the journal that receives the events.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._partitions: dict[str, int] = {}
        """By topic, how many partitions are recorded."""

    def __call__(self, things: list[Thing], gone: bool) -> None:
        """Record a change."""
        for topic in things:
            # Until the SC has found SPUs for a topic, or none, there is nothing to tell.
            if isinstance(topic, Topic) and topic.resolution not in _UNDECIDED:
                if gone:
                    del self._partitions[topic.name]
                    self._journal.record(TopicDeleted(topic=topic.name))
                else:
                    self._record(topic)

    def _record(self, topic: Topic) -> None:
        known = self._partitions.get(topic.name)
        leaders = tuple(partition.leader for partition in topic.partitions)
        self._partitions[topic.name] = len(leaders)
        if known is None:
            self._journal.record(TopicCreated(topic=topic.name, leaders=leaders))
        elif known < len(leaders):
            new = leaders[known:]
            self._journal.record(PartitionsAdded(topic=topic.name, first=known, leaders=new))
