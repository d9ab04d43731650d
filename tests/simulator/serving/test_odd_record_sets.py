"""Record sets that no client sends, answered and stored as a real SPU does it."""

import struct

import pytest
from trio.testing import MockClock

from simulator.events import Appended, ClosedBy, CloseReason, ConnectionClosed
from simulator.serving.server import Simulator
from tests.simulator.admin import simulated
from tests.simulator.client import batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from wire.api import PRODUCE
from wire.api.produce import PartitionResult, ProduceResponse
from wire.batch import SCHEMA_BIT
from wire.codec import decode
from wire.error_code import Code

BATCH = batch(b"abc")
SIZE = len(BATCH)
ONE_ZERO_RECORD = bytes(8) + (45).to_bytes(4, "big") + bytes(45)
"""57 zeros as they are stored: a header that claims one record."""


def with_len(change: int, data: bytes = BATCH) -> bytes:
    """The batch with a ``batch_len`` that is wrong by this."""
    return data[:8] + struct.pack(">i", len(data) - 12 + change) + data[12:]


def with_schema(data: bytes) -> bytes:
    return data[:22] + bytes([data[22] | SCHEMA_BIT]) + data[23:]


def empty(data: bytes) -> bytes:
    """The batch with a count of no records."""
    return data[:23] + struct.pack(">i", -1) + data[27:]


def without_crc(data: bytes) -> bytes:
    return data[8:17] + data[21:]


def stored(sim: Simulator) -> list[bytes]:
    """All batches of the partition, without base offset and CRC."""
    partition = sim.cluster.partition("greetings", 0)
    assert partition is not None
    return [without_crc(each.data) for each in partition.log.batches]


