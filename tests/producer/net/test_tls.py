"""Connections under TLS: names and certificates over TCP, and both promises under faults."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from trio.testing import MockClock

from producer import (
    ConnectError,
    DeliveryError,
    Fluvio,
    Persisted,
    Profile,
    TlsPolicy,
    TopicProducer,
    TopicProducerConfig,
)
from simulator import open_simulator
from simulator.events import ClosedBy, CloseReason, ConnectionClosed
from simulator.serving.transport import Bound, Listen, Stream, listen_on_tcp
from tests.producer.cluster import Cluster
from tests.producer.test_at_least_once import CONFIG, error_of, fault, outcome
from tests.producer.test_at_most_once import CONFIG as ONCE
from tests.producer.test_client import QUICK
from tests.simulator.memory import MemoryNetwork


def secured(authority: trustme.CA, names: list[str], verify: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    if verify:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class _SecureStream(trio.abc.HalfCloseableStream):
    """The server's side of TLS; its FIN is that of the transport, without a goodbye."""

    def __init__(self, transport: Stream, context: ssl.SSLContext) -> None:
        self.transport = transport
        self.tls = trio.SSLStream(transport, context, server_side=True)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.tls.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.tls.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.tls.receive_some(max_bytes)

    async def send_eof(self) -> None:
        await self.transport.send_eof()

    async def aclose(self) -> None:
        await self.tls.aclose()


class _SecureListener(trio.abc.Listener[Stream]):
    """Shakes hands before it gives a stream out, as the proxy in front of a real SC does."""

    def __init__(self, inner: trio.abc.Listener[Stream], context: ssl.SSLContext) -> None:
        self._inner = inner
        self._context = context

    async def accept(self) -> Stream:
        while True:
            secure = _SecureStream(await self._inner.accept(), self._context)
            try:
                await secure.tls.do_handshake()
            except trio.BrokenResourceError:
                await trio.aclose_forcefully(secure)
                continue
            return secure

    async def aclose(self) -> None:
        await self._inner.aclose()


def secure(listen: Listen, context: ssl.SSLContext) -> Listen:
    """Listening as ``listen`` does, under TLS."""

    async def listen_securely(host: str, port: int) -> Bound:
        bound = await listen(host, port)

        def reset(stream: Stream) -> None:
            assert isinstance(stream, _SecureStream)
            bound.reset(stream.transport)

        listeners = [_SecureListener(listener, context) for listener in bound.listeners]
        return Bound(listeners, bound.port, reset)

    return listen_securely


@asynccontextmanager
async def secure_simulator(context: ssl.SSLContext) -> AsyncIterator[str]:
    async with open_simulator(listen=secure(listen_on_tcp, context)) as sim:
        yield sim.address


NAMES = ["fluvio.local", "custom-spu-5001.fluvio.local"]


def verified(authority: trustme.CA, **more: str) -> TlsPolicy:
    pem = authority.cert_pem.bytes().decode()
    return TlsPolicy("verified", more.pop("domain", "fluvio.local"), pem, **more)


async def produce_one(address: str, policy: TlsPolicy) -> int:
    async with (
        Fluvio.connect(profile=Profile(address, policy)) as fluvio,
        fluvio.topic_producer("greetings", QUICK) as producer,
    ):
        return (await (await producer.send(None, b"a")).wait()).offset


async def test_tls_verifies_the_sc_and_the_spu_by_their_names() -> None:
    authority = trustme.CA()
    async with secure_simulator(secured(authority, NAMES)) as address:
        assert await produce_one(address, verified(authority)) == 0


async def test_tls_shows_the_clients_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    mine = authority.issue_cert("me@example.org")
    cert = mine.cert_chain_pems[0].bytes().decode()
    key = mine.private_key_pem.bytes().decode()
    (tmp_path / "cert").write_text(cert)
    (tmp_path / "key").write_text(key)
    async with secure_simulator(secured(authority, NAMES, verify=True)) as address:
        inline = verified(authority, cert=cert, key=key)
        assert await produce_one(address, inline) == 0
        pem = authority.cert_pem.bytes().decode()
        files = TlsPolicy("verified", "fluvio.local", pem, tmp_path / "cert", tmp_path / "key")
        assert await produce_one(address, files) == 1


async def test_anonymous_tls_trusts_anybody() -> None:
    async with secure_simulator(secured(trustme.CA(), ["elsewhere"])) as address:
        assert await produce_one(address, TlsPolicy("anonymous")) == 0


async def test_tls_that_does_not_verify_is_an_error_that_says_so() -> None:
    authority = trustme.CA()
    async with secure_simulator(secured(authority, NAMES)) as address:
        with pytest.raises(ConnectError, match="certificate does not verify"):
            await produce_one(address, verified(trustme.CA()))
        with pytest.raises(ConnectError, match="certificate does not verify: Hostname mismatch"):
            await produce_one(address, verified(authority, domain="other.local"))


async def test_a_client_that_speaks_tls_to_a_plain_sc_learns_it() -> None:
    async with open_simulator() as sim:
        with pytest.raises(ConnectError, match="cannot connect"):
            await produce_one(sim.address, verified(trustme.CA()))


