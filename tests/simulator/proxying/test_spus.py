"""Listeners belong to ids of SPUs; clients are told the addresses of the proxy, never others."""

from typing import Any

import pytest
import trio

from simulator.faults.kinds.drop import Drop
from simulator.faults.model import Match
from simulator.proxying.config import configure_proxy
from simulator.proxying.proxy import open_proxy
from tests.simulator.client import Client
from tests.simulator.memory import MemoryNetwork, dial
from tests.simulator.proxying.fake_cluster import FakeCluster, an_spu
from tests.simulator.proxying.scene import Scene, proxied
from tests.simulator.scene import ended
from wire.api import API_VERSIONS, LIST, WATCH
from wire.api.admin import ListFilter, ListRequest, WatchOptions, WatchRequest
from wire.api.api_versions import ApiVersionRange, ApiVersionsResponse
from wire.api.envelope import CUSTOM_SPU, PARTITION, SPU, TOPIC, seal
from wire.api.objects import ChangeKind, CustomSpus, SpuChange, Spus, SpuUpdate
from wire.codec import decode
from wire.framing import response_frame


def addresses(spec: Any) -> set[str]:
    """Every address in the specification of an SPU."""
    public = spec.public_endpoint
    hosts = [each.hostname or each.ip for each in public.ingress]
    private, local = spec.private_endpoint, spec.public_endpoint_local
    found = {f"{host}:{public.port}" for host in hosts} | {f"{private.host}:{private.port}"}
    return found if local is None else found | {f"{local.host}:{local.port}"}


async def listed(client: Client, label: str, body: type[Any]) -> list[Any]:
    request = ListRequest(object=seal(label, ListFilter(), 19))
    response = await client.call(LIST, request)
    objects: list[Any] = response.object.open(body, 19).objects
    return objects


async def watch(client: Client) -> SpuUpdate:
    request = WatchRequest(object=seal(SPU, WatchOptions(), 19))
    response = await client.call(WATCH, request)
    return response.object.open(SpuUpdate, 19)


async def news(client: Client) -> SpuUpdate:
    _, data = await client.answer()
    return decode(WATCH.response, data, 19).object.open(SpuUpdate, 19)


async def test_lists_and_watches_tell_the_addresses_of_the_proxy(
    network: MemoryNetwork, autojump_clock: Any
) -> None:
    async with proxied(network, {"spus": 3}) as scene:
        client = await scene.sc()
        own = [{address} for address in scene.proxy.spu_addresses]
        assert len(own) == 3
        assert not set(scene.proxy.spu_addresses) & set(scene.sim.spu_addresses)
        for label, body in ((SPU, Spus), (CUSTOM_SPU, CustomSpus)):
            assert [addresses(each.spec) for each in await listed(client, label, body)] == own
        assert [addresses(each.spec) for each in (await watch(client)).all] == own


async def test_an_spu_that_moves_keeps_its_listener(
    network: MemoryNetwork, autojump_clock: Any
) -> None:
    async with proxied(network, {"spus": 2, "topics": {"greetings": 2}}) as scene:
        client = await scene.sc()
        await watch(client)
        before = scene.proxy.spu_addresses
        await scene.sim.change_address(1)
        (change,) = (await news(client)).changes
        assert addresses(change.content.spec) == {before[1]}
        await trio.sleep(0.1)
        assert scene.proxy.spu_addresses == before
        result = await (await scene.spu(1)).produce("greetings", 1, b"a")
        assert (result.error_code, len(scene.sim.log("greetings", 1))) == (0, 1)


async def test_an_spu_that_is_not_there_resets_its_clients(
    network: MemoryNetwork, autojump_clock: Any
) -> None:
    async with proxied(network) as scene:
        await scene.sim.stop_spu(0)
        client = Client(network.connect(scene.proxy.spu_addresses[0]))
        assert await ended(client)
        await trio.sleep(0.1)
        (closed,) = scene.named("ConnectionClosed")
        assert (closed.by, closed.reason) == ("upstream", "unreachable")
        assert "refused" in closed.error
        await scene.sim.start_spu(0)
        assert (await (await scene.spu()).produce("greetings", 0, b"a")).error_code == 0


async def test_a_version_that_may_hide_addresses_closes_the_connection(
    network: MemoryNetwork, autojump_clock: Any
) -> None:
    async with proxied(network) as scene:
        client = await scene.sc()
        await client.send(LIST, ListRequest(object=seal(SPU, ListFilter(), 20)), 20)
        assert await ended(client)
        await trio.sleep(0.1)
        (closed,) = scene.named("ConnectionClosed")
        assert closed.error == "list in version 20; the proxy reads versions 0 to 19"
        assert scene.proxy.summary().not_served == {"list in version 20, asked of sc,": 1}


