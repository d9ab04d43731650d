"""What flushes report of the batches that were given up."""

import pytest

from producer.delivery.batch import Batch, Failure
from producer.errors import FlushError, Persisted
from producer.stats import UNREPORTED_MAX, FlushAccount, Unreported


def batch(number: int, records: int = 1, partition: int = 0) -> Batch:
    made = Batch("greetings", partition, number, 0.0, 0)
    made.count = records
    return made


def failure(persisted: Persisted = Persisted.NO) -> Failure:
    return Failure(persisted, 1, 0.0, None)


def reported(unreported: Unreported, flush: FlushAccount) -> int:
    try:
        unreported.end(flush)
    except FlushError as error:
        return error.records
    return 0


def test_a_flush_reports_what_was_given_up_before_and_during_it() -> None:
    unreported = Unreported()
    unreported.add(batch(1, 2), failure())
    flush = unreported.begin({0: 2})
    unreported.add(batch(2, 3), failure(Persisted.MAYBE))
    with pytest.raises(FlushError, match=r"^5 records were not delivered") as caught:
        unreported.end(flush)
    assert caught.value.persisted is Persisted.MAYBE


def test_a_flush_reports_nothing_that_was_sent_after_it_began() -> None:
    unreported = Unreported()
    flush = unreported.begin({0: 1})
    unreported.add(batch(2, 3), failure())
    unreported.add(batch(1, 1, partition=1), failure())
    assert reported(unreported, flush) == 0
    assert reported(unreported, unreported.begin()) == 4


def test_what_a_flush_reported_is_not_reported_again() -> None:
    unreported = Unreported()
    unreported.add(batch(1), failure())
    assert reported(unreported, unreported.begin()) == 1
    assert reported(unreported, unreported.begin()) == 0


def test_flushes_at_the_same_time_report_the_same_and_none_counts_twice() -> None:
    unreported = Unreported()
    first, second = unreported.begin({0: 1}), unreported.begin({0: 1})
    unreported.add(batch(1, 2), failure())
    cancelled = unreported.begin({0: 1})
    unreported.cancel(cancelled)
    assert [reported(unreported, first), reported(unreported, second)] == [2, 2]
    assert reported(unreported, unreported.begin()) == 0


def test_a_cancelled_flush_leaves_its_failures_to_the_next_one() -> None:
    unreported = Unreported()
    flush = unreported.begin({0: 1})
    unreported.add(batch(1, 2), failure())
    unreported.cancel(flush)
    assert reported(unreported, unreported.begin()) == 2


def test_failures_beyond_the_limit_are_summed() -> None:
    unreported = Unreported()
    for number in range(1, UNREPORTED_MAX + 3):
        unreported.add(batch(number), failure())
    assert len(unreported._given_up) == UNREPORTED_MAX
    assert reported(unreported, unreported.begin()) == UNREPORTED_MAX + 2
    assert reported(unreported, unreported.begin()) == 0


def test_failures_beyond_the_limit_count_once_for_a_flush_under_way() -> None:
    unreported = Unreported()
    flush = unreported.begin({0: UNREPORTED_MAX + 2})
    for number in range(1, UNREPORTED_MAX + 3):
        unreported.add(batch(number), failure())
    assert len(flush.given_up) == UNREPORTED_MAX
    assert reported(unreported, flush) == UNREPORTED_MAX + 2
    assert reported(unreported, unreported.begin()) == 0
