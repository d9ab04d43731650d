"""Produce, on the SPU.

Served: versions 0 to 25; all have the SmartModules, and a request without them closes the
connection. There is no version check, as in the real SPU. Emulated, after
``fluvio-spu/src/services/public/produce_handler.rs``: one result for each entry of the request, by
position, repeated partitions and zero partitions included; NotLeaderForPartition for what this SPU
does not lead or know; a record set without records succeeds at offset 0 and stores nothing; a codec
that the topic does not allow; MessageTooLarge, with nothing of that record set stored; StorageError
for an empty batch behind others, which are written, and a storage that stays short-circuited; every
entry is applied even if others fail; under ReadCommitted
the wait for the high watermark, entry by entry, each with the whole timeout, and on timeout
RequestTimedOut with the real offset, because the records stay stored.

A record set that is no row of whole batches is read as the real SPU reads it
(``wire.record_set``), and each batch gets a new ``batch_len`` and CRC. A batch with the schema bit
closes the connection when it is written: what precedes it is stored, what follows is not.

Left out: SmartModules (SmartModuleNotFound for one that is not stored, else Other), deduplication,
mirrors.
"""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from simulator.cluster.log import AppendedRecords, InterruptedAppend, PartitionLog
from simulator.cluster.record_set import RecordSet
from simulator.faults.effects import StruckEntries
from simulator.handlers.bits import with_bit_flipped
from simulator.handlers.codes import CodeInEntry, concerned
from simulator.handlers.context import ENTRIES_PER_TURN, PAUSE, CommitWait, Context, Pause
from simulator.handlers.forging import entries_forged
from simulator.handlers.served_api import (
    Carried,
    CommitTerms,
    PartitionName,
    ServedApi,
    named_by,
    register_api,
)
from simulator.handlers.smartmodules import no_smartmodule
from wire.api import PRODUCE
from wire.api.produce import PartitionResult, ProduceRequest, ProduceResponse, TopicResult
from wire.batch import EMPTY_BATCH_BYTES
from wire.codec import WireError
from wire.codec.types import Buffer
from wire.error_code import (
    Code,
    ErrorCode,
    PartitionFull,
    RequestTimedOut,
)
from wire.record_set import iter_batches

T = TypeVar("T")


class StoredEntry(NamedTuple):
    """One entry of a request whose records are in the log."""

    topic: str
    result: PartitionResult
    log: PartitionLog
    end: int
    """The offset behind the last record."""


Steps = Generator[CommitWait | Pause, bool, T]
"""What is done with a request in turns, and its result."""


def handle(request: ProduceRequest, context: Context) -> Steps[ProduceResponse]:
    """Append the batches of each valid entry, and return a result for every entry.

    Raises:
        WireError: the timeout is negative (nothing is stored), or a batch has the schema bit (what
            precedes it is stored).
    """
    if request.timeout_ms < 0:
        raise WireError(f"a timeout of {request.timeout_ms} ms")
    cut = iter((yield from _cut(request)))
    response, dealt_with = ProduceResponse(topics=[]), 0
    stored: list[StoredEntry] = []
    for topic in request.topics:
        results = TopicResult(name=topic.name, partitions=[])
        for entry in topic.partitions:
            name = topic.name, entry.partition_index
            result, place = _produce(name, next(cut), dealt_with, request, context)
            results.partitions.append(result)
            if place is not None:
                stored.append(StoredEntry(topic.name, result, *place))
            dealt_with += 1
            if not dealt_with % ENTRIES_PER_TURN:
                yield PAUSE
        response.topics.append(results)
    if request.acks < 0:
        yield from _until_committed(stored, request, context)
    return response


def _cut(request: ProduceRequest) -> Steps[list[RecordSet]]:
    """Cut the record set of every entry."""
    found: list[RecordSet] = []
    for topic in request.topics:
        for entry in topic.partitions:
            records = RecordSet(entry.records)
            while records.cut():
                yield PAUSE
            found.append(records)
            if not len(found) % ENTRIES_PER_TURN:
                yield PAUSE
    return found


def _until_committed(
    stored: Sequence[StoredEntry], request: ProduceRequest, context: Context
) -> Steps[None]:
    """Wait for the commit of every entry that was stored."""
    committed_at = context.now + context.cluster.commit_delay_s
    for dealt_with, (topic, result, log, end) in enumerate(stored, 1):
        at = committed_at if log.replicate is None else None
        in_time = yield CommitWait(log, end, at, request.timeout_ms / 1000)
        result.error_code = _committed(topic, result, in_time, request, context)
        if not dealt_with % ENTRIES_PER_TURN:
            yield PAUSE


