"""What the servers commit: answers before the commit, and a high watermark that moves back."""

from dataclasses import replace
from typing import Any

from chaos.history import History
from chaos.mutants import MUTANTS
from chaos.oracle.checks import acked_is_stored
from chaos.oracle.judge import judge
from simulator.events import Appended, TopicDeleted
from tests.chaos.oracle.checks.playing import played, said

COMMITTED: dict[str, Any] = {
    "cluster": {"commit_delay": "50ms"},
    "producer": {"isolation": "read-committed", "attempt_timeout": "1s"},
    "workload": [{"send": {"count": 3, "wait": True}}],
}


def appends(history: History) -> list[Appended]:
    return [event for event in history.events if isinstance(event, Appended)]


def test_each_append_says_what_is_committed() -> None:
    assert [event.high_watermark for event in appends(played(**COMMITTED))] == [0, 1, 2, 3]
    at_once = played(workload=COMMITTED["workload"])
    assert [event.high_watermark for event in appends(at_once)] == [1, 2, 3, 4]


def test_an_answer_before_the_commit_is_reported() -> None:
    assert said(acked_is_stored, played(**COMMITTED)) == []
    with MUTANTS["answers-before-the-commit"].applied():
        history = played(**COMMITTED)
    assert [finding.check for finding in judge(history).broken] == ["acked-is-stored"]
    assert said(acked_is_stored, history)[0] == (
        "a request on connection 2 was answered at 0.001 s, before the commit that it asked for, "
        "at 0.051 s"
    )


def test_an_answer_after_the_append_is_early_only_if_the_commit_was_asked_for() -> None:
    with MUTANTS["answers-before-the-commit"].applied():
        history = played(**{**COMMITTED, "producer": {}})
    assert said(acked_is_stored, history) == []


def test_an_answer_whose_timeout_is_over_may_come_before_the_commit() -> None:
    hasty = {**COMMITTED["producer"], "timeout": "20ms", "retry": {"max_retries": 0}}
    assert said(acked_is_stored, played(**{**COMMITTED, "producer": hasty})) == []


def test_a_high_watermark_that_moves_back_is_reported() -> None:
    restart = ["stop_spu", "start_spu"]
    workload = [{"send": {"wait": True}}, {"sleep": "1s"}, "send", "wait", *restart, "send"]
    slow: dict[str, Any] = {"cluster": {"commit_delay": "50ms"}, "workload": workload}
    assert said(acked_is_stored, played(**slow)) == []
    with MUTANTS["forgets-the-high-watermark"].applied():
        history = played(**slow)
    assert [finding.check for finding in judge(history).broken] == ["acked-is-stored"]
    (text,) = said(acked_is_stored, history)
    assert text.startswith("the high watermark of partition 0 moved back from 1 to 0, as of the")


def test_a_new_topic_of_the_same_name_begins_at_zero() -> None:
    history = played(**COMMITTED)
    last = appends(history)[-1]
    deleted = TopicDeleted(n=last.n + 1, topic="greetings")
    again = replace(last, high_watermark=0, n=last.n + 2)
    back = replace(history, events=[*history.events, again])
    anew = replace(history, events=[*history.events, deleted, again])
    assert (len(said(acked_is_stored, back)), said(acked_is_stored, anew)) == (1, [])
