"""Small programs for both event loops. Each appends to a log what happens, and when."""

from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from typing import Any

import trio
import trio.lowlevel

from chaos.world.clock import VirtualClock
from chaos.world.world import World

Log = list[object]
Program = Callable[[Log], Awaitable[None]]

PROGRAMS: list[Program] = []


def program(function: Program) -> Program:
    PROGRAMS.append(function)
    return function


def at(log: Log, *what: object) -> None:
    log.append((round(trio.current_time(), 9), *what))


async def count(log: Log, name: str, turns: int = 3) -> None:
    for n in range(turns):
        at(log, name, n)
        await trio.lowlevel.checkpoint()


@program
async def turns_are_shuffled(log: Log) -> None:
    async with trio.open_nursery() as nursery:
        for n in range(7):
            nursery.start_soon(count, log, f"task {n}")
            if n % 3 == 2:
                await trio.lowlevel.cancel_shielded_checkpoint()


@program
async def sleepers_wake_in_time(log: Log) -> None:
    async def sleeper(seconds: float) -> None:
        await trio.sleep(seconds)
        at(log, "slept", seconds)
        await trio.sleep_until(0.5)
        at(log, "until", seconds)

    async with trio.open_nursery() as nursery:
        for seconds in (0, 0.2, 0.1, 0.2, 0.7, 0.5, 0):
            nursery.start_soon(sleeper, seconds)
    for wrong in (-1.0, float("nan")):
        try:
            await trio.sleep(wrong)
        except ValueError as error:
            at(log, str(error))


@program
async def deadlines_cancel(log: Log) -> None:
    async def limited(name: str, scope: trio.CancelScope, other: str) -> None:
        with scope:
            try:
                await count(log, other, 2)
                await trio.sleep_forever()
            except trio.Cancelled:
                at(log, name, "cancelled")
                raise
        at(log, name, scope.cancelled_caught, scope.cancel_called, scope.deadline)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(limited, "at", trio.move_on_at(0.3), "a")
        nursery.start_soon(limited, "after", trio.move_on_after(0.3), "b")
        nursery.start_soon(limited, "over", trio.move_on_at(-1), "c")
        nursery.start_soon(limited, "now", trio.move_on_after(0), "d")
        moved = trio.CancelScope(deadline=inf)
        nursery.start_soon(limited, "moved", moved, "e")
        await trio.sleep(0.1)
        moved.deadline = 0.9
        at(log, "still", moved.cancel_called)
        moved.deadline = trio.current_time() - 1
        at(log, "over", moved.cancel_called)


@program
async def a_block_fails_at_its_deadline(log: Log) -> None:
    for seconds in (0.3, 0):
        try:
            with trio.fail_after(seconds):
                await count(log, "counted")
                await trio.sleep(0.2)
                at(log, "in time")
                await trio.sleep_forever()
        except trio.TooSlowError as error:
            at(log, type(error).__name__, str(error))
    with trio.fail_after(1, shield=True) as scope:
        await trio.sleep(0.5)
    at(log, scope.cancelled_caught, scope.shield)
    with trio.move_on_after(0.1) as outer, trio.fail_after(5):
        await trio.sleep_forever()
    at(log, outer.cancelled_caught)
    try:
        with trio.fail_after(-1):
            await count(log, "never")
    except ValueError as error:
        at(log, str(error))


@program
async def a_deadline_in_the_past_waits_for_the_next_turn(log: Log) -> None:
    async def moves(scope: trio.CancelScope) -> None:
        scope.deadline = 0.0
        await count(log, "mover")

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            await trio.sleep(0.1)
            nursery.start_soon(moves, scope)
            nursery.start_soon(count, log, "other", 5)
    at(log, scope.cancelled_caught)


@program
async def deadlines_count_when_they_are_the_same(log: Log) -> None:
    with trio.move_on_at(0.2) as outer, trio.move_on_at(0.2) as inner:
        await trio.sleep_until(0.2)
    at(log, outer.cancelled_caught, inner.cancelled_caught)
    with trio.move_on_at(0.4) as outer:
        with trio.move_on_at(0.3) as inner:
            await trio.sleep_until(0.4)
        await trio.sleep_until(0.4)
        at(log, "not reached")
    at(log, outer.cancelled_caught, inner.cancelled_caught)


@program
async def a_shield_holds(log: Log) -> None:
    with trio.move_on_after(0.1) as outer:
        with trio.CancelScope(shield=True):
            await trio.sleep(0.3)
            at(log, "slept", outer.cancel_called)
        with trio.move_on_after(0.2, shield=True) as inner:
            await trio.sleep(0.5)
        at(log, "shielded", inner.cancelled_caught)
        await trio.lowlevel.checkpoint()
        at(log, "not reached")
    at(log, outer.cancelled_caught)


