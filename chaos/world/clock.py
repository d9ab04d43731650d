"""Virtual time: a clock that stands still while any task can run, and then jumps.

The obvious solution is trio's ``MockClock(autojump_threshold=0)``. ``MockClock`` lets the loop go
idle to find out that no task can run, then collects statistics to learn how far to jump, and the
task that waits for that point resumes one turn of the loop later. A task that waits for an event at
a known time must also wrap its wait in a cancel scope. Together this took half the time of a run: a
message in memory cost more on the clock than in both protocol layers.

trio asks its clock how long to sleep exactly when no task can run. ``VirtualClock`` moves the time
at this point, straight to the next deadline, and always answers that trio need not sleep. Beside
trio's deadlines the clock keeps *timers*: a heap of times at which a task that waits on a
``Waiter`` is woken. A message costs one entry in the heap and no cancel scope.

The order is deterministic: timers with the same deadline fire in the order in which they were
scheduled. ``wait_all_tasks_blocked`` does not hold the time back, as it does with ``MockClock``: it
returns when no timer and no deadline is left.
"""

from collections.abc import Awaitable
from heapq import heappop, heappush
from math import floor, inf
from typing import Any

import trio

EPOCH_NS = 1_700_000_000 * 10**9
"""The time of day at which the virtual world begins, in 2023."""


class VirtualClock(trio.abc.Clock):
    """A clock for ``trio.run``. It starts at 0 and belongs to one run."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds since the run began; the value of ``trio.current_time``."""
        self.timers: list[tuple[float, int, Waiter]] = []
        """A heap of wakeups. An entry is stale if its waiter has another deadline by now."""
        self.scheduled = 0
        """How many wakeups were scheduled; a ``Waiter`` counts its own."""

    def start_clock(self) -> None:
        """Do nothing: virtual time does not run by itself."""

    def current_time(self) -> float:
        """Return the time of the run in seconds; called by trio."""
        return self.now

    def time_ns(self) -> int:
        """Return the time of day in nanoseconds."""
        return EPOCH_NS + floor(self.now * 1e9)

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Move on to the next deadline or timer; called by trio when no task can run."""
        timers = self.timers
        until = deadline
        fired = False
        while timers:
            at, _, waiter = timers[0]
            if waiter.deadline == at:
                if at > until:
                    break
                if not fired:
                    fired = True
                    if at > self.now:
                        self.now = at
                    until = self.now
                waiter.wake()
            # else a stale entry: the waiter was woken or rescheduled
            heappop(timers)
        if not fired:
            if deadline == inf:
                return inf
            if deadline > self.now:
                self.now = deadline
        return 0

    async def sleep(self, seconds: float) -> None:
        """Sleep, at less cost than ``trio.sleep``; always a checkpoint."""
        if seconds <= 0:
            await trio.lowlevel.checkpoint()
        else:
            await Waiter(self).wait_until(self.now + seconds)


class Waiter:
    """One task that waits until it is woken or until a deadline, which other tasks may bring
    forward.

    Args:
        clock: the clock of the run.
    """

    __slots__ = ("_clock", "_task", "deadline")

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._task: trio.lowlevel.Task | None = None
        self.deadline = inf
        """When the waiting task is woken at the latest; infinity if no wakeup is scheduled."""

    def wait_until(self, at: float = inf) -> Awaitable[Any]:
        """Wait until woken, at the latest at ``at``, which must be in the future.

        The result must be awaited at once. It is no coroutine of its own, which would be made for
        each message and entered once more at each wakeup.
        """
        self._task = trio.lowlevel.current_task()
        if at < inf:
            self._schedule(at)
        return trio.lowlevel.wait_task_rescheduled(self._abort)  # noqa: ASYNC105  the caller does

    def wake(self) -> None:
        """Wake the waiting task now, if there is one."""
        task = self._task
        if task is not None:
            self._task = None
            self.deadline = inf
            trio.lowlevel.reschedule(task)

    def wake_at(self, at: float) -> None:
        """Wake the waiting task at ``at`` unless its deadline is earlier."""
        if at < self.deadline and self._task is not None:
            if at <= self._clock.now:
                self.wake()
            else:
                self._schedule(at)

    def _schedule(self, at: float) -> None:
        clock = self._clock
        clock.scheduled = number = clock.scheduled + 1
        self.deadline = at
        heappush(clock.timers, (at, number, self))

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        self.deadline = inf
        return trio.lowlevel.Abort.SUCCEEDED
