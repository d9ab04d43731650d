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

from heapq import heappop, heappush
from math import inf

import trio


class VirtualClock(trio.abc.Clock):
    """A clock for ``trio.run``. It starts at 0 and belongs to one run."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds since the run began; the value of ``trio.current_time``."""
        self._timers: list[tuple[float, int, Waiter]] = []
        self._scheduled = 0

    def start_clock(self) -> None:
        """Do nothing: virtual time does not run by itself."""

    def current_time(self) -> float:
        """Return the time of the run in seconds; called by trio."""
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Move on to the next deadline or timer; called by trio when no task can run."""
        timers = self._timers
        fired = False
        while timers:
            at, _, waiter = timers[0]
            if waiter.deadline != at:
                heappop(timers)  # a stale entry: the waiter was woken or rescheduled
                continue
            if at > (self.now if fired else deadline):
                break
            if not fired:
                fired, self.now = True, max(at, self.now)
            heappop(timers)
            waiter.wake()
        if fired:
            return 0
        if deadline == inf:
            return inf
        self.now = max(deadline, self.now)
        return 0

    def schedule_wakeup(self, at: float, waiter: "Waiter") -> None:
        """Schedule a wakeup for ``waiter`` at ``at``, which must be in the future."""
        self._scheduled += 1
        heappush(self._timers, (at, self._scheduled, waiter))

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

    async def wait_until(self, at: float = inf) -> None:
        """Wait until woken, at the latest at ``at``, which must be in the future."""
        self._task = trio.lowlevel.current_task()
        if at < inf:
            self.deadline = at
            self._clock.schedule_wakeup(at, self)
        await trio.lowlevel.wait_task_rescheduled(self._abort)

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
                self.deadline = at
                self._clock.schedule_wakeup(at, self)

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        self.deadline = inf
        return trio.lowlevel.Abort.SUCCEEDED
