"""The rules for the end of a TCP connection, one by one, in memory."""

import errno
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from chaos.world.clock import VirtualClock
from chaos.world.stream import virtual_pair
from tests.chaos.world.test_network_streams import LATENCY_S, Pair, code_of, fill


@pytest.fixture
def pair(clock: VirtualClock) -> Pair:
    return virtual_pair(clock, LATENCY_S)


# --- the end


async def test_the_end_arrives_after_all_data(clock: VirtualClock) -> None:
    a, b = virtual_pair(clock, LATENCY_S, bandwidth=100)
    await a.send_all(bytes(100))
    await a.send_eof()
    assert len(await b.receive_some()) == 100
    assert await b.receive_some() == b""
    assert trio.current_time() == 1 + LATENCY_S


async def test_a_half_closed_connection_still_carries_the_other_direction(
    pair: Pair, clock: VirtualClock
) -> None:
    a, b = pair
    await a.send_eof()
    await a.send_eof()
    assert await b.receive_some() == b""
    await b.send_all(b"late")
    assert await a.receive_some() == b"late"
    with pytest.raises(trio.ClosedResourceError):
        await a.send_all(b"x")


async def test_closing_sends_an_end_and_no_reset_when_all_input_was_read(
    pair: Pair, clock: VirtualClock
) -> None:
    a, b = pair
    await b.send_all(b"question")
    await a.receive_some()
    await a.send_all(b"answer")
    await a.aclose()
    assert [await b.receive_some() for _ in range(3)] == [b"answer", b"", b""]


async def test_closing_after_the_end_was_sent_does_not_delay_the_end(
    pair: Pair, clock: VirtualClock
) -> None:
    a, b = pair
    await a.send_eof()
    await trio.sleep(LATENCY_S / 2)
    await a.aclose()
    assert await b.receive_some() == b""
    assert trio.current_time() == LATENCY_S


async def test_a_cancelled_close_closes(pair: Pair, clock: VirtualClock) -> None:
    a, b = pair
    await trio.aclose_forcefully(a)
    assert await b.receive_some() == b""
    with pytest.raises(trio.ClosedResourceError):
        await a.receive_some()


# --- writing to a closed peer


async def test_a_write_after_the_peer_closed_succeeds_until_its_reset_is_back(
    pair: Pair, clock: VirtualClock
) -> None:
    a, b = pair
    await a.aclose()
    assert await b.receive_some() == b""  # which takes one latency
    await b.send_all(b"one")
    await trio.sleep(2 * LATENCY_S - 2**-10)
    await b.send_all(b"two")
    await trio.sleep(2**-10)
    assert [await code_of(partial(b.send_all, b"three")) for _ in range(2)] == [errno.EPIPE] * 2
    assert await b.receive_some() == b""


async def test_input_under_way_to_a_closed_stream_is_answered_with_a_reset(
    pair: Pair, clock: VirtualClock
) -> None:
    a, b = pair
    await b.send_all(b"x")
    await a.aclose()
    assert await b.receive_some() == b""
    await b.send_all(b"y")
    await trio.sleep(LATENCY_S)
    assert await code_of(partial(b.send_all, b"z")) == errno.EPIPE
    assert trio.current_time() == 2 * LATENCY_S


async def test_data_that_a_reset_overtakes_never_arrives(
    clock: VirtualClock,
) -> None:
    a, b = virtual_pair(clock, LATENCY_S, bandwidth=100)
    await a.send_all(bytes(10))
    await a.send_all(bytes(1000))
    await b.send_all(b"x")
    await a.aclose()
    assert len(await b.receive_some()) == 10
    assert await code_of(b.receive_some) == errno.ECONNRESET
    assert trio.current_time() == 0.01 + 2 * LATENCY_S


# --- resets


async def test_closing_with_unread_input_is_a_reset(pair: Pair, clock: VirtualClock) -> None:
    a, b = pair
    await b.send_all(b"unread")
    await trio.sleep(LATENCY_S)
    await a.send_all(b"lost on its way")
    await a.aclose()
    assert await code_of(b.receive_some) == errno.ECONNRESET
    assert trio.current_time() == 2 * LATENCY_S


async def test_closing_with_half_a_chunk_unread_is_a_reset(pair: Pair, clock: VirtualClock) -> None:
    a, b = pair
    await b.send_all(b"ab")
    await a.receive_some(1)
    await a.aclose()
    assert await code_of(b.receive_some) == errno.ECONNRESET


