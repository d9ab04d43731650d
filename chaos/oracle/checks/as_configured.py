"""What is on the wire is what the options say.

- Each request has a version of its API that the server offers, and the ``acks`` of the isolation.
- The ``timeout`` of a request is at most the option, under read-committed also at most the share of
  each entry in the wait of an attempt; and no less than half of these.
- A batch has the codec of the option. It exceeds ``batch_size``, and a request exceeds
  ``max_request_size``, only with one record.
- The timestamp of a record is the time of its ``send``. The largest one of a batch is that of its
  last record or of its latest one. Offsets in a batch count 0, 1, 2, as many as its header says.
- No more than ``batch_queue_size`` batches of a partition wait to be sent.
- A batch is sent once it is full, a flush or a close covers it, or ``linger`` is over, if nothing
  holds the client up.
- Records without a key take turns among the partitions that have a leader.
- A request goes to the leader of its partition, as far as the SC's news had reached the client.
- The SC is not asked without a reason.

That a key goes to the partition of its hash is the check ``no-phantom``.
"""

from collections.abc import Iterator, Sequence

from chaos.history import Need
from chaos.oracle.blind_records import RECORD_CAUSES, blind_records
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import Finding, Violations, at, lasting, listed
from chaos.oracle.frames.batches import SentBatch, sent_batches
from chaos.oracle.frames.record_ids import TransmittedBatch
from chaos.oracle.frames.routing import asked_too_often, missed_turns, wrong_leaders
from chaos.oracle.frames.waiting import late_requests, overfull_queues
from chaos.oracle.timing import READ_UNCOMMITTED, timing
from simulator.events import FrameRead
from wire.compression import Codec

NAME = "as-configured"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.FRAMES, Need.CALLS, Need.LOGS, Need.CLOCK)
EXCUSES = ()
CAUSES = RECORD_CAUSES

TIMEOUT_SHARE_MIN = 0.5
"""The least part of its longest value that a ``timeout`` has; a client may keep time for the
answer."""

_CODEC_BITS = {codec.name.lower(): int(codec) for codec in Codec}

_RULES = (overfull_queues, late_requests, missed_turns, wrong_leaders, asked_too_often)


def check(evidence: Evidence) -> Finding:
    """Check every request, and every record in the first request that carried it."""
    found = Violations(NAME, evidence.once(blind_records))
    ids_by_transmission = evidence.ids_by_transmission
    limits: dict[int, tuple[int, int]] = {}
    """By number of entries, the limits of the ``timeout`` of a request."""
    for read in evidence.events_of(FrameRead):
        if read.offered and read.acks is None:
            continue  # nothing else is asked of a request without records
        ids = ids_by_transmission.get(read.transmission, [])
        if found.set_aside and not found.blind_records.keys().isdisjoint(ids):
            continue  # counted below, with its batches
        entries = len(read.carried)
        if entries not in limits:
            limits[entries] = _limits(evidence, entries)
        for text in _wrong_in_request(evidence, read, len(ids), *limits[entries]):
            found.add(f"{_named(read)} {text}", ids[:1])
    for sent in evidence.once(sent_batches).batches:
        ids = sent.batch.ids
        if found.set_aside and not found.sees(*ids):
            continue
        found.judged += len(ids)
        for text, concerned in _wrong_in_batch(evidence, sent):
            found.add(f"a batch in {_named(sent.read)} {text}", concerned)
    for rule in _RULES:
        for text, concerned in rule(evidence):
            if not found.set_aside or found.blind_records.keys().isdisjoint(concerned):
                found.add(text, concerned)
    return found.finding()


def _named(read: FrameRead) -> str:
    return f"the {read.api} request {at(read.t)} on connection {read.connection}"


def _limits(evidence: Evidence, entries: int) -> tuple[int, int]:
    """Return the limits of the ``timeout`` of a request with some entries, in milliseconds."""
    producer = evidence.scenario.producer
    shared = min(producer.timeout, _share(evidence, entries))
    committed = producer.isolation != READ_UNCOMMITTED
    return _ms(TIMEOUT_SHARE_MIN * shared), _ms(shared if committed else producer.timeout)


