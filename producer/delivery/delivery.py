"""Both delivery semantics as synchronous state machines: events in, actions out, no clock, no IO.

A machine is responsible for one request: some batches of one partition, its *entries*. Its
driver tells it what happened and when, and does what it answers:

    Started   ->  Attempt: look up the leader, connect, transmit these entries, await the answer
    Begun         the first byte of the attempt's request was handed to a connection
    Answered  ->  some entries are settled; then Done, Attempt or Pause
    Failed    ->  the attempt ended without an answer; then Done, Attempt or Pause
    Elapsed   ->  the pause is over: Attempt
    Stopped   ->  everything that is open is given up: Done

The naive way is a loop with a try block around "send and wait", and it goes wrong in two
places. First, it forgets: an attempt that ended in silence may have stored its records,
and a later attempt that is refused does not undo that. So each entry remembers whether any of its
attempts is still *open*, and only an entry without open attempts may be reported as not
stored. Second, it takes the loss of a connection for its own failure even when it was given up
because of another request; such an attempt is simply made again and costs nothing (``displaced``).

**At-least-once** makes attempts until every entry has a final answer, no retry is left, or the
policy's time is over. An attempt never lasts beyond the policy's time. When the next one would
start only at its end or later, no further attempt fits, and the entries are given up at once.

**At-most-once** makes attempts only as long as not one byte was handed to a connection. From
``Begun`` on there is nothing it could do but wait for the answer.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from producer.delivery.batch import Accepted, BatchOutcome, Failure
from producer.delivery.semantics import RetryPolicy
from producer.errors import (
    ConnectError,
    DeliveryError,
    OverdueError,
    Persisted,
    ProducerClosedError,
    RefusedError,
)
from wire.api.produce import PartitionResult
from wire.error_code import Code, ErrorCode, Other, certainly_not_stored, name_of

LOOK_AGAIN_S = 0.020
LOOK_AGAIN_MAX_S = 1.0
"""At-most-once waits this long before it looks again for a leader that is unknown, twice as long
each time: as quick as the default policy's first retry, and never so slow that a leader that came
back is missed. Between dials the pool waits by itself."""


# --- events


@dataclass(frozen=True, slots=True)
class Started:
    """Begin; the first event."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The first byte of the attempt was handed to a connection: its records may be stored."""


class Answered(NamedTuple):
    """The SPU answered the attempt, with one result for each of its entries, in their order."""

    results: Sequence[PartitionResult]


class Failed(NamedTuple):
    """The attempt ended without an answer."""

    error: BaseException
    displaced: bool = False
    """The connection was given up because of another request, before this one was begun."""


@dataclass(frozen=True, slots=True)
class Elapsed:
    """The time of a ``RetryPause`` has come."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The producer is being torn down; an attempt under way is abandoned."""


STARTED, BEGUN, ELAPSED, STOPPED = Started(), Begun(), Elapsed(), Stopped()
"""The events without fields."""

DeliveryEvent: TypeAlias = Started | Begun | Answered | Failed | Elapsed | Stopped


# --- actions


class Attempt(NamedTuple):
    """Transmit these entries; without an answer the attempt fails at ``until``."""

    number: int
    """From 1."""
    entries: tuple[int, ...]
    until: float
    """In seconds of the driver's clock."""


class RetryPause(NamedTuple):
    """Wait, then say ``Elapsed``."""

    until: float


@dataclass(frozen=True, slots=True)
class Await:
    """Nothing to do but to go on with what is under way."""


@dataclass(frozen=True, slots=True)
class Done:
    """Every entry is settled."""


AWAIT, DONE = Await(), Done()
"""The actions without fields."""


class DeliveryStep(NamedTuple):
    """What follows from an event: entries that are settled, and what to do next."""

    then: Attempt | RetryPause | Await | Done
    settled: Sequence[tuple[int, BatchOutcome]]


