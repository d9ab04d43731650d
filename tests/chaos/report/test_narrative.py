"""The narrative of a record: one sentence for each event, in the order in which they happened."""

import re
from typing import Any

import pytest

from chaos.history import History, SentRecord
from chaos.oracle.evidence import Copy, Evidence
from chaos.report.narrative import LINES_MAX, Narrative, Narrator
from chaos.report.phrases import counted, joined
from chaos.report.phrases import outcome as sentence_of
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario

RETRY = {"max_retries": 5, "initial_delay": "10ms", "max_delay": "2s", "timeout": "10s"}
"""The policy of the documentation; an attempt waits 0.815 s."""


def played(*faults: Any, workload: Any = None, **more: Any) -> Narrator:
    scenario = {
        "name": "a narrative",
        "producer": {"retry": RETRY, **more.pop("producer", {})},
        "faults": list(faults),
        "workload": workload or [{"send": {"count": 3}}, "flush"],
        **more,
    }
    return Narrator(Evidence(run_scenario(Scenario.model_validate(scenario))))


def outcome(narratives: Narrator, record: int = 0) -> list[str]:
    return list(narratives.of(record).lines)


def events(lines: list[str]) -> list[str]:
    """Return the sentences without the times."""
    return [re.sub(r"^ *[0-9.]+ s  |^ {13}", "", line) for line in lines]


def test_the_narrative_of_a_lost_answer_runs_from_sending_to_acknowledgement() -> None:
    fault = {"drop": {"name": "lost-answer", "at": "response", "nth": 1}}
    assert outcome(played(fault), 2) == [
        "    0.001 s  record 2 sent",
        "    0.001 s  transmitted on connection 2 (request 8, with 2 others)",
        "    0.001 s  stored at greetings/0@2",
        "    0.001 s  the answer dropped by fault lost-answer",
        "    0.816 s  connection 2 ended: closed by the client",
        "    0.826 s  sent again on connection 3 (request 10, with 2 others)",
        "    0.826 s  stored again at greetings/0@5",
        "    0.826 s  answered",
        "    0.826 s  acknowledged: greetings/0@5",
        "             in the end: stored at greetings/0@2 and greetings/0@5",
    ]


def test_a_record_that_no_fault_struck_has_a_short_narrative() -> None:
    assert events(outcome(played(workload=["send", "flush"]))) == [
        "record 0 sent",
        "transmitted on connection 2 (request 8)",
        "stored at greetings/0@0",
        "answered",
        "acknowledged: greetings/0@0",
        "in the end: stored at greetings/0@0",
    ]


def test_an_acknowledgement_without_a_place_names_none() -> None:
    record = SentRecord(0, None, b"", call=0, sent_at=0.0, outcome="ok")
    assert sentence_of(record, "greetings") == "acknowledged"


AT_REQUEST: dict[str, tuple[dict[str, Any], str]] = {
    "drop": ({}, "the request dropped by fault f: it never reaches the SPU"),
    "delay": ({"by": "5ms"}, "the request delayed by 5.000ms by fault f"),
    "duplicate": ({}, "the request delivered twice by fault f"),
    "stall": ({}, "connection 2 stalled by fault f: nothing more is read from it"),
    "error": (
        {"code": "StorageError"},
        "refused with StorageError by fault f, not applied",
    ),
    "disconnect": ({}, "connection 2 reset by fault f before the request was applied"),
}

AT_RESPONSE: dict[str, tuple[dict[str, Any], str]] = {
    "drop": ({}, "the answer dropped by fault f"),
    "delay": ({"by": "5ms"}, "the answer delayed by 5.000ms by fault f"),
    "duplicate": ({}, "the answer delivered twice by fault f"),
    "stall": ({}, "connection 2 stalled by fault f: nothing more is written to it"),
    "error": ({"code": "StorageError"}, "given StorageError by fault f"),
    "forge": ({"what": "partition"}, "the answer forged by fault f: it is about another partition"),
    "disconnect": ({"after_bytes": 3}, "connection 2 reset by fault f after 3 bytes of the answer"),
}


@pytest.mark.parametrize("kind", AT_REQUEST)
def test_each_kind_at_the_request_has_a_sentence(kind: str) -> None:
    fields, sentence = AT_REQUEST[kind]
    lines = outcome(played({kind: {"name": "f", "at": "request", "nth": 1, **fields}}))
    assert events(lines)[2] == sentence


@pytest.mark.parametrize("kind", AT_RESPONSE)
def test_each_kind_at_the_response_has_a_sentence_after_the_append(kind: str) -> None:
    fields, sentence = AT_RESPONSE[kind]
    lines = outcome(played({kind: {"name": "f", "at": "response", "nth": 1, **fields}}))
    assert events(lines)[2:4] == ["stored at greetings/0@0", sentence]


