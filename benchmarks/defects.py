"""Ten defects of a producer, each of a few lines, that show only under certain faults."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from producer.delivery.batch import Accepted
from producer.delivery.delivery import AtLeastOnce, AtMostOnce, Attempt, Done, RetryPause
from producer.delivery.semantics import RetryPolicy
from producer.net.connection import Connection
from wire.api.produce import PartitionResult
from wire.error_code import Code, certainly_not_stored, name_of


@dataclass(frozen=True, slots=True)
class Defect:
    """A producer that is broken in one place."""

    name: str
    needs: str
    """The events with which the defect shows."""
    semantic: str
    owner: type
    method: str
    broken: Callable[[Callable[..., Any]], Callable[..., Any]]
    """Returns the broken method, given the correct one."""

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Apply the defect for the duration of the ``with`` block."""
        correct = getattr(self.owner, self.method)
        with patch.object(self.owner, self.method, self.broken(correct)):
            yield


def _retries_at_most_once(correct: Callable[..., Any]) -> Callable[..., Any]:
    def failed(self: AtMostOnce, error: BaseException, displaced: bool) -> Any:
        if self._begun and self._attempts == 1:
            self._close_attempt()
            return self._attempt()
        return correct(self, error, displaced)

    return failed


def _retries_a_code(correct: Callable[..., Any]) -> Callable[..., Any]:
    def answered(self: AtMostOnce, results: Sequence[PartitionResult]) -> Any:
        if self._attempts == 1 and all(name_of(r.error_code) == "RequestTimedOut" for r in results):
            return self._attempt()
        return correct(self, results)

    return answered


def _acknowledges_a_second_silence(correct: Callable[..., Any]) -> Callable[..., Any]:
    def failed(
        self: AtLeastOnce, error: BaseException, displaced: bool
    ) -> Attempt | RetryPause | Done:
        if self._attempts == 2 and self._begun:
            for entry in tuple(self._unsettled):
                self._settle(entry, Accepted(0))
            return Done()
        done: Attempt | RetryPause | Done = correct(self, error, displaced)
        return done

    return failed


def _believes_the_last_answer(correct: Callable[..., Any]) -> Callable[..., Any]:
    def answered(self: AtLeastOnce, results: Sequence[PartitionResult]) -> Any:
        certain = (r for r in results if certainly_not_stored(r.error_code, read_committed=False))
        if any(r.error_code is not Code.NONE for r in certain):
            self._open_attempts.clear()
        return correct(self, results)

    return answered


def _forgets_the_second_attempt(correct: Callable[..., Any]) -> Callable[..., Any]:
    def close(self: AtLeastOnce) -> None:
        if self._attempts == 2:
            self._begun = False
        correct(self)

    return close


def _gives_up_when_refused_twice(correct: Callable[..., Any]) -> Callable[..., Any]:
    def answered(self: AtLeastOnce, results: Sequence[PartitionResult]) -> Any:
        if self._attempts == 2:
            for entry, error in self._accept_and_refuse(results).items():
                self._give_up([entry], error)
            return Done()
        return correct(self, results)

    return answered


def _resends_only_a_part(correct: Callable[..., Any]) -> Callable[..., Any]:
    def failed(self: AtLeastOnce, error: BaseException, displaced: bool) -> Any:
        if len(self._unsettled) > 1:
            self._settle(self._unsettled[-1], Accepted(0))
        return correct(self, error, displaced)

    return failed


def _miscounts_after_a_retry(correct: Callable[..., Any]) -> Callable[..., Any]:
    def answered(self: AtLeastOnce, results: Sequence[PartitionResult]) -> Any:
        if self._attempts > 1:
            for result in results:
                result.base_offset += result.base_offset >= 16
        return correct(self, results)

    return answered


def _resets_the_backoff(correct: Callable[..., Any]) -> Callable[..., Any]:
    def delay(self: RetryPolicy, retry: int) -> Any:
        return correct(self, 1 if retry == 3 else retry)

    return delay


def _takes_any_answer(correct: Callable[..., Any]) -> Callable[..., Any]:
    def answer(self: Connection, correlation_id: int, body: bytes) -> None:
        if correlation_id not in self._calls:
            awaited = ((n, c) for n, c in self._calls.items() if c._hook is None)  # noqa: SLF001
            waiting = (n for n, call in awaited if call.begun)
            correlation_id = next(waiting, correlation_id)
        correct(self, correlation_id, body)

    return answer


LEAST, MOST = "at-least-once", "at-most-once"

DEFECTS = (
    Defect(
        "retries at most once",
        "a lost answer",
        MOST,
        AtMostOnce,
        "_failed",
        _retries_at_most_once,
    ),
    Defect(
        "retries a code at most once",
        "one error code of eleven",
        MOST,
        AtMostOnce,
        "_answered",
        _retries_a_code,
    ),
    Defect(
        "takes any answer",
        "an answer that comes twice while another one is awaited",
        MOST,
        Connection,
        "_answer",
        _takes_any_answer,
    ),
    Defect(
        "acknowledges a second silence",
        "both attempts of a request lost",
        LEAST,
        AtLeastOnce,
        "_failed",
        _acknowledges_a_second_silence,
    ),
    Defect(
        "believes the last answer",
        "a lost answer, then a refusal",
        LEAST,
        AtLeastOnce,
        "_answered",
        _believes_the_last_answer,
    ),
    Defect(
        "forgets the second attempt",
        "a refusal, then a lost answer, then the end",
        LEAST,
        AtLeastOnce,
        "_close_attempt",
        _forgets_the_second_attempt,
    ),
    Defect(
        "gives up when refused twice",
        "two refusals of a request",
        LEAST,
        AtLeastOnce,
        "_answered",
        _gives_up_when_refused_twice,
    ),
    Defect(
        "resends only a part",
        "a request of several batches lost",
        LEAST,
        AtLeastOnce,
        "_failed",
        _resends_only_a_part,
    ),
    Defect(
        "miscounts after a retry",
        "a fault on a late request",
        LEAST,
        AtLeastOnce,
        "_answered",
        _miscounts_after_a_retry,
    ),
    Defect(
        "resets the backoff",
        "three attempts of a request lost",
        LEAST,
        RetryPolicy,
        "delay",
        _resets_the_backoff,
    ),
)
