"""Records are told apart by value, by key, or by count, and nothing that alters them goes by."""

from dataclasses import replace
from typing import Any

import pytest

from chaos.history import History
from chaos.oracle.checks import acked_is_stored, always, no_duplicates, no_phantom
from chaos.oracle.evidence import Evidence
from chaos.oracle.judge import judge
from tests.chaos.oracle.checks.playing import judged, played, said, with_logs

EMPTY: dict[str, Any] = {"count": 3, "value": "empty", "keys": 1}
EQUAL: dict[str, Any] = {"count": 3, "value": "empty"}


def sending(*faults: Any, **fields: Any) -> History:
    return played(*faults, workload=[{"send": fields}, "wait"])


@pytest.mark.parametrize("key", ["text", "unicode", "binary", "empty"])
@pytest.mark.parametrize("value", ["text", "unicode", "binary", "empty"])
def test_records_of_every_form_are_delivered_and_judged(value: str, key: str) -> None:
    lost = {"drop": {"at": "response", "nth": 1}}
    for keys in (0, 2):
        history = sending(lost, count=3, value=value, key=key, keys=keys, key_size=300)
        result = judge(history)
        assert not result.broken
        equal = value == "empty" and (not keys or key == "empty")
        assert result.verdict == ("inconclusive" if equal else "valid")
        assert (result.figures["lost"], result.figures["duplicated"]) == (0, 3)


def test_records_with_an_empty_value_are_told_apart_by_their_keys() -> None:
    history = sending(**EMPTY)
    assert [len(copies) for copies in Evidence(history).copies[:3]] == [1, 1, 1]
    gone = with_logs(history, {0: list(history.logs[0][1:])})
    assert len(said(acked_is_stored, gone)) == 1


def test_records_that_are_equal_are_counted() -> None:
    history = sending(**EQUAL)
    evidence = Evidence(history)
    assert sorted(evidence.without_id) == [0, 1, 2]
    assert evidence.stored_equal == {b"": 3}
    assert judged(acked_is_stored, history) == 4
    gone = with_logs(history, {0: list(history.logs[0][1:])})
    assert Evidence(gone).figures["lost"] == 1
    assert said(acked_is_stored, gone) == [
        "3 records without key and value were acknowledged, but 2 are stored"
    ]
    [finding] = [each for each in judge(history).findings if each.check == "no-loss"]
    assert finding.unseen == {"without-id": 3}


def test_an_expectation_names_none_of_the_records_that_are_equal() -> None:
    steps = [{"send": EQUAL}, {"send": {"count": 1}}, "wait"]
    history = played(workload=steps, always={"lost": 0})
    [found] = said_with_records(with_logs(history, {0: list(history.logs[0][1:])}))
    assert found == ("always: lost 0, but it was 1", ())
    [found] = said_with_records(with_logs(history, {0: list(history.logs[0][:3])}))
    assert found == ("always: lost 0, but it was 1", (3,))


def said_with_records(history: History) -> list[tuple[str, tuple[int, ...]]]:
    found = always.check(Evidence(history))
    return [(each.text, each.records) for each in found.violations]


def test_what_altered_bytes_may_have_reached_is_not_counted() -> None:
    history = sending({"corrupt": {"at": "request", "nth": 1}}, **EQUAL)
    assert not said(acked_is_stored, history)


def test_a_record_without_value_and_key_that_was_not_sent_is_a_phantom() -> None:
    history = sending(count=1)
    first = history.logs[0][0]
    invented = replace(first, key=None, value=b"")
    assert said(no_phantom, with_logs(history, {0: [invented, *history.logs[0][1:]]}))[0] == (
        "0@0 holds b'', which was never sent"
    )


@pytest.mark.parametrize(
    ("sent", "stored", "accused"),
    [(b"", None, True), (None, b"", False), (b"key-0", b"", True), (None, b"x", True)],
)
def test_a_key_that_was_dropped_is_another_key(
    sent: bytes | None, stored: bytes | None, accused: bool
) -> None:
    fields: dict[str, Any] = {"keys": 0 if sent is None else 1}
    history = sending(count=1, key="text" if sent else "empty", **fields)
    assert history.records[0].key == sent
    first = replace(history.logs[0][0], key=stored)
    texts = said(no_phantom, with_logs(history, {0: [first, *history.logs[0][1:]]}))
    assert texts == (["record 0 is stored at 0@0 with another key"] if accused else [])


def test_values_of_two_records_that_change_places_are_seen_by_their_keys() -> None:
    history = sending(count=2, keys=2)
    one, two, *rest = history.logs[0]
    swapped = [replace(one, value=two.value), replace(two, value=one.value), *rest]
    assert len(said(no_phantom, with_logs(history, {0: swapped}))) == 2


def test_equal_records_that_are_open_across_a_deletion_are_excused() -> None:
    steps = [{"send": EQUAL}, "delete_topic", {"sleep": "50ms"}, "create_topic", {"send": EQUAL}]
    history = played(producer={"delivery_semantic": "at-most-once"}, workload=[*steps, "flush"])
    for check in (acked_is_stored, no_duplicates):
        [finding] = [each for each in judge(history).findings if each.check == check.NAME]
        assert finding.excused["open-across-deletion"] >= 3
        assert finding.judged + sum(finding.excused.values()) <= len(history.records)
