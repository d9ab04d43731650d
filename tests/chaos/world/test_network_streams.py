"""Timing, reads and the window of a connection in memory."""

import errno
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
from trio.testing import check_half_closeable_stream, wait_all_tasks_blocked

from chaos.world.clock import VirtualClock
from chaos.world.stream import (
    RECEIVE_BYTES,
    WINDOW_BYTES,
    WINDOW_LOW_BYTES,
    VirtualStream,
    virtual_pair,
)

LATENCY_S = 0.25
"""A power of two, so that sums of times are exact."""

Pair = tuple[VirtualStream, VirtualStream]


@pytest.fixture
def pair(clock: VirtualClock) -> Pair:
    return virtual_pair(clock, LATENCY_S)


async def code_of(call: Callable[[], Awaitable[object]]) -> int | None:
    """The error number that broke a call."""
    with pytest.raises(trio.BrokenResourceError) as caught:
        await call()
    assert isinstance(caught.value.__cause__, OSError)
    return caught.value.__cause__.errno


async def fill(stream: VirtualStream) -> None:
    await stream.send_all(bytes(WINDOW_BYTES))


@pytest.mark.parametrize(
    ("latency_s", "bandwidth"), [(0.0, None), (0.0001, None), (0.0, 1e6), (0.0001, 1e8)]
)
async def test_the_streams_pass_the_stream_tests_of_trio(
    latency_s: float, bandwidth: float | None, clock: VirtualClock
) -> None:
    async def make() -> Pair:
        return virtual_pair(clock, latency_s, bandwidth)

    async def make_clogged() -> Pair:
        ours, theirs = virtual_pair(clock, latency_s, bandwidth)
        await fill(ours)
        await fill(theirs)
        return ours, theirs

    await check_half_closeable_stream(make, make_clogged)


# --- time


async def test_bytes_arrive_after_the_latency(pair: Pair, clock: VirtualClock) -> None:
    a, b = pair
    await a.send_all(b"x")
    assert trio.current_time() == 0
    assert await b.receive_some() == b"x"
    assert trio.current_time() == LATENCY_S


async def test_a_waiting_reader_gets_bytes_after_the_latency(
    pair: Pair, clock: VirtualClock
) -> None:
    a, b = pair
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(after, 1.0, partial(a.send_all, b"x")))
        assert await b.receive_some() == b"x"
        assert trio.current_time() == 1 + LATENCY_S


async def test_later_data_does_not_delay_a_waiting_reader(pair: Pair, clock: VirtualClock) -> None:
    a, b = pair
    async with trio.open_nursery() as nursery:
        for seconds in (1.0, 1 + LATENCY_S / 2):
            nursery.start_soon(partial(after, seconds, partial(a.send_all, b"x")))
        assert await b.receive_some() == b"x"
        assert trio.current_time() == 1 + LATENCY_S


async def after(seconds: float, call: Callable[[], Awaitable[object]]) -> None:
    await trio.sleep(seconds)
    await call()


async def test_a_read_takes_what_has_arrived_and_leaves_what_is_under_way(
    pair: Pair, clock: VirtualClock
) -> None:
    a, b = pair
    await a.send_all(b"one")
    await a.send_all(b"two")
    await trio.sleep(LATENCY_S / 2)
    await a.send_all(b"three")
    await trio.sleep(LATENCY_S / 2)
    assert await b.receive_some() == b"onetwo"
    assert await b.receive_some() == b"three"
    assert trio.current_time() == 1.5 * LATENCY_S


async def test_each_direction_has_its_own_bandwidth(clock: VirtualClock) -> None:
    a, b = virtual_pair(clock, LATENCY_S, bandwidth=100)
    await a.send_all(bytes(50))
    await a.send_all(bytes(100))
    await b.send_all(bytes(25))
    assert len(await a.receive_some()) == 25
    assert trio.current_time() == 0.25 + LATENCY_S
    assert len(await b.receive_some()) == 50
    assert trio.current_time() == 0.5 + LATENCY_S
    assert len(await b.receive_some()) == 100
    assert trio.current_time() == 1.5 + LATENCY_S


async def test_an_idle_link_gives_no_credit(clock: VirtualClock) -> None:
    a, b = virtual_pair(clock, LATENCY_S, bandwidth=100)
    await trio.sleep(10)
    await a.send_all(bytes(100))
    await b.receive_some()
    assert trio.current_time() == 11 + LATENCY_S


