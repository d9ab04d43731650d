"""Defects of the producer in following the cluster: topics that change, servers that move."""

from chaos.mutants.mutant import Mutant


class SendsToPartitionsThatAreGone(Mutant):
    """Keys are spread over the partitions that there ever were.

    The number of senders is taken for the number of partitions, and senders are never removed.
    """

    where = "producer.producer:TopicProducer._refresh"
    before = "self._count = count"
    after = "self._count = len(self._senders)"
    regimes = ("topics",)
    caught_by = ("no-loss", "unprovoked-loss", "alive-after-heal", "no-phantom")
    records = 0
    faults = 2


class ForgetsATopicThatWasDeleted(Mutant):
    """A topic that was deleted is not looked up when it is created again.

    What the SC says of a topic that is gone is of no use any more.
    """

    where = "producer.producer:TopicProducer._refresh"
    before = "return  # it was deleted; what is sent to it fails, as its attempts do"
    after = "return metadata.unwant(self.topic)"
    regimes = ("topics",)
    caught_by = ("no-loss", "unprovoked-loss", "alive-after-heal")
    records = 0
    faults = 2


class KeepsTheFirstAddress(Mutant):
    """An SPU is dialled where it was first.

    The SPU is known by its id, and its address is stored with the first connection.
    """

    where = "producer.net.pool:Pool.connection"
    before = "if spu.endpoint != endpoint:"
    after = "if False:"
    regimes = ("servers",)
    caught_by = ("no-loss", "unprovoked-loss", "alive-after-heal")
    records = 1
