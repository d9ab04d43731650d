"""Batches by size, plain and synchronous."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.delivery.accumulator import ENTRY_BYTES, REQUEST_BYTES, Accumulator, Limits, Pair
from producer.delivery.batch import Batch, Position
from producer.errors import ProducerClosedError, RecordTooLargeError
from wire.api import PRODUCE
from wire.api.produce import PartitionRecords, ProduceRequest, TopicRecords
from wire.batch import (
    EMPTY_BATCH_BYTES,
    SMALL_VARINTS,
    decode_batch,
    encode_batch,
    encode_record,
)
from wire.compression import Codec
from wire.framing import RequestHeader, request_frame

NOW_MS = 1_700_000_000_000
TOPIC, CLIENT = "greetings", "fluvio"


class Time:
    def __init__(self) -> None:
        self.ns = NOW_MS * 1_000_000
        self.woken = 0

    @property
    def ms(self) -> int:
        return self.ns // 1_000_000

    @ms.setter
    def ms(self, ms: int) -> None:
        self.ns = ms * 1_000_000

    def now_ns(self) -> int:
        return self.ns

    def clock(self) -> float:
        return (self.ms - NOW_MS) / 1000

    def wake(self) -> None:
        self.woken += 1


def accumulator(
    time: Time | None = None,
    *,
    batch_size: int = 16_384,
    request: int = 1_048_576,
    queue: int = 100,
    codec: Codec = Codec.NONE,
) -> Accumulator:
    time = time or Time()
    limits = Limits(batch_size, request, queue, codec, len(TOPIC) + len(CLIENT))
    return Accumulator(TOPIC, 0, limits, time.now_ns, time.clock, time.wake)


def drain(given_accumulator: Accumulator) -> list[list[Batch]]:
    given_accumulator.close_batch()
    requests = []
    while batches := given_accumulator.take():
        requests.append(batches)
    return requests


def frame_of(batches: list[Batch]) -> bytes:
    entries = [PartitionRecords(partition_index=0, records=batch.data) for batch in batches]
    body = ProduceRequest(topics=[TopicRecords(name=TOPIC, partitions=entries)])
    header = RequestHeader(api_key=0, api_version=25, correlation_id=1, client_id=CLIENT)
    return request_frame(header, body)


@given(
    st.lists(
        st.tuples(st.none() | st.binary(max_size=40), st.binary(max_size=400)),
        min_size=1,
        max_size=60,
    ),
    st.integers(1, 900),
    st.integers(1024, 3000),
    st.sampled_from(Codec),
)
def test_every_record_comes_out_once_in_order_and_within_all_limits(
    records: list[tuple[bytes | None, bytes]], batch_size: int, request: int, codec: Codec
) -> None:
    taking = accumulator(batch_size=batch_size, request=request, codec=codec)
    outputs = [taking.append(key, value) for key, value in records]
    requests = drain(taking)
    batches = [batch for request_batches in requests for batch in request_batches]
    decoded = [decode_batch(batch.data)[1] for batch in batches]
    assert [(r.key, r.value) for found in decoded for r in found] == records
    for output, (number, index) in zip(
        outputs,
        [
            (b.number, i)
            for b, found in zip(batches, decoded, strict=True)
            for i in range(len(found))
        ],
        strict=True,
    ):
        assert output is not None
        assert (output[0].number, output[1]) == (number, index)
    for batch in batches:
        assert batch.count == 1 or batch.size + EMPTY_BATCH_BYTES <= batch_size
    for request_batches in requests:
        assert len(frame_of(request_batches)) <= request


def test_a_request_is_filled_as_far_as_it_goes() -> None:
    taking = accumulator(batch_size=200, request=1024)
    for _ in range(20):
        taking.append(None, b"x" * 100)
    assert {len(batches) for batches in drain(taking)} == {5}
    assert REQUEST_BYTES + 15 + 5 * (ENTRY_BYTES + EMPTY_BATCH_BYTES + 109) <= 1024


@pytest.mark.parametrize("codec", Codec)
def test_the_largest_record_makes_the_largest_request(codec: Codec) -> None:
    taking = accumulator(request=100_000, codec=codec)
    incompressible = b"".join((n * 2654435761 % 2**32).to_bytes(4, "big") for n in range(25_000))
    size = len(incompressible)
    while True:
        try:
            taking.append(None, incompressible[:size])
        except RecordTooLargeError:
            size -= 1
        else:
            break
    (batches,) = drain(taking)
    assert 99_000 < size < len(frame_of(batches)) <= 100_000


def test_a_batch_of_exactly_the_limit_is_one_and_a_byte_more_makes_two() -> None:
    limit = EMPTY_BATCH_BYTES + 3 * 17  # records of 10 bytes, each with 7 around it
    for batch_size, expected in ((limit, [3]), (limit - 1, [2, 1])):
        taking = accumulator(batch_size=batch_size)
        for _ in range(3):
            taking.append(None, b"x" * 10)
        assert [batch.count for batches in drain(taking) for batch in batches] == expected


def test_a_full_queue_takes_nothing_until_something_is_taken_out() -> None:
    taking = accumulator(batch_size=1, queue=2)
    assert taking.append(None, b"a") is not None
    assert taking.append(None, b"b") is not None
    assert taking.append(None, b"c") is None
    assert [batch.count for batch in taking.take()] == [1, 1]
    assert taking.append(None, b"c") is not None


def test_its_sender_is_woken_for_the_first_record_and_for_each_full_batch_only() -> None:
    time = Time()
    taking = accumulator(time, batch_size=1000)
    for _ in range(7):
        taking.append(None, b"x" * 100)
    assert time.woken == 1
    for _ in range(7):
        taking.append(None, b"x" * 100)
    assert time.woken <= 3


@pytest.mark.parametrize("key", [None, b"key"])
def test_records_carry_the_time_at_which_they_were_sent(key: bytes | None) -> None:
    time = Time()
    taking = accumulator(time)
    outputs = []
    for elapsed_ms in (0, 0, 70, 0, 1, 0):
        time.ms += elapsed_ms
        outputs.append(taking.append(key, b"a"))
    ((batch,),) = drain(taking)
    header, records = decode_batch(batch.data)
    times = [NOW_MS + after for after in (0, 0, 70, 70, 71, 71)]
    assert [record.timestamp_ms for record in records] == times
    assert [output[2] for output in outputs if output is not None] == times
    assert (header.first_timestamp_ms, header.max_timestamp_ms) == (NOW_MS, NOW_MS + 71)


MS = 1_000_000
STEPS_NS = [0, 1, MS - 1, MS, 70 * MS + 5, -1, -MS, 2**40 * MS, -(2**40) * MS]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, None, None, b"", b"key"]),
            st.sampled_from([0, 1, 63, 64, 100]) | st.sampled_from([*range(2036, 2050), 8192]),
            st.sampled_from(STEPS_NS),
        ),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from([1, 1000, 16_384, 100_000]),
)
def test_a_batch_is_what_its_records_and_times_encode_to(
    records: list[tuple[bytes | None, int, int]], batch_size: int
) -> None:
    time = Time()
    taking = accumulator(time, batch_size=batch_size)
    expected: dict[int, list[tuple[bytes | None, bytes, int]]] = {}
    for key, size, step_ns in records:
        time.ns += step_ns
        output = taking.append(key, bytes(size))
        assert output is not None
        batch, index, timestamp = output
        expected.setdefault(batch.number, []).append((key, bytes(size), timestamp))
        assert timestamp == time.ns // MS
        assert index == len(expected[batch.number]) - 1
    for batch in [batch for batches in drain(taking) for batch in batches]:
        mine = expected.pop(batch.number)
        first = mine[0][2]
        encoded = [
            encode_record(key, value, index, timestamp - first)
            for index, (key, value, timestamp) in enumerate(mine)
        ]
        assert batch.data == encode_batch(
            encoded, first_timestamp_ms=first, max_timestamp_ms=mine[-1][2]
        )
        assert (batch.count, batch.size) == (len(encoded), sum(map(len, encoded)))
    assert not expected


def test_a_batch_holds_more_records_than_there_are_small_varints() -> None:
    taking = accumulator(batch_size=100_000)
    for _ in range(SMALL_VARINTS + 2):
        taking.append(None, b"")
    ((batch,),) = drain(taking)
    assert len(decode_batch(batch.data)[1]) == batch.count == SMALL_VARINTS + 2


@pytest.mark.parametrize("jump_ms", [2**40, -(2**40), -5])
def test_a_clock_that_jumps_loses_nothing(jump_ms: int) -> None:
    time = Time()
    taking = accumulator(time)
    taking.append(None, b"a")
    time.ms += jump_ms
    taking.append(None, b"b")
    values = [
        record
        for batches in drain(taking)
        for batch in batches
        for record in decode_batch(batch.data)[1]
    ]
    assert [record.value for record in values] == [b"a", b"b"]
    assert values[1].timestamp_ms == NOW_MS + jump_ms


def test_what_never_fits_is_refused_and_changes_nothing() -> None:
    taking = accumulator(request=1024)
    taking.append(None, b"a")
    for key, value in ((None, b"x" * 1024), (b"k" * 1024, b""), (None, b"x" * 930)):
        with pytest.raises(RecordTooLargeError, match="max_request_size"):
            taking.append(key, value)
    assert [batch.count for batches in drain(taking) for batch in batches] == [1]


def test_closed_it_takes_nothing_in_but_gives_out_what_it_has() -> None:
    taking = accumulator()
    taking.append(None, b"a")
    taking.close()
    with pytest.raises(ProducerClosedError):
        taking.append(None, b"b")
    assert [batch.count for batch in taking.take()] == [1]
    assert PRODUCE.max_version == 25  # what frame_of encodes


KEYS = st.none() | st.binary(max_size=40)
VALUES = st.binary(max_size=300) | st.integers(2000, 2100).map(bytes)
"""Some values are near the end of the small varints; the size of the record lies beyond it."""


@given(st.lists(st.tuples(KEYS, VALUES), max_size=80), st.integers(1, 9000))
def test_filling_makes_the_same_batches_as_appending(
    records: list[tuple[bytes | None, bytes]], batch_size: int
) -> None:
    one_by_one, at_once = accumulator(batch_size=batch_size), accumulator(batch_size=batch_size)
    expected = [one_by_one.append(*record) for record in records]
    pairs: list[Pair] = [*records]
    positions: list[Position | None] = []
    while len(positions) < len(pairs):
        taken = at_once.fill(pairs, len(positions))
        if taken is None:
            positions.append(at_once.append(*records[len(positions)]))
        else:
            batch, first, count, timestamp = taken
            positions += [(batch, first + n, timestamp) for n in range(count)]
    assert [batch.data for batches in drain(at_once) for batch in batches] == [
        batch.data for batches in drain(one_by_one) for batch in batches
    ]
    assert [(p[0].number, *p[1:]) for p in positions if p is not None] == [
        (p[0].number, *p[1:]) for p in expected if p is not None
    ]
    assert None not in positions


def test_filling_stops_at_what_is_no_record_and_keeps_what_stood_before_it() -> None:
    taking = accumulator()
    taking.append(None, b"a")
    with pytest.raises(TypeError, match="not int"):
        taking.fill([("key", "b"), (None, 5)], 0)  # type: ignore[list-item]
    ((batch,),) = drain(taking)
    assert [(r.key, r.value) for r in decode_batch(batch.data)[1]] == [(None, b"a"), (b"key", b"b")]


def test_filling_goes_beyond_the_small_varints() -> None:
    taking = accumulator(batch_size=100_000)
    taking.append(None, b"")
    assert taking.fill([(None, b"")] * (SMALL_VARINTS + 1), 0) is not None
    ((batch,),) = drain(taking)
    assert len(decode_batch(batch.data)[1]) == batch.count == SMALL_VARINTS + 2


def test_filling_closes_the_batch_that_the_next_record_does_not_fit() -> None:
    time = Time()
    taking = accumulator(time, batch_size=1000)
    taking.append(None, b"x" * 100)
    taken = taking.fill([(None, b"x" * 100)] * 20, 0)
    assert taken is not None
    assert (taking.has_full, taking.open_since, time.woken) == (True, None, 2)
    (batch,) = taking.take()
    assert batch.count == 1 + taken[2]


def test_filling_leaves_the_batch_open_before_what_never_fits() -> None:
    taking = accumulator(request=1024)
    taking.append(None, b"a")
    assert taking.fill([(None, b"b"), (None, b"x" * 1024)], 0) is not None
    assert not taking.has_full
    assert taking.append(None, b"c") is not None
    ((batch,),) = drain(taking)
    assert batch.count == 3


def test_filling_takes_nothing_without_an_open_batch_or_room_in_it() -> None:
    taking = accumulator(batch_size=EMPTY_BATCH_BYTES + 17)
    assert taking.fill([(None, b"x" * 10)], 0) is None
    taking.append(None, b"x" * 10)
    assert taking.fill([(None, b"x" * 10)], 0) is None