def test_two_runs_give_the_same_result() -> None:
    clocks = VirtualClock(), VirtualClock()
    first, second = (trio.run(_story, clock, clock=clock) for clock in clocks)
    assert first == second
    assert len(first) == 40


async def _story(clock: VirtualClock) -> list[tuple[float, int, bytes]]:
    """Return the data and times of all reads while messages go back and forth."""
    outcome: list[tuple[float, int, bytes]] = []

    async def client(number: int, stream: VirtualStream) -> None:
        for n in range(10):
            await stream.send_all(b"%d" % n * number)
            outcome.append((trio.current_time(), number, await stream.receive_some()))

    async def echo(stream: VirtualStream) -> None:
        for _ in range(10):
            await stream.send_all(await stream.receive_some())

    async with trio.open_nursery() as nursery:
        for number in range(1, 5):
            near, far = virtual_pair(clock, 0.001 * number, bandwidth=1e6)
            nursery.start_soon(client, number, near)
            nursery.start_soon(echo, far)
    # Events of the same time are in the order of the scheduler, which is not under test.
    return sorted(outcome)


# --- reading


async def test_a_read_takes_no_more_than_it_asked_for(pair: Pair, clock: VirtualClock) -> None:
    a, b = pair
    await a.send_all(b"abcdef")
    await a.send_all(b"ghi")
    assert [await b.receive_some(n) for n in (1, 4, 3, 9)] == [b"a", b"bcde", b"fgh", b"i"]


async def test_a_read_without_a_limit_takes_as_much_as_from_a_socket(
    pair: Pair, clock: VirtualClock
) -> None:
    a, b = pair
    await a.send_all(bytes(RECEIVE_BYTES + 1))
    assert [len(await b.receive_some()) for _ in range(2)] == [RECEIVE_BYTES, 1]


async def test_sent_data_does_not_change_with_the_buffer_of_the_sender(
    pair: Pair, clock: VirtualClock
) -> None:
    a, b = pair
    data = bytearray(b"before")
    await a.send_all(data)
    data[:] = b"after!"
    assert await b.receive_some() == b"before"


async def test_a_cancelled_read_loses_nothing(pair: Pair, clock: VirtualClock) -> None:
    a, b = pair
    await a.send_all(b"x")
    with trio.move_on_after(LATENCY_S / 2) as scope:
        await b.receive_some()
    assert scope.cancelled_caught
    assert await b.receive_some() == b"x"


async def test_a_read_that_times_out_as_its_bytes_arrive_loses_nothing(
    pair: Pair, clock: VirtualClock
) -> None:
    a, b = pair
    got = b""
    await a.send_all(b"x")
    with trio.move_on_after(LATENCY_S):
        got = await b.receive_some()
    assert got + (b"" if got else await b.receive_some()) == b"x"


# --- the window


async def test_a_sender_blocks_on_a_full_window_and_resumes_when_half_is_read(
    pair: Pair,
    clock: VirtualClock,
) -> None:
    a, b = pair
    await fill(a)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(a.send_all, b"more")
        await trio.sleep(LATENCY_S)
        await b.receive_some(WINDOW_BYTES - WINDOW_LOW_BYTES - 1)
        await wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1
        await b.receive_some(1)
    assert len(await b.receive_some(WINDOW_BYTES)) == WINDOW_LOW_BYTES
    assert await b.receive_some() == b"more"


async def test_more_than_the_window_arrives_whole_and_in_order(
    pair: Pair, clock: VirtualClock
) -> None:
    a, b = pair
    data = b"".join(n.to_bytes(4, "big") for n in range(WINDOW_BYTES))
    got = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(a.send_all, memoryview(data))
        while len(got) < len(data):
            got += await b.receive_some()
    assert got == data


async def test_the_window_also_limits_writes_to_a_closed_peer(
    pair: Pair,
    clock: VirtualClock,
) -> None:
    a, b = pair
    await a.aclose()
    for _ in range(WINDOW_BYTES // 1024):
        await b.send_all(bytes(1024))
    assert trio.current_time() == 0
    assert await code_of(partial(b.send_all, b"x")) == errno.EPIPE
    assert trio.current_time() == 2 * LATENCY_S
