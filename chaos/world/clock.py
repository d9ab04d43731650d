"""Virtual time: a clock that stands still while any task can run, and then jumps.

The naive way is trio's ``MockClock(autojump_threshold=0)``. It finds out that nothing can run by
letting the loop go idle, then collects statistics to learn how far to jump, and the task that waits
for that moment runs one turn of the loop later. And whoever waits for something that happens at a
known time wraps its wait in a cancel scope. Together that was half of what a run cost: a
message in memory took longer on the clock than on its way through both protocols.

But trio asks its clock how long to sleep exactly when nothing can run. So that is when the time
moves here, straight to the next deadline, and the answer is always not to sleep at all. Beside the
deadlines of trio there are *alarms*, a heap of times at which a task that waits at a ``Place`` is
to be woken: a message costs an entry there and no cancel scope.

Nothing depends on an order that is not fixed: alarms of one moment go off in the order in which
they were set. ``wait_all_tasks_blocked`` cannot hold the time back, as it does with ``MockClock``:
it returns when there is no alarm and no deadline any more.
"""

from heapq import heappop, heappush
from math import inf

import trio


class VirtualClock(trio.abc.Clock):
    """Give it to ``trio.run``; it begins at 0 and belongs to one run."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds since the run began; what ``trio.current_time`` gives."""
        self._alarms: list[tuple[float, int, Place]] = []
        self._set = 0

    def start_clock(self) -> None:
        """Nothing: it does not run."""

    def current_time(self) -> float:
        """The time; for trio."""
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Move on to the next deadline or alarm; for trio, which asks when no task can run."""
        alarms = self._alarms
        rung = False
        while alarms:
            at, _, place = alarms[0]
            if place.due != at:
                heappop(alarms)  # woken by something else, or earlier
                continue
            if at > (self.now if rung else deadline):
                break
            if not rung:
                rung, self.now = True, max(at, self.now)
            heappop(alarms)
            place.wake()
        if rung:
            return 0
        if deadline == inf:
            return inf
        self.now = max(deadline, self.now)
        return 0

    def set_alarm(self, at: float, place: "Place") -> None:
        """Wake who waits at a place at a time that is not over; for places."""
        self._set += 1
        heappush(self._alarms, (at, self._set, place))

    async def sleep(self, seconds: float) -> None:
        """Sleep, for less than ``trio.sleep`` costs; always a checkpoint."""
        if seconds <= 0:
            await trio.lowlevel.checkpoint()
        else:
            await Place(self).wait_until(self.now + seconds)


class Place:
    """Where one task waits: until it is woken, or until a time that others may bring forward.

    Args:
        clock: of the run.
    """

    __slots__ = ("_clock", "_task", "due")

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._task: trio.lowlevel.Task | None = None
        self.due = inf
        """When whoever waits here is to be woken."""

    async def wait_until(self, at: float = inf) -> None:
        """Wait until woken, or until a time to come."""
        self._task = trio.lowlevel.current_task()
        if at < inf:
            self.due = at
            self._clock.set_alarm(at, self)
        await trio.lowlevel.wait_task_rescheduled(self._abort)

    def wake(self) -> None:
        """Wake who waits, now."""
        task = self._task
        if task is not None:
            self._task = None
            self.due = inf
            trio.lowlevel.reschedule(task)

    def wake_at(self, at: float) -> None:
        """Wake who waits not later than this."""
        if at < self.due and self._task is not None:
            if at <= self._clock.now:
                self.wake()
            else:
                self.due = at
                self._clock.set_alarm(at, self)

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        self.due = inf
        return trio.lowlevel.Abort.SUCCEEDED