@pytest.mark.parametrize(
    ("how", "at", "sentence"),
    [
        ("fin", "request", "connection 2 closed by fault f before the request was applied"),
        ("fin", "response", "connection 2 closed by fault f instead of the answer"),
        ("half-close", "response", "connection 2 half-closed by fault f instead of the answer"),
        (
            "half-close",
            "request",
            "connection 2 half-closed by fault f: requests are still applied, and never answered",
        ),
    ],
)
def test_each_end_of_a_connection_has_a_sentence(how: str, at: str, sentence: str) -> None:
    fault = {"disconnect": {"name": "f", "at": at, "how": how, "nth": 1}}
    assert sentence in events(outcome(played(fault)))


def test_an_answer_with_an_error_code_names_the_code() -> None:
    fault = {"error": {"name": "f", "at": "request", "nth": 1, "code": "RequestTimedOut"}}
    assert "answered with RequestTimedOut" in events(outcome(played(fault)))


def test_an_error_for_one_partition_is_not_in_the_narrative_of_another_partition() -> None:
    fault = {
        "error": {
            "name": "f",
            "at": "request",
            "nth": 1,
            "code": "StorageError",
            "match": {"partition": 0},
        }
    }
    # A batch for each of the two partitions in one request to their one leader.
    narratives = played(
        fault,
        workload=[{"send_all": {"count": 40, "keys": 8}}, "flush"],
        topic={"partitions": 2},
    )
    by_partition = {
        record.partition: "\n".join(outcome(narratives, record.id))
        for record in narratives._evidence.sent
    }
    assert "by fault f" in by_partition[0]
    assert "by fault f" not in by_partition[1]


def test_a_copy_that_the_network_made_names_the_fault() -> None:
    lines = events(outcome(played({"duplicate": {"name": "f", "at": "request", "nth": 1}})))
    assert "stored again at greetings/0@3, a copy made by fault f" in lines


def test_a_fault_that_another_one_shadowed_is_left_out() -> None:
    faults = [
        {"drop": {"name": "first", "at": "request", "nth": 1}},
        {"stall": {"name": "second", "at": "request", "nth": 1}},
    ]
    assert "second" not in "".join(outcome(played(*faults)))


def test_a_leader_that_moves_in_flight_and_the_answer_of_the_old_one_have_sentences() -> None:
    fault = {"delay": {"name": "f", "at": "request", "nth": 1, "by": "100ms"}}
    narratives = played(
        fault,
        workload=["send", {"sleep": "50ms"}, {"move_leader": {"to": 1}}, "flush"],
        cluster={"spus": 2},
    )
    lines = events(outcome(narratives))
    assert lines[1] == "transmitted on connection 2 to spu:0 (request 8)"
    assert "the leader of greetings/0 moved to spu:1" in lines
    assert "answered with an error code, not stored" in lines
    assert lines[-1] == "in the end: stored at greetings/0@0"


def test_an_spu_that_was_stopped_before_the_record_was_sent_is_part_of_its_narrative() -> None:
    workload = [{"stop_spu": {"spu": 0}}, "send", {"sleep": "1s"}, {"start_spu": {"spu": 0}}]
    lines = events(outcome(played(workload=[*workload, "flush"])))
    assert lines[:2] == ["spu:0 stopped", "record 0 sent"]
    assert "spu:0 started" in lines


def test_an_spu_that_recovers_is_part_of_the_narrative_of_what_it_refuses() -> None:
    workload = ["stop_spu", {"sleep": "10ms"}, "start_spu", {"send": {"keys": 1}}, "flush"]
    lines = events(
        outcome(
            played(
                workload=workload,
                cluster={"recovery": "150ms"},
                topic={"partitions": 3},
                producer={"retry": {"strategy": "fixed-delay", "initial_delay": "100ms"}},
            )
        )
    )
    assert lines.count("answered with an error code, not stored") == 2
    assert [line for line in lines if "serves" in line] == ["spu:0 serves greetings/0 again"]


def test_an_spu_that_is_back_when_the_record_is_sent_is_not() -> None:
    workload = [{"stop_spu": {"spu": 0}}, {"start_spu": {"spu": 0}}, {"sleep": "1s"}, "send"]
    assert "spu:0" not in "".join(outcome(played(workload=[*workload, "flush"])))


def test_a_listener_that_a_fault_closed_has_sentences_for_start_and_end() -> None:
    fault = {"refuse": {"name": "closed", "server": "spu", "between": ["0ms", "300ms"]}}
    lines = events(outcome(played(fault, workload=[{"sleep": "1ms"}, "send", "flush"])))
    assert lines[0] == "spu:0 refuses connections by fault closed"
    assert "spu:0 listens again, fault closed is over" in lines


