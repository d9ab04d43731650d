"""Calls of the client that overlap, are repeated, are cancelled, and use several producers."""

from typing import Any

import pytest

from chaos.drivers.kinds.producer import ProducerSession
from chaos.history import Call, History
from chaos.mutants import MUTANTS
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario

AT_MOST_ONCE = {"delivery_semantic": "at-most-once"}
SILENT_SPU = {"drop": {"at": "request", "name": "silent"}}


def ran(workload: list[Any], **changes: Any) -> History:
    data = {"name": "x", "worlds": ["virtual"], "workload": workload, **changes}
    scenario = Scenario.model_validate(data)
    history = run_scenario(scenario)
    assert (history.defect, history.crash) == (None, None)
    return history


def calls(history: History, op: str, producer: int | None = None) -> list[Call]:
    return [c for c in history.calls if c.op == op and producer in (None, c.producer)]


def test_branches_run_at_once_and_the_step_ends_with_the_last_one() -> None:
    history = ran(
        [{"concurrently": [[{"sleep": "1s"}, "send"], [{"sleep": "2s"}, "send"]]}, "send"]
    )
    assert [round(record.sent_at) for record in history.records[:3]] == [1, 2, 2]


def test_a_record_is_waited_for_in_any_order_and_twice() -> None:
    history = ran([{"send": {"count": 3}}, {"wait": [2, 0, 2]}])
    first, second, third = history.records[:3]
    waits = calls(history, "wait")
    assert [first.waited_at, third.waited_at] == [waits[1].ended, waits[0].ended]
    assert [call.outcome for call in waits[:3]] == ["ok"] * 3
    assert second.contradictions == third.contradictions == []


def test_a_cancelled_wait_leaves_the_record_in_delivery() -> None:
    history = ran(
        ["send", {"wait": {"cancel_after": "1ms"}}, {"wait": {"ids": [0], "cancel_after": "2ms"}}],
        network={"latency": "100ms"},
    )
    first, second = calls(history, "wait")[:2]
    assert first.cancelled_at == first.ended
    assert round(first.ended - first.started, 6) == 0.001 if first.ended else False
    assert second.cancelled_at == second.ended
    assert history.records[0].outcome == "ok"


def test_a_cancelled_flush_ends_at_once_and_its_records_are_delivered() -> None:
    history = ran(
        ["send", {"flush": {"cancel_after": "0ms"}}, "flush"],
        network={"latency": "10ms"},
    )
    cancelled, flush = calls(history, "flush")
    assert cancelled.cancelled_at == cancelled.ended == cancelled.started
    assert (flush.cancelled_at, flush.outcome, history.records[0].outcome) == (None, "ok", "ok")


def test_a_cancelled_send_belongs_to_no_record_group() -> None:
    history = ran(
        [{"send": {"count": 4, "size": 1000, "cancel_after": "5ms"}}, "flush"],
        producer={"batch_size": 1000, "batch_queue_size": 1},
        network={"latency": "100ms"},
    )
    cancelled = [record for record in history.records if record.cancelled_at is not None]
    assert cancelled
    for record in cancelled:
        assert (record.taken_at, record.outcome, record.outcome_at) == (None, "unknown", None)
        assert round((record.cancelled_at or 0) - record.sent_at, 6) == 0.005


def test_a_send_that_returns_in_time_is_not_cancelled() -> None:
    history = ran([{"send": {"count": 3, "cancel_after": "1ms"}}, "wait"])
    assert [record.cancelled_at for record in history.records[:3]] == [None] * 3
    assert {record.outcome for record in history.records} == {"ok"}


def test_close_settles_what_lingers_and_the_next_call_makes_a_new_producer() -> None:
    for producer in ({}, AT_MOST_ONCE):
        history = ran(["send", "close", "send", "close"], producer={**producer, "linger": "5s"})
        closes = calls(history, "close")
        assert [call.producer for call in closes] == [0, 1, 2]
        assert [call.producer for call in calls(history, "open")] == [1, 2]
        first, second, probe = history.records
        assert (first.outcome_at, closes[0].outcome) == (closes[0].ended, "ok")
        assert [first.producer, second.producer, probe.producer] == [0, 1, 2]
        assert [told.closed_at for told in history.producers] == [call.ended for call in closes]


def test_leaving_the_block_of_another_producer_settles_its_records() -> None:
    for producer in ({}, AT_MOST_ONCE):
        history = ran(
            [{"with_producer": [{"send": {"count": 2}}]}, "send", "wait"],
            producer={**producer, "linger": "1s"},
        )
        [leave] = calls(history, "leave")
        assert leave.producer == 1
        for record in history.records[:2]:
            assert (record.producer, record.outcome_at) == (1, leave.ended)
        assert history.records[2].producer == 0


def test_a_producer_comes_and_goes_while_another_one_sends() -> None:
    second = [{"with_producer": ["send", {"wait": [0]}, "send"]}, {"with_producer": ["send"]}]
    first = [{"send": {"count": 20, "pace": "1ms"}}, "flush"]
    history = ran([{"concurrently": [first, second]}])
    assert {record.producer for record in history.records} == {0, 1, 2}
    assert {record.outcome for record in history.records} == {"ok"}


