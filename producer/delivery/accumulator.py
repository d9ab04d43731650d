"""Records on their way into batches: one accumulator for each partition, plain and synchronous.

This is what every record pays for, so the usual case is two comparisons. The naive way asks
many questions of each record: is the producer closed, is there a batch, is there room in it, is
there room in the queue, does the sender sleep? Here the answer to all of them is one number,
``_room``: the bytes that the open batch can still take. Closing a batch or the producer
makes it negative, and everything rare happens behind that comparison, once for each batch.

The other comparison is about time. Records are stamped with milliseconds and the clock tells
nanoseconds; a division, a subtraction and a varint for each record cost 80 ns. But at full speed a
thousand records share a millisecond, so all that is kept until the next one begins, or until
the clock goes back. While there is no open batch that time is empty. For the same reason a record
without a key is laid down right here and not by a call of ``encode_record``: together they make
a ``send`` of 100 bytes a fifth faster, and a ``send_all`` a third. ``fill`` also closes a batch
that the next record does not fit. Otherwise that record would be encoded three times, and at 1 KiB
it is one in fifteen.

A batch is sealed (joined, compressed, checked) as soon as it is full, while its records are still
in the processor's cache. What waits in the queue is therefore one piece of bytes for each batch.
The open batch costs, for each record, its encoding (a few bytes more than the record), the header
of a bytes object and a place in a list: about 60 bytes, and never 100.

Time comes from outside: ``now_ns`` stamps records, ``clock`` measures waiting.
"""

from collections import deque
from collections.abc import Callable, Sequence

from producer.delivery.batch import Batch, Position, RecordRange
from producer.errors import DeliveryError, ProducerClosedError, RecordTooLargeError
from wire.batch import (
    EMPTY_BATCH_BYTES,
    NO_HEADERS,
    NO_KEY,
    RECORD_BYTES_MIN,
    VARINTS,
    encode_batch,
    encode_record,
    stamp,
)
from wire.codec import WireError, read_varint
from wire.compression import Codec

ENTRY_BYTES = 8
"""What a batch costs in a request beside its own bytes: partition index and length."""

REQUEST_BYTES = 37
"""The rest of a produce request with one topic, its name and the client's id aside: length, key,
version, correlation id, length of the client id (14); no transaction, acks, timeout (7); counts of
topics, partitions and SmartModules (12); length of the name (2); and 2 to spare."""

EXPANSION_SHIFT = 10
EXPANSION_BYTES = 64
"""What compressing incompressible bytes adds at most: a 1024th and a little. gzip adds 5 bytes for
each 16 KiB, snappy and lz4 8 for each 64 KiB, zstd 3 for each 128 KiB, besides their headers."""

_CLOSED = -1
_MS = 1_000_000
_join = b"".join

Text = str | bytes | bytearray | memoryview
"""What keys and values may be; text becomes UTF-8."""

Pair = tuple[Text | None, Text]
"""A key, if there is one, and a value."""


class Limits:
    """The sizes that batches and requests of one producer keep to, in bytes.

    Args:
        batch_size: of a batch before compression, its header included.
        max_request_size: of a whole request.
        queue: how many batches wait at most.
        codec: how batches are compressed.
        names: the length of the topic's name and the client's id together.
    """

    def __init__(
        self, batch_size: int, max_request_size: int, queue: int, codec: Codec, names: int
    ) -> None:
        self.request = max_request_size - REQUEST_BYTES - names
        """For entries: all batches of a request with their ``ENTRY_BYTES`` fit into it."""
        largest = self.request - ENTRY_BYTES - EMPTY_BATCH_BYTES
        if codec:
            largest -= (largest >> EXPANSION_SHIFT) + EXPANSION_BYTES
        self.record = largest
        """For one encoded record, alone in its batch."""
        self.records = min(max(batch_size - EMPTY_BATCH_BYTES, 0), largest)
        """For the encoded records of a batch that holds several."""
        self.max_request_size = max_request_size
        self.queue = queue
        self.codec = codec


