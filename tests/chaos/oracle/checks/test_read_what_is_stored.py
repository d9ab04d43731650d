"""``read-what-is-stored``: what a consumer was delivered, held against the logs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from chaos.consumption import Consumption, OffsetSent, OffsetStored, RecordsConsumed
from chaos.history import History
from chaos.mutants import MUTANTS
from chaos.oracle.checks import read_what_is_stored as check
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import Finding
from simulator.events import Evicted
from tests.chaos.oracle.checks.playing import judged, played, said
from tests.chaos.oracle.elections import LEADER_FAILS

SENT = [{"send": {"count": 6}}, "flush"]
Delivered = list[tuple[int, str]]


def consumed(*faults: Any, **terms: Any) -> History:
    return played(*faults, workload=[*SENT, {"consume": terms}])


def delivering(
    history: History, change: Callable[[Delivered], Sequence[tuple[int, str]]]
) -> History:
    """Return the same run in which the first consumption was delivered something else."""

    def changed(event: Any) -> Any:
        if not isinstance(event, RecordsConsumed) or event.consumption:
            return event
        rows = change([*zip(event.offsets, event.digests, strict=True)])
        offsets, digests = zip(*rows, strict=True)
        return replace(event, offsets=offsets, digests=digests)

    return replace(history, events=[changed(event) for event in history.events])


def with_consumption(history: History, n: int, **fields: Any) -> History:
    consumptions: list[Consumption] = [
        replace(each, **fields) if each.n == n else each for each in history.consumptions
    ]
    return replace(history, consumptions=consumptions)


def found(history: History) -> Finding:
    return check.check(Evidence(history))


def test_what_was_read_as_it_is_stored_breaks_no_promise() -> None:
    history = consumed()
    assert (said(check, history), judged(check, history)) == ([], 6 + 7)


# --- positions


def test_a_gap_is_one_violation_for_each_record_that_is_missing() -> None:
    history = delivering(consumed(), lambda rows: [*rows[:2], *rows[4:]])
    assert said(check, history) == [
        "consumer a was delivered 0@1 and next 0@4 at 0.003 s: 2 missing"
    ]
    assert found(history).count == 2


def test_a_repetition_is_none_of_the_network_without_a_fault() -> None:
    history = delivering(consumed(), lambda rows: [*rows[:3], rows[1], *rows[3:]])
    assert said(check, history) == [
        "consumer a was delivered 0@1 at 0.003 s, although it had read on to 0@2"
    ]


def test_a_response_that_a_fault_copied_may_be_delivered_again() -> None:
    copy = {"duplicate": {"at": "response", "match": {"api": "stream-fetch"}}}
    history = delivering(consumed(copy), lambda rows: [*rows, *rows])
    assert (said(check, history), found(history).excused) == ([], {"copied-by-the-network": 6})


def test_two_records_that_change_places_are_a_gap_and_a_repetition() -> None:
    history = delivering(consumed(), lambda rows: [rows[1], rows[0], *rows[2:]])
    assert len(said(check, history)) == 2


@pytest.mark.parametrize(
    ("terms", "first"),
    [({}, "0@0"), ({"offset": 1}, "0@1"), ({"start": "absolute", "offset": 2}, "0@2")],
)
def test_a_consumption_begins_where_it_was_to_begin(terms: dict[str, Any], first: str) -> None:
    history = delivering(consumed(**terms), lambda rows: rows[1:])
    [text] = said(check, history)
    assert text.endswith(f" at 0.003 s, and not at {first}")


def test_a_consumption_from_the_end_begins_at_a_mark_of_its_time() -> None:
    history = consumed(start="end", offset=2)
    assert said(check, history) == []
    assert said(check, with_consumption(history, 0, offset=3)) == [
        "consumer a began at 0@4 at 0.003 s, and not at 0@3"
    ]


def test_a_consumption_resumes_behind_what_was_stored_for_its_id() -> None:
    steps = [{"consume": {"consumer_id": "x", "count": 3}}, {"consume": {"consumer_id": "x"}}]
    history = played(workload=[*SENT, *steps])
    assert said(check, history) == []
    [text] = said(check, with_consumption(history, 0, consumer_id="y"))
    assert text.startswith("consumer a began at 0@3 at ")
    assert text.endswith("and not at 0@0")


def test_a_consumer_stores_no_offset_that_it_has_not_read() -> None:
    history = consumed(consumer_id="x")
    events = [replace(e, offset=6) if isinstance(e, OffsetSent) else e for e in history.events]
    [text] = said(
        check, replace(history, events=[e for e in events if type(e).__name__ != "OffsetStored"])
    )
    assert text == "consumer a said at 0.004 s that it had read 0@6, although it had read 0@5 last"


# --- bytes


def test_bytes_that_the_log_does_not_hold_are_an_invention() -> None:
    history = delivering(consumed(), lambda rows: [*rows[:5], (5, "0" * 16)])
    assert said(check, history) == [
        "consumer a was delivered a record as 0@5 at 0.003 s, where the log holds other bytes"
    ]


def test_a_record_behind_the_end_of_the_log_is_an_invention() -> None:
    history = consumed()
    shorter = replace(history, logs={0: history.logs[0][:4]})
    texts = said(check, shorter)
    assert all(text.endswith("where the log holds nothing") for text in texts)
    assert len(texts) == 2 + 3, "the second reading has the probe, too"


def test_a_record_is_held_against_the_incarnation_that_was_read() -> None:
    steps = ["delete_topic", {"create_topic": {"partitions": 1}}, *SENT]
    history = played(workload=[*SENT, "consume", *steps, {"consume": {"consumer": "b"}}])
    assert (said(check, history), judged(check, history)) == ([], 6 + 6 + 7)
    first = next(e.digests for e in history.events if isinstance(e, RecordsConsumed))
    later = delivering(history, lambda rows: rows)
    [changed] = [e for e in later.events if isinstance(e, RecordsConsumed) and e.consumption == 1]
    changed.digests = first
    assert len(said(check, later)) == 6


def test_what_an_election_left_out_later_is_excused_under_read_uncommitted_only() -> None:
    steps = [*LEADER_FAILS["workload"]]
    steps.insert(3, "consume")
    history = played(**{**LEADER_FAILS, "workload": steps})
    assert (said(check, history), found(history).excused) == ([], {"lost-in-election": 2})
    committed = with_consumption(history, 0, isolation="read-committed")
    assert said(check, committed)[-1].endswith("where the log holds other bytes")


def test_a_batch_that_a_fault_altered_is_out_of_sight_with_all_that_follows() -> None:
    steps = [{"send": {"count": 3}}, "flush", {"sleep": "10ms"}, *SENT, "consume"]
    history = played(
        {"corrupt": {"at": "request", "nth": 2}}, workload=steps, producer={"batch_size": 1}
    )
    assert said(check, history) == []
    assert found(history).unseen.keys() == {"unmodelled-effect"}
    assert judged(check, history) >= 1


# --- commits


def test_under_read_committed_a_record_is_committed_before_it_is_delivered() -> None:
    workload = [
        {"send": {"count": 2}},
        "flush",
        {"consume": {"isolation": "read-committed", "count": 2}},
    ]
    history = played(workload=workload, cluster={"commit_delay": "100ms"})
    assert said(check, history) == []
    with MUTANTS["streams-what-is-not-committed"].applied():
        history = played(workload=workload, cluster={"commit_delay": "100ms"})
    [text, *_] = said(check, history)
    assert text == "consumer a was delivered 0@0 at 0.003 s, before it was committed"


# --- ends


def test_a_consumption_that_says_that_it_read_enough_has() -> None:
    history = delivering(consumed(), lambda rows: rows[:4])
    assert said(check, history) == [
        "consumer a ended at 0@4, although everything before 0@6 was committed when it began"
    ]
    history = delivering(consumed(count=4), lambda rows: rows[:3])
    assert said(check, history) == ["consumer a ended without the 4 records it wanted"]


def nothing_delivered(history: History, n: int) -> History:
    """Return the same run in which a consumption was delivered nothing, and said that it had read
    all."""
    told = (RecordsConsumed, OffsetSent, OffsetStored)
    return replace(
        history,
        events=[e for e in history.events if not (isinstance(e, told) and e.consumption == n)],
    )


COMMITTED = "although everything before 0@6 was committed when it began"


@pytest.mark.parametrize(
    ("terms", "begins", "missing"),
    [
        ({}, "0@0", 6),
        ({"offset": 4}, "0@4", 2),
        ({"start": "absolute", "offset": 5}, "0@5", 1),
        ({"start": "end", "offset": 2}, "0@4", 2),
        ({"start": "end", "offset": 9}, "0@0", 6),
        ({"consumer_id": "x", "offset": 3}, "0@3", 3),
    ],
)
def test_a_consumption_that_was_delivered_nothing_had_nothing_to_read(
    terms: dict[str, Any], begins: str, missing: int
) -> None:
    history = nothing_delivered(consumed(**terms), 0)
    assert said(check, history) == [f"consumer a ended at {begins}, {COMMITTED}"]
    assert found(history).count == missing


@pytest.mark.parametrize(
    "terms", [{"offset": 6}, {"start": "end"}, {"start": "absolute", "offset": 9}]
)
def test_a_consumption_that_begins_at_the_end_is_delivered_nothing(terms: dict[str, Any]) -> None:
    history = consumed(**terms)
    assert not any(isinstance(e, RecordsConsumed) and not e.consumption for e in history.events)
    assert said(check, history) == []


def test_behind_a_stored_offset_lie_records_that_a_consumption_must_be_delivered() -> None:
    steps = [{"consume": {"consumer_id": "x", "count": 4}}, {"consume": {"consumer_id": "x"}}]
    history = played(workload=[*SENT, *steps])
    assert said(check, history) == []
    assert said(check, nothing_delivered(history, 1)) == [f"consumer a ended at 0@4, {COMMITTED}"]


def test_a_stored_offset_whose_answer_was_lost_may_be_where_it_resumes() -> None:
    """The first one reads all, and may or may not have had it stored."""
    steps = [{"consume": {"consumer_id": "x"}}, {"consume": {"consumer_id": "x"}}]
    history = nothing_delivered(played(workload=[*SENT, *steps]), 1)
    assert said(check, history) == []
    unanswered = [e for e in history.events if not isinstance(e, OffsetStored)]
    assert said(check, replace(history, events=unanswered)) == []
    unsent = [e for e in unanswered if not isinstance(e, OffsetSent)]
    assert said(check, replace(history, events=unsent)) == [f"consumer a ended at 0@0, {COMMITTED}"]


def test_an_offset_that_is_stored_later_is_none_where_it_resumed() -> None:
    reads = {"consume": {"consumer_id": "x"}}
    history = played(workload=[*SENT, reads, {"send": {"count": 2}}, "flush", reads])
    assert said(check, history) == []
    without_first, other = said(check, nothing_delivered(history, 0))
    assert without_first == f"consumer a ended at 0@0, {COMMITTED}"
    assert other.startswith("consumer a began at 0@6 at ")


def test_what_was_evicted_cannot_be_delivered() -> None:
    history = played(
        workload=[*SENT, {"consume": {"consumer_id": "x"}}, *SENT, *SENT, "flush"],
        producer={"batch_size": 1},
        cluster={"retain": "300"},
    )
    assert any(isinstance(e, Evicted) for e in history.events)
    assert said(check, nothing_delivered(history, 0)) == []


def test_what_is_committed_later_may_move_the_end_that_it_began_before() -> None:
    sends = [{"send": {"count": 6, "pace": "5ms"}}, "flush"]
    reads = [{"consume": {"start": "end", "offset": 2, "within": "1s"}}]
    history = played(workload=[*SENT, {"concurrently": [sends, reads]}])
    [first, *_] = history.consumptions
    late = with_consumption(nothing_delivered(history, 0), 0, ended=first.started + 1)
    assert first.offset == 2
    assert said(check, late) == []


def test_a_consumption_may_read_more_than_enough() -> None:
    """Programs of several partitions are ended together, and what they wrote by then counts."""
    assert said(check, with_consumption(consumed(), 0, count=4, end="count")) == []


@pytest.mark.parametrize(
    ("end", "error", "why"), [("bound", None, "its time was over"), ("error", "Other", "Other")]
)
def test_after_healing_everything_can_be_read(end: str, error: str | None, why: str) -> None:
    history = with_consumption(consumed(), 1, end=end, error=error)
    assert said(check, history) == [
        f"consumer final did not read partition 0 to its end after healing: {why}"
    ]


def test_one_whose_time_is_over_need_not_have_read_everything() -> None:
    short = delivering(consumed(), lambda rows: rows[:4])
    assert said(check, with_consumption(short, 0, end="bound")) == []
