"""Defects of the simulator: the producer is up against an SPU that breaks its own word."""

from chaos.mutants.mutant import AT_LEAST_ONCE, AT_MOST_ONCE, Mutant


class LosesTheLastBatchOnAMove(Mutant):
    """A new leader lacks the last batch that the old one had acknowledged.

    It takes over before it has caught up.
    """

    where = "simulator.cluster.cluster:Cluster.move_leader"
    before = "partition.replicas = [to, *(replica for replica in others if replica != to)]"
    after = """
        partition.replicas = [to, *(replica for replica in others if replica != to)]
        del partition.log.bodies[-1:], partition.log.base_offsets[-1:]
    """
    caught_by = ("acked-is-stored",)


class StoresPartOfABatch(Mutant):
    """A new leader has the last batch up to its last byte, which is missing.

    The log is copied while it is written, and the end of the copy is never checked.
    """

    where = "simulator.cluster.cluster:Cluster.move_leader"
    before = "was = partition.replicas"
    after = """
        was = partition.replicas
        for last in partition.log.bodies[-1:]:
            partition.log.bodies[-1] = last[:-1]
    """
    caught_by = ("no-phantom", "acked-is-stored")


class LosesTheLogOnRestart(Mutant):
    """An SPU that comes back begins with an empty log.

    Records were acknowledged from memory, and the file was never written.
    """

    where = "simulator.cluster.cluster:Cluster.set_online"
    before = "partition.log.restarted()"
    after = """
        partition.log.bodies.clear()
        del partition.log.base_offsets[:]
        partition.log._copies.__init__(partition.log.bodies)
    """
    caught_by = ("acked-is-stored",)
    examples = 1_000


class OffByOneAfterRestart(Mutant):
    """An SPU that comes back writes its next batch one offset too low.

    The end of the log is taken for the offset of its last record.
    """

    where = "simulator.cluster.log:PartitionLog.restarted"
    before = "self._short_circuited = False"
    after = """
        self._short_circuited = False
        self.end_offset = max(0, self.end_offset - 1)
    """
    caught_by = ("no-phantom", "offset-is-true")
    examples = 1_000


class OffByOneBaseOffset(Mutant):
    """The leader that took over answers with the offset behind the first record.

    One of two places where offsets are counted starts from one.
    """

    where = "simulator.handlers.produce:_produce"
    before = "return PartitionResult(partition_index=index, base_offset=outcome.base_offset)"
    after = """
        moved = partition.leader != index % len(context.cluster.spus)
        return PartitionResult(partition_index=index, base_offset=outcome.base_offset + moved)
    """
    caught_by = ("offset-is-true",)
    records = 0


class AnswersOkWithoutAppending(Mutant):
    """An SPU that does not lead a partition answers ok and stores nothing.

    The leader's job is skipped, and the answer is made all the same.
    """

    where = "simulator.handlers.produce:_produce"
    before = (
        "return PartitionResult(partition_index=index, error_code=Code.NOT_LEADER_FOR_PARTITION)"
    )
    after = "return PartitionResult(partition_index=index)"
    caught_by = ("acked-is-stored",)


class AppendsTwice(Mutant):
    """A request that was late is applied twice.

    What waits is put into a queue, and whoever empties it does not know that it was applied.
    """

    where = "simulator.serving.exchange:Exchanges.due"
    before = "return (first, *copies)"
    after = """
        again = [Application(request, first.code)] if verdict.delay_s else []
        return (first, *again, *copies)
    """
    caught_by = ("unprovoked-duplicate", "no-duplicates")


class AppliesOutOfOrder(Mutant):
    """A request overtakes one of its connection that is late.

    Each is started by itself once it is due.
    """

    where = "simulator.serving.delay_line:DelayLine.put"
    before = "if not delay_s and not self._busy:"
    after = "if not delay_s:"
    semantics = (AT_MOST_ONCE,)
    caught_by = ("order",)
    records = 2
    examples = 5_000


class RefusesAndStores(Mutant):
    """A request that is refused with a code is stored all the same.

    The append is under way already when the check fails.
    """

    where = "simulator.serving.applying:partly_refused"
    before = "response = served_api.handle(remaining, context)"
    after = "response = served_api.handle(request, context)"
    caught_by = ("not-persisted-is-absent", "unprovoked-duplicate")


class AnswersForTheWrongPartition(Mutant):
    """A refusal names the partition behind the one that it is about.

    Partitions are counted from one by whoever writes the refusal.
    """

    where = "simulator.handlers.codes:CodeInEntry.refused"
    before = "self.entry(partition_index=p.partition_index, error_code=code)"
    after = "self.entry(partition_index=p.partition_index + 1, error_code=code)"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy",)


class AnswersUnderAnotherId(Mutant):
    """A late answer carries the correlation id of the next request.

    It is read from the connection when the answer is written, and not kept with the request.
    """

    where = "simulator.serving.exchange:Exchanges.answered"
    before = "frame = self._wire.response(request.frame.header, response)"
    after = """
        import dataclasses
        header = request.frame.header
        late = verdict is not None and verdict.delay_s > 0
        header = dataclasses.replace(header, correlation_id=header.correlation_id + late)
        frame = self._wire.response(header, response)
    """
    caught_by = ("unprovoked-duplicate", "bounded", "offset-is-true")
    examples = 1_000


class DropsACopyWithAnOffset(Mutant):
    """A batch that is there already is not stored again, and answered with the next offset.

    Copies are told apart by their bytes; which offset the first one has is not looked up.
    """

    where = "simulator.cluster.log:PartitionLog.append"
    before = "refusal = self._refusal(records)"
    after = """
        refusal = self._refusal(records)
        if self.bodies and self.bodies[-1] == records.bodies[-1]:
            return Appended(self.end_offset, 0)
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("offset-is-true",)
