"""``connections``: one dial and one connection in use to each SPU."""

from dataclasses import replace
from typing import Any

import pytest

from chaos.history import History
from chaos.mutants.connecting import (
    DialsAlthoughOneIsUnderWay,
    DialsWithoutAPause,
    PausesBetweenDialsNeverGrow,
)
from chaos.oracle.checks import connections
from simulator.events import ConnectionOpened, FrameRead, FrameWritten
from tests.chaos.oracle.checks.playing import AT_MOST_ONCE, judged, played, requests, said, without

MANY = {
    "topic": {"partitions": 8},
    "network": {"latency": "20ms"},
    "workload": [{"send": {"count": 16}}, "wait"],
}
LOST_GREETING = {"drop": {"at": "response", "limit": 1, "match": {"api": "api-versions"}}}


def with_second_connection(history: History, after: float) -> History:
    """Return a run in which the SPU accepted one more connection, some time after the first."""
    events: list[Any] = []
    for happened in history.events:
        events.append(happened)
        if isinstance(happened, ConnectionOpened) and happened.server == "spu:0":
            events.append(replace(happened, connection=99, t=happened.t + after))
    return replace(history, events=events)


def test_many_partitions_share_one_dial() -> None:
    history = played(**MANY)
    assert said(connections, history) == []
    assert judged(connections, history) == 1


def test_a_dial_beside_a_dial_is_reported() -> None:
    with DialsAlthoughOneIsUnderWay.applied():
        history = played(**MANY)
    text, *_ = said(connections, history)
    assert text.startswith("connection 3 to spu:0 was dialled at ")
    assert text.endswith(" is being dialled and in use")


def test_a_dial_beside_a_connection_is_reported() -> None:
    history = with_second_connection(played(**MANY), after=0.15)
    (text,) = said(connections, history)
    assert text.endswith(" is open and in use")


def test_a_silent_dial_may_be_given_up_after_a_second() -> None:
    history = played(LOST_GREETING, **MANY, producer=AT_MOST_ONCE)
    assert judged(connections, history) > 1
    assert said(connections, history) == []


def test_a_silent_dial_may_not_be_given_up_at_once() -> None:
    history = played({"stall": LOST_GREETING["drop"]}, **MANY)
    assert judged(connections, history) == 2
    assert said(connections, history) == []
    history = with_second_connection(played(**MANY), after=0.01)
    assert len(said(connections, history)) == 1


def test_a_connection_with_an_overdue_answer_may_be_replaced() -> None:
    history = played({"drop": {"at": "response", "nth": 1}}, **MANY)
    assert judged(connections, history) == 2
    assert said(connections, history) == []


def test_a_connection_that_a_fault_ended_may_be_replaced() -> None:
    for how in ("rst", "fin", "half-close"):
        history = played({"disconnect": {"at": "response", "how": how, "limit": 1}}, **MANY)
        assert judged(connections, history) == 2
        assert said(connections, history) == []


def test_a_request_on_the_older_of_two_connections_is_reported() -> None:
    history = played(
        {"drop": {"at": "response", "nth": 1}},
        workload=["send", "wait", {"sleep": "1s"}, "send", "wait"],
    )
    assert said(connections, history) == []
    older, newer = (
        e.connection
        for e in history.events
        if isinstance(e, ConnectionOpened) and e.server == "spu:0"
    )
    last = [e for e in history.events if isinstance(e, FrameRead) and e.carried][-2]
    assert last.connection == newer
    last.connection = older
    (text,) = said(connections, history)
    assert text.startswith(f"a request was begun on connection {older} to spu:0 at ")


def test_an_answer_is_overdue_at_the_end_of_the_policy() -> None:
    producer = {"retry": {"timeout": "1625ms"}, "attempt_timeout": "1571ms"}
    history = played(
        {"drop": {"at": "response", "nth": 1}},
        topic={"partitions": 2},
        network={"latency": "6900us"},
        producer=producer,
        workload=[{"send": {"count": 3, "pace": "7ms"}}, "wait"],
    )
    assert said(connections, history) == []


