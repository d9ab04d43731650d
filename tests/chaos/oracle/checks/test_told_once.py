"""``told-once``: waits, the delivery callback, the counters and the log tell the same."""

from dataclasses import replace

from chaos.history import History, OutcomeReport
from chaos.oracle.checks import told_once
from tests.chaos.oracle.checks.playing import AT_MOST_ONCE, judged, played, said

TWICE = [{"send": {"count": 3}}, {"wait": [2, 0, 2]}, "flush", "close"]
LOST_REQUEST = {"drop": {"at": "request", "nth": 1}}
REFUSED = {"error": {"at": "request", "code": "PartitionFull", "nth": 1}}


def counted(history: History, **changes: int) -> History:
    """Return the same run with other counters of its first producer."""
    first, *others = history.producers
    told = replace(first, counters={**first.counters, **changes})
    return replace(history, producers=[told, *others])


def test_a_client_that_tells_one_story_is_not_accused() -> None:
    for fault in (LOST_REQUEST, REFUSED):
        for producer in ({}, {"producer": AT_MOST_ONCE}):
            history = played(fault, workload=TWICE, **producer)
            assert (said(told_once, history), judged(told_once, history)) == ([], 4)


def test_a_wait_that_contradicts_the_first_report_is_reported() -> None:
    history = played(workload=TWICE)
    record = history.records[2]
    stamp = record.timestamp
    record.contradictions.append(OutcomeReport("wait", 0.5, "ok", 0, 7, stamp))
    assert said(told_once, history) == [
        f"record 2 was reported as stored at 0@2 ({stamp} ms) at 0.001 s, and as stored at 0@7 "
        f"({stamp} ms) at 0.500 s (by its wait)"
    ]


def test_a_report_that_says_less_contradicts_nothing() -> None:
    history = played(workload=TWICE)
    history.records[2].contradictions.append(OutcomeReport("wait", 0.5, "ok"))
    assert said(told_once, history) == []


def test_a_timestamp_that_is_not_the_stored_one_is_reported() -> None:
    history = played(workload=TWICE)
    stamp = history.records[1].timestamp
    history.records[1].timestamp = 5
    assert said(told_once, history) == [
        f"record 1 was reported with the timestamp 5 ms, but 0@1 has {stamp} ms"
    ]


def test_a_batch_that_is_reported_twice_is_reported() -> None:
    history = played(workload=TWICE)
    again = replace(history, reports=[*history.reports, history.reports[0]])
    assert said(told_once, again) == [
        "the delivery callback of producer 0 reported 3 records of partition 0 too many, the first "
        "at 0@0"
    ]


def test_a_failure_that_is_reported_twice_is_reported() -> None:
    history = played(REFUSED, workload=TWICE)
    again = replace(history, reports=[*history.reports, history.reports[0]])
    assert said(told_once, again) == [
        "the delivery callback of producer 0 reported 6 records as unknown, their outputs 3"
    ]


def test_a_batch_that_is_never_reported_counts_once_the_producer_is_closed() -> None:
    history = played(workload=TWICE)
    missing = replace(history, reports=history.reports[1:])
    assert said(told_once, missing) == [
        "the delivery callback of producer 0 never reported 3 records of partition 0, the first at "
        "0@0"
    ]
    told = replace(history.producers[0], closed_at=None, counters={})
    assert said(told_once, replace(missing, producers=[told, *history.producers[1:]])) == []


def test_counters_that_differ_from_the_sums_are_reported() -> None:
    history = played(LOST_REQUEST, workload=TWICE)
    assert history.producers[0].counters["retries"] == 1
    the = "the counters of producer 0:"
    assert said(told_once, counted(history, retries=0)) == [
        f"{the} retries is 0, but 1 frames repeated a request"
    ]
    assert said(told_once, counted(history, requests=1)) == [
        f"{the} requests is 1, but 2 frames were read"
    ]
    assert said(told_once, counted(history, acknowledged=4, records=4)) == [
        f"{the} acknowledged is 4, but the records say 3",
        f"{the} records is 4, but the records say 3",
    ]
    assert said(told_once, counted(history, failed=1)) == [
        f"{the} failed is 1, but the records say 0",
        f"{the} records is 3, but acknowledged 3, failed 1",
    ]


def test_a_record_that_the_client_may_have_accepted_leaves_a_sum_open() -> None:
    history = counted(played(workload=TWICE), acknowledged=4, records=4)
    record = history.records[1]
    record.taken_at, record.outcome, record.outcome_at = None, "unknown", None
    record.cancelled_at = record.sent_at
    assert said(told_once, counted(history, acknowledged=3, records=3)) == []
    assert said(told_once, history) != []


def test_a_client_without_other_sources_is_not_judged() -> None:
    history = replace(played(workload=TWICE), reports=[], producers=[])
    assert (said(told_once, history), judged(told_once, history)) == ([], 0)
