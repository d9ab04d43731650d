"""The incarnations of a topic: what is excused across a deletion, and what is not."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any

from chaos.history import History
from chaos.oracle.checks import acked_is_stored, no_loss, no_phantom
from chaos.oracle.evidence import Evidence
from chaos.oracle.incarnations import incarnations, open_across_deletion
from chaos.oracle.judge import judge
from chaos.oracle.timing import timing
from simulator.events import Event
from tests.chaos.oracle.checks.playing import RETRY, played, said
from wire.batch import Record

BEFORE = {"send": {"count": 2, "wait": True}}
AFTER = ["create_topic", {"sleep": "1s"}, {"send": {"count": 2, "wait": True}}]
PAUSE = {"sleep": "1s"}
SC_AWAY = {"refuse": {"server": "sc", "between": ["0s", "10ms"]}}


def recreated(*faults: Any, workload: Any = None, **more: Any) -> History:
    """A run whose topic is deleted between two records before and two after it."""
    steps = [BEFORE, PAUSE, "delete_topic", PAUSE, *AFTER]
    return played(*faults, workload=workload or steps, **more)


def without_value(history: History, record_id: int) -> History:
    """Return the same run with one record missing in all logs."""
    value = history.records[record_id].value
    lives: list[dict[int, Sequence[Record]]] = [
        {partition: [r for r in log if r.value != value] for partition, log in logs.items()}
        for logs in history.incarnations
    ]
    return replace(history, removed=lives[:-1], logs=lives[-1])


def test_each_record_is_judged_in_its_own_incarnation() -> None:
    history = recreated()
    assert judge(history).verdict == "valid"
    assert [[len(log) for log in logs.values()] for logs in history.incarnations] == [[2], [3]]
    evidence = Evidence(history)
    places = [(copy.incarnation, copy.offset) for (copy,) in evidence.copies]
    assert places == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
    assert open_across_deletion(evidence) == frozenset()


def test_a_record_that_is_missing_in_the_log_that_a_deletion_removed_is_reported() -> None:
    for record_id in (0, 3):
        assert len(said(acked_is_stored, without_value(recreated(), record_id))) == 1


def test_a_record_that_was_open_when_its_topic_was_deleted_is_excused() -> None:
    late = {"delay": {"at": "request", "by": "300ms", "nth": 1}}
    steps = ["send", {"sleep": "100ms"}, "delete_topic", PAUSE, *AFTER, "wait"]
    history = recreated(late, workload=steps)
    evidence = Evidence(history)
    assert open_across_deletion(evidence) == {0}
    assert no_loss.check(evidence).excused["open-across-deletion"] == 1
    assert judge(history).verdict == "valid"


def test_a_record_that_was_sent_before_the_client_knew_the_topic_again_is_excused() -> None:
    steps = [BEFORE, PAUSE, "delete_topic", PAUSE, "create_topic", "send", "wait"]
    assert open_across_deletion(Evidence(recreated(workload=steps))) == {2}


def test_news_of_a_struck_sc_come_at_no_certain_time() -> None:
    history = recreated(SC_AWAY)
    evidence = Evidence(history)
    (before, after) = evidence.once(incarnations).lives
    assert (before.successor_known, after.deleted) == (inf, inf)
    assert {2, 3} <= open_across_deletion(evidence)
    assert evidence.once(incarnations).news_uncertain


def test_news_come_over_the_next_connection_after_a_cut() -> None:
    steps = [BEFORE, {"cut": {"server": "sc"}}, "delete_topic", *AFTER]
    evidence = Evidence(recreated(workload=steps))
    (before, _) = evidence.once(incarnations).lives
    assert 0.05 < before.successor_known - before.deleted < 0.1
    assert not evidence.once(incarnations).news_uncertain


def test_a_client_that_does_not_connect_again_has_two_seconds_to_do_so() -> None:
    steps = [BEFORE, {"cut": {"server": "sc"}}, "delete_topic", *AFTER]
    history = recreated(workload=steps)
    cut = history.calls[1].ended or 0.0

    def shown(event: Event) -> bool:
        return not (getattr(event, "server", None) == "sc" and event.t > cut + 0.01)

    silent = replace(history, events=[event for event in history.events if shown(event)])
    evidence = Evidence(silent)
    (before, _) = evidence.once(incarnations).lives
    assert 2 < before.successor_known - before.deleted < 2 + 10 * evidence.once(timing).trip + 0.01


def test_a_key_may_go_by_each_number_of_partitions_that_the_client_may_have_known() -> None:
    steps = [{"add_partitions": {"count": 3}}, {"send": {"count": 8, "keys": 8}}, "wait"]
    history = played(workload=steps, producer={"retry": RETRY})
    lives = Evidence(history).once(incarnations)
    assert lives.partitions_max == 4
    added = history.records[0].sent_at
    assert lives.counts(added, added) == {1, 4}
    assert lives.counts(added + 1, added + 1) == {4}
    assert said(no_phantom, history) == []
