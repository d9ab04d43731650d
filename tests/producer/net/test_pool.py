"""The connections to SPUs: who shares them, when they are told goodbye, when they are let go."""

import pytest
import trio
from trio.testing import MockClock

from producer import DeliverySemantic, RecordMetadata, TlsPolicy, TopicProducerConfig
from producer.net.metadata import Endpoint
from producer.net.pool import Pool
from simulator.serving.transport import Stream
from tests.producer.cluster import Cluster
from tests.producer.net.test_connection import EMPTY, Server
from tests.producer.test_at_least_once import error_of, fault, outcome
from tests.simulator.memory import MemoryNetwork, reset
from wire.address import parse_address
from wire.api import PRODUCE

HERE = Endpoint(5001, "spu-5001", "host", 9010)
ELSEWHERE = Endpoint(5001, "spu-5001", "host", 9020)
ANOTHER = Endpoint(5002, "spu-5002", "host", 9030)
ONCE = TopicProducerConfig(delivery_semantic=DeliverySemantic.at_most_once())


class Spus:
    """SPUs that greet and then do what the test says, and a pool of connections to them."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.servers: list[Server] = []
        self.pool = Pool(nursery, self._dial, "test", TlsPolicy(), None)

    async def _dial(self, _host: str, _port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        server = Server()
        self.servers.append(server)
        self._nursery.start_soon(server.greet)
        return server.client


async def test_only_the_last_producer_on_a_connection_sends_fin(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery)
        # They are equal, and two all the same.
        first, second = {HERE: None}, {HERE: None}
        spus.pool.join(first)
        spus.pool.join(second)
        connection = await spus.pool.connection(HERE)
        call = connection.submit(PRODUCE, EMPTY)
        spus.pool.finish(first)
        assert await spus.pool.connection(HERE) is connection
        spus.pool.finish(second)
        (server,) = spus.servers
        correlation_id = await server.request()
        assert await server.stream.receive_some() == b""
        await server.answer(correlation_id)
        assert await call.answer()
        await connection.ended.wait()


async def test_a_producer_that_sends_elsewhere_or_left_keeps_no_connection_open(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery)
        leaving, elsewhere, gone = {HERE: None}, {ANOTHER: None}, {HERE: None}
        for endpoints in (leaving, elsewhere, gone):
            spus.pool.join(endpoints)
        here, there = [await spus.pool.connection(each) for each in (HERE, ANOTHER)]
        spus.pool.leave(gone)
        spus.pool.leave(gone)  # as a producer does that was closed before its block ended
        spus.pool.finish(leaving)
        assert (here.usable, there.usable) == (False, True)
        await here.ended.wait()
        await spus.pool.close(1)


class _HastyNetwork(MemoryNetwork):
    """A network whose servers take a FIN as the end of everything, answers included."""

    def connect(self, address: str) -> Stream:
        stream = super().connect(address)

        async def send_eof() -> None:
            await trio.lowlevel.checkpoint()
            reset(stream)

        stream.send_eof = send_eof  # type: ignore[method-assign]
        return stream


async def test_a_producer_that_closes_takes_no_answer_from_another_one(
    autojump_clock: MockClock,
) -> None:
    cluster = Cluster(_HastyNetwork())
    async with (
        cluster.client(faults=[fault("delay", at="response", by="1s")]) as fluvio,
        fluvio.topic_producer("greetings", ONCE) as staying,
    ):
        sent = [await staying.send(None, b"before")]
        await staying.flush()
        async with fluvio.topic_producer("greetings", ONCE) as leaving:
            last_words = await leaving.send(None, b"last words")
            await leaving.flush()
            sent.append(await staying.send(None, b"meanwhile"))
            await staying.flush()
        sent.append(await staying.send(None, b"after"))
        for output in (last_words, *sent):
            assert isinstance(await output.wait(), RecordMetadata)
        assert cluster.values() == [b"before", b"last words", b"meanwhile", b"after"]
        spu = parse_address(cluster.simulator.spu_addresses[0]).port
        assert cluster.dialled.count(spu) == 1


async def test_the_last_of_two_producers_learns_by_its_fin_that_no_answer_comes(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.client(faults=[fault("drop", at="response", nth=2)]) as fluvio:
        async with fluvio.topic_producer("greetings", ONCE) as last:
            async with fluvio.topic_producer("greetings", ONCE) as first:
                await (await first.send(None, b"a")).wait()
            output = await last.send(None, b"b")
            await last.flush()
        await error_of(output)
        assert trio.current_time() < 1
        async with fluvio.topic_producer("greetings", ONCE) as another:
            assert isinstance(await outcome(await another.send(None, b"c")), int)


async def test_the_connection_to_an_spu_that_moved_is_let_go_once_it_is_reached(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery)
        before, other = [await spus.pool.connection(each) for each in (HERE, ANOTHER)]
        call = before.submit(PRODUCE, EMPTY)
        after = await spus.pool.connection(ELSEWHERE)
        assert (before.usable, other.usable, after.usable) == (False, True, True)
        # What was sent there before still counts.
        await spus.servers[0].answer(await spus.servers[0].request())
        assert await call.answer()
        await before.ended.wait()
        await spus.pool.close(1)


@pytest.mark.parametrize("answers", [True, False])
async def test_closing_waits_for_the_answers_but_not_for_long(
    autojump_clock: MockClock, answers: bool
) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery)
        connection = await spus.pool.connection(HERE)
        call = connection.submit(PRODUCE, EMPTY)
        (server,) = spus.servers

        async def serve() -> None:
            correlation_id = await server.request()
            assert await server.stream.receive_some() == b""
            if answers:
                await trio.sleep(0.4)
                await server.answer(correlation_id)

        nursery.start_soon(serve)
        await spus.pool.close(1.0)
        assert trio.current_time() == pytest.approx(0.4 if answers else 1.0)
        assert connection.ended.is_set() is answers
        if answers:
            assert await call.answer()
        connection.end()
