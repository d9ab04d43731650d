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