def test_a_connection_that_was_finished_behind_a_held_request_may_have_a_successor() -> None:
    history = played(
        cluster={"commit_delay": "10ms"},
        producer={**AT_MOST_ONCE, "isolation": "read-committed", "batch_size": 1},
        workload=[
            {"send": {"count": 2, "pace": "2ms"}},
            {"close": {"cancel_after": "1ms"}},
            "send",
            "wait",
        ],
    )
    assert len({read.connection for read in requests(history)}) == 2
    assert said(connections, history) == []


def test_a_connection_that_was_finished_behind_an_answer_with_two_delays_may_have_a_successor() -> (
    None
):
    delays = [{"delay": {"at": "response", "by": by, "nth": 1}} for by in ("11us", "62ms")]
    workload = ["send_all", {"close": {"cancel_after": "510us"}}, "send"]
    history = played(*delays, workload=workload, producer=AT_MOST_ONCE)
    assert judged(connections, history) == 2
    assert said(connections, history) == []


def refusing(how: str, *steps: Any, **more: Any) -> History:
    fault = {"refuse": {"server": "spu", "how": how, "between": ["0ms", "1s"]}}
    producer = {"delivery_semantic": "at-most-once", "response_timeout": "5s"}
    return played(fault, workload=["send", *steps, "wait"], producer=producer, **more)


@pytest.mark.parametrize("how", ["refuse", "rst"])
def test_a_dial_at_once_behind_a_refused_one_is_reported(how: str) -> None:
    assert said(connections, refusing(how)) == []
    with DialsWithoutAPause.applied():
        text, *_ = said(connections, refusing(how))
    assert text.startswith("spu:0 was dialled again at 0.001 s, 0.")
    assert text.endswith("after it had refused a dial, where a client waits 20.000 ms")


@pytest.mark.parametrize("how", ["refuse", "rst"])
def test_a_pause_behind_a_refused_dial_that_does_not_grow_is_reported(how: str) -> None:
    with PausesBetweenDialsNeverGrow.applied():
        text, *_ = said(connections, refusing(how))
    assert text.endswith("after it had refused a dial, where a client waits 40.000 ms")


def test_an_answer_to_a_request_makes_the_pause_short_again() -> None:
    again = {"refuse": {"name": "again", "server": "spu", "how": "rst", "between": ["2s", "3s"]}}
    first = {"refuse": {"server": "spu", "how": "rst", "between": ["0ms", "1s"]}}
    workload = ["send", "wait", {"sleep": "1s"}, {"cut": {"server": "spu"}}]
    producer = {"delivery_semantic": "at-most-once", "response_timeout": "5s"}
    workload += [{"sleep": "10ms"}, "send", "wait"]
    history = played(first, again, workload=workload, producer=producer)
    assert said(connections, history) == []
    unanswered = without(history, lambda each: isinstance(each, FrameWritten))
    assert any("dialled again" in text for text in said(connections, unanswered))


def test_a_new_address_is_dialled_at_once() -> None:
    steps = [{"sleep": "500ms"}, {"change_address": {"spu": 0}}]
    assert said(connections, refusing("refuse", *steps)) == []
    fault = {"refuse": {"server": "spu", "how": "refuse", "between": ["0ms", "1s"]}}
    producer = {"delivery_semantic": "at-most-once", "response_timeout": "5s"}
    workload = [{"change_address": {"spu": 0}}, "send", "wait"]
    with DialsWithoutAPause.applied():
        history = played(fault, workload=workload, producer=producer)
    assert said(connections, history) == []


def test_the_pauses_are_judged_in_virtual_time_only() -> None:
    with DialsWithoutAPause.applied():
        history = refusing("rst")
    assert said(connections, history)
    assert said(connections, replace(history, world="tcp")) == []


def test_an_spu_whose_address_changed_may_be_dialled_at_once() -> None:
    change = {"change_address": {"spu": 1}}
    history = played(
        {"refuse": {"server": "spu"}},
        cluster={"spus": 2},
        topic={"partitions": 2},
        producer={},
        workload=[{"send": {"count": 4, "pace": "67us"}}, change, "flush", change],
    )
    assert said(connections, history) == []