@program
async def a_checkpoint_of_a_cancelled_task_takes_two_turns(log: Log) -> None:
    async def cancelled(name: str, step: Callable[[], Awaitable[object]]) -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await trio.lowlevel.cancel_shielded_checkpoint()
            at(log, name, "begins")
            try:
                await step()
            finally:
                at(log, name, "ends")
        at(log, name, scope.cancelled_caught)

    event = trio.Event()
    event.set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(count, log, "clock", 9)
        nursery.start_soon(cancelled, "checkpoint", trio.lowlevel.checkpoint)
        nursery.start_soon(cancelled, "if cancelled", trio.lowlevel.checkpoint_if_cancelled)
        nursery.start_soon(cancelled, "sleep", partial(trio.sleep, 1))
        nursery.start_soon(cancelled, "sleep 0", partial(trio.sleep, 0))
        nursery.start_soon(cancelled, "sleep until", partial(trio.sleep_until, -1))
        nursery.start_soon(cancelled, "forever", trio.sleep_forever)
        nursery.start_soon(cancelled, "event", event.wait)
        nursery.start_soon(cancelled, "lock", trio.Lock().acquire)
        nursery.start_soon(cancelled, "semaphore", trio.Semaphore(1).acquire)
        nursery.start_soon(cancelled, "park", trio.lowlevel.ParkingLot().park)


@program
async def a_checkpoint_of_a_task_that_is_not_cancelled(log: Log) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(count, log, "clock", 5)
        await trio.lowlevel.checkpoint_if_cancelled()
        at(log, "no turn")
        await trio.lowlevel.cancel_shielded_checkpoint()
        at(log, "one turn")
        await trio.lowlevel.checkpoint()
        at(log, "another")


@program
async def events_wake_all(log: Log) -> None:
    event = trio.Event()

    async def waits(n: int) -> None:
        with trio.move_on_after(0.1 if n % 2 else 1):
            await event.wait()
            at(log, "woken", n)

    async with trio.open_nursery() as nursery:
        for n in range(5):
            nursery.start_soon(waits, n)
        await trio.sleep(0.2)
        at(log, event.is_set())
        event.set()
        event.set()
        at(log, event.is_set())
    await event.wait()
    at(log, "at once")


@program
async def the_first_that_waits_gets_a_lock(log: Log) -> None:
    lock, room = trio.Lock(), trio.Semaphore(2, max_value=2)

    async def locks(n: int) -> None:
        with trio.move_on_after(0.35):
            async with lock:
                at(log, "locked", n, lock.locked())
                await trio.sleep(0.1)
        await room.acquire()
        at(log, "acquired", n, room.value)
        await trio.sleep(0.2)
        room.release()

    async with trio.open_nursery() as nursery:
        for n in range(6):
            nursery.start_soon(locks, n)
    at(log, lock.locked(), room.value)
    for wrong in (room.release, lock.release):
        try:
            wrong()
        except (ValueError, RuntimeError) as error:
            at(log, str(error))
    room.acquire_nowait()
    lock.acquire_nowait()
    try:
        await lock.acquire()
    except RuntimeError as error:
        at(log, str(error))
    room.acquire_nowait()
    try:
        room.acquire_nowait()
    except trio.WouldBlock:
        at(log, "would block")


@program
async def a_parking_lot_wakes_in_order(log: Log) -> None:
    lot = trio.lowlevel.ParkingLot()

    async def parks(n: int) -> None:
        with trio.move_on_after(0.1 if n == 1 else 1):
            await lot.park()
            at(log, "left", n)

    async with trio.open_nursery() as nursery:
        for n in range(4):
            nursery.start_soon(parks, n)
        await trio.sleep(0.2)
        at(log, len(lot), bool(lot))
        lot.unpark_all()
        at(log, len(lot), bool(lot))


@program
async def tasks_wait_for_each_other(log: Log) -> None:
    waiting: list[trio.lowlevel.Task] = []

    async def waits(*, gives_way: bool) -> None:
        def abort(_: object) -> trio.lowlevel.Abort:
            at(log, "aborted", gives_way)
            return trio.lowlevel.Abort.SUCCEEDED if gives_way else trio.lowlevel.Abort.FAILED

        waiting.append(trio.lowlevel.current_task())
        with trio.move_on_after(0.1) as scope:
            await trio.lowlevel.wait_task_rescheduled(abort)
            at(log, "rescheduled", gives_way)
        at(log, scope.cancelled_caught, scope.cancel_called)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: waits(gives_way=True))
        await trio.sleep(0.05)
        nursery.start_soon(lambda: waits(gives_way=False))
        await trio.sleep(0.15)
        trio.lowlevel.reschedule(waiting[1])
    clock = trio.lowlevel.current_clock()
    at(log, isinstance(clock, VirtualClock), clock.current_time())