class Delivery(ABC):
    """What both machines have in common: which entries are unsettled, and what is known of them.

    Args:
        entries: how many batches the request holds; at least one.
        read_committed: the isolation of the request, on which the meaning of a code depends.
    """

    def __init__(self, entries: int, *, read_committed: bool) -> None:
        self._read_committed = read_committed
        self._unsettled = list(range(entries))
        self._open_attempts: set[int] = set()
        """Entries of which an earlier attempt may have stored something."""
        self._begun = False
        """The attempt under way handed its first byte to a connection."""
        self._attempts = 0
        self._started: float | None = None
        self._now = 0.0
        self._settled: list[tuple[int, BatchOutcome]] = []

    @property
    def _since(self) -> float:
        """When the first event came in."""
        assert self._started is not None
        return self._started

    def on(self, event: DeliveryEvent, now: float) -> DeliveryStep:
        """Take an event in; ``now`` never goes back.

        An event that cannot happen in the present state is a mistake of the driver.
        """
        self._now, self._settled = now, []
        if self._started is None:
            self._started = now
        then: Attempt | RetryPause | Await | Done = AWAIT
        match event:
            case Started():
                then = self._start()
            case Begun():
                self._begun = True
            case Answered(results):
                then = self._answered(results)
            case Failed(error, displaced):
                then = self._failed(error, displaced)
            case Elapsed():
                then = self._resumed()
            case Stopped():
                self._close_attempt()
                closed = ProducerClosedError("the producer was closed before it was delivered")
                self._give_up(self._unsettled, closed, ProducerClosedError)
                then = DONE
        return DeliveryStep(then, self._settled)

    # --- what the semantics decide

    def _start(self) -> Attempt | RetryPause | Await | Done:
        return self._attempt()

    def _resumed(self) -> Attempt | RetryPause | Await | Done:
        return self._attempt()

    @abstractmethod
    def _attempt(self, *, again: bool = False) -> Attempt | RetryPause | Await | Done:
        """The next attempt, or what comes instead."""

    @abstractmethod
    def _failed(self, error: BaseException, displaced: bool) -> Attempt | RetryPause | Await | Done:
        """What follows an attempt without an answer."""

    @abstractmethod
    def _answered(self, results: Sequence[PartitionResult]) -> Attempt | RetryPause | Await | Done:
        """What follows an answer."""

    # --- what they share

    def _accept_and_refuse(self, results: Sequence[PartitionResult]) -> dict[int, RefusedError]:
        """Settle what an answer accepts, note what it leaves open, return what it refuses."""
        refused: dict[int, RefusedError] = {}
        for entry, result in zip(tuple(self._unsettled), results, strict=True):
            code = result.error_code
            if code is Code.NONE:
                self._settle(entry, Accepted(result.base_offset))
                continue
            if not certainly_not_stored(code, read_committed=self._read_committed):
                self._open_attempts.add(entry)
            refused[entry] = _refusal(code)
        self._begun = False
        return refused

    def _close_attempt(self) -> None:
        """The attempt ends without an answer: what was begun stays open for good."""
        if self._begun:
            self._open_attempts.update(self._unsettled)
        self._begun = False

    def _give_up(
        self,
        entries: Sequence[int],
        cause: BaseException,
        error: type[DeliveryError] = DeliveryError,
    ) -> None:
        for entry in tuple(entries):
            persisted = Persisted.MAYBE if entry in self._open_attempts else Persisted.NO
            seconds = self._now - self._since
            self._settle(entry, Failure(persisted, self._attempts, seconds, cause, error))

    def _settle(self, entry: int, outcome: BatchOutcome) -> None:
        self._unsettled.remove(entry)
        self._settled.append((entry, outcome))


