"""Defects in what consumers are delivered, theirs and those of an SPU that they read from."""

from chaos.mutants.mutant import AT_LEAST_ONCE, Mutant

CONSUMERS = ("consumers",)
CHECK = ("read-what-is-stored",)


class SkipsARecordBetweenResponses(Mutant):
    """A consumer goes on one record too far behind each response.

    The offset to read next is counted from the offset behind the last record.
    """

    where = "chaos.drivers.consumer:_Reader._take"
    before = "self._next = records[-1].offset + 1"
    after = "self._next = records[-1].offset + 2"
    semantics = (AT_LEAST_ONCE,)
    regimes = CONSUMERS
    caught_by = CHECK
    records = 3
    faults = 0


class BeginsAgainAfterAFailure(Mutant):
    """A consumer whose connection fails begins again where it began.

    Where to read on is part of what is set up anew for each connection.
    """

    where = "chaos.drivers.consumer:_Reader._run"
    before = "pass  # the next attempt begins with a look-up"
    after = "self._next = before = None"
    semantics = (AT_LEAST_ONCE,)
    regimes = CONSUMERS
    caught_by = CHECK


class IgnoresTheOffsetInsideABatch(Mutant):
    """A consumer delivers a batch from its first record on, wherever it asked to begin.

    An SPU sends whole batches, and the records before the offset are not left out.
    """

    where = "chaos.drivers.consumer:_Reader._records"
    before = "found += [record for record in records if record.offset >= self._next]"
    after = "found += records"
    semantics = (AT_LEAST_ONCE,)
    regimes = CONSUMERS
    caught_by = CHECK
    records = 2
    faults = 0


class ResumesAtTheStoredOffset(Mutant):
    """A consumer resumes at the offset that is stored for it, and not behind it.

    The stored offset is the one of the last record read, and is mistaken for the next one.
    """

    where = "chaos.drivers.consumer:_Reader._resume"
    before = "self._next = stored.offset + 1"
    after = "self._next = stored.offset"
    semantics = (AT_LEAST_ONCE,)
    regimes = CONSUMERS
    caught_by = CHECK
    faults = 0


class StoresTheNextOffset(Mutant):
    """A consumer stores the offset that it wants to read next, so that another one skips a record.

    The stored offset is the one of the last record read, and is mistaken for the next one.
    """

    where = "chaos.drivers.consumer:_Reader._take"
    before = "last = records[-1].offset"
    after = "last = self._next"
    semantics = (AT_LEAST_ONCE,)
    regimes = CONSUMERS
    caught_by = CHECK
    faults = 0


class EndsOneRecordEarly(Mutant):
    """A consumer ends before the last record that it was to read.

    The offset behind the last record is mistaken for its offset.
    """

    where = "chaos.drivers.consumer:_Reader._end"
    before = "if self._goal is not None and self._next is not None and self._next >= self._goal:"
    after = "if self._goal is not None and self._next is not None and self._next >= self._goal - 1:"
    semantics = (AT_LEAST_ONCE,)
    regimes = CONSUMERS
    caught_by = CHECK
    records = 0
    faults = 0


class EndsWhereItResumes(Mutant):
    """A consumer that resumes behind a stored offset has nothing to read, and says that it read
    all.

    Where it begins and where it ends are set in one place, and the stored offset is taken for both.
    """

    where = "chaos.drivers.consumer:_Reader._find"
    before = "self._goal = found.last_stable_offset"
    after = "self._goal = self._next or found.last_stable_offset"
    semantics = (AT_LEAST_ONCE,)
    regimes = CONSUMERS
    caught_by = CHECK
    records = 2
    faults = 0


class BeginsAtTheEnd(Mutant):
    """A consumer that is to begin some records before the end begins at the end.

    How many records before the end it begins is left out.
    """

    where = "chaos.drivers.consumer:_Reader._find"
    before = "self._next = max(found.last_stable_offset - self._terms.offset, 0)"
    after = "self._next = found.last_stable_offset"
    semantics = (AT_LEAST_ONCE,)
    regimes = CONSUMERS
    caught_by = CHECK
    faults = 0


class StreamsWhatIsNotCommitted(Mutant):
    """An SPU streams records under read-committed before they are committed.

    The end of the log is the end of what is read, for every isolation.
    """

    where = "simulator.handlers.streams:PartitionStream._next"
    before = "end = high_watermark if request.isolation == READ_COMMITTED else log.end_offset"
    after = "end = log.end_offset"
    semantics = (AT_LEAST_ONCE,)
    regimes = CONSUMERS
    caught_by = CHECK
    faults = 0


class StreamsOnBehindTheNextRecord(Mutant):
    """An SPU continues a stream one record behind the offset that its consumer asks for.

    The offset of the update is mistaken for that of the last record read.
    """

    where = "simulator.handlers.streams:PartitionStream.consumed"
    before = "self._offset = max(offset, 0)"
    after = "self._offset = max(offset, 0) + 1"
    semantics = (AT_LEAST_ONCE,)
    regimes = CONSUMERS
    caught_by = CHECK
    records = 3
    faults = 0


class NumbersRecordsFromTheOffset(Mutant):
    """An SPU sends a batch as if it began at the offset that the consumer asked for.

    The base offset of the first batch is filled in from the request.
    """

    where = "simulator.cluster.log:PartitionLog.read"
    before = "found.append(as_stored(base, body))"
    after = "found.append(as_stored(base if found else offset, body))"
    semantics = (AT_LEAST_ONCE,)
    regimes = CONSUMERS
    caught_by = CHECK
    records = 2
    faults = 0


class ForgetsStoredOffsets(Mutant):
    """An SPU answers that an offset of a consumer is stored, and keeps the first one.

    An offset is stored only when the consumer is new.
    """

    where = "simulator.cluster.consumer_offsets:ConsumerOffsets.put"
    before = "self.restore(name, ReadOffset(offset, modified_s))"
    after = """
        if name not in self._offsets:
            self.restore(name, ReadOffset(offset, modified_s))
    """
    semantics = (AT_LEAST_ONCE,)
    regimes = CONSUMERS
    caught_by = CHECK
    records = 2
    faults = 0