def _share(evidence: Evidence, entries: int) -> float:
    """Return the share of an entry in the wait of an attempt, in seconds."""
    return evidence.once(timing).dial / max(1, entries)


def _wrong_in_request(
    evidence: Evidence, read: FrameRead, records: int, least: int, most: int
) -> Iterator[str]:
    producer = evidence.scenario.producer
    if not read.offered:
        yield f"has version {read.api_version}, which {read.server} does not offer"
    if read.acks is None or read.timeout_ms is None:
        return
    committed = producer.isolation != READ_UNCOMMITTED
    if (read.acks < 0) != committed:
        yield f"has acks {read.acks}, but the isolation is {producer.isolation}"
    if not least <= read.timeout_ms <= most:
        share = _share(evidence, len(read.carried))
        yield (
            f"has a timeout of {read.timeout_ms} ms, not {least} to {most} ms; the option is "
            f"{lasting(producer.timeout)}, the share of each entry {lasting(share)}"
        )
    if read.size > producer.max_request_size and records > 1:
        yield (
            f"has {read.size:,} bytes and {records} records; max_request_size is "
            f"{producer.max_request_size:,}"
        )


def _ms(seconds: float) -> int:
    """Return the whole milliseconds of a duration."""
    return round(seconds * 1e9) // 1_000_000


def _wrong_in_batch(evidence: Evidence, sent: SentBatch) -> Iterator[tuple[str, Sequence[int]]]:
    producer, batch = evidence.scenario.producer, sent.batch
    header, first = batch.header, batch.ids[:1]
    if header.codec_bits != _CODEC_BITS[producer.compression]:
        codec = header.codec.name.lower()
        yield f"is compressed with {codec}, not {producer.compression}", first
    if batch.count > 1 and sent.size > producer.batch_size:
        sizes = f"{sent.size:,} bytes before compression and {batch.count} records"
        yield f"has {sizes}; batch_size is {producer.batch_size:,}", first
    if header.record_count != batch.count:
        yield f"has {batch.count} records, its header says {header.record_count}", first
    if not batch.in_order:
        yield "has records whose offset deltas are not 0, 1, 2 and so on", first
    deltas = batch.timestamp_deltas
    if not deltas:
        return
    base, latest = header.first_timestamp_ms, header.max_timestamp_ms
    if latest != base + deltas[-1] and latest != base + max(deltas):
        largest = f"has the largest timestamp {latest}"
        yield f"{largest}; that of its last record is {base + deltas[-1]}", first
    if len(batch.ids) == len(deltas):  # else it holds records that were not sent
        yield from _wrong_timestamps(evidence, batch)


def _wrong_timestamps(
    evidence: Evidence, batch: TransmittedBatch
) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield the records whose timestamp is not the time of their send."""
    zero, records = evidence.history.zero_ns, evidence.records
    if not zero:
        return
    slack, base = evidence.once(timing).slack, batch.header.first_timestamp_ms
    # In seconds of the run: a whole millisecond begins and ends within these times of its record.
    start = (base * 1_000_000 - max(zero)) / 1e9 - slack
    end = (base * 1_000_000 - min(zero)) / 1e9 + slack + 0.001
    for record_id, delta in zip(batch.ids, batch.timestamp_deltas, strict=True):
        record, seconds = records[record_id], delta / 1000
        taken = record.taken_at
        if end + seconds < record.sent_at or (taken is not None and start + seconds > taken):
            stamped = f"{start + slack + seconds:.3f} s of the run"
            when = f"sent {at(record.sent_at)}" + ("" if taken is None else f", taken {at(taken)}")
            text = f"gives {listed([record_id])}, {when}, the timestamp {base + delta}, {stamped}"
            yield text, [record_id]
