"""Both state machines by themselves, over all orders of events that a driver can see."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer import Persisted, ProducerClosedError, RetryPolicy, RetryStrategy
from producer.delivery.batch import Accepted, BatchOutcome, Failure
from producer.delivery.delivery import (
    Answered,
    AtLeastOnce,
    AtMostOnce,
    Attempt,
    Await,
    Begun,
    Delivery,
    DeliveryEvent,
    Done,
    Elapsed,
    Failed,
    RetryPause,
    Started,
    Stopped,
)
from wire.api.produce import PartitionResult
from wire.error_code import (
    Code,
    ErrorCode,
    Other,
    PartitionFull,
    RequestTimedOut,
    certainly_not_stored,
)

CODES: list[ErrorCode] = [
    Code.NONE,
    Code.NOT_LEADER_FOR_PARTITION,
    Code.STORAGE_ERROR,
    Code.MESSAGE_TOO_LARGE,
    Code.COMPRESSION_ERROR,
    Code.TOPIC_NOT_FOUND,
    Code.UNKNOWN_SERVER_ERROR,
    Code.PARTITION_SHORT_CIRCUITED,
    RequestTimedOut(timeout_ms=5),
    PartitionFull(topic="t", partition=0),
    Other(text="other"),
]
LOST = OSError("lost")


def result(code: ErrorCode = Code.NONE, base_offset: int = 0) -> PartitionResult:
    return PartitionResult(partition_index=0, error_code=code, base_offset=base_offset)


class Driver:
    """Drives a machine, and knows by itself what may be said of each entry."""

    def __init__(self, machine: Delivery, entries: int, *, read_committed: bool) -> None:
        self.machine = machine
        self.now = 100.0
        self.read_committed = read_committed
        self.open: set[int] = set()
        self.begun: tuple[int, ...] = ()
        self.outcomes: dict[int, BatchOutcome] = {}
        self.entries = entries
        self.attempts: list[Attempt] = []
        self.pauses: list[float] = []
        self.last: Attempt | RetryPause | Await | Done = Await()
        self.confirmed: dict[int, int] = {}

    def tell(self, event: DeliveryEvent) -> None:
        if not isinstance(event, Begun | Started | Elapsed):
            if not isinstance(event, Answered):
                self.open |= set(self.begun)
            self.begun = ()
        step = self.machine.on(event, self.now)
        for entry, outcome in step.settled:
            assert entry not in self.outcomes
            self.outcomes[entry] = outcome
            self.check(entry, outcome)
        if not isinstance(step.then, Await):
            self.last = step.then
        if isinstance(step.then, Attempt):
            self.attempts.append(step.then)
            assert not set(step.then.entries) & set(self.outcomes)
        elif isinstance(step.then, RetryPause):
            self.pauses.append(step.then.until - self.now)
        elif isinstance(step.then, Done):
            assert set(self.outcomes) == set(range(self.entries))

    def check(self, entry: int, outcome: BatchOutcome) -> None:
        if isinstance(outcome, Accepted):
            assert self.confirmed[entry] == outcome.base_offset
        else:
            expected = Persisted.MAYBE if entry in self.open else Persisted.NO
            assert outcome.persisted is expected
            assert outcome.cause is not None

    def begin(self) -> None:
        assert isinstance(self.last, Attempt)
        self.begun = self.last.entries
        self.tell(Begun())

    def answer(self, codes: list[ErrorCode]) -> None:
        assert isinstance(self.last, Attempt)
        results = []
        for entry, code in zip(self.last.entries, codes, strict=False):
            results.append(result(code, base_offset=1000 + entry))
            if code is Code.NONE:
                self.confirmed[entry] = 1000 + entry
            elif not certainly_not_stored(code, read_committed=self.read_committed):
                self.open.add(entry)
        self.tell(Answered(results))


def explore(driver: Driver, draw: Callable[..., Any]) -> None:
    """Make a way through the machine: each step is one that a driver can really see."""
    driver.tell(Started())
    while not isinstance(driver.last, Done):
        if isinstance(driver.last, RetryPause):
            if draw(st.integers(0, 30)) == 0:
                driver.tell(Stopped())
                continue
            driver.now = driver.last.until
            driver.tell(Elapsed())
            continue
        assert isinstance(driver.last, Attempt)
        until = driver.last.until
        assert until >= driver.now
        took = draw(st.sampled_from([0.0, 0.001, 0.3, 5.0, 1e9]))
        moment, overdue = min(driver.now + took, until), driver.now + took >= until
        what = draw(st.sampled_from(["stop", "displace", "refuse", *["begin"] * 6]))
        if what == "begin":
            driver.begin()
        driver.now = moment
        if what == "stop":
            driver.tell(Stopped())
        elif what == "displace":
            driver.tell(Failed(LOST, displaced=True))
        elif what == "refuse" or overdue or draw(st.booleans()):
            driver.tell(Failed(LOST))
        else:
            codes = draw(st.lists(st.sampled_from(CODES), min_size=8, max_size=8))
            driver.answer(codes)


@settings(max_examples=300)
@given(st.data(), st.integers(1, 4), st.booleans(), st.sampled_from(RetryStrategy))
def test_at_least_once_settles_everything_truthfully_within_its_policy(
    data: st.DataObject, entries: int, read_committed: bool, strategy: RetryStrategy
) -> None:
    retries = data.draw(st.integers(0, 6))
    policy = RetryPolicy(retries, 0.010, 2, data.draw(st.sampled_from([0.1, 3, 10])), strategy)
    machine = AtLeastOnce(policy, policy.attempt_timeout, entries, read_committed=read_committed)
    driver = Driver(machine, entries, read_committed=read_committed)
    explore(driver, data.draw)
    assert driver.now <= 100 + policy.timeout + 1e-9
    assert driver.pauses == pytest.approx(list(policy.delays())[: len(driver.pauses)])
    numbers = [attempt.number for attempt in driver.attempts]
    assert numbers == sorted(numbers)
    assert numbers[-1] <= 1 + retries
    for attempt in driver.attempts:
        assert attempt.until <= 100 + policy.timeout


@settings(max_examples=300)
@given(st.data(), st.integers(1, 4), st.booleans())
def test_at_most_once_never_tries_again_what_was_begun(
    data: st.DataObject, entries: int, read_committed: bool
) -> None:
    deadlines = sorted(data.draw(st.floats(100, 120)) for _ in range(entries))
    machine = AtMostOnce(deadlines, read_committed=read_committed)
    driver = Driver(machine, entries, read_committed=read_committed)
    begun = 0
    begin = driver.begin

    def counted() -> None:
        nonlocal begun
        begun += 1
        begin()

    driver.begin = counted  # type: ignore[method-assign]
    explore(driver, data.draw)
    assert begun <= 1
    assert driver.now <= deadlines[-1]


def at_least_once(policy: RetryPolicy | None = None, entries: int = 1) -> Driver:
    policy = policy or RetryPolicy(5, 0.010, 2, 10)
    machine = AtLeastOnce(policy, policy.attempt_timeout, entries, read_committed=False)
    driver = Driver(machine, entries, read_committed=False)
    driver.tell(Started())
    return driver


def test_a_delay_that_ends_behind_the_timeout_is_not_waited_for() -> None:
    driver = at_least_once(RetryPolicy(5, 1.0, 1000, 10))
    driver.tell(Failed(LOST))
    driver.now += 1
    driver.tell(Elapsed())
    driver.tell(Failed(LOST))
    assert isinstance(driver.last, Done)
    failure = driver.outcomes[0]
    assert isinstance(failure, Failure)
    assert (failure.attempts, failure.seconds, failure.cause) == (2, 1.0, LOST)


@pytest.mark.parametrize(("failed_at", "then"), [(107.5, RetryPause(109.5)), (108.0, Done())])
def test_an_attempt_that_would_start_at_the_end_of_the_policy_or_later_is_none(
    failed_at: float, then: RetryPause | Done
) -> None:
    policy = RetryPolicy(1, 2.0, 2.0, 10, RetryStrategy.FIXED_DELAY)
    driver = Driver(AtLeastOnce(policy, 8.0, 1, read_committed=False), 1, read_committed=False)
    driver.tell(Started())
    driver.now = failed_at
    driver.tell(Failed(LOST))
    assert driver.last == then


def test_a_displaced_attempt_costs_nothing_and_keeps_its_time() -> None:
    driver = at_least_once()
    first = driver.last
    driver.now += 0.4
    driver.tell(Failed(LOST, displaced=True))
    assert driver.last == first


def test_a_displaced_attempt_whose_time_is_over_has_failed() -> None:
    driver = at_least_once()
    driver.now += 0.815
    driver.tell(Failed(LOST, displaced=True))
    assert isinstance(driver.last, RetryPause)


def test_only_what_was_refused_is_sent_again() -> None:
    driver = at_least_once(entries=3)
    driver.begin()
    driver.answer([Code.NONE, Code.STORAGE_ERROR, Code.MESSAGE_TOO_LARGE])
    assert isinstance(driver.last, RetryPause)
    assert isinstance(driver.outcomes[0], Accepted)
    assert isinstance(driver.outcomes[2], Failure)
    driver.tell(Elapsed())
    assert driver.attempts[-1].entries == (1,)


def test_stopping_says_who_did_it() -> None:
    driver = at_least_once()
    driver.begin()
    driver.tell(Stopped())
    failure = driver.outcomes[0]
    assert isinstance(failure, Failure)
    assert failure.persisted is Persisted.MAYBE
    assert isinstance(failure.to_error("t/0"), ProducerClosedError)


def test_at_most_once_connects_again_ever_more_slowly_until_its_time_is_over() -> None:
    machine = AtMostOnce([103.0], read_committed=False)
    driver = Driver(machine, 1, read_committed=False)
    driver.tell(Started())
    while not driver.outcomes:
        driver.tell(Failed(LOST))
        if not driver.outcomes:
            driver.now += driver.pauses[-1]
            driver.tell(Elapsed())
    assert driver.pauses[:3] == pytest.approx([0.02, 0.04, 0.08])
    assert sum(driver.pauses) == pytest.approx(3)
    assert max(driver.pauses) <= 1


def test_at_most_once_gives_up_the_entries_whose_time_is_over_and_sends_the_others() -> None:
    machine = AtMostOnce([101.0, 105.0], read_committed=False)
    driver = Driver(machine, 2, read_committed=False)
    driver.tell(Started())
    driver.now = 101.0
    driver.tell(Failed(LOST))
    assert isinstance(driver.outcomes[0], Failure)
    driver.now = 101.02
    driver.tell(Elapsed())
    assert isinstance(driver.last, Attempt)
    assert driver.last.entries == (1,)
    assert driver.last.until == 105.0


def test_stopped_before_it_started_it_took_no_time() -> None:
    step = AtMostOnce([200.0], read_committed=False).on(Stopped(), 100.0)
    ((entry, failure),) = step.settled
    assert isinstance(failure, Failure)
    assert (entry, failure.attempts, failure.seconds) == (0, 0, 0.0)
    assert failure.persisted is Persisted.NO
