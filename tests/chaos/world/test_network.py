"""Listeners and dialling in memory; a simulator and a producer on the virtual network."""

import errno
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import chaos.world.network
from chaos.world.clock import VirtualClock
from chaos.world.network import BACKLOG, FIRST_FREE_PORT, PORT_MAX, SYN_AGAIN_S, VirtualNetwork
from producer import DeliverySemantic, Fluvio, RetryPolicy, TopicProducerConfig
from simulator import SimulatorError, open_simulator
from simulator.serving.transport import Bound
from tests.producer.cluster import now_ns

LATENCY_S = 0.25
"""A power of two, so that sums of times are exact."""


@pytest.fixture
def network(clock: VirtualClock) -> VirtualNetwork:
    return VirtualNetwork(clock, LATENCY_S)


async def code_of(call: Callable[..., Awaitable[object]], *args: Any) -> int | None:
    with pytest.raises(OSError, match=r"\[Errno") as caught:
        await call(*args)
    return caught.value.errno


async def test_a_dial_takes_one_round_trip(network: VirtualNetwork, clock: VirtualClock) -> None:
    bound = await network.listen("localhost", 9003)
    client = await network.dial("any.name", 9003)
    assert trio.current_time() == 2 * LATENCY_S
    server = await bound.listeners[0].accept()
    await client.send_all(b"x")
    assert await server.receive_some() == b"x"
    assert trio.current_time() == 3 * LATENCY_S


async def test_connections_have_the_bandwidth_of_their_network(clock: VirtualClock) -> None:
    network = VirtualNetwork(clock, 0, bandwidth=100)
    bound = await network.listen("", 1)
    client = await network.dial("", 1)
    await client.send_all(bytes(50))
    await (await bound.listeners[0].accept()).receive_some()
    assert trio.current_time() == 0.5


@pytest.mark.parametrize(("latency_s", "bandwidth"), [(-1, None), (float("inf"), None), (0, 0)])
def test_invalid_network_parameters_raise(
    latency_s: float, bandwidth: float | None, clock: VirtualClock
) -> None:
    with pytest.raises(ValueError, match="must be"):
        VirtualNetwork(clock, latency_s, bandwidth)


# --- ports


async def test_port_0_counts_up_and_skips_what_is_taken(
    network: VirtualNetwork, clock: VirtualClock
) -> None:
    await network.listen("", FIRST_FREE_PORT + 1)
    first, second = await network.listen("", 0), await network.listen("", 0)
    assert [first.port, second.port] == [FIRST_FREE_PORT, FIRST_FREE_PORT + 2]


async def test_port_0_never_assigns_a_port_twice(
    network: VirtualNetwork, clock: VirtualClock
) -> None:
    first = await network.listen("", 0)
    await first.listeners[0].aclose()
    assert (await network.listen("", 0)).port == first.port + 1


async def test_ports_run_out(network: VirtualNetwork, clock: VirtualClock) -> None:
    network._next_port = PORT_MAX
    assert (await network.listen("", 0)).port == PORT_MAX
    assert await code_of(network.listen, "", 0) == errno.EADDRINUSE


async def test_a_port_is_taken_until_its_listener_is_closed(
    network: VirtualNetwork, clock: VirtualClock
) -> None:
    bound = await network.listen("", 9003)
    assert await code_of(network.listen, "", 9003) == errno.EADDRINUSE
    await bound.listeners[0].aclose()
    await network.listen("", 9003)


# --- refusing and hanging


async def test_a_port_without_a_listener_refuses_after_one_round_trip(
    network: VirtualNetwork, clock: VirtualClock
) -> None:
    assert await code_of(network.dial, "", 9003) == errno.ECONNREFUSED
    assert trio.current_time() == 2 * LATENCY_S


async def test_a_closed_listener_refuses(network: VirtualNetwork, clock: VirtualClock) -> None:
    bound = await network.listen("", 9003)
    await bound.listeners[0].aclose()
    await bound.listeners[0].aclose()
    with pytest.raises(ConnectionRefusedError):
        await network.dial("", 9003)


async def test_a_connect_into_a_black_hole_hangs_until_it_is_cancelled(
    network: VirtualNetwork,
    clock: VirtualClock,
) -> None:
    await network.listen("", 9003)
    network.black_hole(9003)
    network.black_hole(9003)
    with trio.move_on_after(1000) as scope:
        await network.dial("", 9003)
    assert scope.cancelled_caught
    network.restore(9003)
    network.restore(9003)
    await network.dial("", 9003)


async def test_a_connect_that_hangs_goes_on_when_the_port_is_restored(
    network: VirtualNetwork,
    clock: VirtualClock,
) -> None:
    bound = await network.listen("", 9003)
    dialled: list[float] = []

    async def dial() -> None:
        await network.dial("", 9003)
        dialled.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dial)
        network.black_hole(9003)
        await trio.sleep(100)
        network.black_hole(9003)
        assert not dialled
        network.restore(9003)
    assert dialled == [100 + 2 * LATENCY_S]
    await bound.listeners[0].accept()


async def test_a_black_hole_leaves_connections_and_other_ports_alone(
    network: VirtualNetwork,
    clock: VirtualClock,
) -> None:
    bound, _ = await network.listen("", 1), await network.listen("", 2)
    client = await network.dial("", 1)
    network.black_hole(1)
    await network.dial("", 2)
    server = await bound.listeners[0].accept()
    await client.send_all(b"x")
    assert await server.receive_some() == b"x"


