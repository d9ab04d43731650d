"""``order``: acknowledged records are stored in the order in which they were sent."""

from chaos.history import History
from chaos.oracle.checks import order
from tests.chaos.oracle.checks.playing import AT_MOST_ONCE, played, said, with_logs

LOST_ANSWER = {"drop": {"at": "response", "nth": 1}}
ONE_BY_ONE = [{"send": {"count": 3, "wait": True}}]


def swapped(history: History, one: int, other: int) -> History:
    """Return the same run with two records swapped in the log."""
    log = [*history.logs[0]]
    log[one].value, log[other].value = log[other].value, log[one].value
    return with_logs(history, {0: log})


def test_records_in_order_are_in_order_whatever_their_copies_are() -> None:
    assert said(order, played()) == []
    history = played(LOST_ANSWER)
    assert len(history.logs[0]) == 3 + 3 + 1
    assert said(order, history) == []


def test_a_record_before_one_that_was_sent_earlier_is_reported() -> None:
    assert said(order, swapped(played(), 0, 1)) == [
        "record 1 was sent after record 0, but its first copy is at 0@0, before 0@1"
    ]


def test_a_record_that_was_not_acknowledged_may_be_anywhere() -> None:
    history = swapped(played(), 0, 1)
    history.records[0].outcome = "unknown"
    assert said(order, history) == []


def test_at_most_once_keeps_order_on_one_connection() -> None:
    history = swapped(played(producer=AT_MOST_ONCE, workload=ONE_BY_ONE), 0, 1)
    assert said(order, history) == [
        "record 1 was sent after record 0 over connection 2, but its first copy is at 0@0, "
        "before 0@1"
    ]


def test_at_most_once_promises_no_order_across_connections() -> None:
    ended = {"disconnect": {"at": "response", "how": "fin", "after_bytes": 1000, "nth": 1}}
    history = swapped(played(ended, producer=AT_MOST_ONCE, workload=ONE_BY_ONE), 0, 1)
    assert [record.outcome for record in history.records[:2]] == ["ok", "ok"]
    assert said(order, history) == []


def test_a_batch_may_pass_one_before_it_in_its_request_that_was_refused() -> None:
    refused = {"error": {"at": "request", "nth": 1, "code": "StorageError", "match": {"entry": 0}}}
    producer = {"batch_size": 1, "linger": "10ms"}
    history = played(refused, producer=producer, workload=[{"send": {"count": 3}}, "wait"])
    offsets = [record.offset for record in history.records[:3]]
    assert offsets == [2, 0, 1]
    assert said(order, history) == []
    log = [*history.logs[0]]
    log[0].value, log[1].value = log[1].value, log[0].value
    assert len(said(order, with_logs(history, {0: log}))) == 1


def test_sends_that_overlapped_have_no_order() -> None:
    branch = [{"send": {"count": 2, "pace": "1ms"}}]
    history = played(workload=[{"concurrently": [branch, branch]}, "flush"])
    by_call: dict[int, list[int]] = {}
    for record in history.records[:4]:
        by_call.setdefault(record.call, []).append(record.id)
    first, second = by_call.values()
    assert said(order, swapped(history, first[0], second[0])) == []
    assert said(order, swapped(history, first[0], second[1])) != []
    assert said(order, swapped(history, first[0], first[1])) != []


def test_records_of_two_producers_have_no_order() -> None:
    history = played(workload=[{"with_producer": ["send"]}, "send", "flush"])
    assert [record.producer for record in history.records[:2]] == [1, 0]
    assert said(order, swapped(history, 0, 1)) == []
