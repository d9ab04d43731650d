"""A flipped bit: which one, where it goes, and what an SPU makes of it."""

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from simulator import open_simulator
from simulator.events import FaultHit
from simulator.faults.effects import Effect, StruckEntries
from simulator.faults.kinds.corrupt import Corrupt
from simulator.faults.kinds.drop import Drop
from simulator.faults.kinds.duplicate import Duplicate
from simulator.faults.model import Match
from simulator.handlers.produce import altered
from simulator.serving.server import Simulator
from tests.simulator.client import batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from wire.api import FETCH, PRODUCE
from wire.api.fetch import FetchPartition, FetchRequest, FetchTopic
from wire.api.produce import ProduceRequest
from wire.batch import EMPTY_BATCH_BYTES
from wire.error_code import Code

UNITS = st.floats(0, 1, exclude_max=True)


def records_of(request: ProduceRequest) -> list[bytes]:
    return [bytes(entry.records) for topic in request.topics for entry in topic.partitions]


def flipped(first: bytes, second: bytes) -> list[int]:
    """The numbers of the bits in which two bytes of one length differ."""
    assert len(first) == len(second)
    differing = (int.from_bytes(first, "little") ^ int.from_bytes(second, "little"),)
    return [n for n in range(8 * len(first)) if differing[0] >> n & 1]


def stored(sim: Simulator) -> list[bytes]:
    partition = sim.cluster.partition("greetings", 0)
    assert partition is not None
    return [bytes(each.data) for each in partition.log.batches]


@given(UNITS)
def test_one_bit_of_the_record_data_of_its_partition_is_flipped(u: float) -> None:
    two = batch(b"a") + batch(b"b", b"c")
    request = produce_request(("t", 0, batch(b"x")), ("t", 1, two), ("t", 1, batch(b"d")))
    first, second, third = records_of(altered(request, StruckEntries("t", 1), u))
    assert first == batch(b"x")
    bits = flipped(second + third, two + batch(b"d"))
    assert len(bits) == 1
    sizes = [len(batch(b"a")), len(batch(b"b", b"c")), len(batch(b"d"))]
    place = bits[0] // 8
    for size in sizes:
        if place < size:
            break
        place -= size
    assert place >= EMPTY_BATCH_BYTES


def test_every_bit_of_the_record_data_can_be_flipped() -> None:
    data = batch(b"a")
    bits = 8 * (len(data) - EMPTY_BATCH_BYTES)
    request = produce_request(("t", 0, data))
    found = [
        bit
        for n in range(bits)
        for bit in flipped(
            records_of(altered(request, StruckEntries("t", 0), (n + 0.5) / bits))[0], data
        )
    ]
    assert found == list(range(8 * EMPTY_BATCH_BYTES, 8 * len(data)))


@pytest.mark.parametrize("records", [b"", b"no batch at all", batch(b"a")[:56]])
def test_what_holds_no_batch_stays_as_it_is(records: bytes) -> None:
    request = produce_request(("t", 0, records))
    assert altered(request, StruckEntries("t", 0), 0.5) is request


def test_a_request_without_the_partition_stays_as_it_is() -> None:
    request = produce_request(("t", 0, batch(b"a")))
    assert altered(request, StruckEntries("t", 1), 0.5) is request
    assert altered(request, None, 0.5) is request


async def test_the_altered_batch_is_stored_and_answered_with_success(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    fault = Corrupt(at="request", nth=2)
    async with open_simulator(listen=network.listen, faults=[fault], seed=3) as sim:
        client = await dial(network, sim.spu_addresses[0])
        for offset, value in enumerate((b"a", b"b", b"c")):
            result = await client.produce("greetings", 0, value)
            assert (result.error_code, result.base_offset) == (Code.NONE, offset)
        first, second, third = [data[8:] for data in stored(sim)]
        assert (first, third) == (batch(b"a")[8:], batch(b"c")[8:])
        assert len(flipped(second[13:], batch(b"b")[21:])) == 1
        assert int.from_bytes(second[9:13], "big") == crc32c(second[13:]) != crc32c(first[13:])
        [hit] = [event for event in sim.events if isinstance(event, FaultHit)]
        assert hit.effects == (Effect.ALTERS_BYTES,)
        assert hit.ordinal == 2


@pytest.mark.parametrize("seed", range(3))
async def test_the_bit_is_drawn_from_the_seed(
    seed: int, network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    kept: list[list[bytes]] = []
    for each in (seed, seed, seed + 100):
        fault = Corrupt(at="request")
        async with open_simulator(listen=network.listen, faults=[fault], seed=each) as sim:
            await (await dial(network, sim.spu_addresses[0])).produce("greetings", 0, b"a" * 50)
            kept.append(stored(sim))
    assert kept[0] == kept[1] != kept[2]


async def test_one_bit_of_an_answer_behind_its_correlation_id_is_flipped(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    answers: list[list[tuple[int, bytes]]] = []
    for faults in ([], [Corrupt(at="response", nth=1)]):
        async with open_simulator(listen=network.listen, faults=faults) as sim:
            client = await dial(network, sim.spu_addresses[0])
            for _ in range(2):
                await client.send(PRODUCE, produce_request(("greetings", 0, batch(b"a"))))
            answers.append(await client.answers_within(1))
            assert len(stored(sim)) == 2
    (sound, second), (altered_answer, after) = answers
    assert sound[0] == altered_answer[0], "the correlation id"
    assert len(flipped(sound[1], altered_answer[1])) == 1
    assert second == after


async def test_copies_of_an_altered_request_are_altered_in_the_same_way(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults = [Corrupt(at="request"), Duplicate(at="request")]
    async with open_simulator(listen=network.listen, faults=faults) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.send(PRODUCE, produce_request(("greetings", 0, batch(b"a"))))
        await client.answers_within(1)
        first, second = [data[8:] for data in stored(sim)]
    assert first == second != batch(b"a")[8:]


async def test_a_terminal_fault_shadows_a_flipped_bit(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults = [Corrupt(at="request"), Drop(at="request", nth=1)]
    async with open_simulator(listen=network.listen, faults=faults) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.send(PRODUCE, produce_request(("greetings", 0, batch(b"a"))))
        await client.answers_within(1)
        counts = {name: (c.fired, c.shadowed) for name, c in sim.summary().faults.items()}
        assert counts == {"corrupt-1": (0, 1), "drop-2": (1, 0)}


async def test_a_fetch_is_struck_at_its_answer(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    asked = FetchPartition(partition_index=0, fetch_offset=0, max_bytes=1000)
    ask = FetchRequest(
        topics=[FetchTopic(name="greetings", partitions=[asked])], max_bytes=1000, isolation=0
    )
    fault = Corrupt(match=Match(api="fetch"))
    answers: list[bytes] = []
    for faults in ([], [fault]):
        async with open_simulator(listen=network.listen, faults=faults) as sim:
            client = await dial(network, sim.spu_addresses[0])
            await client.produce("greetings", 0, b"a")
            await client.send(FETCH, ask)
            [(_, answer)] = await client.answers_within(1)
            answers.append(answer)
            assert stored(sim)[0][8:] == batch(b"a")[8:]
            hits = [event.at for event in sim.events if isinstance(event, FaultHit)]
            assert hits == ["response"] * len(faults)
    assert len(flipped(*answers)) == 1