async def test_a_reset_drops_what_is_under_way_in_both_directions(
    pair: Pair, clock: VirtualClock
) -> None:
    a, b = pair
    await a.send_all(b"dropped")
    await a.send_eof()
    await b.send_all(b"dropped")
    await trio.sleep(LATENCY_S / 2)
    a.reset()
    with pytest.raises(trio.ClosedResourceError):
        await a.receive_some()
    assert await code_of(b.receive_some) == errno.ECONNRESET
    assert trio.current_time() == 1.5 * LATENCY_S


async def test_what_had_arrived_before_a_reset_can_still_be_read(
    pair: Pair, clock: VirtualClock
) -> None:
    a, b = pair
    await a.send_all(b"data")
    await trio.sleep(LATENCY_S)
    a.reset()
    await trio.sleep(LATENCY_S)
    assert await b.receive_some() == b"data"
    assert await code_of(b.receive_some) == errno.ECONNRESET
    assert await b.receive_some() == b""


async def test_only_one_call_reports_a_reset(pair: Pair, clock: VirtualClock) -> None:
    a, b = pair
    a.reset()
    await trio.sleep(LATENCY_S)
    codes = [await code_of(partial(b.send_all, b"x")) for _ in range(2)]
    assert codes == [errno.ECONNRESET, errno.EPIPE]
    assert await b.receive_some() == b""
    assert await code_of(b.send_eof) == errno.ENOTCONN


async def test_a_reset_breaks_nothing_before_it_arrives(pair: Pair, clock: VirtualClock) -> None:
    a, b = pair
    a.reset()
    await trio.sleep(LATENCY_S - 2**-10)
    await b.send_all(b"x")
    await trio.sleep(2**-10)
    await code_of(partial(b.send_all, b"x"))


async def test_a_reset_after_the_end_is_no_error_for_a_reader(
    pair: Pair, clock: VirtualClock
) -> None:
    a, b = pair
    await a.send_all(b"data")
    await a.send_eof()
    await trio.sleep(LATENCY_S)
    a.reset()
    await trio.sleep(LATENCY_S)
    assert [await b.receive_some() for _ in range(3)] == [b"data", b"", b""]
    assert await code_of(partial(b.send_all, b"x")) == errno.EPIPE


async def test_a_reset_wakes_a_blocked_reader_and_a_blocked_sender_as_it_arrives(
    pair: Pair,
    clock: VirtualClock,
) -> None:
    a, b = pair
    woken: list[float] = []

    async def broken(call: Callable[[], Awaitable[object]]) -> None:
        with suppress(trio.BrokenResourceError):
            await call()
        woken.append(trio.current_time())

    await fill(b)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(broken, b.receive_some)
        nursery.start_soon(broken, partial(b.send_all, b"x"))
        await trio.sleep(1)
        a.reset()
    assert woken == [1 + LATENCY_S] * 2


async def test_a_reset_wakes_a_sender_that_waits_for_the_window(
    pair: Pair, clock: VirtualClock
) -> None:
    a, b = pair
    await fill(b)
    a.reset()
    await b.wait_send_all_might_not_block()
    assert trio.current_time() == LATENCY_S


async def test_resetting_a_closed_stream_changes_nothing(pair: Pair, clock: VirtualClock) -> None:
    a, b = pair
    await a.aclose()
    a.reset()
    await trio.sleep(1)
    assert await b.receive_some() == b""


async def test_without_latency_a_reset_arrives_at_once(clock: VirtualClock) -> None:
    a, b = virtual_pair(clock)
    await a.send_all(b"arrived")
    a.reset()
    assert await b.receive_some() == b"arrived"
    assert await code_of(b.receive_some) == errno.ECONNRESET
    assert trio.current_time() == 0


@pytest.mark.parametrize("latency_s", [0.0, LATENCY_S])
async def test_closing_wakes_blocked_tasks_of_the_same_side(
    latency_s: float, clock: VirtualClock
) -> None:
    a, _b = virtual_pair(clock, latency_s)
    await fill(a)

    async def closed(call: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(trio.ClosedResourceError):
            await call()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(closed, a.receive_some)
        nursery.start_soon(closed, partial(a.send_all, b"x"))
        await wait_all_tasks_blocked()
        await a.aclose()
    assert trio.current_time() == 0
