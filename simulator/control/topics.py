"""The topics of a running simulator, and their changes."""

from collections.abc import Iterator
from contextlib import contextmanager

from simulator.cluster.cluster import Cluster, ClusterError, topic_of
from simulator.config import Config
from simulator.events import LeaderMoved
from simulator.journal import Journal
from simulator.options import SimulatorError


class TopicControl:
    """The operations on topics and partitions; ``Simulator`` has them."""

    config: Config
    cluster: Cluster
    _journal: Journal

    def create_topic(self, topic: str, partitions: int = 1) -> None:
        """Create a topic.

        Raises:
            SimulatorError: there is one of that name, the name or the number is not possible, or
                the data directory cannot be written.
        """
        with _refusing(topic):
            self.cluster.create_topic(topic, topic_of(partitions, replicas=self.config.replicas))

    def delete_topic(self, topic: str) -> None:
        """Delete a topic with its logs.

        Raises:
            SimulatorError: there is none of that name, it is a system topic, or the data directory
                cannot be written.
        """
        with _refusing(topic):
            self.cluster.delete_topic(topic)

    def add_partitions(self, topic: str, count: int = 1) -> None:
        """Add partitions to a topic.

        Raises:
            SimulatorError: there is no such topic, it is a system topic, there would be too many
                partitions, or the data directory cannot be written.
        """
        with _refusing(topic):
            self.cluster.add_partitions(topic, count)

    def move_leader(self, topic: str, partition: int, to: int) -> None:
        """Make SPU ``to`` the leader of a partition, with the whole log.

        Raises:
            SimulatorError: there is no such partition or SPU.
        """
        with _refusing(topic):
            self.cluster.move_leader(topic, partition, to)
        self._journal.record(LeaderMoved(topic=topic, partition=partition, spu=to))


@contextmanager
def _refusing(topic: str) -> Iterator[None]:
    """Turn the refusal of a cluster into an error for its caller."""
    try:
        yield
    except ClusterError as error:
        why = error.text or "it is a system topic, which belongs to the cluster"
        raise SimulatorError(f"topic {topic}: {why}") from error
