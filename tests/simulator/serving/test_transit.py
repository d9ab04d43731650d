"""Memory for what is on its way: who gets room, and who is reset for it."""

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from simulator.events import CloseReason, ConnectionClosed
from simulator.serving.transit import (
    COPIES,
    FRAME_OVERHEAD_BYTES,
    FREE_BYTES,
    IDLE_S,
    UNREAD_S,
    Transit,
    TransitShare,
)
from tests.simulator.admin import simulated
from tests.simulator.client import Client, batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from wire.api import PRODUCE
from wire.error_code import PartitionFull

HALF = 1_000_000


def shares(count: int) -> tuple[Transit, list[TransitShare], list[int]]:
    """Connections, and the numbers of those that were reset."""
    transit, cut = Transit(2 * HALF), list[int]()

    def cutter(number: int) -> Callable[[], None]:
        return lambda: cut.append(number)

    return transit, [TransitShare(transit, cutter(n)) for n in range(count)], cut


def test_the_usual_read_needs_no_reservation_and_a_larger_request_does() -> None:
    _, (share,), _ = shares(1)
    assert not share.must_reserve(FREE_BYTES)
    assert share.must_reserve(FREE_BYTES + 1)
    share.held += FREE_BYTES
    assert not share.must_reserve(0)
    assert share.must_reserve(1)


async def test_large_requests_wait_for_room_in_order(autojump_clock: MockClock) -> None:
    transit, (first, *others), _ = shares(3)
    order: list[int] = []
    await first.reserve(HALF // COPIES)
    assert transit.requests == HALF

    async def wait(number: int) -> None:
        await others[number].reserve(300_000)
        order.append(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, 0)
        await wait_all_tasks_blocked()
        nursery.start_soon(wait, 1)
        await wait_all_tasks_blocked()
        assert transit.contended
        assert order == []
        first.held += HALF // COPIES
        assert not first.must_reserve(0)
        first.dealt_with(HALF // COPIES)
        await wait_all_tasks_blocked()
        assert order == [0]
        others[0].close()
    assert order == [0, 1]
    others[1].close()
    assert transit.requests == 0


async def test_a_request_larger_than_all_is_read_when_no_other_one_is(
    autojump_clock: MockClock,
) -> None:
    transit, (share, other), _ = shares(2)
    await share.reserve(HALF)
    with trio.move_on_after(1) as scope:
        await other.reserve(FREE_BYTES + 1)
    assert scope.cancelled_caught
    assert not transit.contended, "a cancelled reservation blocks no other"
    share.close()
    await other.reserve(FREE_BYTES + 1)
    other.close()
    assert transit.requests == 0


async def test_requests_that_are_held_keep_their_room_until_they_are_dealt_with() -> None:
    transit, (share,), _ = shares(1)
    for _ in range(3):
        await share.reserve(100_000)
        share.held += 100_000
    assert transit.requests >= 3 * COPIES * 100_000
    share.dealt_with(100_000)
    assert transit.requests == 2 * COPIES * 100_000
    share.dealt_with(200_000)
    assert transit.requests == 0


async def test_who_reads_no_answer_is_reset_when_others_need_the_room(
    autojump_clock: MockClock,
) -> None:
    transit, (stuck, slow, late, other), cut = shares(4)
    size = HALF // 2 - FRAME_OVERHEAD_BYTES
    for share in (stuck, slow):
        share.answer_made(size)
        transit.unread[share] = trio.current_time()
    await transit.answers_fit()  # just
    other.answer_made(1)  # held back by a fault, not by the client
    assert not other.overdue
    assert slow.overdue
    with trio.move_on_after(UNREAD_S / 2) as scope:
        await transit.answers_fit()
    assert scope.cancelled_caught
    assert cut == []
    transit.unread[late] = begun = trio.current_time()

    async def clear() -> None:
        await trio.sleep(UNREAD_S + 0.1)
        assert cut == [0]
        stuck.answer_left(size)
        transit.unread.pop(stuck, None)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(clear)
        await transit.answers_fit()
    assert cut == [0], "the one that has been stuck longest, and no more than needed"
    assert trio.current_time() - begun <= UNREAD_S + 0.2


async def test_a_large_request_that_stands_still_is_reset_for_the_next_one(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, memory="1MiB") as sim:
        idle, other = [await dial(network, sim.spu_addresses[0]) for _ in range(2)]
        large = produce_request(("greetings", 0, batch(bytes(FREE_BYTES))))
        frame = idle.wire.request(PRODUCE, large, 25)[1]
        await idle.stream.send_all(frame[:-1])
        await trio.sleep(10 * IDLE_S)
        begun = trio.current_time()
        answer = await other.call(PRODUCE, large)
        assert trio.current_time() - begun <= IDLE_S
        assert answer.topics[0].partitions[0].base_offset == 0
        with pytest.raises(EOFError):
            await idle.answer()
        (closed,) = [e for e in sim.events if isinstance(e, ConnectionClosed)]
    assert closed.reason is CloseReason.EVICTED


async def test_many_large_requests_are_read_one_after_the_other(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, memory="1MiB") as sim:
        clients = [await dial(network, sim.spu_addresses[0]) for _ in range(5)]
        large = produce_request(("greetings", 0, batch(bytes(FREE_BYTES))))
        offsets = set()

        async def produce(client: Client) -> None:
            offsets.add((await client.call(PRODUCE, large)).topics[0].partitions[0].base_offset)

        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(produce, client)
    assert offsets == {0, 1, 2, 3, 4}


async def test_three_quarters_hold_what_is_stored_and_one_line_says_when_they_are_full(
    network: MemoryNetwork, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with simulated(network, memory="1MiB") as sim:
        client = await dial(network, sim.spu_addresses[0])
        codes = [
            (await client.produce("greetings", 0, bytes(100_000))).error_code for _ in range(10)
        ]
    full = PartitionFull(topic="greetings", partition=0)
    assert [code == full for code in codes] == [False] * 7 + [True] * 3
    (line,) = caplog.messages
    assert line.startswith("the memory is full: 702296 of 1048576 bytes hold what is stored")
