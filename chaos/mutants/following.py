"""Defects of the producer in following the cluster: topics, servers, SPUs that do not serve yet."""

from chaos.mutants.mutant import AT_LEAST_ONCE, Mutant


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


class GivesUpAtALeaderThatIsNone(Mutant):
    """An SPU that says it does not lead the partition ends the delivery.

    The leader was just looked up, so that the SC must be wrong.
    """

    where = "producer.delivery.delivery:AtLeastOnce._answered"
    before = "for entry, error in tuple(refused.items()):"
    after = """
        for entry, error in tuple(refused.items()):
            error.retriable = error.retriable and error.name != "NotLeaderForPartition"
    """
    semantics = (AT_LEAST_ONCE,)
    regimes = ("restarts",)
    caught_by = ("no-loss", "retry-policy")


class WaitsForTheNewsOfAPartition(Mutant):
    """An attempt for a partition that is offline by the news fails without a request.

    The SPU that leads it is down, as its own news say, so that a request would be in vain.
    """

    where = "producer.net.metadata:Metadata.leader"
    before = "if found is None:"
    after = "if found is None or found.status.resolution is not PartitionResolution.ONLINE:"
    semantics = (AT_LEAST_ONCE,)
    regimes = ("restarts",)
    caught_by = ("no-loss", "retry-policy")
    faults = 2


class TakesAnSpuThatIsBackForServing(Mutant):
    """Records without a key go to the partitions whose SPU is online.

    An SPU that is online is taken for one that serves what it leads.
    """

    where = "producer.net.metadata:Metadata.available"
    before = "return online or list(range(count))"
    after = """
        up = {spu.spec.id for spu in self.spus.values() if not spu.status.resolution}
        led = [self.partitions.get(f"{topic}-{index}") for index in range(count)]
        online = [index for index, each in enumerate(led) if each and each.spec.leader in up]
        return online or list(range(count))
    """
    regimes = ("restarts",)
    caught_by = ("as-configured",)
    faults = 2


class ForgetsThePartitionsOfAnSpuThatIsTold(Mutant):
    """What is known of a partition is forgotten when news of its SPU arrive.

    News of an SPU are followed by those of its partitions, which are taken in anew.
    """

    where = "producer.net.metadata:Metadata.apply"
    before = "if len(self.spus) >= SPUS_MAX:"
    after = """
        told = {c.content.spec.id for c in spus.changes}
        for name in [n for n, p in self.partitions.items() if p.spec.leader in told]:
            del self.partitions[name]
        if len(self.spus) >= SPUS_MAX:
    """
    regimes = ("restarts",)
    caught_by = ("no-loss", "retry-policy", "unprovoked-loss", "as-configured")
    faults = 2