async def test_the_watch_of_the_proxy_survives_its_sc(
    network: MemoryNetwork, autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with proxied(network) as scene:
        before = scene.proxy.spu_addresses
        scene.sim.cut("sc")
        await scene.sim.change_address(0)
        await trio.sleep(5)
        assert scene.proxy.spu_addresses == before
        assert (await (await scene.spu()).produce("greetings", 0, b"a")).error_code == 0
        assert "begins again" in caplog.text


async def test_other_lists_pass(network: MemoryNetwork, autojump_clock: Any) -> None:
    async with proxied(network) as scene:

        async def answers(client: Client) -> list[bytes]:
            found = []
            for label in (TOPIC, PARTITION):
                request = ListRequest(object=seal(label, ListFilter(), 19))
                await client.send(LIST, request)
                found.append((await client.answer())[1])
            return found

        assert await answers(await scene.sc()) == await answers(await direct(scene))


async def direct(scene: Scene) -> Client:
    """A client of the simulator, without the proxy."""
    return await Client(scene.network.connect(scene.sim.address)).hello()


async def test_the_greeting_passes(network: MemoryNetwork, autojump_clock: Any) -> None:
    async with proxied(network) as scene:
        pairs = [
            (scene.proxy.address, scene.sim.address),
            (scene.proxy.spu_addresses[0], scene.sim.spu_addresses[0]),
        ]
        for pair in pairs:
            before, behind = [
                (await Client(network.connect(each)).hello()).offered for each in pair
            ]
            assert before == behind


async def test_a_fault_narrows_the_versions_of_the_apis_that_it_concerns(
    network: MemoryNetwork, autojump_clock: Any
) -> None:
    cluster = FakeCluster(network)
    await cluster.listen()
    ranges = {0: (0, 99), 1: (0, 99), 1003: (0, 99), 77: (3, 99)}
    offer = ApiVersionsResponse(
        api_keys=[
            ApiVersionRange(api_key=key, min_version=least, max_version=most)
            for key, (least, most) in ranges.items()
        ],
        platform_version="0.0.0",
    )

    async def greet() -> None:
        side = await cluster.accept("spu0")
        await side.frame()
        await side.stream.send_all(response_frame(1, offer, API_VERSIONS.max_version))
        await trio.sleep_forever()

    for api, narrowed in {
        "produce": {0: (0, 25)},
        "stream-fetch": {1003: (19, 25)},
        "all": {0: (0, 25), 1: (0, 25), 1003: (19, 25)},
    }.items():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cluster.answer_watch)
            nursery.start_soon(greet)
            faults = [Drop(nth=[1000], match=Match(api=api))]
            config = configure_proxy(cluster.upstream, faults=faults)
            async with open_proxy(config, listen=network.listen) as proxy:
                client = await dial(network, proxy.spu_addresses[0])
                found = {each.api_key: each for each in client.offered.api_keys}
                seen = {key: (each.min_version, each.max_version) for key, each in found.items()}
                assert seen == ranges | narrowed
            nursery.cancel_scope.cancel()


async def test_an_spu_that_is_removed_loses_its_listener(
    network: MemoryNetwork, autojump_clock: Any, nursery: trio.Nursery
) -> None:
    cluster = FakeCluster(network)
    await cluster.listen()
    nursery.start_soon(cluster.answer_watch)
    async with open_proxy(configure_proxy(cluster.upstream), listen=network.listen) as proxy:
        before = proxy.spu_addresses
        client = Client(network.connect(before[1]))
        await cluster.accept("spu1")
        gone = SpuChange(kind=ChangeKind.DELETE, content=an_spu(5002, 1))
        await cluster.tell(SpuUpdate(epoch=2, changes=[gone]))
        assert await ended(client)
        assert proxy.spu_addresses == before[:1]
        with pytest.raises(OSError, match="refused"):
            network.connect(before[1])
        # One that comes back has its old listener again.
        back = SpuChange(kind=ChangeKind.UPDATE, content=an_spu(5002, 1))
        await cluster.tell(SpuUpdate(epoch=3, changes=[back]))
        await trio.sleep(0.1)
        assert proxy.spu_addresses == before
        # What a list of all SPUs leaves out is gone, too.
        await cluster.tell(SpuUpdate(epoch=4, all=[an_spu(5002, 1), an_spu(5003, 2)]))
        await trio.sleep(0.1)
        assert proxy.spu_addresses[0] == before[1]
        assert len({*proxy.spu_addresses, *before}) == 3
    nursery.cancel_scope.cancel()
