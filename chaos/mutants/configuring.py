"""Defects of the producer in how it follows its options; they need no fault to show."""

from chaos.mutants.mutant import AT_LEAST_ONCE, Mutant

CAUGHT_BY = ("as-configured",)


class IgnoresTheIsolation(Mutant):
    """Every request asks for an answer after the append.

    The value of the first version of the client is still in the code.
    """

    where = "producer.request:Request._body_of"
    before = "acks=self._config.isolation.value,"
    after = "acks=1,"
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    faults = 0


class SendsTheTimeoutInSeconds(Mutant):
    """The timeout of a request is in whole seconds, and the SPU takes it for milliseconds.

    The option is in seconds, and the field on the wire has no unit.
    """

    where = "producer.request:Request._body_of"
    before = "timeout_ms=round(min(self._config.timeout, share) * 1_000_000_000) // 1_000_000,"
    after = "timeout_ms=round(min(self._config.timeout, share) * 1_000) // 1_000,"
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    faults = 0


class SendsTheWholeTimeout(Mutant):
    """The timeout of a request does not depend on the wait of an attempt.

    Each entry waits for its commit in turn, and the answer comes when the attempt is over.
    """

    where = "producer.request:Request._body_of"
    before = "share = COMMIT_SHARE * self._shared.attempt_timeout_s / len(batches)"
    after = "share = self._config.timeout"
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    faults = 0


class IgnoresTheCompression(Mutant):
    """Batches are never compressed.

    The codec is read from the options, and not handed on.
    """

    where = "producer.delivery.accumulator:Accumulator.close_batch"
    before = "codec=self._limits.codec,"
    after = "codec=Codec.NONE,"
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    faults = 0


class ForgetsTheHeaderOfABatch(Mutant):
    """``batch_size`` limits the records of a batch, and its header comes on top.

    The sum of the records is at hand, and the header is written later.
    """

    where = "producer.delivery.accumulator:Limits.__init__"
    before = "self.records = min(max(batch_size - EMPTY_BATCH_BYTES, 0), largest)"
    after = "self.records = min(batch_size, largest)"
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    records = 2
    faults = 0
    examples = 1_000


class FillsARequestBeyondItsLimit(Mutant):
    """A batch takes no room in a request but that of the fields before it.

    The size of an entry is a constant, and the batch in it is forgotten.
    """

    where = "producer.delivery.accumulator:Accumulator.take"
    before = "left -= len(batch.data) + ENTRY_BYTES"
    after = "left -= ENTRY_BYTES"
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    records = 2
    faults = 0
    examples = 2_000


class CountsTheWrongQueue(Mutant):
    """``send`` does not wait for room in the queue.

    The limit is compared with the records of the open batch, which has just been closed.
    """

    where = "producer.delivery.accumulator:Accumulator._append_to_new"
    before = "if len(self._queue) >= limits.queue:"
    after = "if len(self._batch.records) >= limits.queue:"
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    records = 3
    faults = 0
    examples = 1_000


class LingersTwice(Mutant):
    """A batch that is not full waits for twice the linger.

    The linger is in the time of the batch already, and is added again to the time of the sleep.
    """

    where = "producer.sender:PartitionSender._ready"
    before = "with trio.move_on_at(due):"
    after = "with trio.move_on_at(due + self._config.linger):"
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    faults = 0


class FlushesAfterTheLinger(Mutant):
    """A flush waits until the linger of the open batch is over.

    It waits for the last batch by its number, and does not close the batch, which closes by itself.
    """

    where = "producer.sender:PartitionSender.flush_soon"
    before = "self.accumulator.close_batch()"
    after = "pass"
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    faults = 0


class LingersAlthoughFull(Mutant):
    """A full batch waits for the linger of the batch behind it.

    The linger is the time for which the task of the partition sleeps, whatever wakes it.
    """

    where = "producer.sender:PartitionSender._ready"
    before = "if accumulator.has_full:"
    after = "if accumulator.has_full and (due <= now or since is None or self._closing):"
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    records = 2
    faults = 0