@pytest.mark.parametrize(("how", "word"), [("rst", "reset"), ("hang", "left hanging")])
def test_a_connect_that_a_fault_refused_has_a_sentence(how: str, word: str) -> None:
    fault = {"refuse": {"name": "f", "server": "spu", "how": how, "between": ["0ms", "300ms"]}}
    assert f"a connect to spu:0 {word} by fault f" in events(outcome(played(fault)))


def lost() -> Narrator:
    return played(
        {"drop": {"name": "silence", "at": "request"}},
        workload=["send", "flush"],
        producer={"retry": {**RETRY, "max_retries": 1}},
    )


def test_the_narrative_of_a_lost_record_ends_with_its_outcome_and_the_log() -> None:
    *_, reported, end = events(outcome(lost()))
    assert reported.startswith("reported failed, possibly stored: ")
    assert end == "in the end: not in the log"


def test_a_record_that_was_never_transmitted_has_a_sentence_for_that() -> None:
    narratives = played(
        workload=[{"stop_spu": {"spu": 0}}, "send", "flush"],
        producer={"retry": {**RETRY, "max_retries": 1}},
    )
    lines = events(outcome(narratives))
    assert any(line.startswith("reported failed, certainly not stored") for line in lines)
    assert lines[-2:] == ["no request with the record arrived", "in the end: not in the log"]


def test_a_narrative_begins_with_the_changes_of_the_cluster_that_are_in_force() -> None:
    moves = [{"move_leader": {"partition": n, "to": to}} for n, to in ((1, 0), (0, 1), (0, 0))]
    narratives = played(
        workload=[*moves, "send", "flush"], cluster={"spus": 2}, topic={"partitions": 2}
    )
    partition = narratives._evidence.records[0].partition
    assert events(outcome(narratives, 0))[:2] == [
        f"the leader of greetings/{partition} moved to spu:0",
        "record 0 sent",
    ]
    assert events(outcome(narratives, 1))[1] == "all faults lifted"


def test_a_probe_is_named_as_one_with_its_key() -> None:
    narratives = played(workload=["send"])
    (probe,) = (record for record in narratives._evidence.records if record.probe)
    assert re.fullmatch(r"probe 1 sent with the key probe-\d+", events(outcome(narratives, 1))[1])
    assert probe.id == 1


# --- incomplete histories


def blank_history() -> History:
    scenario = Scenario.model_validate({"name": "x", "workload": ["send"]})
    return History(scenario, "virtual")


def test_a_record_whose_call_never_ended_has_a_narrative() -> None:
    history = blank_history()
    history.records.append(SentRecord(0, None, b"00000000", 0, 1.5))
    assert events(list(Narrator(Evidence(history)).of(0).lines)) == [
        "record 0 sent",
        "the call that sent the record never accepted it",
        "no request with the record arrived",
        "never settled: no outcome was reported",
        "in the end: unknown, since the logs were not read",
    ]


def test_names_cannot_move_the_cursor() -> None:
    history = blank_history()
    record = SentRecord(0, b"\x1b[2J\n", b"00000000", 0, 0.0, outcome="failed", outcome_at=0.1)
    record.error = "bad\rnews"
    history.records.append(record)
    assert all(line.isprintable() for line in Narrator(Evidence(history)).of(0).lines)


def test_a_stored_record_that_the_spu_lost_has_a_narrative() -> None:
    narratives = played(workload=[{"send": {"count": 2}}, "flush"])
    history = narratives._evidence.history
    history.logs[0] = []
    lines = events(list(Narrator(Evidence(history)).of(1).lines))
    assert "2 records of request 8 stored from greetings/0@0 on" in lines
    assert lines[-1] == "in the end: not in the log"


def test_copies_are_places_in_a_log() -> None:
    assert Narrator(Evidence(blank_history()))._place(Copy(3, 7, None, None)) == "greetings/3@7"


# --- shortening


def test_a_long_narrative_keeps_its_beginning_and_its_end() -> None:
    narrative = Narrative(0, tuple(map(str, range(100))))
    lines = narrative.shortened()
    assert len(lines) == LINES_MAX
    assert (lines[0], lines[-1]) == ("0", "99")
    assert "61 more lines" in lines[27]


def test_a_narrative_that_is_short_enough_is_unchanged() -> None:
    narrative = Narrative(0, tuple(map(str, range(LINES_MAX))))
    assert narrative.shortened() == narrative.lines


def test_records_have_the_same_plot_if_and_only_if_they_share_a_batch() -> None:
    narratives = played(workload=[{"send": {"count": 2}}, "flush", "send", "flush"])
    assert narratives.plot(0) == narratives.plot(1)
    assert narratives.plot(0) != narratives.plot(2)


@pytest.mark.parametrize(
    ("words", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), ("abc", "a, b and c")]
)
def test_words_are_joined_with_commas_and_an_and(words: list[str], text: str) -> None:
    assert joined(words) == text


def test_one_is_counted_without_an_s() -> None:
    assert (counted(1, "record"), counted(1000, "record")) == ("1 record", "1,000 records")