async def test_a_connect_beyond_the_backlog_tries_again_until_there_is_room(
    network: VirtualNetwork, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert BACKLOG == 1024
    monkeypatch.setattr(chaos.world.network, "BACKLOG", 2)
    bound = await network.listen("", 1)
    for _ in range(2):
        await network.dial("", 1)
    with trio.move_on_after(100) as scope:
        await network.dial("", 1)
    assert scope.cancelled_caught
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(network.dial, "", 1)
        await trio.sleep(2 * LATENCY_S + SYN_AGAIN_S / 2)
        await bound.listeners[0].accept()
    assert trio.current_time() - start == 4 * LATENCY_S + SYN_AGAIN_S


# --- accepting


async def test_closing_a_listener_resets_its_backlog_and_keeps_accepted_connections(
    network: VirtualNetwork,
    clock: VirtualClock,
) -> None:
    bound = await network.listen("", 1)
    accepted, waiting = await network.dial("", 1), await network.dial("", 1)
    server = await bound.listeners[0].accept()
    await bound.listeners[0].aclose()
    with pytest.raises(trio.BrokenResourceError):
        await waiting.receive_some()
    await server.send_all(b"x")
    assert await accepted.receive_some() == b"x"


async def test_connections_are_accepted_in_their_order(
    network: VirtualNetwork, clock: VirtualClock
) -> None:
    bound = await network.listen("", 1)
    clients = [await network.dial("", 1) for _ in range(3)]
    for n, client in enumerate(clients):
        await client.send_all(b"%d" % n)
    servers = [await bound.listeners[0].accept() for _ in clients]
    assert [await server.receive_some() for server in servers] == [b"0", b"1", b"2"]


async def test_closing_a_listener_wakes_a_blocked_accept(
    network: VirtualNetwork, clock: VirtualClock
) -> None:
    bound = await network.listen("", 1)

    async def accept() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await bound.listeners[0].accept()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await bound.listeners[0].accept()
        await bound.listeners[0].aclose()
    await accept()


async def test_a_cancelled_accept_loses_no_connection(
    network: VirtualNetwork, clock: VirtualClock
) -> None:
    bound = await network.listen("", 1)
    with trio.move_on_after(1):
        await bound.listeners[0].accept()
    await network.dial("", 1)
    await bound.listeners[0].accept()


async def test_a_bound_resets_its_streams(network: VirtualNetwork, clock: VirtualClock) -> None:
    bound: Bound = await network.listen("", 1)
    client = await network.dial("", 1)
    server = await bound.listeners[0].accept()
    bound.reset(server)
    with pytest.raises(trio.ClosedResourceError):
        await server.receive_some()
    with pytest.raises(trio.BrokenResourceError) as caught:
        await client.receive_some()
    assert isinstance(caught.value.__cause__, ConnectionResetError)
    assert trio.current_time() == 3 * LATENCY_S


# --- a simulator and a producer


FAULTS = {
    "none": [],
    "reset": [{"disconnect": {"at": "response", "how": "rst", "nth": [2, 5], "after_bytes": 3}}],
    "fin": [{"disconnect": {"at": "request", "how": "fin", "nth": [1, 4]}}],
    "half-close": [{"disconnect": {"at": "response", "how": "half-close", "nth": [2]}}],
    "drop": [{"drop": {"at": "response", "nth": [3]}}],
    "stall": [{"stall": {"at": "request", "nth": [2]}}],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("latency_s", [0.0, 0.0001])
async def test_at_least_once_keeps_its_promise_on_the_virtual_network(
    latency_s: float, faults: list[Any], clock: VirtualClock
) -> None:
    network = VirtualNetwork(clock, latency_s)
    values = [b"%d" % n for n in range(10)]
    async with open_simulator(listen=network.listen, faults=faults) as simulator:
        async with (
            Fluvio.connect(simulator.address, dial=network.dial, now_ns=now_ns) as fluvio,
            fluvio.topic_producer("greetings") as producer,
        ):
            for value in values:
                await producer.send(None, value)
                await producer.flush()
        stored = [record.value for record in simulator.log("greetings", 0)]
    assert list(dict.fromkeys(stored)) == values


async def test_a_producer_outlives_an_spu_that_goes_away_and_ports_that_hang(
    clock: VirtualClock,
) -> None:
    network = VirtualNetwork(clock)
    config = TopicProducerConfig(
        delivery_semantic=DeliverySemantic.at_least_once(RetryPolicy(timeout=10))
    )
    async with (
        open_simulator(listen=network.listen, port=9003, spu_port=9010) as simulator,
        Fluvio.connect(simulator.address, dial=network.dial, now_ns=now_ns) as fluvio,
        fluvio.topic_producer("greetings", config) as producer,
    ):
        await producer.send(None, b"one")
        await producer.flush()
        await simulator.stop_spu(0)
        await producer.send(None, b"two")
        await trio.sleep(0.5)
        network.black_hole(9010)
        await simulator.start_spu(0)
        await trio.sleep(1)
        network.restore(9010)
        await producer.flush()
        stored = [record.value for record in simulator.log("greetings", 0)]
    assert stored == [b"one", b"two"]


async def test_two_simulators_cannot_have_the_same_port(
    network: VirtualNetwork, clock: VirtualClock
) -> None:
    async with open_simulator(listen=network.listen, port=9003):
        with pytest.raises(SimulatorError, match="address already in use"):
            async with open_simulator(listen=network.listen, port=9003):
                pytest.fail("it opened")
