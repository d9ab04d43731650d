"""``tail`` before a simulator, over a network in memory."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock, lockstep_stream_pair

from simulator import open_simulator
from simulator.serving.server import Simulator
from simulator.tailing import leader
from simulator.tailing.following import TopicTail
from simulator.tailing.lines import RememberedRecords
from simulator.tailing.tail_connection import ANSWER_S, TailError
from tests.simulator.client import Client, batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from wire.address import Address, parse_address
from wire.api import PRODUCE
from wire.compression import Codec

TOPIC = "greetings"


class Printed:
    """A tail and the lines that it printed."""

    def __init__(
        self, network: MemoryNetwork, sim: Simulator, topic: str = TOPIC, **options: Any
    ) -> None:
        async def connect(address: Address) -> trio.abc.Stream:
            await trio.lowlevel.checkpoint()
            return network.connect(str(address))

        async def say(lines: list[str]) -> None:
            self.lines += lines
            await trio.lowlevel.checkpoint()

        self.lines: list[str] = []
        sc = parse_address(sim.address)
        self.tail = TopicTail(sc, topic, say, dial=connect, **options)


async def producer(network: MemoryNetwork, sim: Simulator) -> Client:
    return await dial(network, sim.spu_addresses[0])


async def test_resent_records_are_marked_as_they_are_stored(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim, trio.open_nursery() as nursery:
        printed = Printed(network, sim)
        client = await producer(network, sim)
        await client.produce(TOPIC, 0, b"a", b"b")
        nursery.start_soon(printed.tail.run)
        await trio.sleep(1)
        assert printed.lines == ["0@0  a", "0@1  b"]
        await client.produce(TOPIC, 0, b"b")
        await client.produce(TOPIC, 0, b"c", b"a")
        await trio.sleep(1)
        assert printed.lines[2:] == [
            "0@2  b  <- resent, first at 0@1",
            "0@3  c",
            "0@4  a  <- resent, first at 0@0",
        ]
        assert str(printed.tail.tally) == "5 records, 2 of them resent"
        nursery.cancel_scope.cancel()


async def test_a_record_that_is_sent_again_because_its_response_was_dropped_is_a_copy(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults = [{"drop": {"at": "response", "nth": 2}}]
    async with open_simulator(listen=network.listen, faults=faults) as sim:
        client = await producer(network, sim)
        for value in (b"a", b"b", b"c"):
            request = produce_request((TOPIC, 0, batch(value)))
            await client.send(PRODUCE, request)
            if not await client.answers_within(1):
                await client.send(PRODUCE, request)
                assert await client.answers_within(1)
        printed = Printed(network, sim, count=4)
        await printed.tail.run()
    assert printed.lines == ["0@0  a", "0@1  b", "0@2  b  <- resent, first at 0@1", "0@3  c"]


async def test_from_the_end_only_new_records_are_printed(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim, trio.open_nursery() as nursery:
        printed = Printed(network, sim, start="end", count=1)
        client = await producer(network, sim)
        await client.produce(TOPIC, 0, b"a", b"b")
        nursery.start_soon(printed.tail.run)
        await trio.sleep(1)
        await client.produce(TOPIC, 0, b"c")
    assert printed.lines == ["0@2  c"]


async def test_the_partitions_of_all_spus_or_some_of_them_are_followed(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen, spus=2, topics={TOPIC: 4}) as sim:
        for index, spu in enumerate([0, 1, 0, 1]):
            client = await dial(network, sim.spu_addresses[spu])
            await client.produce(TOPIC, index, b"same in each")
        for partitions in ((), (1, 2)):
            wanted = partitions or (0, 1, 2, 3)
            printed = Printed(network, sim, partitions=partitions, count=len(wanted))
            await printed.tail.run()
            assert sorted(printed.lines) == [f"{index}@0  same in each" for index in wanted]


async def test_many_partitions_of_an_spu_that_reads_no_request_while_it_writes_are_followed(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    network.pair = lockstep_stream_pair
    async with open_simulator(listen=network.listen, topics={TOPIC: 100}) as sim:
        client = await producer(network, sim)
        for index in range(100):
            await client.produce(TOPIC, index, b"a")
        printed = Printed(network, sim, count=100)
        with trio.fail_after(1):
            await printed.tail.run()
    assert sorted(printed.lines) == sorted(f"{index}@0  a" for index in range(100))


async def test_it_ends_after_a_count_in_the_middle_of_a_batch(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        await (await producer(network, sim)).produce(TOPIC, 0, b"a", b"b", b"c")
        printed = Printed(network, sim, count=2)
        await printed.tail.run()
    assert printed.lines == ["0@0  a", "0@1  b"]
    assert printed.tail.tally.records == 2


async def test_the_limit_of_what_is_remembered_is_noted_once(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        await (await producer(network, sim)).produce(TOPIC, 0, b"a", b"b", b"c", b"a")
        printed = Printed(network, sim, count=4, remembered=RememberedRecords(limit=2))
        await printed.tail.run()
    note = "note: the memory for records is full; copies of the oldest are not marked"
    assert printed.lines == ["0@0  a", "0@1  b", note, "0@2  c", "0@3  a"]


async def test_records_that_do_not_decode_are_a_line_and_the_stream_goes_on(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    broken = bytearray(batch(b"a" * 1000, codec=Codec.GZIP))
    broken[-1] ^= 0xFF
    async with open_simulator(listen=network.listen) as sim:
        client = await producer(network, sim)
        await client.call(PRODUCE, produce_request((TOPIC, 0, bytes(broken))))
        printed = Printed(network, sim, count=1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(printed.tail.run)
            await trio.sleep(1)
            await client.produce(TOPIC, 0, b"b")
    assert printed.lines[0].startswith("0@0  records that do not decode: ")
    assert printed.lines[1:] == ["0@1  b"]


async def test_a_response_that_a_fault_delivers_twice_is_printed_once(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    options: Any = {"duplicate": 1.0, "at": "response", "api": "stream-fetch"}
    async with open_simulator(listen=network.listen, **options) as sim:
        printed = Printed(network, sim)
        client = await producer(network, sim)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(printed.tail.run)
            for value in (b"a", b"b", b"a"):
                await client.produce(TOPIC, 0, value)
                await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert sim.summary().faults["duplicate"].fired == 3
    assert printed.lines == ["0@0  a", "0@1  b", "0@2  a  <- resent, first at 0@0"]


async def test_a_batch_that_an_spu_cuts_arrives_whole_in_the_next_response(
    network: MemoryNetwork, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader, "STREAM_BYTES_MAX", len(batch(b"a", b"b")) + 20)
    async with open_simulator(listen=network.listen) as sim:
        client = await producer(network, sim)
        await client.produce(TOPIC, 0, b"a", b"b")
        await client.produce(TOPIC, 0, b"c")
        printed = Printed(network, sim, count=3)
        await printed.tail.run()
    assert printed.lines == ["0@0  a", "0@1  b", "0@2  c"]


# --- what cannot be followed


@pytest.mark.parametrize(
    ("topic", "partitions", "message"),
    [
        ("greting", (), "the topic 'greting' does not exist; did you mean 'greetings'?"),
        ("zzz", (), "the topic 'zzz' does not exist; write one of greetings, orders"),
        ("greetings", (7,), "greetings has no partition 7; it has 0 alone"),
        ("orders", (1, 9, 3), "orders has no partition 3; it has 0 to 2"),
    ],
)
async def test_what_does_not_exist_is_told(
    network: MemoryNetwork,
    autojump_clock: MockClock,
    topic: str,
    partitions: tuple[int, ...],
    message: str,
) -> None:
    async with open_simulator(listen=network.listen, topics={TOPIC: 1, "orders": 3}) as sim:
        with pytest.raises(TailError) as told:
            await Printed(network, sim, topic, partitions=partitions).tail.run()
    assert str(told.value) == message


async def test_a_cluster_without_topics_says_to_create_one(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen, topics={}) as sim:
        with pytest.raises(TailError, match="'greetings' does not exist; create it"):
            await Printed(network, sim).tail.run()


async def test_a_server_that_does_not_answer_is_not_waited_for_forever(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen, drop=1.0, api="all") as sim:
        began = trio.current_time()
        with pytest.raises(TailError, match=r"the SC at .* did not answer within 10 s"):
            await Printed(network, sim).tail.run()
        assert trio.current_time() - began == ANSWER_S