class StampsWhenItCloses(Mutant):
    """Records have the time at which their batch was closed.

    The clock is read once for each batch and not once for each record.
    """

    where = "producer.delivery.accumulator:Accumulator.close_batch"
    before = "batch.closed_at = self._clock()"
    after = """
        batch.closed_at = self._clock()
        batch.first_ms = self._now_ns() // _MS
    """
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    faults = 0


class StampsByTheWrongClock(Mutant):
    """Records have the time since the program started.

    The clock that measures waiting is used, and not the time of day.
    """

    where = "producer.delivery.accumulator:Accumulator.__init__"
    before = "self._now_ns = now_ns"
    after = "self._now_ns = lambda: int(clock() * 1e9)"
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    faults = 0


class LargestTimestampOfTheFirst(Mutant):
    """The largest timestamp of a batch is that of its first record.

    The header is prepared when the batch is opened.
    """

    where = "producer.delivery.accumulator:Accumulator.close_batch"
    before = "max_timestamp_ms=batch.first_ms + _timestamp_delta(batch.records[-1]),"
    after = "max_timestamp_ms=batch.first_ms,"
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    records = 2
    faults = 0


class OffsetDeltasOfZero(Mutant):
    """Every record with a key has the offset delta 0.

    The SPU counts records by the header of the batch, so that nothing seems to be wrong.
    """

    where = "producer.delivery.accumulator:Accumulator.append"
    before = "record = encode_record(key, value, index, self._now_ms - batch.first_ms)"
    after = "record = encode_record(key, value, 0, self._now_ms - batch.first_ms)"
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    records = 2
    faults = 0


class SpeaksANewerVersion(Mutant):
    """Requests have a version that the server does not offer.

    The first version that the client does not know is taken for the last one that it knows.
    """

    where = "wire.connection:ClientConnection.version_of"
    before = "return self._offer.versions.get(api.name) or self._offer.version_of(api)"
    after = "return api.max_version + 1"
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    records = 0
    faults = 0


class TakesNoTurns(Mutant):
    """Records without a key all go to the first partition that is online.

    The cycle is made anew for each record, and begins with the same partition.
    """

    where = "producer.producer:TopicProducer._refresh"
    before = "self._next = itertools.cycle([self._senders[i] for i in self._available]).__next__"
    after = "self._next = itertools.repeat(self._senders[self._available[0]]).__next__"
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    records = 2
    faults = 0


class TakesOfflinePartitions(Mutant):
    """Records without a key also go to partitions that have no leader.

    Whether a partition is online is not looked at.
    """

    where = "producer.net.metadata:Metadata.available"
    before = """
        if (found := self.partitions.get(f"{topic}-{index}")) is not None
        and found.status.resolution is PartitionResolution.ONLINE
    """
    after = """
        if self.partitions.get(f"{topic}-{index}") is not None
    """
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    records = 2
    examples = 2_000


class AsksBeforeEveryRequest(Mutant):
    """The topic is looked up before every attempt.

    The metadata is then never out of date.
    """

    where = "producer.request:Request._attempt"
    before = "sent = await self._submit(attempt)"
    after = """
        from producer.net.watching import look_up
        await look_up(self._shared.metadata, self._shared.topic, 1.0)
        sent = await self._submit(attempt)
    """
    regimes = ("basics",)
    caught_by = CAUGHT_BY
    records = 4
    faults = 0
    examples = 1_000


class KeepsTheLeaderOfARequest(Mutant):
    """All attempts of a request go to the SPU of the first one.

    The leader is looked up when the request is made, and not for each attempt.
    """

    where = "producer.request:Request._submit"
    before = "connection = await shared.pool.connection(endpoint, shared.attempt_timeout_s)"
    after = """
        endpoint = self.__dict__.setdefault("endpoint", endpoint)
        connection = await shared.pool.connection(endpoint, shared.attempt_timeout_s)
    """
    semantics = (AT_LEAST_ONCE,)
    regimes = ("basics",)
    caught_by = CAUGHT_BY
