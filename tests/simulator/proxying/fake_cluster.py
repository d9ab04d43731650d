"""Servers that do nothing but let a test accept, read and write."""

from dataclasses import dataclass

from simulator.proxying.upstream import Upstream
from simulator.serving.transport import Stream
from tests.simulator.memory import MemoryNetwork
from tests.simulator.proxying.scene import upstream_in
from wire.api import API_VERSIONS, WATCH
from wire.api.admin import WatchResponse
from wire.api.api_versions import ApiVersionRange, ApiVersionsResponse
from wire.api.envelope import SPU, seal
from wire.api.objects import Spu, SpuUpdate
from wire.api.spu import (
    Endpoint,
    Ingress,
    IngressEndpoint,
    SpuResolution,
    SpuSpec,
    SpuStatus,
    SpuType,
)
from wire.framing import FrameReader, response_frame

SPU_IDS = {"spu0": 5001, "spu1": 5002}


def an_spu(spu_id: int, port: int) -> Spu:
    endpoint = Endpoint(port=port, host="upstream.example")
    return Spu(
        name=f"custom-spu-{spu_id}",
        spec=SpuSpec(
            id=spu_id,
            spu_type=SpuType.CUSTOM,
            public_endpoint=IngressEndpoint(port=port, ingress=[Ingress(hostname=endpoint.host)]),
            private_endpoint=endpoint,
            public_endpoint_local=endpoint,
        ),
        status=SpuStatus(resolution=SpuResolution.ONLINE),
    )


@dataclass
class Side:
    """One end of a connection that a test holds."""

    stream: Stream

    def __post_init__(self) -> None:
        self._reader = FrameReader(4)
        self._frames: list[bytes] = []

    async def frame(self) -> bytes | None:
        """The next frame, without its length; None at the end of the connection."""
        while not self._frames:
            data = await self.stream.receive_some()
            if not data:
                return None
            self._frames += self._reader.feed(bytes(data))
        return self._frames.pop(0)

    async def send(self, frame: bytes) -> None:
        await self.stream.send_all(len(frame).to_bytes(4, "big") + frame)


class FakeCluster:
    """Servers that do nothing but let a test accept, read and write; and the proxy's own watch."""

    def __init__(self, network: MemoryNetwork) -> None:
        self._network = network
        self._ports: dict[str, int] = {}
        self._watch: Side
        self.upstream: Upstream
        """How a proxy connects to it."""

    async def listen(self) -> None:
        for server in ("sc", *SPU_IDS):
            self._ports[server] = (await self._network.listen("", 0)).port
        self.upstream = upstream_in(self._network, f"upstream:{self._ports['sc']}")

    async def accept(self, server: str) -> Side:
        return Side(await self._network.listeners[self._ports[server]].accept())

    async def answer_watch(self) -> None:
        """Answer the proxy's own watch."""
        side = await self.accept("sc")
        await side.frame()
        offer = ApiVersionsResponse(
            api_keys=[ApiVersionRange(api_key=WATCH.key, min_version=15, max_version=19)],
            platform_version="0.18.1",
        )
        await side.stream.send_all(response_frame(1, offer, API_VERSIONS.max_version))
        await side.frame()
        spus = [an_spu(spu_id, self._ports[server]) for server, spu_id in SPU_IDS.items()]
        self._watch = side
        await self.tell(SpuUpdate(epoch=1, all=spus))

    async def tell(self, update: SpuUpdate) -> None:
        """Send news to the proxy's own watch."""
        response = WatchResponse(object=seal(SPU, update, 19))
        await self._watch.stream.send_all(response_frame(1, response, 19))