@program
async def errors_cancel_the_others_and_are_grouped(log: Log) -> None:
    async def fails(seconds: float, error: BaseException) -> None:
        try:
            await trio.sleep(seconds)
        finally:
            at(log, "ends", seconds)
        raise error

    async def stubborn() -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.1)
            raise KeyError("after all") from None

    try:
        async with trio.open_nursery() as outer:
            outer.start_soon(stubborn)
            async with trio.open_nursery() as inner:
                inner.start_soon(fails, 0.1, ValueError("a"))
                inner.start_soon(fails, 0.1, OSError("b"))
                inner.start_soon(fails, 0.3, OSError("c"))
            at(log, "not reached")
    except* ValueError as group:
        at(log, flat(group))
    except* OSError as group:
        at(log, flat(group))
    except* KeyError as group:
        at(log, flat(group))


def flat(error: BaseException) -> object:
    if isinstance(error, BaseExceptionGroup):
        return str(error), [flat(each) for each in error.exceptions]
    return repr(error)


@program
async def an_error_in_the_block_of_a_nursery(log: Log) -> None:
    with trio.CancelScope() as scope:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                nursery.start_soon(count, log, "task", 5)
                scope.cancel()
                raise ValueError("in the block")
        except BaseExceptionGroup as group:
            at(log, type(group).__name__, [type(each).__name__ for each in group.split(Exception)])
            raise
    at(log, "not reached")


@program
async def a_nursery_is_cancelled(log: Log) -> None:
    async with trio.open_nursery() as outer:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 1)
            nursery.start_soon(trio.sleep_forever)
            await trio.sleep(0.1)
            nursery.cancel_scope.cancel()
            nursery.start_soon(count, log, "late")
        at(log, nursery.cancel_scope.cancelled_caught)
        outer.start_soon(count, log, "outer")
    try:
        nursery.start_soon(trio.sleep, 1)
    except RuntimeError as error:
        at(log, str(error))


@program
async def start_waits_until_started(log: Log) -> None:
    async def serves(
        name: str, seconds: float, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED
    ) -> None:
        with trio.CancelScope():
            await trio.sleep(seconds)
            if name == "fails":
                raise ValueError(name)
            if name != "forgets":
                task_status.started(name)
            at(log, name, "started")
            try:
                await trio.sleep(1)
            finally:
                at(log, name, "ends")

    try:
        async with trio.open_nursery() as nursery:
            for name in ("one", "two"):
                at(log, await nursery.start(serves, name, 0.1))
            for name in ("fails", "forgets"):
                try:
                    await nursery.start(serves, name, 0.1)
                except (ValueError, RuntimeError) as error:
                    at(log, repr(error))
            with trio.move_on_after(0.05) as scope:
                await nursery.start(serves, "three", 0.1)
            at(log, scope.cancelled_caught)
            nursery.start_soon(serves, "four", 0.1)
            await trio.sleep(0.2)
            nursery.cancel_scope.cancel()
            await nursery.start(serves, "five", 0.1)
    finally:
        at(log, "left")


@program
async def started_in_a_cancelled_nursery(log: Log) -> None:
    async def serves(*, task_status: trio.TaskStatus[None]) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(0.2)
            task_status.started()
            at(log, "started")
        await trio.sleep(1)

    async def starts(nursery: trio.Nursery) -> None:
        with trio.CancelScope(shield=True):
            await nursery.start(serves)
            at(log, "start returned")

    async with trio.open_nursery() as outer, trio.open_nursery() as nursery:
        outer.start_soon(starts, nursery)
        await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    at(log, "left")


class Resource(trio.abc.AsyncResource):
    def __init__(self, log: Log) -> None:
        self._log = log

    async def aclose(self) -> None:
        try:
            await trio.sleep(1)
        finally:
            at(self._log, "closed")


@program
async def a_resource_is_closed_forcefully(log: Log) -> None:
    await trio.aclose_forcefully(Resource(log))
    at(log, "at once")


@program
async def a_scope_is_used_once(log: Log) -> None:
    with trio.CancelScope() as scope:
        await trio.lowlevel.checkpoint()
    try:
        with scope:
            await trio.lowlevel.checkpoint()
    except RuntimeError as error:
        at(log, str(error))
    relative = trio.move_on_after(1)
    try:
        at(log, relative.deadline)
    except RuntimeError as error:
        at(log, str(error))
    try:
        trio.CancelScope(deadline=float("nan"))
    except ValueError as error:
        at(log, str(error))
    try:
        trio.move_on_after(-1)
    except ValueError as error:
        at(log, str(error))


def main_of(program: Program, log: Log) -> Callable[[World], Any]:
    async def main(_: World) -> None:
        await program(log)

    return main
