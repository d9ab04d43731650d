"""What a proxy does when a cluster or its own machine is not as it expects."""

from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from simulator.events import ConnectionClosed
from simulator.proxying.calls import CALLS_MAX, Calls
from simulator.proxying.config import configure_proxy
from simulator.proxying.proxy import open_proxy
from simulator.serving.pending import PendingEnd
from simulator.serving.states import READING, Cause, ReadingState
from tests.simulator.memory import MemoryNetwork
from tests.simulator.proxying.fake_cluster import FakeCluster, Side, an_spu
from wire.api import LIST
from wire.api.admin import ListFilter, ListRequest, ListResponse
from wire.api.envelope import SPU, seal
from wire.api.objects import Spus
from wire.codec import WireError
from wire.framing import RequestHeader, request_frame, response_frame


async def test_a_client_is_reset_if_there_is_no_port_for_an_spu_and_the_proxy_goes_on(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    cluster = FakeCluster(network)
    await cluster.listen()
    ports_in_use = False

    async def listen(host: str, port: int) -> Any:
        if ports_in_use:
            raise OSError(98, "Address already in use")
        return await network.listen(host, port)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(cluster.answer_watch)
        async with open_proxy(configure_proxy(cluster.upstream), listen=listen) as proxy:
            ports_in_use = True
            client = Side(network.connect(proxy.address))
            upstream = await cluster.accept("sc")
            request = ListRequest(object=seal(SPU, ListFilter(), 19))
            header = RequestHeader(
                api_key=LIST.key, api_version=19, correlation_id=1, client_id="x"
            )
            await client.stream.send_all(request_frame(header, request))
            await upstream.frame()
            spus = Spus(objects=[an_spu(5003, 1234)])
            answer = ListResponse(object=seal(SPU, spus, 19))
            await upstream.stream.send_all(response_frame(1, answer, 19))
            await trio.sleep(1)
            closed = [e for e in proxy.events if isinstance(e, ConnectionClosed)]
            assert len(closed) == 1
            again = Side(network.connect(proxy.address))
            await cluster.accept("sc")
            await again.stream.aclose()
        nursery.cancel_scope.cancel()


async def test_an_unknown_api_may_answer_a_request_more_than_once(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    cluster = FakeCluster(network)
    await cluster.listen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cluster.answer_watch)
        async with open_proxy(configure_proxy(cluster.upstream), listen=network.listen) as proxy:
            client = Side(network.connect(proxy.address))
            upstream = await cluster.accept("sc")
            await client.send(b"\x03\xed\x00\x00\x00\x00\x00\x07\x00\x00")
            await upstream.frame()
            for n in range(3):
                await upstream.send(b"\x00\x00\x00\x07%d" % n)
            with trio.fail_after(5):
                answers = [await client.frame() for _ in range(3)]
            await client.stream.aclose()
            await upstream.stream.aclose()
        nursery.cancel_scope.cancel()
    assert [bytes(answer or b"")[-1:] for answer in answers] == [b"0", b"1", b"2"]


def test_the_answers_that_wait_behind_a_request_are_bounded() -> None:
    calls = Calls()
    item: Any = SimpleNamespace(spec=PendingEnd)
    for _ in range(CALLS_MAX):
        calls.hold(item)
    with pytest.raises(WireError, match="answers behind a request"):
        calls.hold(item)


def test_a_connection_that_has_failed_may_fail_again() -> None:
    assert READING[Cause.UNDECODABLE_REQUEST][ReadingState.FAILED] is ReadingState.FAILED