class AtLeastOnce(Delivery):
    """Attempts until an SPU confirms, within a policy.

    Args:
        policy: how often, at which distance, and for how long.
        attempt_timeout: how long one attempt may take, in seconds.
        entries: how many batches the request holds.
        read_committed: the isolation of the request.
    """

    def __init__(
        self, policy: RetryPolicy, attempt_timeout: float, entries: int, *, read_committed: bool
    ) -> None:
        super().__init__(entries, read_committed=read_committed)
        self._policy = policy
        self._attempt_timeout = attempt_timeout
        self._until = 0.0

    @property
    def _end(self) -> float:
        return self._since + self._policy.timeout

    def _attempt(self, *, again: bool = False) -> Attempt:
        if not again:
            self._attempts += 1
            self._until = min(self._now + self._attempt_timeout, self._end)
        return Attempt(self._attempts, tuple(self._unsettled), self._until)

    def _failed(self, error: BaseException, displaced: bool) -> Attempt | RetryPause | Done:
        if displaced and not self._begun and self._now < self._until:
            return self._attempt(again=True)
        self._close_attempt()
        return self._retry(dict.fromkeys(self._unsettled, error))

    def _answered(self, results: Sequence[PartitionResult]) -> Attempt | RetryPause | Done:
        refused = self._accept_and_refuse(results)
        for entry, error in tuple(refused.items()):
            if not error.retriable:
                self._give_up([entry], error)
                del refused[entry]
        return self._retry(refused) if refused else DONE

    def _retry(
        self, errors: dict[int, BaseException] | dict[int, RefusedError]
    ) -> RetryPause | Done:
        """Try again after the next delay, or give up for these reasons.

        It gives up at once when the next attempt would start at or after the policy's end,
        although some of the policy's time is left. No further attempt fits into what is left, so
        the policy is used up: waiting for its end could not change the outcome, and telling the
        caller sooner costs nothing.
        """
        if self._attempts <= self._policy.max_retries:
            resume = self._now + self._policy.delay(self._attempts)
            if resume < self._end:
                return RetryPause(resume)
        for entry, error in errors.items():
            self._give_up([entry], error)
        return DONE


class AtMostOnce(Delivery):
    """One transmission at most; connecting again before its first byte left is none.

    Args:
        deadlines: when each entry is given up, in seconds of the driver's clock, ascending.
        read_committed: the isolation of the request.
    """

    def __init__(self, deadlines: Sequence[float], *, read_committed: bool) -> None:
        super().__init__(len(deadlines), read_committed=read_committed)
        self._deadlines = deadlines
        self._delay = LOOK_AGAIN_S
        self._last_error: BaseException = OverdueError("its time was over before its turn came")

    def _attempt(self, *, again: bool = False) -> Attempt | Done:
        self._attempts += not again
        return Attempt(self._attempts, tuple(self._unsettled), self._deadlines[self._unsettled[0]])

    def _start(self) -> Attempt | Done:
        return self._resumed()

    def _resumed(self) -> Attempt | Done:
        """Another attempt with the entries whose time is not over."""
        self._give_up_late()
        return self._attempt() if self._unsettled else DONE

    def _give_up_late(self) -> None:
        late = [entry for entry in self._unsettled if self._deadlines[entry] <= self._now]
        self._give_up(late, self._last_error)

    def _failed(self, error: BaseException, displaced: bool) -> Attempt | RetryPause | Done:
        if self._begun:
            self._close_attempt()
            self._give_up(self._unsettled, error)
            return DONE
        self._last_error = error
        self._give_up_late()
        if not self._unsettled:
            return DONE
        if displaced:
            return self._attempt(again=True)
        if isinstance(error, ConnectError):
            return self._attempt()  # the pool waits before it dials again
        resume = min(self._now + self._delay, self._deadlines[self._unsettled[0]])
        self._delay = min(2 * self._delay, LOOK_AGAIN_MAX_S)
        return RetryPause(resume)

    def _answered(self, results: Sequence[PartitionResult]) -> Done:
        for entry, error in self._accept_and_refuse(results).items():
            self._give_up([entry], error)
        return DONE


def _refusal(code: ErrorCode) -> RefusedError:
    name = name_of(code)
    detail = f": {code.text}" if isinstance(code, Other) else ""
    return RefusedError(name, f"the SPU answered {name}{detail}", retriable=bool(code.retriable))
