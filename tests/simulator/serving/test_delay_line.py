import pytest
import trio

from simulator.serving.delay_line import HELD_BYTES_MAX, HELD_MAX, DelayLine, DelayLineFullError


class Receiver:
    """Notes what a line delivers and when, taking some time for each."""

    def __init__(self, nursery: trio.Nursery, takes_s: float = 0.0) -> None:
        self.got: list[tuple[float, str]] = []
        self.takes_s = takes_s
        self.line: DelayLine[str] = DelayLine(self.deliver, nursery.start_soon)
        self.start = trio.current_time()

    async def deliver(self, item: str) -> None:
        if self.takes_s:
            await trio.sleep(self.takes_s)
        self.got.append((round(trio.current_time() - self.start, 6), item))


async def test_without_a_delay_the_caller_delivers(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    receiver = Receiver(nursery)
    await receiver.line.put("a", 1)
    assert receiver.got == [(0.0, "a")]
    assert not nursery.child_tasks


async def test_a_delayed_item_holds_back_those_behind_it(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    receiver = Receiver(nursery)
    await receiver.line.put("slow", 1, 5.0)
    await receiver.line.put("fast", 1)
    await receiver.line.put("slower", 1, 9.0)
    await receiver.line.drained()
    assert receiver.got == [(5.0, "slow"), (5.0, "fast"), (9.0, "slower")]


async def test_delays_of_items_that_follow_each_other_overlap(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    receiver = Receiver(nursery)
    for name in "abc":
        await receiver.line.put(name, 1, 1.0)
    await receiver.line.drained()
    assert receiver.got == [(1.0, "a"), (1.0, "b"), (1.0, "c")]


async def test_what_is_put_during_a_delivery_comes_behind_it(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    receiver = Receiver(nursery, takes_s=1.0)
    nursery.start_soon(receiver.line.put, "first", 1)
    await trio.sleep(0.5)
    receiver.line.put_soon("second", 1)
    await receiver.line.put("third", 1)
    await receiver.line.drained()
    assert receiver.got == [(1.0, "first"), (2.0, "second"), (3.0, "third")]


async def test_after_a_delay_the_caller_delivers_again(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    receiver = Receiver(nursery)
    await receiver.line.put("held", 1, 1.0)
    await receiver.line.drained()
    await receiver.line.put("now", 1)
    assert receiver.got == [(1.0, "held"), (1.0, "now")]
    assert not nursery.child_tasks


async def test_a_full_line_makes_the_caller_wait_or_fail(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    receiver = Receiver(nursery)
    for _ in range(HELD_MAX):
        await receiver.line.put("x", 1, 1.0)
    with pytest.raises(DelayLineFullError):
        receiver.line.put_soon("one more", 1)
    assert trio.current_time() == receiver.start
    await receiver.line.put("one more", 1)
    assert trio.current_time() == receiver.start + 1.0
    await receiver.line.drained()
    assert len(receiver.got) == HELD_MAX + 1


async def test_what_others_put_is_delivered_though_the_caller_was_cancelled(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    receiver = Receiver(nursery, takes_s=5.0)
    with trio.move_on_after(1.0) as scope:
        async with trio.open_nursery() as inner:
            inner.start_soon(receiver.line.put, "cut short", 1)
            await trio.sleep(0.5)
            receiver.line.put_soon("behind it", 1)
    assert scope.cancelled_caught
    await receiver.line.drained()
    assert receiver.got == [(6.0, "behind it")]


async def test_a_line_is_full_of_bytes_too_though_one_item_always_fits(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    receiver = Receiver(nursery)
    receiver.line.put_soon("larger than all room", HELD_BYTES_MAX + 1, 1.0)
    with pytest.raises(DelayLineFullError):
        receiver.line.put_soon("one byte more", 1)
    await receiver.line.drained()
    receiver.line.put_soon("half", HELD_BYTES_MAX // 2, 1.0)
    receiver.line.put_soon("the other half", HELD_BYTES_MAX // 2, 1.0)
    with pytest.raises(DelayLineFullError):
        receiver.line.put_soon("one byte more", 1)
    await receiver.line.put("waits for room", 1)
    assert trio.current_time() == receiver.start + 2.0
    await receiver.line.drained()