class Accumulator:
    """The records of one partition that wait to be sent.

    Args:
        topic: the name of the topic.
        partition: the index of the partition.
        limits: sizes to keep to.
        now_ns: the time of day in nanoseconds, for the stamps of records.
        clock: seconds of the clock that waiting is measured with.
        wake: called when a batch was opened or filled, so that its sender looks at it.
    """

    __slots__ = (
        "_batch",
        "_clock",
        "_closed",
        "_from_ns",
        "_limits",
        "_none",
        "_now_ms",
        "_now_ns",
        "_numbers",
        "_queue",
        "_room",
        "_stamp",
        "_until_ns",
        "_wake",
        "partition",
        "topic",
    )

    def __init__(
        self,
        topic: str,
        partition: int,
        limits: Limits,
        now_ns: Callable[[], int],
        clock: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self.topic = topic
        self.partition = partition
        self._limits = limits
        self._now_ns = now_ns
        self._clock = clock
        self._wake = wake
        self._queue: deque[Batch] = deque()
        self._numbers = 0
        self._closed = False
        # Stands where there is no open batch: so long ago that no record's time fits into it.
        self._none = Batch(topic, partition, 0, 0.0, 0)
        self._batch = self._none
        self._room = _CLOSED
        self._now_ms = self._from_ns = self._until_ns = 0
        self._stamp = b""

    # --- putting in

    def append(self, key: bytes | None, value: bytes) -> Position | None:
        """Take a record in, or return None if there is no room for it now.

        Raises:
            RecordTooLargeError: it never fits into a request.
            ProducerClosedError: nothing is taken any more.
        """
        now_ns = self._now_ns()
        if not self._from_ns <= now_ns < self._until_ns:
            return self._append_later(key, value, now_ns // _MS)
        batch = self._batch
        records = batch.records
        index = len(records)
        try:
            if key is None:  # as encode_record does it
                size = len(value)
                length, offset, stamped = VARINTS[size], VARINTS[index], self._stamp
                size += len(length) + len(offset) + len(stamped) + 2
                record = _join((VARINTS[size], stamped, offset, NO_KEY, length, value, NO_HEADERS))
            else:
                record = encode_record(key, value, index, self._now_ms - batch.first_ms)
        except (IndexError, WireError):  # a large value, or one that is too large
            return self._append_later(key, value, self._now_ms)
        room = self._room - len(record)
        if room < 0:
            return self._append_to_new(key, value, self._now_ms)
        self._room = room
        records.append(record)
        return batch, index, self._now_ms

    def _append_later(self, key: bytes | None, value: bytes, now_ms: int) -> Position | None:
        """Append in a millisecond that is not that of the last record, or without a short cut."""
        batch = self._batch
        if self._room >= 0:
            try:
                record = encode_record(key, value, len(batch.records), now_ms - batch.first_ms)
                self._tell_time(now_ms)
            except WireError:
                pass  # too large, or the clock jumped by weeks
            else:
                if len(record) <= self._room:
                    return self._put(record)
        return self._append_to_new(key, value, now_ms)

    def _tell_time(self, now_ms: int) -> None:
        """Until the next millisecond begins, the clock need not be asked which one it is."""
        self._stamp = stamp(now_ms - self._batch.first_ms)
        self._now_ms = now_ms
        self._from_ns = now_ms * _MS
        self._until_ns = self._from_ns + _MS

    def _put(self, record: bytes) -> Position:
        """Put an encoded record, for which there is room, into the open batch."""
        batch = self._batch
        batch.records.append(record)
        self._room -= len(record)
        return batch, len(batch.records) - 1, self._now_ms

    def fill(self, records: Sequence[Pair], start: int) -> RecordRange | None:
        """Put as many records as fit into the open batch, all with the same time.

        Args:
            records: keys and values.
            start: the index of the first one to take.

        Returns:
            Where the records are, as many as were taken; None if there is no room for any.

        Raises:
            TypeError: a key or a value is neither text nor bytes; those before it were taken.
        """
        room, batch = self._room, self._batch
        if room < 0:
            return None
        taken, now_ms = batch.records, self._now_ns() // _MS
        first = index = len(taken)
        delta_ms, full = now_ms - batch.first_ms, False
        try:
            stamped = stamp(delta_ms)
            around = len(stamped) + 2
            for position in range(start, len(records)):
                key, value = records[position]
                record = b""
                if key is None and value.__class__ is bytes:  # as encode_record does it
                    try:
                        size = len(value)
                        length, offset = VARINTS[size], VARINTS[index]
                        size += len(length) + len(offset) + around
                        record = _join(
                            (VARINTS[size], stamped, offset, NO_KEY, length, value, NO_HEADERS)
                        )
                    except IndexError:
                        pass  # a large value, or a batch of many records
                if not record:
                    key = None if key is None else to_bytes(key)
                    record = encode_record(key, to_bytes(value), index, delta_ms)
                if len(record) > room:
                    full = len(record) <= self._limits.record
                    break
                room -= len(record)
                taken.append(record)
                index += 1
        except WireError:
            pass  # too large, or the clock jumped by weeks: for a batch of its own to find out
        finally:
            self._room = room
        count = len(taken) - first
        if full:
            self.close_batch()
            self._wake()
        return (batch, first, count, now_ms) if count else None

    def _append_to_new(self, key: bytes | None, value: bytes, now_ms: int) -> Position | None:
        """Close the open batch, if there is one, and put the record first into a new one."""
        if self._closed:
            raise ProducerClosedError(f"{self.topic}/{self.partition}: the producer is closed")
        limits = self._limits
        if len(value) + (len(key) if key else 0) <= limits.record:  # else not worth encoding
            record = encode_record(key, value, 0, 0)
        else:
            raise self._too_large(key, value)
        if len(record) > limits.record:
            raise self._too_large(key, value)
        if self._batch.records:
            self.close_batch()
            self._wake()
        if len(self._queue) >= limits.queue:
            return None
        self._numbers += 1
        batch = Batch(self.topic, self.partition, self._numbers, self._clock(), now_ms)
        self._batch = batch
        self._room = limits.records
        self._tell_time(now_ms)
        position = self._put(record)
        if self._room < RECORD_BYTES_MIN:
            self.close_batch()  # it would linger for nothing
        self._wake()
        return position

    def _too_large(self, key: bytes | None, value: bytes) -> DeliveryError:
        return RecordTooLargeError(
            f"{self.topic}/{self.partition}: a record of {len(value)} bytes"
            f"{f' with a key of {len(key)}' if key else ''} does not fit into a request of "
            f"{self._limits.max_request_size}; raise max_request_size or send less"
        )

    # --- taking out

    @property
    def last_number(self) -> int:
        """The number of the newest batch, 0 before the first."""
        return self._numbers

    @property
    def has_full(self) -> bool:
        """Whether a closed batch waits."""
        return bool(self._queue)

    @property
    def open_since(self) -> float | None:
        """When the open batch got its first record, None if there is none."""
        return self._batch.created if self._batch.records else None

    def close_batch(self) -> None:
        """Put the open batch into the queue as it is; what comes next begins another one."""
        batch = self._batch
        if not batch.records:
            return
        batch.count = len(batch.records)
        batch.size = self._limits.records - self._room
        batch.closed_at = self._clock()
        batch.data = encode_batch(
            batch.records,
            first_timestamp_ms=batch.first_ms,
            max_timestamp_ms=batch.first_ms + _timestamp_delta(batch.records[-1]),
            codec=self._limits.codec,
        )
        self._queue.append(batch)
        self._batch = self._none
        batch.records = []
        self._room = _CLOSED
        self._from_ns = self._until_ns = 0

    def take(self) -> list[Batch]:
        """Take as many closed batches as one request holds, in order; perhaps none."""
        taken: list[Batch] = []
        left = self._limits.request
        while self._queue and (not taken or len(self._queue[0].data) + ENTRY_BYTES <= left):
            batch = self._queue.popleft()
            left -= len(batch.data) + ENTRY_BYTES
            taken.append(batch)
        return taken

    def close(self) -> None:
        """Take nothing in from now on; what is there can still be taken out."""
        self.close_batch()
        self._closed = True


def _timestamp_delta(record: bytes) -> int:
    """Read back how many milliseconds an encoded record lies behind the first of its batch."""
    _, position = read_varint(record, 0)
    return read_varint(record, position + 1)[0]  # behind the attributes


def to_bytes(data: Text) -> bytes:
    """A key or a value as bytes.

    Raises:
        TypeError: it is neither text nor bytes.
    """
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytearray | memoryview):
        return bytes(data)
    raise TypeError(f"keys and values are str or bytes, not {type(data).__name__}")
