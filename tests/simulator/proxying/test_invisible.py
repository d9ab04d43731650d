"""Without a fault every frame passes as it is, both ways, but for addresses of SPUs and ranges of
versions: each recorded session of a real cluster is played through a proxy."""

from pathlib import Path
from typing import Any

import pytest
import trio

from chaos.conformance.recording import RecordedEvent, What, load_recording
from simulator.faults.kinds.drop import Drop
from simulator.faults.model import Fault, Match
from simulator.proxying.config import configure_proxy
from simulator.proxying.proxy import Proxy, open_proxy
from simulator.proxying.rewriting import ADDRESSED, spu_news
from tests.simulator.memory import MemoryNetwork
from tests.simulator.proxying.fake_cluster import SPU_IDS, FakeCluster, Side
from wire.address import Address
from wire.api import API_VERSIONS, APIS
from wire.codec import decode_from, encode
from wire.framing import RequestHeader

GOLDEN = Path(__file__).parents[2] / "golden"
RECORDINGS = sorted((GOLDEN / "real").glob("*.jsonl"))


class Session:
    """One recorded session, played through a proxy event by event."""

    def __init__(
        self, network: MemoryNetwork, cluster: FakeCluster, proxy: Proxy, *, decoding: bool
    ) -> None:
        self._decoding = decoding
        self._network = network
        self._cluster = cluster
        self._addresses = dict(zip(SPU_IDS, proxy.spu_addresses, strict=True))
        self._addresses["sc"] = proxy.address
        self._sides: dict[int, tuple[Side, Side]] = {}
        self._requests: dict[tuple[int, int], RequestHeader] = {}
        self.rewritten = 0

    async def play(self, event: RecordedEvent) -> None:
        if event.what is What.OPEN:
            client = Side(self._network.connect(self._addresses[event.server]))
            self._sides[event.connection] = client, await self._cluster.accept(event.server)
            return
        client, server = self._sides[event.connection]
        match event.what:
            case What.REQUEST:
                header, _ = decode_from(RequestHeader, event.frame, 0, 0)
                self._requests[event.connection, header.correlation_id] = header
                await client.send(event.frame)
                assert await server.frame() == event.frame
            case What.ANSWER:
                await server.send(event.frame)
                seen = await client.frame()
                assert seen is not None
                self._check(event, seen)
            case What.CLIENT_FIN:
                await client.stream.send_eof()
                assert await server.frame() is None
            case What.SERVER_FIN:
                await server.stream.send_eof()
                assert await client.frame() is None

    def _check(self, event: RecordedEvent, seen: bytes) -> None:
        """An answer is the same, or differs in the addresses alone."""
        header = self._requests[event.connection, event.correlation_id]
        api = next(
            (
                each
                for each in APIS.values()
                if each.key == header.api_key
                and each.offered_by("sc" if event.server == "sc" else "spu")
            ),
            None,
        )
        if api is API_VERSIONS and self._decoding:
            return  # ranges of versions are narrowed
        if api is None or api.name not in ADDRESSED:
            assert seen == event.frame
            return
        version = header.api_version
        before, after = (
            spu_news(api, decode_from(api.response, frame, 4, version)[0], version)
            for frame in (event.frame, seen)
        )
        if before is None or after is None:
            assert seen == event.frame
            return
        self.rewritten += 1
        own = {SPU_IDS[name]: port_of(self._addresses[name]) for name in SPU_IDS}
        for found in after.found:
            assert found.public == Address("127.0.0.1", own[found.id])
        theirs = {each.id: each for each in before.found}
        assert {each.id: each.name for each in after.found} == {
            each.id: each.name for each in theirs.values()
        }
        back = after.rewritten(version, lambda spu: theirs[spu].public)
        again = before.rewritten(version, lambda spu: theirs[spu].public)
        assert encode(back, version) == encode(again, version)


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


IDLE = Drop(nth=[1_000_000], match=Match(api="all"))
"""A fault that never fires and makes the proxy decode everything."""


@pytest.mark.parametrize("faults", [[], [IDLE]], ids=["no fault", "decoding"])
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
async def test_a_recorded_session_passes_unchanged(
    path: Path,
    faults: list[Fault],
    network: MemoryNetwork,
    autojump_clock: Any,
    nursery: trio.Nursery,
) -> None:
    cluster = FakeCluster(network)
    await cluster.listen()
    nursery.start_soon(cluster.answer_watch)
    async with open_proxy(
        configure_proxy(cluster.upstream, faults=faults), listen=network.listen
    ) as proxy:
        session = Session(network, cluster, proxy, decoding=bool(faults))
        for event in load_recording(path).events:
            with trio.fail_after(60):
                await session.play(event)
        assert session.rewritten or path.stem == "raw-streamfetch-isolation"
    nursery.cancel_scope.cancel()
