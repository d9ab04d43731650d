"""Defects of the producer in what it sends, to which SPU, and when it considers it done."""

from chaos.mutants.mutant import AT_LEAST_ONCE, AT_MOST_ONCE, Mutant


class RetriesOnTheDeadConnection(Mutant):
    """Every request goes out on the first connection to an SPU, even if it is dead.

    Connections are cached in a dictionary, and dead ones are not removed.
    """

    where = "producer.net.pool:_Spu.usable"
    before = "if found is None or not found.usable or self.reached != self.endpoint:"
    after = "if found is None:"
    caught_by = ("alive-after-heal", "no-loss", "unprovoked-loss")
    records = 2


class KeepsAnOverdueConnection(Mutant):
    """A connection whose answer is overdue stays in use.

    It is not closed, so it is considered alive.
    """

    where = "producer.request:Request._overdue"
    before = "connection.forget(call, overdue=True)"
    after = "connection.forget(call)"
    caught_by = ("no-loss", "retry-policy", "unprovoked-loss", "alive-after-heal")
    records = 2


class ResendsPartOfABatch(Mutant):
    """A retry leaves out the last record of a batch.

    The records are taken from the batch again, with an end index that is too low by one.
    """

    where = "producer.request:Request._body_of"
    before = """
        entries = [
            PartitionRecords(partition_index=self._partition, records=batch.data)
    """
    after = """
        from chaos.mutants.rebatching import without_last
        part = without_last if self._machine._attempts > 1 else bytes
        entries = [
            PartitionRecords(partition_index=self._partition, records=part(batch.data))
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("acked-is-stored", "offset-is-true")
    records = 2


class DropsTheLastRecordOfAFullBatch(Mutant):
    """After the first retry, batches of several records lose their last record.

    They are shortened to leave room for a field that only retries carry.
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
    """Metadata updates of known partitions are ignored.

    A partition is assumed to stay on the SPU on which it was created.
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
    """When the connection to the SC is lost, the client never reconnects to the SC.

    The old metadata stays usable until a leader moves.
    """

    where = "producer.net.watching:watch"
    before = "connection = await _reconnect(connect, seconds)"
    after = "await trio.sleep_forever()"
    caught_by = ("alive-after-heal",)
    faults = 2


class TwoRequestsInFlight(Mutant):
    """A request waits for the previous one of its partition only until the attempt timeout.

    A slow request should not delay the others; without faults, the order is kept all the same.
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

    It is limited by the attempt timeout, so that it cannot hang.
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

    It iterates over the partitions to which records without a key are sent.
    """

    where = "producer.producer:TopicProducer._dealt_with"
    before = "await sender.dealt_with(through.get(sender.partition, 0))"
    after = """
        if sender.partition in self._available:
            await sender.dealt_with(through.get(sender.partition, 0))
    """
    caught_by = ("flush-settles",)


class LingerNeverFires(Mutant):
    """After the first retry, a batch that is not full waits for a flush.

    The intent is to spare a failing cluster small requests, but the mode is never reset.
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

    The intent is to avoid the wait for a partition that is offline.
    """

    where = "producer.producer:TopicProducer._sender_of"
    before = "return self._senders[partition_of_key(key, self._count)]"
    after = "return self._senders[self._available[partition_of_key(key, len(self._available))]]"
    caught_by = ("no-phantom",)
    examples = 1_000


class RefusesWhileThereIsTime(Mutant):
    """``send`` waits for room in the queue only until the attempt timeout.

    Every answer makes room, and an answer is expected within the attempt timeout.
    """

    where = "producer.producer:TopicProducer._send_when_there_is_room"
    before = "limit = QUEUE_TIMEOUT_S if policy is None else policy.timeout"
    after = "limit = self._shared.config.attempt_timeout_s"
    caught_by = ("no-loss", "unprovoked-loss")
    records = 3
    examples = 1_000


class CompressesTwice(Mutant):
    """A retry compresses a payload that is already compressed.

    Each attempt seals the batch again, from its bytes and not from its records.
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


