"""``flush-settles``: records sent before a flush are settled or handed over after it."""

from chaos.history import Call, History
from chaos.oracle.checks import flush_settles
from tests.chaos.oracle.checks.playing import AT_MOST_ONCE, judged, played, said

LOST_ANSWER = {"drop": {"at": "response", "nth": 1}}
FLUSHED = [{"send": {"count": 2}}, "flush"]


def flush_of(history: History) -> Call:
    return next(call for call in history.calls if call.op == "flush")


def test_a_flush_waits_for_the_retries() -> None:
    history = played(LOST_ANSWER, workload=FLUSHED)
    flush = flush_of(history)
    assert flush.ended is not None
    assert flush.ended > 1.1
    assert (said(flush_settles, history), judged(flush_settles, history)) == ([], 1)


def test_a_record_that_is_open_after_a_flush_is_reported() -> None:
    history = played(workload=FLUSHED)
    flush_of(history).open_after = [1]
    assert said(flush_settles, history) == [
        "record 1 was still unsettled when the flush at 0.001 s returned at 0.001 s"
    ]


def test_a_successful_flush_covers_the_records_that_it_settled() -> None:
    refused = {"error": {"at": "request", "code": "PartitionFull", "nth": 1}}
    history = played(refused, workload=FLUSHED)
    flush = flush_of(history)
    assert (flush.outcome, said(flush_settles, history)) == ("unknown", [])
    flush.outcome = "ok"
    (text,) = said(flush_settles, history)
    assert text.startswith(
        f"the flush at {flush.started:.3f} s reported success, but records 0 and 1 were given up: "
    )


def test_a_flush_does_not_cover_outcomes_that_were_reported_before() -> None:
    refused = {"error": {"at": "request", "code": "PartitionFull", "nth": 1}}
    history = played(refused, workload=[{"send": {"wait": True}}, {"sleep": "1s"}, "flush"])
    flush = flush_of(history)
    flush.outcome = "ok"
    assert said(flush_settles, history) == []


def test_a_flush_that_never_returned_is_left_to_another_check() -> None:
    history = played(workload=FLUSHED)
    flush = flush_of(history)
    flush.open_after, flush.ended = [0, 1], None
    assert (said(flush_settles, history), judged(flush_settles, history)) == ([], 0)


def test_a_client_that_is_asked_after_its_flush_is_judged_by_the_answers_of_the_spu() -> None:
    history = played(LOST_ANSWER, workload=FLUSHED)
    flush = flush_of(history)
    for record in history.records[:2]:
        record.asked_at = flush.ended
    assert said(flush_settles, history) == []
    for record in history.records[:2]:
        record.asked_at = flush.started + 0.5
    (text,) = said(flush_settles, history)
    assert text.startswith("records 0 and 1 were still unsettled when the flush at 0.001 s ended")
    assert text.endswith("at 0.501 s: an SPU first answered later")
    history.records[0].outcome = history.records[1].outcome = "unknown"
    flush.outcome = "unknown"
    assert said(flush_settles, history) == []


def test_a_record_that_no_frame_can_show_may_have_been_handed_over() -> None:
    workload = [{"send": {"value": "empty"}}, "flush", {"move_leader": {"to": 1}}]
    history = played(workload=workload, cluster={"spus": 2}, producer=AT_MOST_ONCE)
    assert history.records[0].outcome == "failed"
    assert said(flush_settles, history) == []


def test_at_most_once_only_hands_over() -> None:
    history = played(LOST_ANSWER, workload=FLUSHED, producer=AT_MOST_ONCE)
    assert flush_of(history).open_after == [0, 1]
    assert said(flush_settles, history) == []


def test_at_most_once_has_handed_over_by_then() -> None:
    history = played(LOST_ANSWER, workload=FLUSHED, producer=AT_MOST_ONCE)
    flush_of(history).ended = 0.0001
    (text,) = said(flush_settles, history)
    assert text.startswith("records 0 and 1 were still not handed over when the flush")


def test_an_untransmitted_record_that_is_certainly_not_stored_was_not_handed_over() -> None:
    history = played({"refuse": {"server": "spu"}}, workload=FLUSHED, producer=AT_MOST_ONCE)
    assert said(flush_settles, history) == []
    flush = flush_of(history)
    flush.open_after = [0, 1]
    assert len(said(flush_settles, history)) == 1


# --- what a flush covers

REFUSED = {"error": {"at": "request", "code": "PartitionFull", "nth": 1}}


