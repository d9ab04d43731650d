"""Ends and backpressure are carried through, in both directions."""

from typing import Any

import pytest
import trio

from chaos.world.clock import VirtualClock
from chaos.world.network import reset_virtual
from simulator import open_simulator
from simulator.events import ClosedBy, CloseReason, ConnectionClosed
from simulator.faults.kinds.delay import Delay
from simulator.faults.kinds.disconnect import Disconnect
from simulator.faults.kinds.drop import Drop
from simulator.faults.kinds.stall import Stall
from simulator.proxying.config import configure_proxy
from simulator.proxying.proxy import open_proxy
from simulator.proxying.upstream import Upstream
from tests.simulator.client import Client, batch, produce_request
from tests.simulator.proxying.virtual_scene import scene
from tests.simulator.scene import by, send, values
from wire.address import parse_address
from wire.api import FETCH, PRODUCE
from wire.api.fetch import FetchPartition, FetchRequest, FetchTopic

UNREAD_BYTES_MAX = 8 * 1024 * 1024
"""Far more than the windows of two connections and one read, and far less than was sent."""


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


async def test_a_fin_of_the_client_arrives_as_a_fin(clock: VirtualClock) -> None:
    async with scene(clock) as it:
        client = await it.client()
        await send(client, b"a")
        await client.stream.send_eof()
        assert [n for n, _ in await client.answers_within(1)] == [1]
        assert await client.stream.receive_some() == b""
        await trio.sleep(1)
        assert it.closed(it.sim) == it.closed(it.proxy) == (ClosedBy.CLIENT, CloseReason.FIN)


async def test_a_reset_of_the_client_arrives_as_a_reset(clock: VirtualClock) -> None:
    async with scene(clock) as it:
        client = await it.client()
        await send(client, b"a")
        await client.answer()
        reset_virtual(client.stream)
        await trio.sleep(1)
        assert it.closed(it.sim) == it.closed(it.proxy) == (ClosedBy.CLIENT, CloseReason.RESET)


async def test_a_reset_of_the_cluster_arrives_as_a_reset(clock: VirtualClock) -> None:
    async with scene(clock) as it:
        client = await it.client()
        it.sim.cut("spu:0")
        with pytest.raises(trio.BrokenResourceError):
            await client.answer()
        await trio.sleep(1)
        assert it.closed(it.proxy) == (ClosedBy.UPSTREAM, CloseReason.RESET)


async def test_a_fin_of_the_cluster_comes_behind_its_answers(clock: VirtualClock) -> None:
    fin = Disconnect(how="half-close", at="request", nth=[2])
    late = Delay(by=by("2s"), at="response", nth=[1])
    async with scene(clock, upstream=[fin], faults=[late]) as it:
        client = await it.client()
        await send(client, b"a", b"b")
        assert [n for n, _ in await client.answers_within(1)] == []
        assert (await client.answer())[0] == 1
        assert await client.stream.receive_some() == b""
        # The other direction is open: an SPU that half-closes applies what it gets.
        await send(client, b"c")
        await client.stream.aclose()
        await trio.sleep(1)
        assert values(it.sim) == [b"a", b"b", b"c"]
        assert it.closed(it.proxy)[0] is ClosedBy.UPSTREAM


async def test_requests_that_were_read_are_forwarded_though_the_client_reset(
    clock: VirtualClock,
) -> None:
    async with scene(clock, faults=[Delay(by=by("2s"), at="request")]) as it:
        client = await it.client()
        await send(client, *(b"%d" % n for n in range(50)))
        await trio.sleep(1)
        reset_virtual(client.stream)
        await trio.sleep(5)
        assert len(values(it.sim)) == 50
        assert it.closed(it.sim) == (ClosedBy.CLIENT, CloseReason.RESET)


async def test_a_cluster_that_reads_nothing_makes_the_client_wait(clock: VirtualClock) -> None:
    async with scene(clock, upstream=[Stall(at="request", nth=[1])]) as it:
        client = await it.client()
        taken = 0
        request = produce_request(("greetings", 0, batch(bytes(1024 * 1024))))
        with trio.move_on_after(60) as waiting:
            while taken < 100:
                await client.send(PRODUCE, request)
                taken += 1
        assert waiting.cancelled_caught
        assert taken * 1024 * 1024 < UNREAD_BYTES_MAX


async def test_a_client_that_reads_nothing_makes_the_cluster_wait(clock: VirtualClock) -> None:
    async with scene(clock) as it:
        client = await it.client()
        await client.produce("greetings", 0, bytes(1024 * 1024))
        asked = FetchPartition(partition_index=0, fetch_offset=0, max_bytes=-1)
        request = FetchRequest(
            max_bytes=-1, topics=[FetchTopic(name="greetings", partitions=[asked])]
        )
        for _ in range(100):
            await client.send(FETCH, request)
        await trio.sleep(10)
        # The answers that the cluster has written are in windows, or held by the proxy.
        written = [e for e in it.sim.events if type(e).__name__ == "FrameWritten"]
        assert 0 < sum(e.size for e in written if e.api == "fetch") < UNREAD_BYTES_MAX  # type: ignore[attr-defined]
        # Nothing is lost once the client reads.
        assert len(await client.answers_within(10)) == 100


async def test_heal_resets_what_a_fault_holds_open_and_lifts_faults(clock: VirtualClock) -> None:
    async with scene(clock, faults=[Stall(at="request", nth=[1]), Drop(name="lost")]) as it:
        client = await it.client()
        await send(client, b"a")
        assert await client.answers_within(5) == []
        await it.proxy.heal()
        with pytest.raises(trio.BrokenResourceError):
            await client.answer()
        assert (await (await it.client()).produce("greetings", 0, b"b")).error_code == 0
        assert values(it.sim) == [b"b"]


async def test_a_change_of_faults_strikes_what_is_read_from_then_on(clock: VirtualClock) -> None:
    async with scene(clock) as it:
        client = await it.client()
        with it.proxy.faults(drop=1.0, at="response"):
            await send(client, b"a")
            assert await client.answers_within(5) == []
        assert (await client.produce("greetings", 0, b"b")).base_offset == 1
        assert it.proxy.summary().faults["drop-1"].fired == 1


async def test_all_requests_of_a_reset_socket_arrive() -> None:
    """Over TCP a reset discards what its sender holds, so the proxy must not be too early."""
    async with open_simulator() as sim:
        config = configure_proxy(Upstream(parse_address(sim.address)))
        async with open_proxy(config) as proxy:
            host, port = parse_address(proxy.spu_addresses[0])
            stream = await trio.open_tcp_stream(host, port)
            client = await Client(stream).hello()
            await send(client, *(b"%d" % n for n in range(50)))
            await client.answer()  # unread input makes the close a reset
            await stream.aclose()
            await sim.wait_until(stored=50)
            await proxy.drained()
            last: Any = [e for e in sim.events if isinstance(e, ConnectionClosed)][-1]
            assert (last.server, last.by) == ("spu:0", ClosedBy.CLIENT)
