"""Defects of the producer in what it sends, to whom, and when it thinks that it is done."""

from chaos.mutants.mutant import AT_LEAST_ONCE, Mutant


class RetriesOnTheDeadConnection(Mutant):
    """Every request goes out on the connection that was there first, dead or not.

    It is looked up in a dictionary, and nobody takes it out.
    """

    where = "producer.net.pool:Pool.connection"
    before = "if found is not None and found.usable:"
    after = "if found is not None:"
    caught_by = ("alive-after-heal", "no-loss", "unprovoked-loss")
    records = 2


class KeepsAnOverdueConnection(Mutant):
    """A connection whose answer is overdue stays in use.

    It is not closed, so it is thought to be alive.
    """

    where = "producer.request:Request._overdue"
    before = "connection.forget(call, overdue=True)"
    after = "connection.forget(call)"
    caught_by = ("no-loss", "retry-policy", "unprovoked-loss", "alive-after-heal")
    records = 2


class ResendsPartOfABatch(Mutant):
    """A retry leaves the last record of a batch out.

    The records are cut out of the batch again, up to the last one and not behind it.
    """

    where = "producer.request:Request._body_of"
    before = """
        entries = [
            PartitionRecords(partition_index=self._partition, records=batch.data)
    """
    after = """
        from chaos.mutants.rebatching import without_last
        part = without_last if self._machine.attempts > 1 else bytes
        entries = [
            PartitionRecords(partition_index=self._partition, records=part(batch.data))
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("acked-is-stored", "offset-is-true")
    records = 2


class DropsTheLastRecordOfAFullBatch(Mutant):
    """Once anything was retried, batches of several records lose their last one.

    They are cut short to leave room for a field that only retries carry.
    """

    where = "producer.sender:PartitionSender._begin"
    before = "shared, partition = self._shared, self.partition"
    after = """
        from chaos.mutants.rebatching import without_last
        shared, partition = self._shared, self.partition
        for batch in batches if shared.counters.retries else ():
            batch.data = without_last(batch.data)
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("offset-is-true", "acked-is-stored")
    records = 3


class DoesNotFollowTheLeader(Mutant):
    """News of a partition that is known already are not taken in.

    A partition is thought to be where it was created.
    """

    where = "producer.net.metadata:Metadata.apply"
    before = "news = [(c.kind, c.content) for c in partitions.changes]"
    after = """
        known = self.partitions
        news = [(c.kind, c.content) for c in partitions.changes if c.content.name not in known]
    """
    caught_by = ("alive-after-heal", "no-loss", "unprovoked-loss")
    records = 0


class NeverReturnsToTheSc(Mutant):
    """When the connection to the SC is lost, the client goes on with what it knew.

    What was known stays usable; that it grows old shows only when a leader moves.
    """

    where = "producer.net.metadata:watch"
    before = "connection = await _reconnect(connect)"
    after = "await trio.sleep_forever()"
    caught_by = ("alive-after-heal",)
    faults = 2


class TwoRequestsInFlight(Mutant):
    """The next request of a partition waits for the one before only as long as an attempt takes.

    A request in trouble shall not hold up the others, and while there is none order is kept.
    """

    where = "producer.sender:PartitionSender.run"
    before = """
        while await self._ready():
            await self._deliver(self.accumulator.take())
    """
    after = """
        async with trio.open_nursery() as self._answers:
            while await self._ready():
                batches = self.accumulator.take()
                self._answers.start_soon(self._deliver, batches)
                with trio.move_on_after(self._shared.attempt_timeout_s):
                    await self.dealt_with(batches[-1].number)
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("order", "flush-settles", "no-loss", "retry-policy", "bounded")
    records = 2


class FlushReturnsEarly(Mutant):
    """A flush waits for one attempt and not for the retries.

    It got the timeout of an attempt for a bound, so that it cannot hang.
    """

    where = "producer.sender:PartitionSender.dealt_with"
    before = "await self._moved.wait()"
    after = """
        with trio.move_on_after(self._config.attempt_timeout_s):
            await self._moved.wait()
            continue
        return
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("flush-settles",)


class FlushSkipsAPartition(Mutant):
    """A flush waits only for partitions that are online.

    It goes over those that records without a key are sent to.
    """

    where = "producer.producer:TopicProducer.flush"
    before = "await sender.dealt_with(through.get(sender.partition, 0))"
    after = """
        if sender.partition in self._available:
            await sender.dealt_with(through.get(sender.partition, 0))
    """
    caught_by = ("flush-settles",)


class LingerNeverFires(Mutant):
    """Once anything was retried, a batch that is not full waits for a flush.

    A cluster in trouble is spared small requests, and nobody takes that back.
    """

    where = "producer.sender:PartitionSender._ready"
    before = "due = math.inf if since is None else since + self._config.linger"
    after = """
        troubled = since is None or self._shared.counters.retries
        due = math.inf if troubled else since + self._config.linger
    """
    caught_by = ("alive-after-heal", "bounded", "no-loss", "unprovoked-loss")


class WrongPartitionForAKey(Mutant):
    """A key is hashed over the partitions that are online.

    A record to a partition that is down would only have to wait.
    """

    where = "producer.producer:TopicProducer._sender_of"
    before = "return self._senders[partition_of_key(key, len(self._senders))]"
    after = "return self._senders[self._available[partition_of_key(key, len(self._available))]]"
    caught_by = ("no-phantom",)
    examples = 1_000


class RefusesWhileThereIsTime(Mutant):
    """``send`` waits for room only as long as one attempt takes.

    Room is expected with every answer, and an answer within the time of an attempt.
    """

    where = "producer.producer:TopicProducer._send_when_there_is_room"
    before = "limit = QUEUE_TIMEOUT_S if policy is None else policy.timeout"
    after = "limit = self._shared.config.attempt_timeout_s"
    caught_by = ("no-loss", "unprovoked-loss")
    records = 3
    examples = 1_000


class CompressesTwice(Mutant):
    """A retry compresses what is compressed already.

    The batch is sealed again for each attempt, from its bytes and not from its records.
    """

    where = "producer.request:Request._submit"
    before = "body = self._body_of([self.batches[entry] for entry in attempt.entries])"
    after = """
        from chaos.mutants.rebatching import compressed
        body = self._body_of([self.batches[entry] for entry in attempt.entries])
        if attempt.number > 1:
            for part in body.topics[0].partitions:
                part.records = compressed(part.records)
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("no-phantom", "acked-is-stored")
