"""One connection by itself, against a server that does exactly what the test says."""

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from producer import (
    DeliveryError,
    DeliverySemantic,
    FlushError,
    Persisted,
    RetryPolicy,
    TopicProducerConfig,
)
from producer.errors import ConnectError, ConnectionLostError
from producer.net.connection import Connection
from producer.net.dialling import open_connection
from simulator.serving.transport import Stream
from tests.producer.cluster import Cluster
from tests.simulator.memory import MemoryNetwork
from wire.api import API_VERSIONS, LIST, PRODUCE
from wire.api.api_versions import ApiVersionRange, ApiVersionsResponse
from wire.api.produce import ProduceRequest, ProduceResponse
from wire.codec import WireError
from wire.framing import REQUEST_BYTES_MIN, FrameReader, response_frame

HELLO = ApiVersionsResponse(
    api_keys=[ApiVersionRange(api_key=PRODUCE.key, min_version=0, max_version=25)],
    platform_version="0.0.0",
)
EMPTY = ProduceRequest(topics=[])


class Server:
    """The other end of a stream in memory."""

    def __init__(self) -> None:
        self.client, self.stream = memory_stream_pair()
        self._reader = FrameReader(REQUEST_BYTES_MIN)
        self._frames: list[bytes] = []

    async def dial(self, _host: str, _port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return self.client

    async def request(self) -> int:
        """The correlation id of the next request."""
        while not self._frames:
            self._frames += self._reader.feed(bytes(await self.stream.receive_some()))
        return int.from_bytes(self._frames.pop(0)[4:8], "big")

    async def answer(self, correlation_id: int) -> None:
        await self.stream.send_all(
            response_frame(correlation_id, ProduceResponse(topics=[]), PRODUCE.max_version)
        )

    async def greet(self) -> None:
        correlation_id = await self.request()
        await self.stream.send_all(response_frame(correlation_id, HELLO, API_VERSIONS.max_version))


async def opened(server: Server, nursery: trio.Nursery) -> Connection:
    async with trio.open_nursery() as greeting:
        greeting.start_soon(server.greet)
        connection = await open_connection(server.dial, "host", 9010, client_id="test")
    nursery.start_soon(connection.run)
    return connection


async def test_answers_are_paired_by_their_ids_in_any_order(autojump_clock: MockClock) -> None:
    server = Server()
    async with trio.open_nursery() as nursery:
        connection = await opened(server, nursery)
        first, second = (connection.submit(PRODUCE, EMPTY) for _ in range(2))
        ids = [await server.request(), await server.request()]
        assert ids == [first.correlation_id, second.correlation_id]
        for correlation_id in (99, *reversed(ids), ids[0]):  # one unknown, one repeated
            await server.answer(correlation_id)
        assert await second.answer() == await first.answer()
        connection.retire()
    assert connection.ended.is_set()


async def test_a_retired_connection_waits_for_the_answers_to_others_and_then_closes(
    autojump_clock: MockClock,
) -> None:
    server = Server()
    async with trio.open_nursery() as nursery:
        connection = await opened(server, nursery)
        overdue, other = (connection.submit(PRODUCE, EMPTY) for _ in range(2))
        await server.request()
        await server.request()
        connection.forget(overdue, overdue=True)
        assert not connection.usable
        with pytest.raises(ConnectionLostError, match="was given up"):
            connection.submit(PRODUCE, EMPTY)
        await trio.sleep(5)
        assert not connection.ended.is_set()
        await server.answer(overdue.correlation_id)  # nobody waits for it any more
        await server.answer(other.correlation_id)
        assert await other.answer()
        await connection.ended.wait()


async def test_an_answer_that_nobody_waits_for_is_owed_all_the_same(
    autojump_clock: MockClock,
) -> None:
    server = Server()
    async with trio.open_nursery() as nursery:
        connection = await opened(server, nursery)
        answered, silent = (connection.submit(PRODUCE, EMPTY) for _ in range(2))
        await server.request()
        await server.request()
        for call in (answered, silent):
            connection.forget(call, due=trio.current_time() + 1)
        await server.answer(answered.correlation_id)
        was_usable = []
        for _ in range(2):
            await trio.sleep(0.9)
            was_usable.append(connection.usable)
        with pytest.raises(ConnectionLostError, match="was given up"):
            connection.submit(PRODUCE, EMPTY)
        await server.answer(silent.correlation_id)
        await trio.testing.wait_all_tasks_blocked()
        was_usable.append(connection.usable)
        assert was_usable == [True, False, True]  # in the end it was only slow
        connection.retire()


async def test_what_stands_in_line_when_a_connection_is_retired_is_displaced_and_never_sent(
    autojump_clock: MockClock,
) -> None:
    server = Server()
    async with trio.open_nursery() as nursery:
        connection = await opened(server, nursery)
        blocked = trio.Event()

        async def send_all(data: bytes | bytearray | memoryview) -> None:
            blocked.set()
            await trio.sleep_forever()

        server.client.send_stream.send_all = send_all  # type: ignore[method-assign]
        begun, behind = (connection.submit(PRODUCE, EMPTY) for _ in range(2))
        await blocked.wait()
        assert (begun.begun, behind.begun) == (True, False)
        connection.forget(begun, overdue=True)
        with pytest.raises(ConnectionLostError):
            await behind.answer()
        assert (begun.displaced, behind.displaced) == (False, True)
        await connection.ended.wait()


async def test_what_stands_in_line_when_a_write_fails_is_displaced_at_once(
    autojump_clock: MockClock,
) -> None:
    server = Server()
    async with trio.open_nursery() as nursery:
        connection = await opened(server, nursery)
        answered = connection.submit(PRODUCE, EMPTY)
        await server.request()

        async def send_all(data: bytes | bytearray | memoryview) -> None:
            await trio.sleep(1)
            raise trio.BrokenResourceError from BrokenPipeError("broken pipe")

        server.client.send_stream.send_all = send_all  # type: ignore[method-assign]
        begun, behind = (connection.submit(PRODUCE, EMPTY) for _ in range(2))
        with pytest.raises(ConnectionLostError, match="host:9010: broke while writing: broken"):
            await behind.answer()
        with pytest.raises(ConnectionLostError, match="broke while writing"):
            await behind.written()
        assert trio.current_time() == 1
        assert (begun.begun, begun.displaced) == (True, False)
        assert (behind.begun, behind.displaced) == (False, True)
        assert not connection.usable
        # The reader did not notice yet; what arrives before the end still counts.
        await server.answer(answered.correlation_id)
        assert await answered.answer()
        await server.stream.send_eof()
        with pytest.raises(ConnectionLostError, match="broke while writing"):
            await begun.answer()
        await connection.ended.wait()


class _BreakingNetwork(MemoryNetwork):
    """A network on which the next write fails after a second; its reader notices nothing."""

    breaks = False

    def connect(self, address: str) -> Stream:
        stream = super().connect(address)
        assert isinstance(stream, trio.StapledStream)
        send = stream.send_stream
        original = send.send_all

        async def send_all(data: bytes) -> None:
            if self.breaks:
                self.breaks = False
                await trio.sleep(1)
                raise trio.BrokenResourceError
            await original(data)

        send.send_all = send_all
        return stream


async def test_a_write_that_fails_for_another_costs_no_attempt(autojump_clock: MockClock) -> None:
    network = _BreakingNetwork()
    cluster = Cluster(network)
    once = DeliverySemantic.at_least_once(RetryPolicy(max_retries=0, timeout=5))
    config = TopicProducerConfig(delivery_semantic=once)
    async with cluster.producer(config, topics={"greetings": 2}) as producer:
        for partition in (0, 1):
            output = await producer.send(None, b"before")
            assert (await output.wait()).partition == partition
        network.breaks = True
        broken = await producer.send(None, b"is being written")
        await trio.testing.wait_all_tasks_blocked()
        behind = await producer.send(None, b"stands in line")
        assert (await behind.wait()).partition == 1
        assert trio.current_time() == 1
        with pytest.raises(DeliveryError) as caught:
            await broken.wait()
        assert caught.value.persisted is Persisted.MAYBE
        with pytest.raises(FlushError, match="1 record was not delivered"):
            await producer.flush()
    assert cluster.values(1) == [b"before", b"stands in line"]


async def test_turning_away_before_the_first_byte_sends_nothing(
    autojump_clock: MockClock,
) -> None:
    server = Server()
    async with trio.open_nursery() as nursery:
        connection = await opened(server, nursery)
        hooks = []
        unwanted = connection.submit(PRODUCE, EMPTY, begun=lambda: hooks.append("unwanted"))
        wanted = connection.submit(PRODUCE, EMPTY, begun=lambda: hooks.append("wanted"))
        connection.forget(unwanted)
        assert await server.request() == wanted.correlation_id
        assert hooks == ["wanted"]
        assert connection.usable
        connection.retire()
        connection.forget(wanted)


@pytest.mark.parametrize("end", ["fin", "reset", "garbage"])
async def test_the_end_of_a_connection_fails_all_that_is_open(
    autojump_clock: MockClock, end: str
) -> None:
    server = Server()
    async with trio.open_nursery() as nursery:
        connection = await opened(server, nursery)
        calls = [connection.submit(PRODUCE, EMPTY) for _ in range(2)]
        await server.request()
        if end == "fin":
            await server.stream.send_eof()
        elif end == "reset":
            server.stream.send_stream.close()
            server.stream.receive_stream.close()
        else:
            await server.stream.send_all(b"\xff" * 8)
        for call in calls:
            with pytest.raises(ConnectionLostError, match="host:9010"):
                await call.answer()
        await connection.ended.wait()
        assert not connection.usable


async def test_finishing_sends_eof_behind_what_stands_in_line_and_reads_on(
    autojump_clock: MockClock,
) -> None:
    server = Server()
    async with trio.open_nursery() as nursery:
        connection = await opened(server, nursery)
        call = connection.submit(PRODUCE, EMPTY)
        connection.finish()
        correlation_id = await server.request()
        assert await server.stream.receive_some() == b""
        await server.answer(correlation_id)
        assert await call.answer()
        await connection.ended.wait()


async def test_a_version_that_the_server_does_not_have_is_an_error(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        connection = await opened(Server(), nursery)
        with pytest.raises(WireError, match="no common version of list"):
            connection.version_of(LIST)
        connection.retire()


@pytest.mark.parametrize("end", ["fin", "garbage", "nonsense"])
async def test_a_server_that_does_not_greet_back_is_an_error_that_says_why(
    autojump_clock: MockClock, end: str
) -> None:
    server = Server()

    async def behave() -> None:
        await server.request()
        if end == "fin":
            await server.stream.send_eof()
        elif end == "garbage":
            await server.stream.send_all(b"HTTP/1.1 400 Bad Request\r\n")
        else:
            await server.stream.send_all(b"\0\0\0\5\0\0\0\1\0")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(behave)
        with pytest.raises(ConnectError, match=r"cannot connect to host:9010: .+"):
            await open_connection(server.dial, "host", 9010, client_id="test")