class OneBatchInARequest(Mutant):
    """Each batch has a request of its own, and waits for the answer to the one before.

    A request with one entry is easier to build and to read.
    """

    where = "producer.delivery.accumulator:Accumulator.take"
    before = "while self._queue and (not taken or len(self._queue[0].data) + ENTRY_BYTES <= left):"
    after = "while self._queue and not taken:"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("always",)
    records = 4
    faults = 0


class ForgetsThatALargeRequestBegan(Mutant):
    """A large request counts as begun only when all of it has left.

    It is written in pieces, and the code that cuts it up does not report when the first one leaves.
    """

    where = "producer.net.connection:PendingCall.begin"
    before = "if self._begun_hook is not None:"
    after = "if self._begun_hook is not None and len(self.frame) < 65_536:"
    semantics = (AT_MOST_ONCE,)
    regimes = ("bandwidth",)
    caught_by = ("no-duplicates",)


class DropsAnEmptyKey(Mutant):
    """A record with an empty key is sent without a key.

    The test for a key is its truth, which an empty key lacks too.
    """

    where = "producer.producer:TopicProducer.send"
    before = "key_data = key if key is None or key.__class__ is bytes else to_bytes(key)"
    after = "key_data = to_bytes(key) if key else None"
    semantics = (AT_LEAST_ONCE,)
    regimes = ("anything",)
    caught_by = ("no-phantom",)
    faults = 0
    examples = 1_000


class CutsLongValues(Mutant):
    """A value that does not fit into a batch with others ends after 64 KiB.

    The size of a batch was once the limit for a record.
    """

    where = "producer.delivery.accumulator:Accumulator._append_to_new"
    before = "record = encode_record(key, value, 0, 0)"
    after = "record = encode_record(key, value[:65_536], 0, 0)"
    semantics = (AT_LEAST_ONCE,)
    regimes = ("anything",)
    caught_by = ("no-phantom", "acked-is-stored")
    faults = 0
    examples = 1_000


class ReadsValuesAsText(Mutant):
    """A value is decoded as UTF-8, with replacements for other bytes, and encoded again.

    All values were text where the code comes from.
    """

    where = "producer.producer:TopicProducer.send"
    before = "data = value if value.__class__ is bytes else to_bytes(value)"
    after = "data = to_bytes(value).decode(errors='replace').encode()"
    semantics = (AT_LEAST_ONCE,)
    regimes = ("anything",)
    caught_by = ("no-phantom", "acked-is-stored")
    faults = 0
    examples = 1_000


class TakesWhatFits(Mutant):
    """A batch that does not fit into a request is passed by smaller ones behind it.

    Requests are packed as full as possible, which saves round trips, and the order is lost.
    """

    where = "producer.delivery.accumulator:Accumulator.take"
    before = "batch = self._queue.popleft()"
    after = """
        fits = [b for b in self._queue if not taken or len(b.data) + ENTRY_BYTES <= left]
        batch = max(fits, key=lambda each: (len(each.data), -each.number))
        self._queue.remove(batch)
    """
    semantics = (AT_LEAST_ONCE,)
    regimes = ("queues",)
    caught_by = ("order",)
    records = 2
    faults = 0


class DropsTheBatchBeforeALargeRecord(Mutant):
    """A record that is too large takes the open batch with it.

    The error leaves the accumulator as it is after an append that failed, without an open batch.
    """

    where = "producer.delivery.accumulator:Accumulator._too_large"
    before = "return RecordTooLargeError("
    after = """
        self._batch, self._room = self._none, _CLOSED
        return RecordTooLargeError(
    """
    semantics = (AT_LEAST_ONCE,)
    regimes = ("queues",)
    caught_by = ("no-loss", "bounded")
    records = 2
    faults = 0