def test_each_source_of_a_producer_is_noted() -> None:
    history = ran([{"send": {"count": 3}}, "wait", "close"])
    told = history.producers[0]
    assert told.calls_back
    assert told.counters == {
        "records": 3,
        "acknowledged": 3,
        "failed": 0,
        "requests": 1,
        "retries": 0,
    }
    report = history.reports[0]
    assert (report.records, report.outcome, report.offset, report.partition) == (3, "ok", 0, 0)
    logged = [record.timestamp_ms for record in history.logs[0]]
    assert [record.timestamp for record in history.records] == logged


def test_a_failed_flush_tells_how_many_records_were_given_up() -> None:
    history = ran(
        [{"send": {"count": 3}}, "flush"],
        producer={"retry": {"max_retries": 0, "timeout": "1s"}},
        faults=[SILENT_SPU],
    )
    [flush] = calls(history, "flush")
    assert (flush.outcome, flush.given_up_records) == ("unknown", 3)


def test_a_history_with_all_of_it_is_read_back() -> None:
    history = ran(
        [
            {"send": {"count": 2, "cancel_after": "0ms"}},
            {"wait": [0, 0]},
            {"with_producer": ["send", {"flush": {"cancel_after": "0ms"}}, {"leave": "cancel"}]},
            "close",
        ]
    )
    assert History.loads(history.dumps()).dumps() == history.dumps()


def test_a_flush_of_at_most_once_does_not_wait_for_records_behind_it() -> None:
    history = ran(
        [
            "send",
            {"sleep": "1ms"},
            {"concurrently": [["send", "flush"], [{"sleep": "500ms"}, "send"]]},
        ],
        producer={**AT_MOST_ONCE, "response_timeout": "1s"},
        faults=[{"refuse": {"server": "spu"}}],
    )
    [flush] = calls(history, "flush")
    assert flush.ended is not None
    assert round(flush.ended - flush.started, 6) == 1.0


SLOW = {"retry": {"timeout": "20s", "max_retries": 5}, "linger": "10ms"}
BATCHES = [{"send": {"count": 2, "size": 900}}, {"sleep": "15ms"}, "send"]
"""One batch in flight, and one that lingers."""


def torn_down(way: list[Any], producer: dict[str, Any]) -> History:
    return ran(
        [{"sleep": "1s"}, "send", "wait", {"with_producer": [*BATCHES, *way]}, "send", "wait"],
        producer={**SLOW, **producer, "batch_size": 1000},
        network={"latency": "100ms"},
    )


@pytest.mark.parametrize("producer", [{}, AT_MOST_ONCE])
def test_an_exception_that_leaves_the_block_still_settles_every_record(
    producer: dict[str, Any],
) -> None:
    history = torn_down([{"leave": "error"}], producer)
    [raised] = calls(history, "raise")
    assert (raised.outcome, raised.cancelled_at, raised.producer) == ("ok", None, 1)
    assert {record.outcome for record in history.records} == {"ok"}
    assert history.producers[1].closed_at == raised.ended
    assert calls(history, "leave") == []


@pytest.mark.parametrize("producer", [{}, AT_MOST_ONCE])
@pytest.mark.parametrize(
    ("op", "way"), [("leave", {"leave": "cancel"}), ("close", {"close": {"cancel_after": "0ms"}})]
)
def test_what_is_cancelled_gives_up_at_once_what_is_open(
    op: str, way: dict[str, Any], producer: dict[str, Any]
) -> None:
    history = torn_down([way], producer)
    [cancelled] = calls(history, op, producer=1)
    assert cancelled.cancelled_at == cancelled.ended == cancelled.started
    first, *rest, lingering, last, probe = history.records
    assert {record.outcome_at for record in (*rest, lingering)} == {cancelled.ended}
    assert [record.outcome for record in (first, last, probe)] == ["ok", "ok", "ok"]
    assert {record.outcome for record in rest} <= {"unknown", "failed"}
    assert lingering.outcome == "failed"
    assert history.producers[1].counters["failed"] == 3


def test_another_exception_out_of_the_block_is_a_defect_of_the_client() -> None:
    data = {
        "name": "x",
        "worlds": ["virtual"],
        "producer": {"retry": {"max_retries": 0, "timeout": "1s"}},
        "faults": [SILENT_SPU],
        "workload": [{"with_producer": ["send", {"leave": "error"}]}],
    }
    with MUTANTS["leaving-hides-the-error"].applied():
        history = run_scenario(Scenario.model_validate(data))
    assert (history.crash or "").startswith("an exception left the block of a producer, and ")
    assert (history.crash or "").endswith(" came out of it")


def test_a_cancelled_call_that_goes_on_is_noted() -> None:
    with MUTANTS["cancelled-close-flushes-first"].applied():
        history = ran(["send", {"close": {"cancel_after": "1ms"}}], network={"latency": "100ms"})
    close = calls(history, "close")[0]
    assert close.ended is not None
    assert close.cancelled_at is not None
    assert close.ended > close.cancelled_at + 0.1


@pytest.mark.parametrize("way", ["error", "cancel"])
def test_a_client_that_leaves_no_block_early_leaves_it_at_its_end(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProducerSession, "not_applicable", {"leave": "it does not"})
    history = ran([{"with_producer": ["send", {"leave": way}]}])
    [leave] = calls(history, "leave")
    assert (leave.cancelled_at, leave.outcome, history.records[0].outcome) == (None, "ok", "ok")
    assert calls(history, "raise") == []
    assert history.not_applicable == ["leave: it does not"]
