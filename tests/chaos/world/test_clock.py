"""Virtual time: when it moves, and which tasks it wakes."""

from math import inf

import pytest
import trio
from trio.testing import assert_checkpoints

from chaos.world.clock import VirtualClock, Waiter


async def wait(waiter: Waiter, at: float = inf) -> None:
    await waiter.wait_until(at)


async def test_time_moves_to_each_deadline_exactly(clock: VirtualClock) -> None:
    for seconds in (0.1, 0.2, 0.3, 1e6):
        deadline = trio.current_time() + seconds
        await trio.sleep_until(deadline)
        assert trio.current_time() == clock.now == deadline


async def test_time_stands_still_while_a_task_can_run(clock: VirtualClock) -> None:
    with trio.move_on_after(1) as scope:
        for _ in range(100):
            await trio.lowlevel.checkpoint()
        assert clock.now == 0
        await trio.sleep(2)
    assert scope.cancelled_caught
    assert clock.now == 1


async def test_timers_and_deadlines_fire_in_the_order_of_their_times(clock: VirtualClock) -> None:
    woken: list[tuple[str, float]] = []

    async def timer(at: float) -> None:
        await Waiter(clock).wait_until(at)
        woken.append(("timer", clock.now))

    async def deadline(at: float) -> None:
        await trio.sleep_until(at)
        woken.append(("deadline", clock.now))

    async with trio.open_nursery() as nursery:
        for at in (3.0, 1.0, 5.0):
            nursery.start_soon(timer, at)
            nursery.start_soon(deadline, at + 1)
    times = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert woken == list(zip(["timer", "deadline"] * 3, times, strict=True))


async def test_data_that_arrives_at_the_deadline_is_not_missed(clock: VirtualClock) -> None:
    with trio.move_on_after(1) as scope:
        await Waiter(clock).wait_until(1)
    assert not scope.cancelled_caught
    assert clock.now == 1


async def test_a_woken_waiter_leaves_no_timer_behind(clock: VirtualClock) -> None:
    waiter = Waiter(clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, waiter, 100)
        await trio.sleep(1)
        waiter.wake()
    await trio.sleep(1000)
    assert clock.now == 1001
    assert not clock.timers


async def test_a_cancelled_waiter_leaves_no_timer_behind(clock: VirtualClock) -> None:
    waiter = Waiter(clock)
    with trio.move_on_after(1) as scope:
        await waiter.wait_until(100)
    assert scope.cancelled_caught
    waiter.wake()
    waiter.wake_at(50)
    await trio.sleep(1000)
    assert clock.now == 1001
    assert not clock.timers


@pytest.mark.parametrize(("until", "brought_forward", "woken"), [(9, 5, 5), (5, 9, 5), (inf, 7, 7)])
async def test_a_deadline_is_brought_forward_and_never_postponed(
    clock: VirtualClock, until: float, brought_forward: float, woken: float
) -> None:
    waiter = Waiter(clock)

    async def wait() -> None:
        await waiter.wait_until(until)
        assert clock.now == woken

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(1)
        waiter.wake_at(brought_forward)


async def test_a_waiter_that_waits_again_is_not_woken_by_an_old_timer(clock: VirtualClock) -> None:
    waiter = Waiter(clock)

    async def wait_twice() -> None:
        await waiter.wait_until(10)
        assert clock.now == 1
        await waiter.wait_until(20)
        assert clock.now == 20

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_twice)
        await trio.sleep(1)
        waiter.wake_at(1)


async def test_a_deadline_that_has_passed_wakes_at_once(clock: VirtualClock) -> None:
    waiter = Waiter(clock)
    waiter.wake_at(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, waiter)
        await trio.sleep(2)
        waiter.wake_at(1)
    assert clock.now == 2


@pytest.mark.parametrize("seconds", [-1, 0, 0.5])
async def test_sleep_is_a_checkpoint_and_takes_its_duration(
    clock: VirtualClock, seconds: float
) -> None:
    with assert_checkpoints():
        await clock.sleep(seconds)
    assert clock.now == max(0, seconds)


def test_without_a_deadline_the_clock_waits_for_other_threads() -> None:
    clock = VirtualClock()
    assert clock.deadline_to_sleep_time(inf) == inf
    assert clock.now == 0