def flushes_of(history: History) -> list[Call]:
    return [call for call in history.calls if call.op == "flush"]


def test_a_flush_that_fails_although_nothing_was_given_up_is_reported() -> None:
    history = played(workload=FLUSHED)
    flush = flush_of(history)
    flush.outcome, flush.error = "unknown", "no reason"
    assert said(flush_settles, history) == [
        f"the flush at {flush.started:.3f} s failed, but no record that it covers was given up: "
        "no reason"
    ]


def test_a_failure_that_an_earlier_flush_reported_is_not_reported_again() -> None:
    history = played(REFUSED, workload=[*FLUSHED, "send", "flush"])
    first, second = flushes_of(history)
    assert ([first.outcome, second.outcome], said(flush_settles, history)) == (
        ["unknown", "ok"],
        [],
    )
    second.outcome, second.error = "unknown", "again"
    (text,) = said(flush_settles, history)
    assert text.endswith("failed, but no record that it covers was given up: again")


def test_a_cancelled_flush_leaves_its_failures_to_the_next_one() -> None:
    history = played(REFUSED, workload=[{"send": {"count": 2}}, "flush", "flush"])
    cancelled, following = flushes_of(history)
    cancelled.cancelled_at = cancelled.started
    (text,) = said(flush_settles, history)
    assert text.startswith(
        f"the flush at {following.started:.3f} s reported success, but records 0"
    )
    following.outcome, following.given_up_records = "unknown", 2
    assert said(flush_settles, history) == []


def test_the_number_of_records_that_a_flush_reports_is_compared() -> None:
    history = played(REFUSED, workload=FLUSHED)
    flush = flush_of(history)
    assert flush.given_up_records == 2
    for wrong in (1, 3):
        flush.given_up_records = wrong
        (text,) = said(flush_settles, history)
        assert text.endswith(f"reported {wrong} records given up, not 2: records 0 and 1")


def test_a_flush_says_that_nothing_is_stored_only_if_that_holds() -> None:
    unanswered = {"drop": {"at": "response"}}
    history = played(unanswered, workload=FLUSHED)
    flush = flush_of(history)
    assert (flush.outcome, said(flush_settles, history)) == ("unknown", [])
    flush.outcome = "failed"
    (text,) = said(flush_settles, history)
    assert "reported that nothing is stored of what was given up, but records 0 and 1" in text


def test_flushes_at_the_same_time_may_both_report_a_failure() -> None:
    for producer in ({}, {"producer": AT_MOST_ONCE}):
        workload = [{"send": {"count": 2}}, {"concurrently": [["flush"], ["flush"]]}]
        history = played({"refuse": {"server": "spu"}}, workload=workload, **producer)
        assert {flush.outcome for flush in flushes_of(history)} == {"failed"}
        assert said(flush_settles, history) == []
        flushes_of(history)[0].outcome = "ok"
        assert said(flush_settles, history) == []


def test_a_cancelled_send_leaves_it_open_whether_a_flush_may_fail() -> None:
    history = played(workload=FLUSHED)
    record, flush = history.records[0], flush_of(history)
    record.taken_at, record.outcome, record.outcome_at = None, "unknown", None
    flush.outcome = "unknown"
    assert said(flush_settles, history) == []


def test_a_flush_may_cover_records_of_a_call_that_still_sends() -> None:
    history = played(
        {"disconnect": {"at": "response", "nth": 1}},
        producer={"retry": {"max_retries": 0}, "batch_size": 1, "batch_queue_size": 1},
        workload=[{"sleep": "0ms"}, {"concurrently": [["flush"], [{"send_all": {"count": 2}}]]}],
    )
    assert flush_of(history).outcome != "ok"
    assert said(flush_settles, history) == []


def test_a_run_without_latency_is_judged_by_the_order_of_its_calls() -> None:
    history = played(
        topic={"partitions": 3},
        network={"latency": "0ms"},
        producer=AT_MOST_ONCE,
        workload=["delete_topic", {"send": {"count": 3}}, "flush"],
    )
    assert {record.outcome for record in history.records} == {"failed"}
    assert said(flush_settles, history) == []


def test_the_outcome_of_a_record_may_be_older_than_the_end_of_its_send() -> None:
    history = played(
        producer={"retry": {"max_retries": 1}, "batch_size": 1, "batch_queue_size": 1},
        workload=["delete_topic", {"concurrently": [["flush"], [{"send_all": {"count": 4}}]]}],
    )
    assert flush_of(history).outcome == "failed"
    assert said(flush_settles, history) == []