# --- under faults


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class _SecureNetwork(MemoryNetwork):
    """A network in memory whose servers speak TLS."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self._context = context

    async def listen(self, host: str, port: int) -> Bound:
        return await secure(super().listen, self._context)(host, port)


class SecureCluster(Cluster):
    """A cluster in memory, under TLS."""

    def __init__(self, authority: trustme.CA) -> None:
        super().__init__(_SecureNetwork(secured(authority, NAMES)))
        self._tls = verified(authority)

    @asynccontextmanager
    async def connect(self, **options: Any) -> AsyncIterator[Fluvio]:
        async with super().connect(tls=self._tls, **options) as fluvio:
            yield fluvio


FAULTS = [
    fault("disconnect", at="request", nth=[1, 4]),
    fault("disconnect", at="response", nth=[1, 4]),
    fault("disconnect", at="response", after_bytes=5, nth=[1, 4]),
    fault("disconnect", at="request", how="fin", nth=[1, 4]),
    fault("disconnect", at="response", how="fin", after_bytes=20, nth=[1, 4]),
    fault("disconnect", at="response", how="half-close", nth=[1, 4]),
    fault("drop", nth=[1, 4]),
    fault("stall", at="request", nth=[1, 4]),
    fault("stall", at="response", nth=[1, 4]),
    fault("refuse", server="spu", how="rst", between=["0s", "3s"]),
    fault("refuse", server="spu", how="hang", between=["0s", "3s"]),
]


@pytest.mark.parametrize("given", FAULTS, ids=str)
async def test_under_tls_every_record_is_stored_in_order_through(
    authority: trustme.CA, autojump_clock: MockClock, given: dict[str, Any]
) -> None:
    cluster = SecureCluster(authority)
    sent = [b"%d" % number for number in range(6)]
    async with cluster.producer(CONFIG, faults=[given]) as producer:
        outputs = await one_by_one(producer, sent)
        await producer.flush()
        assert cluster.first_copies() == sent
        for value, output in zip(sent, outputs, strict=True):
            assert cluster.values()[(await output.wait()).offset] == value
        assert sum(count.fired or 0 for count in cluster.simulator.summary().faults.values()) >= 1


# A handshake that hangs takes all the time that a record has under at-most-once.
@pytest.mark.parametrize("given", FAULTS[:-1], ids=str)
async def test_under_tls_nothing_is_transmitted_twice_through(
    authority: trustme.CA, autojump_clock: MockClock, given: dict[str, Any]
) -> None:
    cluster = SecureCluster(authority)
    sent = [b"%d" % number for number in range(6)]
    async with cluster.producer(ONCE, faults=[given]) as producer:
        outputs = await one_by_one(producer, sent)
        for value, output in zip(sent, outputs, strict=True):
            found = await outcome(output)
            if isinstance(found, DeliveryError):
                assert found.persisted is Persisted.MAYBE or value not in cluster.values()
            else:
                assert cluster.values()[found] == value
        assert trio.current_time() <= 10.1
        assert len(cluster.values()) == len(set(cluster.values()))
        assert cluster.transmissions() <= len(sent)


async def one_by_one(producer: TopicProducer, values: list[bytes]) -> list[Any]:
    """Send each of them in a request of its own, if connections hold."""
    outputs = []
    for value in values:
        outputs.append(await producer.send(None, value))
        await trio.sleep(0.001)
    return outputs


async def test_a_reset_with_requests_in_flight_under_tls_loses_nothing(
    authority: trustme.CA, autojump_clock: MockClock
) -> None:
    cluster = SecureCluster(authority)
    slow = fault("delay", at="response", by="500ms")
    async with cluster.producer(CONFIG, faults=[slow], topics={"greetings": 3}) as producer:
        sent = [b"%d" % number for number in range(3)]
        outputs = [await producer.send(None, value) for value in sent]  # one to each partition
        await trio.sleep(0.1)
        await cluster.simulator.stop_spu(0)
        await cluster.simulator.start_spu(0)
        for output in outputs:
            await output.wait()
        assert [copy for i in range(3) for copy in cluster.first_copies(i)] == sent
        assert producer.counters.retries == 3


async def test_closing_at_most_once_under_tls_ends_in_time_though_tls_has_no_fin(
    authority: trustme.CA, autojump_clock: MockClock
) -> None:
    cluster = SecureCluster(authority)
    config = TopicProducerConfig(delivery_semantic=ONCE.delivery_semantic, response_timeout=3)
    async with cluster.client(faults=[fault("drop", at="response")]) as fluvio:
        async with fluvio.topic_producer("greetings", config) as producer:
            output = await producer.send(None, b"a")
        assert trio.current_time() == pytest.approx(3)
        assert (await error_of(output)).persisted is Persisted.MAYBE


async def test_an_spu_is_told_goodbye_when_the_client_closes(
    authority: trustme.CA, autojump_clock: MockClock
) -> None:
    cluster = SecureCluster(authority)
    async with open_simulator(listen=cluster.network.listen) as cluster.simulator:
        async with cluster.connect() as fluvio, fluvio.topic_producer("greetings") as producer:
            await (await producer.send(None, b"a")).wait()
        await trio.testing.wait_all_tasks_blocked()
        ends = [
            (event.by, event.reason)
            for event in cluster.simulator.events
            if isinstance(event, ConnectionClosed) and event.server == "spu:0"
        ]
    # An end without a goodbye, which anybody on the way could have made, is told as a reset.
    assert ends == [(ClosedBy.CLIENT, CloseReason.FIN)]
