"""Connecting, and every mistake as its own clear error before anything is lost."""

import re
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from producer import (
    ConfigError,
    ConnectError,
    DeliverySemantic,
    Fluvio,
    NotFoundError,
    RetryPolicy,
    TopicProducerConfig,
)
from simulator import open_simulator
from tests.producer.cluster import Cluster
from tests.producer.test_at_least_once import fault


async def test_an_unknown_topic_is_an_error_at_once(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.client() as fluvio:
        with pytest.raises(NotFoundError, match="there is no topic 'nope'"):
            async with fluvio.topic_producer("nope"):
                pass


async def test_a_topic_is_looked_up_when_a_producer_asks_for_it_and_forgotten_behind_the_last(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.client(topics={"greetings": 2, "others": 3}) as fluvio:
        metadata = fluvio._metadata
        assert not metadata.topics
        for topic in ("others", "greetings", "consumer-offset"):
            async with fluvio.topic_producer(topic) as producer:
                assert list(metadata.topics) == [topic]
                await (await producer.send(None, b"v")).wait()
        assert (metadata.topics, metadata.partitions) == ({}, {})


@pytest.mark.parametrize("lost", [{"drop": {}}, {"stall": {}}, {"disconnect": {}}], ids=str)
async def test_a_look_up_whose_answer_is_lost_is_made_again(
    cluster: Cluster, autojump_clock: MockClock, lost: dict[str, dict[str, object]]
) -> None:
    ((kind, fields),) = lost.items()
    faults = [{kind: {**fields, "at": "response", "limit": 1, "match": {"api": "list"}}}]
    async with (
        cluster.client(faults=faults) as fluvio,
        fluvio.topic_producer("greetings") as producer,
    ):
        assert trio.current_time() < 3.5
        await (await producer.send(None, b"v")).wait()


@pytest.mark.parametrize("how", ["refuse", "rst", "hang"])
async def test_an_sc_that_cannot_be_reached_is_an_error_in_time(
    cluster: Cluster, autojump_clock: MockClock, how: str
) -> None:
    faults = [fault("refuse", server="sc", how=how)]
    async with open_simulator(listen=cluster.network.listen, faults=faults) as sim:
        cluster.simulator = sim
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ConnectError, match=r"cannot connect to 127\.0\.0\.1"):
            async with cluster.connect():
                pass
        assert trio.current_time() <= 10.1


async def test_an_sc_that_does_not_tell_is_an_error_in_time(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    faults = [fault("drop", match={"api": "watch"})]
    async with open_simulator(listen=cluster.network.listen, faults=faults) as cluster.simulator:
        with pytest.raises(ConnectError, match="did not tell of its topics in 3 s"):
            async with cluster.connect(connect_timeout=3):
                pass


async def test_an_spu_is_no_sc(cluster: Cluster, autojump_clock: MockClock) -> None:
    async with open_simulator(listen=cluster.network.listen) as sim:
        with pytest.raises(ConnectError, match="is no SC that can be used: no common version"):
            async with Fluvio.connect(sim.spu_addresses[0], dial=cluster.dial):
                pass


@pytest.mark.parametrize("address", ["", ":9003", "host:", "host:0", "host:65536", "host:x"])
async def test_an_address_that_is_none_is_an_error(address: str) -> None:
    with pytest.raises(ConfigError, match="is not an address"):
        async with Fluvio.connect(address):
            pass


async def test_nobody_listening_is_an_error_that_says_so() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    with pytest.raises(
        ConnectError, match=rf"^cannot connect to 127.0.0.1:{port}: connection refused$"
    ):
        async with Fluvio.connect(f"127.0.0.1:{port}"):
            pass


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 64 + ".invalid"])
async def test_a_host_that_does_not_resolve_is_an_error_that_says_so(host: str) -> None:
    with pytest.raises(ConnectError, match=f"cannot connect to {re.escape(host)}:9003: .+"):
        async with Fluvio.connect(host):
            pass


async def test_an_exception_of_the_block_is_raised_as_it_is(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    with pytest.raises(KeyError):
        async with cluster.client():
            raise KeyError


async def test_without_an_address_the_profile_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_simulator() as sim:
        path = tmp_path / "config"
        path.write_text(
            'version = "2.0"\ncurrent_profile = "here"\n[profile.here]\ncluster = "it"\n'
            f'[cluster.it]\nendpoint = "{sim.address}"\n'
        )
        monkeypatch.setenv("FLV_PROFILE_PATH", str(path))
        async with Fluvio.connect() as fluvio, fluvio.topic_producer("greetings") as producer:
            assert (await (await producer.send(None, b"a")).wait()).offset == 0


# --- over TCP


POLICY = RetryPolicy(max_retries=3, initial_delay=0.005, max_delay=0.05, timeout=2)
QUICK = TopicProducerConfig(delivery_semantic=DeliverySemantic.at_least_once(POLICY))


@pytest.mark.parametrize(
    "given",
    [
        fault("drop", at="request", nth=1),
        fault("drop", at="response", nth=1),
        fault("disconnect", at="response", nth=1),
        fault("disconnect", at="request", how="fin", nth=1),
        fault("disconnect", at="response", how="half-close", nth=1),
        fault("disconnect", at="response", after_bytes=5, nth=1),
        fault("stall", at="request", nth=1),
    ],
    ids=str,
)
@pytest.mark.parametrize("retries", [True, False])
async def test_over_tcp_both_promises_hold(given: dict[str, object], retries: bool) -> None:
    at_most_once = TopicProducerConfig(
        delivery_semantic=DeliverySemantic.at_most_once(), response_timeout=0.3
    )
    config = QUICK if retries else at_most_once
    async with open_simulator(faults=[given]) as sim:
        async with (
            Fluvio.connect(sim.address) as fluvio,
            fluvio.topic_producer("greetings", config) as producer,
        ):
            await producer.send("key", b"a")
            await producer.flush()
        stored = [record.value for record in sim.log("greetings", 0)]
        assert set(stored) == {b"a"} if retries else len(stored) <= 1


async def test_over_tcp_many_records_arrive_in_order() -> None:
    async with open_simulator(topics={"greetings": 2}) as sim:
        async with (
            Fluvio.connect(sim.address) as fluvio,
            fluvio.topic_producer("greetings") as producer,
        ):
            await producer.send_all((None, b"%06d" % number) for number in range(50_000))
        logs = [[record.value for record in sim.log("greetings", index)] for index in (0, 1)]
        assert all(log == sorted(log) for log in logs)
        assert sum(map(len, logs)) == 50_000
