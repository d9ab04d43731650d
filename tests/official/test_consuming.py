"""The official client, unmodified, consumes from a simulator what it produced."""

import random
from typing import Any

import pytest

import simulator
from simulator.events import FrameRead
from tests.official.client import Read, consuming, drive, offsets, producing, read
from wire.batch import decode_batch
from wire.compression import Codec
from wire.record_set import iter_batches

VIAS = ("stream", "stream_with_config", "async_stream", "async_stream_with_config")
"""The functions of a consumer that open a stream; ``consumer_with_config`` is one of the client."""

READER: dict[str, Any] = {"via": "consumer_with_config", "offset_consumer": "reader"}
"""A consumer whose offsets are stored."""


def some(count: int) -> list[tuple[bytes | None, bytes]]:
    draw = random.Random(7)
    return [(b"key %d" % n, draw.randbytes(draw.randrange(300))) for n in range(count)]


def transmitted(sim: simulator.Simulator) -> list[Read]:
    """The records of all produce requests as they arrived, with the offsets that follow."""
    frames = [event for event in sim.events if isinstance(event, FrameRead)]
    sets = [data for frame in frames for _, _, data in frame.carried]
    batches = [batch for data in sets for _, batch in iter_batches(data)]
    records = [record for batch in batches for record in decode_batch(batch)[1]]
    return [Read(n, r.timestamp_ms, r.key, r.value) for n, r in enumerate(records)]


@pytest.mark.parametrize("codec", Codec, ids=lambda codec: codec.name.lower())
async def test_what_was_produced_is_consumed_byte_for_byte(codec: Codec) -> None:
    name = "None_" if codec is Codec.NONE else codec.name.title()
    odd: list[tuple[bytes | None, bytes]] = [
        (b"", b""),
        (bytes(range(256)), b""),
        (b"", bytes(range(256)) * 400),
    ]
    records = odd + some(50)
    async with simulator.open_simulator() as sim:
        _, *consumed = await drive(
            sim,
            producing(*records, wait="never", compression=name, batch_size=4_000),
            *(consuming(len(records), via=via) for via in (*VIAS, "consumer_with_config")),
        )
        expected = transmitted(sim)
    assert [(r.key, r.value) for r in expected] == records
    for each in consumed:
        assert read(each) == expected


async def test_it_starts_where_it_is_told() -> None:
    records = some(5)
    async with simulator.open_simulator() as sim:
        _, *consumed = await drive(
            sim,
            producing(*records),
            consuming(1, "from_beginning", 2),
            consuming(2, "from_end", 2),
            consuming(1, "absolute", 1),
            consuming(2, "absolute", 3, via="async_stream"),
            consuming(1, "from_end", 1, via="async_stream_with_config"),
        )
    assert [offsets(each) for each in consumed] == [[2], [3, 4], [1], [3, 4], [4]]


@pytest.mark.parametrize("via", [*VIAS, "consumer_with_config"])
async def test_a_record_that_comes_after_the_stream_began_is_consumed(via: str) -> None:
    async with simulator.open_simulator() as sim:
        first, second = some(2)
        _, before, _, after = await drive(
            sim,
            producing(first),
            consuming(1, via=via),
            producing(second),
            {"do": "read", "count": 1},
        )
    assert [r.value for r in read(before) + read(after)] == [first[1], second[1]]


async def test_all_partitions_of_a_topic_are_consumed() -> None:
    async with simulator.open_simulator(spus=2, topics={"many": 4}) as sim:
        records = some(40)
        everything = {"do": "consume_all", "topic": "many", "count": len(records)}
        _, *consumed = await drive(
            sim,
            producing(*records, topic="many"),
            everything,
            {**everything, "via": "async_stream"},
            consuming(len(records), topic="many", partition=None, via="consumer_with_config"),
        )
    for each in consumed:
        assert sorted(r.value for r in read(each)) == sorted(value for _, value in records)


@pytest.mark.parametrize("strategy", ["MANUAL", "AUTO"])
async def test_a_consumer_with_an_id_resumes_behind_its_stored_offset(strategy: str) -> None:
    resume = consuming(2, **READER, offset_strategy=strategy)
    store = {"do": "store_offset"}
    async with simulator.open_simulator() as sim:
        _, first, _, second, _, stored, _, after = await drive(
            sim,
            producing(*some(4)),
            resume,
            store,
            resume,
            store,
            {"do": "consumer_offsets"},
            {"do": "forget_consumer", "consumer": "reader", "topic": "greetings"},
            {"do": "consumer_offsets"},
        )
    assert [offsets(each) for each in (first, second)] == [[0, 1], [2, 3]]
    assert stored == {"offsets": [["reader", "greetings", 0, 3]]}
    assert after == {"offsets": []}


async def test_an_asynchronous_consumer_resumes_behind_the_offset_that_another_one_stored() -> None:
    """An asynchronous stream takes no consumer id: its application looks the offset up."""
    async with simulator.open_simulator() as sim:
        *_, found = await drive(
            sim,
            producing(*some(4)),
            consuming(2, **READER, offset_strategy="MANUAL"),
            {"do": "store_offset"},
            {"do": "consumer_offsets"},
        )
        ((_, _, _, stored),) = found["offsets"]
        (rest,) = await drive(sim, consuming(2, "absolute", stored + 1, via="async_stream"))
    assert offsets(rest) == [2, 3]
