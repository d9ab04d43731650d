"""The essential cases over real sockets: what only an operating system can show."""

import resource
import socket

import pytest
import trio

from simulator import SimulatorError, open_simulator
from simulator.serving.node import CONNECTIONS_MAX
from tests.simulator.client import Client, Connect, batch, produce_request
from wire.api import PRODUCE
from wire.error_code import Code

pytestmark = pytest.mark.filterwarnings("error")


async def send(client: Client, *contents: bytes) -> None:
    """Send requests at once."""
    requests = [produce_request(("greetings", 0, batch(content))) for content in contents]
    version = client.wire.version_of(PRODUCE)
    frames = [client.wire.request(PRODUCE, request, version)[1] for request in requests]
    await client.stream.send_all(b"".join(frames))


async def test_records_arrive_over_tcp_at_the_offsets_that_were_answered(connect: Connect) -> None:
    async with open_simulator() as sim:
        client = await connect(sim.spu_addresses[0])
        results = [await client.produce("greetings", 0, b"%d" % n) for n in range(100)]
        stored = {record.offset: record.value for record in sim.log("greetings", 0)}
    assert stored == {result.base_offset: b"%d" % n for n, result in enumerate(results)}


async def test_a_reset_is_a_reset_for_the_client(connect: Connect) -> None:
    fault = {"disconnect": {"at": "response", "how": "rst"}}
    async with open_simulator(faults=[fault]) as sim:
        client = await connect(sim.spu_addresses[0])
        await send(client, b"a")
        with pytest.raises(trio.BrokenResourceError) as caught:
            await client.answer()
        assert isinstance(caught.value.__cause__, ConnectionResetError)
        assert len(sim.log("greetings", 0)) == 1


@pytest.mark.parametrize("at", ["request", "response"])
async def test_a_fin_is_an_end_and_no_reset_even_with_input_that_nobody_read(
    connect: Connect, at: str
) -> None:
    fault = {"disconnect": {"at": at, "how": "fin"}}
    async with open_simulator(faults=[fault]) as sim:
        client = await connect(sim.spu_addresses[0])
        # Far more than one read takes, so that input is waiting when the connection ends.
        await send(client, b"first", bytes(1_000_000))
        assert await client.stream.receive_some() == b""
        await client.stream.aclose()
        stored = [record.value for record in sim.log("greetings", 0)]
    assert stored == ([b"first"] if at == "response" else [])


async def test_a_half_closed_connection_still_takes_requests(connect: Connect) -> None:
    fault = {"disconnect": {"at": "response", "how": "half-close", "nth": 1}}
    async with open_simulator(faults=[fault]) as sim:
        client = await connect(sim.spu_addresses[0])
        await send(client, b"a")
        assert await client.stream.receive_some() == b""
        await send(client, b"b", b"c")
        await client.stream.send_eof()
        while len(sim.log("greetings", 0)) < 3:
            await trio.testing.wait_all_tasks_blocked()
        values = [record.value for record in sim.log("greetings", 0)]
    assert values == [b"a", b"b", b"c"]


async def test_a_frame_of_many_pieces_is_one_request(connect: Connect) -> None:
    async with open_simulator() as sim:
        client = await connect(sim.spu_addresses[0])
        value = bytes(range(256)) * 20_000
        assert (await client.produce("greetings", 0, value)).base_offset == 0
        (record,) = sim.log("greetings", 0)
    assert record.value == value


async def test_a_thousand_connections_at_once_are_served(connect: Connect) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    try:
        async with open_simulator() as sim:
            clients: list[Client] = []

            async def join() -> None:
                clients.append(await connect(sim.spu_addresses[0]))

            async with trio.open_nursery() as nursery:
                for _ in range(1000):
                    nursery.start_soon(join)
            for client in clients:
                await send(client, b"x")
            for client in clients:
                await client.answer()
            assert len(sim.log("greetings", 0)) == 1000
            for client in clients:
                await client.stream.aclose()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_one_connection_too_many_is_reset_and_the_others_go_on(
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert CONNECTIONS_MAX >= 1000
    monkeypatch.setattr("simulator.serving.node.CONNECTIONS_MAX", 2)
    async with open_simulator() as sim:
        first, second = [await connect(sim.spu_addresses[0]) for _ in range(2)]
        with pytest.raises((EOFError, trio.BrokenResourceError)):
            await connect(sim.spu_addresses[0])
        for client in (first, second):
            assert (await client.produce("greetings", 0, b"a")).error_code is Code.NONE
        await first.stream.aclose()
        while (await _connected(connect, sim.spu_addresses[0])) is None:
            await trio.testing.wait_all_tasks_blocked()


async def _connected(connect: Connect, address: str) -> Client | None:
    try:
        return await connect(address)
    except (EOFError, trio.BrokenResourceError):
        return None


async def test_a_port_that_is_taken_is_one_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        expected = rf"cannot listen on 127.0.0.1:{port}: .*in use; choose another --port"
        with pytest.raises(SimulatorError, match=expected):
            async with open_simulator(port=port):
                pass


async def test_an_spu_that_is_away_refuses_connects_and_comes_back_on_its_port(
    connect: Connect,
) -> None:
    async with open_simulator(spus=2) as sim:
        client = await connect(sim.spu_addresses[0])
        await sim.stop_spu(0)
        with pytest.raises((EOFError, trio.BrokenResourceError)):
            await client.answer()
        with pytest.raises(OSError, match=r"all attempts to connect .* failed"):
            await connect(sim.spu_addresses[0])
        await connect(sim.spu_addresses[1])
        await sim.start_spu(0)
        again = await connect(sim.spu_addresses[0])
        assert (await again.produce("greetings", 0, b"a")).error_code is Code.NONE
