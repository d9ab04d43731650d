"""What once broke a promise beside the delivery itself: locks, endings, names, closed streams."""

import subprocess
import sys
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from producer import (
    ConfigError,
    ConnectError,
    DeliverySemantic,
    Fluvio,
    RetryPolicy,
    TlsPolicy,
    TopicProducerConfig,
    load_profile,
)
from producer.net.dialling import open_connection
from producer.net.tls import ssl_context
from simulator import open_simulator
from simulator.events import ClosedBy, ConnectionClosed
from tests.producer.cluster import Cluster
from wire.address import parse_address


async def test_a_hung_connect_costs_a_second_whoever_began_it(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    hang = {"refuse": {"server": "spu", "how": "hang", "between": ["0s", "200ms"]}}
    once = TopicProducerConfig(delivery_semantic=DeliverySemantic.at_most_once())
    policy = RetryPolicy(max_retries=5, initial_delay=0.01, max_delay=2, timeout=5)
    careful = TopicProducerConfig(delivery_semantic=DeliverySemantic.at_least_once(policy))
    async with (
        cluster.client(faults=[hang]) as fluvio,
        fluvio.topic_producer("greetings", once) as hung,
        fluvio.topic_producer("greetings", careful) as producer,
    ):
        first = await hung.send(None, "hangs while it connects")
        await trio.sleep(0.3)  # from here on the SPU is well
        second = await producer.send(None, "joins it")
        await first.wait()
        await second.wait()
        assert trio.current_time() == pytest.approx(1.0, abs=0.01)
        assert sorted(cluster.values()) == [b"hangs while it connects", b"joins it"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), KeyError("mine")])
async def test_what_leaves_a_block_is_raised_as_it_is(
    cluster: Cluster, autojump_clock: MockClock, error: BaseException
) -> None:
    async with open_simulator(listen=cluster.network.listen) as cluster.simulator:
        with pytest.raises(type(error)) as caught:
            async with cluster.connect() as fluvio, fluvio.topic_producer("greetings"):
                raise error
    assert caught.value is error


async def test_connecting_takes_its_time_once(cluster: Cluster, autojump_clock: MockClock) -> None:
    slow = {"delay": {"by": "900ms", "at": "response", "match": {"api": "all"}}}
    async with open_simulator(listen=cluster.network.listen, faults=[slow]) as cluster.simulator:
        start = trio.current_time()
        with pytest.raises(ConnectError):
            async with cluster.connect(connect_timeout=1.0):
                pass
        assert trio.current_time() - start == pytest.approx(1.0)


async def test_a_server_that_is_no_sc_is_let_go(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=cluster.network.listen) as cluster.simulator:
        spu = cluster.simulator.spu_addresses[0]
        with pytest.raises(ConnectError, match="is no SC that can be used"):
            async with Fluvio.connect(spu, dial=cluster.dial):
                pass
        await trio.sleep(1)
        ended = [e.by for e in cluster.simulator.events if isinstance(e, ConnectionClosed)]
    assert ended == [ClosedBy.CLIENT]


@pytest.mark.parametrize("name", [".d", "a\0b"])
async def test_a_name_that_no_certificate_could_carry_is_an_error_of_connecting(
    cluster: Cluster, autojump_clock: MockClock, name: str
) -> None:
    async with open_simulator(listen=cluster.network.listen) as sim:
        host, port = parse_address(sim.address)
        context = ssl_context(TlsPolicy("anonymous"))
        with pytest.raises(ConnectError):
            await open_connection(
                cluster.dial, host, port, client_id="", tls=context, server_name=name
            )


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "9" * 5000,
        "a = " + "[" * 3000,
        'current_profile = "p"\n[profile.p]\ncluster = "c"\n[cluster.c]\nendpoint = "h:'
        + "9" * 5000
        + '"',
    ],
    ids=["a long number", "deep nesting", "a long port"],
)
def test_a_profile_that_makes_no_sense_is_one_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load_profile(None, path)


PEM = "-----BEGIN CERTIFICATE-----"


@pytest.mark.parametrize("name", ["ca_cert", "cert", "key"])
def test_a_path_that_is_given_as_a_text_is_one_clear_error(name: str) -> None:
    pair = {"cert": PEM, "key": PEM} if name != "ca_cert" else {}
    policy = TlsPolicy("verified", "example.test", **(pair | {name: "/etc/secret.pem"}))
    with pytest.raises(ConfigError, match=f"{name} is a text without .* pathlib.Path") as caught:
        ssl_context(policy)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("ca_cert", ["", "é", Path("a\0b")])
def test_what_is_no_certificate_is_one_error(ca_cert: str | Path) -> None:
    with pytest.raises(ConfigError, match="TLS: "):
        ssl_context(TlsPolicy("verified", "example.test", ca_cert))


@pytest.mark.parametrize(
    ("shell", "message"),
    [
        ("--key-separator '' < /dev/null", "an empty text stands everywhere"),
        ("<&-", "standard input is closed"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_status_2(shell: str, message: str) -> None:
    command = f"{sys.executable} -P -m producer greetings --address 127.0.0.1:1 {shell}"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("kind", ["drop", "stall"])
async def test_a_leader_that_moved_without_a_word_is_found_by_asking_anew(
    cluster: Cluster, autojump_clock: MockClock, kind: str
) -> None:
    # The first three answers are the lists; the news of the move is what gets lost.
    lost = {kind: {"at": "response", "match": {"api": "watch"}, "between": ["5s", "6s"]}}
    policy = RetryPolicy(max_retries=5, initial_delay=0.01, max_delay=2, timeout=10)
    config = TopicProducerConfig(delivery_semantic=DeliverySemantic.at_least_once(policy))
    async with cluster.producer(config, faults=[lost], spus=2) as producer:
        await trio.sleep(5.5)
        cluster.simulator.move_leader("greetings", 0, to=1)
        await trio.sleep(5)
        output = await producer.send(None, "after the move")
        await output.wait()
        assert cluster.values() == [b"after the move"]