@pytest.mark.parametrize(
    ("odd", "batches"),
    [
        pytest.param(with_len(1), [BATCH], id="batch_len +1"),
        pytest.param(with_len(1000), [BATCH], id="batch_len +1000"),
        pytest.param(with_len(-SIZE + 12), [BATCH], id="batch_len 0"),
        pytest.param(with_len(-SIZE + 7), [BATCH], id="batch_len -5"),
        pytest.param(with_len(-SIZE + 12) + BATCH, [with_len(SIZE) + BATCH], id="0, and more"),
        pytest.param(with_len(-1), [with_len(-1)[:-1]], id="batch_len -1"),
        pytest.param(BATCH[:-2], [with_len(-2)[:-2]], id="cut by 2"),
        pytest.param(BATCH[:57], [with_len(57 - SIZE)[:57]], id="a header alone"),
        pytest.param(BATCH + b"\0", [BATCH], id="00 behind it"),
        pytest.param(BATCH + b"\xff" * 4, [BATCH], id="ff ff ff ff behind it"),
        pytest.param(BATCH + bytes(56), [BATCH], id="56 zeros behind it"),
        pytest.param(BATCH + b"\1" * 8, [BATCH], id="a whole base offset behind it"),
        pytest.param(BATCH + bytes(57), [BATCH, ONE_ZERO_RECORD], id="57 zeros behind it"),
        pytest.param(BATCH + BATCH, [BATCH, BATCH], id="two batches"),
    ],
)
async def test_a_record_set_is_read_as_far_as_possible_and_stored(
    network: MemoryNetwork, autojump_clock: MockClock, odd: bytes, batches: list[bytes]
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        answer = await client.call(PRODUCE, produce_request(("greetings", 0, odd)))
        (result,) = answer.topics[0].partitions
        assert (result.error_code, result.base_offset) == (Code.NONE, 0)
        assert (await client.produce("greetings", 0, b"next")).base_offset == len(batches)
        assert stored(sim)[:-1] == [without_crc(each) for each in batches]


@pytest.mark.parametrize(
    "odd", [BATCH + b"\1", BATCH + bytes(8) + b"\1", with_schema(BATCH)[:57] + b"\1"]
)
async def test_what_is_left_over_is_read_as_the_next_field_and_may_be_none(
    network: MemoryNetwork, autojump_clock: MockClock, odd: bytes
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.send(PRODUCE, produce_request(("greetings", 0, odd)))
        with pytest.raises(EOFError):
            await client.answer()
        assert stored(sim) == []


async def test_what_is_left_over_can_be_the_next_entry(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        # The seven bytes behind the first batch and the first one of the next entry, whose index
        # is 0, are an entry of their own: partition 9 with no records.
        first = BATCH + struct.pack(">I", 9) + bytes(3)
        entries = [("greetings", 0, first), ("greetings", 0, b"\0" * 3)]
        request = produce_request(*entries)
        request.topics = [request.topics[0]]
        request.topics[0].partitions += [*produce_request(entries[1]).topics[0].partitions]
        await client.send(PRODUCE, request)
        answer = decode(ProduceResponse, (await client.answer())[1], 25)
        assert [p.partition_index for p in answer.topics[0].partitions] == [0, 9]
        assert answer.topics[0].partitions[1].error_code is Code.NOT_LEADER_FOR_PARTITION
        assert stored(sim) == [without_crc(BATCH)]


async def test_a_wrong_crc_is_replaced(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    wrong = BATCH[:17] + b"\xde\xad\xbe\xef" + BATCH[21:]
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.call(PRODUCE, produce_request(("greetings", 0, wrong)))
        partition = sim.cluster.partition("greetings", 0)
        assert partition is not None
        assert partition.log.batches[0].data == bytes(8) + BATCH[8:]


@pytest.mark.parametrize("version", [0, 7, 25])
async def test_a_batch_with_a_schema_id_closes_the_connection_and_what_precedes_it_is_stored(
    network: MemoryNetwork, autojump_clock: MockClock, version: int
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        set_of_three = BATCH + with_schema(BATCH) + BATCH
        entries = [("greetings", 0, data) for data in (BATCH, set_of_three, BATCH)]
        await client.send(PRODUCE, produce_request(*entries), version)
        with pytest.raises(EOFError):
            await client.answer()
        assert stored(sim) == [without_crc(BATCH)] * 2
        (ended,) = [e for e in sim.events if isinstance(e, ConnectionClosed)]
        assert (ended.by, ended.reason) == (ClosedBy.SIMULATOR, CloseReason.UNDECODABLE)
        other = await dial(network, sim.spu_addresses[0])
        assert (await other.produce("greetings", 0, b"next")).base_offset == 2
        appends = [(e.base_offset, e.records) for e in sim.events if isinstance(e, Appended)]
        assert appends == [(0, 1), (1, 1), (2, 1)]


async def test_an_empty_batch_fails_its_record_set_and_what_precedes_it_is_stored(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])

        async def produced(*record_sets: bytes) -> list[PartitionResult]:
            entries = [("greetings", 0, data) for data in record_sets]
            answer = await client.call(PRODUCE, produce_request(*entries))
            return [topic.partitions[0] for topic in answer.topics]

        codes = [each.error_code for each in await produced(BATCH, BATCH + empty(BATCH), BATCH)]
        assert codes == [Code.NONE, Code.STORAGE_ERROR, Code.PARTITION_SHORT_CIRCUITED]
        partition = sim.cluster.partition("greetings", 0)
        assert partition is not None
        assert (partition.log.end_offset, partition.log.high_watermark(0)) == (2, 1)
        appends = [e for e in sim.events if isinstance(e, Appended)]
        assert [(e.base_offset, e.records, e.entry) for e in appends] == [(0, 1, 0), (1, 1, 1)]
        assert appends[1].high_watermark == 1


@pytest.mark.parametrize("version", [0, 1, 2, 5, 7, 8, 25, 26])
async def test_every_version_has_smartmodules_and_is_served(
    network: MemoryNetwork, autojump_clock: MockClock, version: int
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        request = produce_request(("greetings", 0, BATCH))
        await client.send(PRODUCE, request, version)
        answer = decode(ProduceResponse, (await client.answer())[1], version)
        assert answer.topics[0].partitions[0].error_code is Code.NONE
        _, whole = client.wire.request(PRODUCE, request, version)
        shorter = struct.pack(">i", len(whole) - 8) + whole[4:-4]
        await client.stream.send_all(shorter)
        with pytest.raises(EOFError):
            await client.answer()
        assert len(stored(sim)) == 1
