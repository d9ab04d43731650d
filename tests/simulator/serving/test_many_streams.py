"""Many consumers, and consumers that do not read: what is buffered for them, and who waits.

The connections of these tests have no buffers: a server that writes waits until its client reads.
"""

import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio
from trio.testing import MockClock, lockstep_stream_pair

from simulator import open_simulator
from simulator.events import Appended, CloseReason, ConnectionClosed
from simulator.serving.server import Simulator
from simulator.serving.transit import (
    FRAME_OVERHEAD_BYTES,
    STREAMED_BYTES_MAX,
    Transit,
)
from tests.simulator.client import Client, batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from tests.simulator.scene import ended
from wire.api import PRODUCE, STREAM_FETCH, UPDATE_OFFSETS
from wire.api.stream_fetch import OffsetUpdate, StreamFetchRequest, UpdateOffsetsRequest
from wire.codec import decode
from wire.record_set import iter_batches

TOPIC = "greetings"
CONSUMERS = 100
SECONDS = 10
"""How long a producer appends a batch each second."""

BATCH = batch(b"x" * 10_000)


class Consumer:
    """A consumer of one connection, which reads when a test says so."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.received: list[tuple[float, int, int]] = []
        """Time, partition and base offset of each batch."""
        self.frame_bytes: list[int] = []
        """The size of each response of a stream."""
        self._streams: set[int] = set()

    async def open(self, *partitions: int) -> "Consumer":
        for partition in partitions:
            request = StreamFetchRequest(topic=TOPIC, partition=partition, fetch_offset=0)
            self._streams.add(await self.client.send(STREAM_FETCH, request))
        return self

    async def read(self) -> None:
        """Read, and ask for what follows, until the connection ends."""
        while True:
            try:
                await self.read_one()
            except (EOFError, trio.BrokenResourceError):
                return

    async def read_one(self) -> None:
        correlation_id, data = await self.client.answer()
        if correlation_id not in self._streams:
            return
        self.frame_bytes.append(len(data) + 8)
        response = decode(STREAM_FETCH.response, data, STREAM_FETCH.max_version)
        partition = response.partition
        for header, _ in iter_batches(partition.records):
            at = (trio.current_time(), partition.partition_index, header.base_offset)
            self.received.append(at)
        update = OffsetUpdate(offset=header.base_offset + 1, session_id=response.stream_id)
        await self.client.send(UPDATE_OFFSETS, UpdateOffsetsRequest(offsets=[update]))


class Peak(trio.abc.Instrument):
    """The most that the answers in a simulator were charged with."""

    def __init__(self, transit: Transit) -> None:
        self._transit = transit
        self.bytes = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.bytes = max(self.bytes, self._transit.answers)


@asynccontextmanager
async def scene(
    network: MemoryNetwork, consumers: int, **options: Any
) -> AsyncIterator[tuple[Simulator, Client, list[Consumer], Peak]]:
    """A simulator, a producer, consumers that have not opened a stream, and what is buffered."""
    network.pair = lockstep_stream_pair
    async with open_simulator(listen=network.listen, **options) as sim:
        address = sim.spu_addresses[0]
        producer = await dial(network, address)
        clients = [Consumer(await dial(network, address)) for _ in range(consumers)]
        peak = Peak(sim._transit)
        trio.lowlevel.add_instrument(peak)
        try:
            yield sim, producer, clients, peak
        finally:
            trio.lowlevel.remove_instrument(peak)


async def append(producer: Client, partition: int = 0) -> None:
    await producer.call(PRODUCE, produce_request((TOPIC, partition, BATCH)))


async def test_each_of_100_consumers_has_one_response_in_memory_however_much_is_appended(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with scene(network, CONSUMERS) as (sim, producer, consumers, _):
        for consumer in consumers:
            await consumer.open(0)
        for _ in range(50):
            await append(producer)
        await trio.sleep(1)
        buffered = sim._transit.answers
        for consumer in consumers:
            await consumer.read_one()
        one = consumers[0].frame_bytes[0]
        assert len(BATCH) < one < len(BATCH) + 100
        assert buffered == CONSUMERS * (one + FRAME_OVERHEAD_BYTES)
        async with trio.open_nursery() as nursery:
            for consumer in consumers:
                nursery.start_soon(consumer.read)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert sim._transit.answers == 0
    for consumer in consumers:
        assert [base for _, _, base in consumer.received] == list(range(50))
        assert len(consumer.frame_bytes) == 2, "what came meanwhile is one response"


async def test_the_responses_of_all_consumers_stay_below_half_of_the_budget_and_one_response(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with scene(network, CONSUMERS, memory="1MiB") as (sim, producer, consumers, peak):
        async with trio.open_nursery() as nursery:
            for consumer in consumers:
                await consumer.open(0)
                nursery.start_soon(consumer.read)
            for _ in range(5):
                await append(producer)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        half = sim._transit.half
    sizes = [size for consumer in consumers for size in consumer.frame_bytes]
    assert CONSUMERS * len(BATCH) > 7 * half, "they do not fit at once"
    assert half < peak.bytes <= half + max(sizes) + FRAME_OVERHEAD_BYTES
    for consumer in consumers:
        assert [base for _, _, base in consumer.received] == list(range(5))


async def _times(network: MemoryNetwork, stuck: int, **options: Any) -> list[list[float]]:
    """How long after its append, in seconds, each of the reading consumers received each batch,
    beside some consumers that do not read. An append waits for memory too.
    """
    async with (
        scene(network, CONSUMERS, **options) as (sim, producer, consumers, _),
        trio.open_nursery() as nursery,
    ):
        began = trio.current_time()
        for consumer in consumers:
            await consumer.open(0)
        for consumer in consumers[stuck:]:
            nursery.start_soon(consumer.read)
        for _ in range(SECONDS):
            await append(producer)
            await trio.sleep(1)
        nursery.cancel_scope.cancel()
        reset = [e for e in sim.events if isinstance(e, ConnectionClosed)]
        appended = {e.base_offset: began + e.t for e in sim.events if isinstance(e, Appended)}
    assert options or list(appended.values()) == [began + number for number in range(SECONDS)]
    assert bool(reset) == bool(options)
    assert len(reset) <= stuck
    assert all(event.reason is CloseReason.ANSWERS_UNREAD for event in reset)
    for consumer in consumers[stuck:]:
        assert [base for _, _, base in consumer.received] == list(range(SECONDS))
    return [[t - appended[base] for t, _, base in each.received] for each in consumers[stuck:]]


async def test_consumers_that_do_not_read_do_not_slow_the_others(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    alone = await _times(network, 0)
    beside = await _times(network, 30)
    assert alone == [[0.0] * SECONDS] * CONSUMERS
    assert beside == [[0.0] * SECONDS] * (CONSUMERS - 30)


async def test_consumers_that_do_not_read_and_fill_the_memory_are_reset(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    times = await _times(network, 30, memory="1MiB")
    assert len(times) == CONSUMERS - 30
    for late in times:
        assert max(late) < SECONDS / 2, "12 responses fit at once, and are evicted after UNREAD_S"
        assert late[-1] == 0.0


async def test_a_connection_with_many_streams_holds_a_few_responses_and_is_not_reset(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    partitions = 2 * STREAMED_BYTES_MAX // len(BATCH)
    async with (
        scene(network, 1, topics={TOPIC: partitions}) as (sim, producer, (consumer,), peak),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(consumer.open, *range(partitions))
        await trio.sleep(1)
        for index in range(partitions):
            await append(producer, index)
        await trio.sleep(1)
        assert sim._transit.answers > STREAMED_BYTES_MAX
        assert peak.bytes < STREAMED_BYTES_MAX + len(BATCH) + FRAME_OVERHEAD_BYTES + 200
        nursery.start_soon(consumer.read)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert sorted(index for _, index, _ in consumer.received) == list(range(partitions))


async def test_a_reset_forgets_the_responses_that_are_buffered_and_those_that_wait_for_room(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    partitions = 2 * STREAMED_BYTES_MAX // len(BATCH)
    async with (
        scene(network, 1, topics={TOPIC: partitions}) as (sim, producer, (consumer,), _),
        trio.open_nursery() as nursery,
    ):
        living = trio.lowlevel.current_statistics().tasks_living
        nursery.start_soon(consumer.open, *range(partitions))
        await trio.sleep(1)
        for index in range(partitions):
            await append(producer, index)
        await trio.sleep(1)
        assert sim._transit.answers > STREAMED_BYTES_MAX
        await sim.reset()
        await trio.sleep(1)
        assert sim._transit.answers == 0
        assert trio.lowlevel.current_statistics().tasks_living < living
        nursery.cancel_scope.cancel()


def tracing() -> int:
    """Begin to count allocated bytes; return their number."""
    tracemalloc.start()
    return tracemalloc.get_traced_memory()[0]


async def test_a_stream_is_charged_to_the_memory_until_its_connection_ends(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    long = "c" * 10_000
    async with open_simulator(listen=network.listen, memory="1MiB") as sim:
        request = StreamFetchRequest(topic=TOPIC, fetch_offset=0, consumer_id=long)
        other = await dial(network, sim.spu_addresses[0])
        await other.send(STREAM_FETCH, request)  # the first one of a process makes more
        await trio.sleep(1)
        client = await dial(network, sim.spu_addresses[0])
        before, stored = tracing(), sim.cluster.memory.stored
        for _ in range(20):
            await client.send(STREAM_FETCH, request)
        await trio.sleep(1)
        taken = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        charged = sim.cluster.memory.stored - stored
        assert taken <= charged < 3 * taken
        with suppress(trio.BrokenResourceError):
            for _ in range(20):
                await client.send(STREAM_FETCH, request)
        assert await ended(client)
        assert sim.cluster.memory.stored == stored
        (closed,) = [e for e in sim.events if isinstance(e, ConnectionClosed)]
        assert closed.error == "a stream for which the memory of the simulator has no room"
