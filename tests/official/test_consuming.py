"""The official client, unmodified, consumes from a simulator what it produced."""

import random
from typing import Any, NamedTuple

import pytest

import simulator
from tests.official.client import Operation, drive, producing
from wire.compression import Codec


class Read(NamedTuple):
    """A record that was consumed."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes


def read(result: dict[str, Any]) -> list[Read]:
    assert "read" in result, result
    return [
        Read(offset, timestamp, key if key is None else bytes.fromhex(key), bytes.fromhex(value))
        for offset, timestamp, key, value in result["read"]
    ]


def consuming(count: int, *start: Any, partition: int = 0) -> Operation:
    return {
        "do": "consume",
        "topic": "greetings",
        "partition": partition,
        "start": start or ["beginning"],
        "count": count,
    }


def some(count: int) -> list[tuple[bytes | None, bytes]]:
    draw = random.Random(7)
    return [(b"key %d" % n, draw.randbytes(draw.randrange(300))) for n in range(count)]


@pytest.mark.parametrize("codec", Codec, ids=lambda codec: codec.name.lower())
async def test_what_was_produced_is_consumed_byte_for_byte(codec: Codec) -> None:
    name = "None_" if codec is Codec.NONE else codec.name.title()
    records = some(50)
    async with simulator.open_simulator() as sim:
        _, consumed = await drive(
            sim, producing(*records, wait="never", compression=name), consuming(len(records))
        )
        stored = sim.log("greetings", 0)
    found = read(consumed)
    assert [(r.key, r.value) for r in found] == records
    assert [r.offset for r in found] == [*range(len(records))]
    assert [r.timestamp for r in found] == [r.timestamp_ms for r in stored]


async def test_it_starts_where_it_is_told() -> None:
    records = some(5)
    async with simulator.open_simulator() as sim:
        _, *consumed = await drive(
            sim,
            producing(*records),
            consuming(1, "from_beginning", 2),
            consuming(2, "from_end", 2),
            consuming(1, "absolute", 1),
        )
    starts = [[r.offset for r in read(each)] for each in consumed]
    assert starts == [[2], [3, 4], [1]]


async def test_a_record_that_comes_after_the_stream_began_is_consumed() -> None:
    async with simulator.open_simulator() as sim:
        first, second = some(2)
        results = await drive(sim, producing(first), consuming(1), producing(second), consuming(2))
    assert [r.value for r in read(results[3])] == [first[1], second[1]]


async def test_all_partitions_of_a_topic_are_consumed() -> None:
    async with simulator.open_simulator(spus=2, topics={"many": 4}) as sim:
        records = some(40)
        _, consumed = await drive(
            sim,
            producing(*records, topic="many"),
            {"do": "consume_all", "topic": "many", "count": len(records)},
        )
    assert sorted(r.value for r in read(consumed)) == sorted(value for _, value in records)


async def test_a_consumer_with_an_id_resumes_behind_its_stored_offset() -> None:
    resume = {"do": "resume", "topic": "greetings", "consumer": "reader", "count": 2}
    async with simulator.open_simulator() as sim:
        _, first, second, stored, _, after = await drive(
            sim,
            producing(*some(4)),
            resume,
            resume,
            {"do": "consumer_offsets"},
            {"do": "forget_consumer", "consumer": "reader", "topic": "greetings"},
            {"do": "consumer_offsets"},
        )
    assert [[r.offset for r in read(each)] for each in (first, second)] == [[0, 1], [2, 3]]
    assert stored == {"offsets": [["reader", "greetings", 0, 3]]}
    assert after == {"offsets": []}


async def test_a_response_that_is_lost_is_not_consumed_and_a_late_one_is() -> None:
    async with simulator.open_simulator(delay="300ms", at="response", api="stream-fetch") as sim:
        (value,) = some(1)
        _, consumed = await drive(sim, producing(value), consuming(1))
        assert [r.value for r in read(consumed)] == [value[1]]
        assert sim.summary().faults["delay"].fired == 1