def _produce(
    name: PartitionName, records: RecordSet, entry: int, request: ProduceRequest, context: Context
) -> tuple[PartitionResult, tuple[PartitionLog, int] | None]:
    """Append the batches of the entry at a position of the request.

    Returns:
        The result, and the log with the offset behind the records; None if it is an error.
    """
    topic, index = name
    assert context.spu is not None
    partition = context.cluster.led_by(context.spu, topic, index)
    if partition is None:
        return _refused(index, Code.NOT_LEADER_FOR_PARTITION)
    if request.smartmodules:
        return _refused(index, no_smartmodule(request.smartmodules[0], context.cluster))
    outcome = partition.log.append(records, context.now, context.cluster.commit_delay_s)
    if outcome is None:
        outcome = PartitionFull(topic=topic, partition=index)
    if isinstance(outcome, InterruptedAppend):
        if outcome.stored.records:
            context.appended(partition, *outcome.stored, entry)
        if outcome.code is None:
            raise WireError("a batch with a schema id")
        outcome = outcome.code
    if not isinstance(outcome, AppendedRecords):
        return _refused(index, outcome)
    if outcome.records:
        context.appended(partition, outcome.base_offset, outcome.records, entry)
    result = PartitionResult(partition_index=index, base_offset=outcome.base_offset)
    return result, (partition.log, outcome.base_offset + outcome.records)


def _refused(index: int, code: ErrorCode) -> tuple[PartitionResult, None]:
    return PartitionResult(partition_index=index, error_code=code), None


def _committed(
    topic: str, result: PartitionResult, in_time: bool, request: ProduceRequest, context: Context
) -> ErrorCode:
    """Return the code of an entry after its wait; its records are stored in any case."""
    assert context.spu is not None
    if context.cluster.led_by(context.spu, topic, result.partition_index) is None:
        result.base_offset = 0
        return Code.NOT_LEADER_FOR_PARTITION
    return Code.NONE if in_time else RequestTimedOut(timeout_ms=request.timeout_ms)


def _carried(request: ProduceRequest) -> Carried:
    return tuple(
        (topic.name, entry.partition_index, entry.records)
        for topic in request.topics
        for entry in topic.partitions
    )


def _commit_terms(request: ProduceRequest) -> CommitTerms:
    return CommitTerms(request.acks, request.timeout_ms)


def altered(request: ProduceRequest, target: StruckEntries | None, u: float) -> ProduceRequest:
    """Return the request with one bit flipped in the record data of some entries.

    Record data follows the header and the record count of a batch. A request without record data is
    unchanged.

    Args:
        request: the request.
        target: the entries.
        u: a number in [0, 1) that selects the bit.
    """
    regions = []  # topic and entry of the request, first byte, bytes
    struck = concerned(request.topics, target)
    for t, topic in enumerate(request.topics):
        for n, entry in enumerate(topic.partitions):
            if struck[t][n]:
                regions += [(t, n, start, size) for start, size in _record_data(entry.records)]
    place = int(u * 8 * sum(size for *_, size in regions))
    for t, n, start, size in regions:
        if place < 8 * size:
            topics = [*request.topics]
            partitions = [*topics[t].partitions]
            entry = partitions[n]
            records = with_bit_flipped(entry.records, start, place)
            partitions[n] = replace(entry, records=records)
            topics[t] = replace(topics[t], partitions=partitions)
            return replace(request, topics=topics)
        place -= 8 * size
    return request


def _record_data(records: Buffer) -> list[tuple[int, int]]:
    """Where the record data of each batch begins, and its size."""
    found, start = [], 0
    for _, batch in iter_batches(records):
        found.append((start + EMPTY_BATCH_BYTES, max(0, len(batch) - EMPTY_BATCH_BYTES)))
        start += len(batch)
    return found


register_api(
    ServedApi(
        api=PRODUCE,
        handle=handle,
        partitions=named_by,
        carried=_carried,
        commit_terms=_commit_terms,
        altered=altered,
        forged=entries_forged("base_offset"),
        codes=CodeInEntry(PartitionResult, TopicResult, ProduceResponse, offset="base_offset"),
    )
)
