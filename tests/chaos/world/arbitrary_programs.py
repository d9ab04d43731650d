"""Programs for both event loops that a random generator writes while they run.

What a task does next is drawn from one generator, so that the first difference in the order of the
tasks changes everything after it.
"""

from random import Random
from typing import Any

import trio

from tests.chaos.world.programs import Log, Program, at, flat


class _Arbitrary:
    """Tasks that do arbitrary things with the same events, scopes, nurseries and locks."""

    def __init__(self, rng: Random, log: Log) -> None:
        self._rng = rng
        self._log = log
        self._events = [trio.Event() for _ in range(4)]
        self._scopes: list[trio.CancelScope] = []
        self._lock = trio.Lock()
        self._room = trio.Semaphore(2)
        self._left = 60

    async def block(self, depth: int, nursery: trio.Nursery) -> None:
        name = self._rng.randrange(1000)
        for _ in range(self._rng.randrange(1, 5)):
            if self._left <= 0:
                return
            self._left -= 1
            at(self._log, name, depth)
            await self._rng.choice(self._STEPS)(self, depth + 1, nursery)
        at(self._log, name, "done")

    async def _checkpoint(self, _: int, __: trio.Nursery) -> None:
        await trio.lowlevel.checkpoint()

    async def _sleep(self, _: int, __: trio.Nursery) -> None:
        await trio.sleep(self._rng.randrange(4) / 10)

    async def _event(self, _: int, __: trio.Nursery) -> None:
        event = self._rng.choice(self._events)
        if self._rng.random() < 0.5:
            event.set()
        else:
            with trio.move_on_after(0.3):
                await event.wait()

    async def _limit(self, depth: int, nursery: trio.Nursery) -> None:
        seconds = self._rng.randrange(5) / 10
        with trio.move_on_after(seconds, shield=self._rng.random() < 0.2) as scope:
            self._scopes.append(scope)
            await self.block(depth, nursery)
            await trio.sleep(0.1)
        at(self._log, scope.cancelled_caught, scope.cancel_called)

    async def _cancel(self, _: int, __: trio.Nursery) -> None:
        if self._scopes:
            scope = self._rng.choice(self._scopes)
            if self._rng.random() < 0.5:
                scope.cancel()
            else:
                scope.deadline = trio.current_time() + self._rng.randrange(-1, 3) / 10

    async def _spawn(self, depth: int, nursery: trio.Nursery) -> None:
        if not nursery.cancel_scope.cancel_called:
            nursery.start_soon(self.block, depth, nursery)

    async def _nursery(self, depth: int, _: trio.Nursery) -> None:
        try:
            async with trio.open_nursery() as nursery:
                self._scopes.append(nursery.cancel_scope)
                nursery.start_soon(self.block, depth, nursery)
                await self.block(depth, nursery)
        except* ValueError as group:
            at(self._log, flat(group))

    async def _start(self, depth: int, nursery: trio.Nursery) -> None:
        async def child(*, task_status: trio.TaskStatus[int]) -> None:
            with trio.move_on_after(1):
                await trio.sleep(self._rng.randrange(3) / 10)
                task_status.started(depth)
                await self.block(depth, nursery)

        with trio.move_on_after(0.2):
            at(self._log, "started", await nursery.start(child))

    async def _fail(self, depth: int, _: trio.Nursery) -> None:
        if depth > 1:
            raise ValueError(str(self._rng.randrange(100)))

    async def _guard(self, depth: int, nursery: trio.Nursery) -> None:
        async with self._lock if self._rng.random() < 0.5 else self._room:
            await trio.sleep(self._rng.randrange(2) / 10)

    async def _finally(self, depth: int, nursery: trio.Nursery) -> None:
        try:
            await self.block(depth, nursery)
        except trio.Cancelled:
            at(self._log, "cancelled")
            with trio.CancelScope(shield=True):
                await trio.sleep(0.1)
            raise
        except ValueError as error:
            at(self._log, str(error))

    _STEPS: Any = (
        _checkpoint, _checkpoint, _sleep, _sleep, _event, _event, _limit, _limit, _cancel, _spawn,
        _spawn, _nursery, _nursery, _start, _fail, _guard, _finally,
    )  # fmt: skip


def arbitrary(seed: int) -> Program:
    async def run(log: Log) -> None:
        tasks = _Arbitrary(Random(seed), log)
        with trio.move_on_after(50):
            await tasks._nursery(1, None)  # type: ignore[arg-type]
        at(log, "over")

    return run
