"""Defects of the simulator: an SPU that breaks its own promises to the producer."""

from chaos.mutants.mutant import AT_LEAST_ONCE, AT_MOST_ONCE, Mutant


class LosesTheLastBatchOnAMove(Mutant):
    """A new leader lacks the last batch that the old leader acknowledged.

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
    """The last batch in the log of a new leader lacks its last byte.

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
    """A restarted SPU has an empty log.

    Records are acknowledged from memory, and the file is never written.
    """

    where = "simulator.cluster.cluster:Cluster.serve"
    before = "partition.log.restarted()"
    after = """
        partition.log.bodies.clear()
        del partition.log.base_offsets[:]
        partition.log._copies.__init__(partition.log.bodies)
    """
    regimes = ("restarts",)
    caught_by = ("acked-is-stored",)


class OffByOneAfterRestart(Mutant):
    """A restarted SPU appends its next batch one offset too low.

    The end offset of the log is mistaken for the offset of the last record.
    """

    where = "simulator.cluster.log:PartitionLog.restarted"
    before = "self._short_circuited = False"
    after = """
        self._short_circuited = False
        self.end_offset = max(0, self.end_offset - 1)
    """
    regimes = ("restarts",)
    caught_by = ("no-phantom", "offset-is-true")


class OffByOneBaseOffset(Mutant):
    """A new leader answers with an offset that is too high by one.

    One of the two places that count offsets starts from one.
    """

    where = "simulator.handlers.produce:_produce"
    before = "result = PartitionResult(partition_index=index, base_offset=outcome.base_offset)"
    after = """
        moved = partition.leader != index % len(context.cluster.spus)
        result = PartitionResult(partition_index=index, base_offset=outcome.base_offset + moved)
    """
    caught_by = ("offset-is-true",)
    records = 0


class AnswersOkWithoutAppending(Mutant):
    """An SPU that does not lead a partition answers ok and stores nothing.

    The append is skipped, and the answer is built all the same.
    """

    where = "simulator.handlers.produce:_produce"
    before = "return _refused(index, Code.NOT_LEADER_FOR_PARTITION)"
    after = "return PartitionResult(partition_index=index), None"
    caught_by = ("acked-is-stored",)


class AppendsTwice(Mutant):
    """A delayed request is applied twice.

    The request also stays in a queue, whose consumer does not know that it was applied.
    """

    where = "simulator.serving.exchange:Exchanges.due"
    before = "return (first, *copies)"
    after = """
        again = [Application(request, first.code)] if verdict.delay_s else []
        return (first, *again, *copies)
    """
    caught_by = ("unprovoked-duplicate", "no-duplicates")


class AppliesOutOfOrder(Mutant):
    """A request overtakes a delayed request on its connection.

    Each request is applied by a task of its own once it is due.
    """

    where = "simulator.serving.delay_line:DelayLine.put"
    before = "if not delay_s and not self._busy:"
    after = "if not delay_s:"
    semantics = (AT_MOST_ONCE,)
    caught_by = ("order",)
    records = 2
    examples = 5_000


class RefusesAndStores(Mutant):
    """A request that is refused with an error code is stored all the same.

    The append has already started when the check fails.
    """

    where = "simulator.serving.applying:partly_refused"
    before = "response = served_api.handle(remaining, _at_places(context, kept))"
    after = "response = served_api.handle(request, context)"
    caught_by = ("not-persisted-is-absent", "unprovoked-duplicate")


class AnswersForTheWrongPartition(Mutant):
    """An error answer names the partition after the refused one.

    The code that writes the answer counts partitions from one.
    """

    where = "simulator.handlers.codes:CodeInEntry.refused"
    before = "self.entry(partition_index=p.partition_index, error_code=code)"
    after = "self.entry(partition_index=p.partition_index + 1, error_code=code)"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy",)


class AnswersUnderAnotherId(Mutant):
    """A late answer carries the correlation id of the next request.

    The id is read from the connection when the answer is written, and not kept with the request.
    """

    where = "simulator.serving.applying:AppliedExchanges.answered"
    before = "frame = self._wire.response(header, response)"
    after = """
        late = verdict is not None and verdict.delay_s > 0
        header = replace(header, correlation_id=header.correlation_id + late)
        frame = self._wire.response(header, response)
    """
    caught_by = ("unprovoked-duplicate", "bounded", "offset-is-true")
    examples = 1_000


class DropsACopyWithAnOffset(Mutant):
    """A duplicate batch is not stored again, but answered with the next offset.

    Duplicates are recognised by their bytes, and the offset of the first copy is not looked up.
    """

    where = "simulator.cluster.log:PartitionLog.append"
    before = "refusal = self._refusal(records)"
    after = """
        refusal = self._refusal(records)
        if self.bodies and self.bodies[-1] == records.bodies[-1]:
            return AppendedRecords(self.end_offset, 0)
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("offset-is-true",)


class AnswersBeforeTheCommit(Mutant):
    """Read-committed is answered as soon as the records are appended.

    The commit is taken to happen with the append, as it does with a single replica.
    """

    where = "simulator.handlers.produce:_until_committed"
    before = "committed_at = context.now + context.cluster.commit_delay_s"
    after = "committed_at = context.now"
    caught_by = ("acked-is-stored",)
    records = 0
    faults = 0


class ForgetsTheHighWatermark(Mutant):
    """An SPU that restarts begins with a high watermark of 0.

    The log is read again from the disk, and the high watermark is not stored there.
    """

    where = "simulator.cluster.cluster:Cluster.set_online"
    before = "spu.online = online"
    after = """
        spu.online = online
        for partition in self.partitions():
            if online and partition.leader == spu.index:
                partition.log._committed = 0
                partition.log._commits.clear()
    """
    semantics = (AT_LEAST_ONCE,)
    regimes = ("commits",)
    caught_by = ("acked-is-stored",)
    records = 2


class EvictsTheNewestBatches(Mutant):
    """A log that is too long loses its newest batches.

    The segments are listed from the newest to the oldest, and the first ones are removed.
    """

    where = "simulator.cluster.log:PartitionLog._remove_first"
    before = "del self.bodies[:count], self.base_offsets[:count]"
    after = "del self.bodies[-count:], self.base_offsets[-count:]"
    regimes = ("retention",)
    caught_by = ("acked-is-stored", "unprovoked-duplicate")
    faults = 0


class CountsOffsetsFromWhatIsLeft(Mutant):
    """The offset of the next record is the number of records that the log still holds.

    That is right until the first batch is evicted.
    """

    where = "simulator.cluster.log:PartitionLog._remove_first"
    before = "self.start_offset = self.base_offsets[0] if self.bodies else self.end_offset"
    after = """
        before = self.start_offset
        self.start_offset = self.base_offsets[0] if self.bodies else self.end_offset
        self.end_offset -= self.start_offset - before
    """
    regimes = ("retention",)
    caught_by = ("no-phantom", "acked-is-stored", "order")
    records = 2
    faults = 0
