"""The comparison: what it finds, and what it passes over."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chaos.conformance.compare import Comparison, Difference, compared, tree_differences
from chaos.conformance.fields import answer_tree, row_of_records
from chaos.conformance.may_differ import MayDiffer
from chaos.conformance.recording import RecordedEvent, Recording, What
from tests.chaos.conformance.recordings import NAMES, load, with_answer
from tests.simulator.client import batch
from wire.api import FETCH, WATCH
from wire.api.envelope import PARTITION, TOPIC, seal
from wire.api.fetch import FetchedPartition, FetchedTopic, FetchRequest, FetchResponse
from wire.api.objects import PartitionUpdate, Topics
from wire.batch import BASE_OFFSET_BYTES
from wire.codec import WireError, decode, encode
from wire.compression import Codec
from wire.connection import ClientConnection
from wire.framing import LENGTH_BYTES, RESPONSE_BYTES_MIN


def different(real: Recording, simulated: Recording) -> list[Comparison]:
    _, own = load(real.name)
    return [each for each in compared(real, simulated, own) if each.unexcused]


def only(found: list[Comparison]) -> tuple[tuple[int, int, str], list[Difference]]:
    (comparison,) = found
    place = comparison.connection, comparison.number, comparison.api
    return place, list(comparison.differences)


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_equal_to_itself_frame_by_frame(name: str) -> None:
    recording, own = load(name)
    comparisons = compared(recording, recording, own)
    assert all(each.outcome == "equal" for each in comparisons)
    answers = [event for event in recording.events if event.what is What.ANSWER]
    assert sum(each.frames for each in comparisons) == len(answers)


# --- single answers


def set_offset(answer: Any) -> Any:
    answer.topics[0].partitions[0].base_offset = 7
    return answer


def test_a_changed_field_is_found() -> None:
    recording, _ = load("produce")
    again = with_answer(recording, 2, 2, set_offset)
    place, differences = only(different(recording, again))
    assert place == (2, 2, "produce")
    path = ("topics", "0", "partitions", "0", "base_offset")
    assert differences == [Difference(path, "0", "7")]


@pytest.mark.parametrize("name", ["admin", "produce", "admin-watch"])
def test_a_change_of_any_byte_of_an_answer_is_found(name: str) -> None:
    recording, own = load(name)
    for exchange in recording.exchanges().values():
        api, version, body = exchange.api, exchange.header.api_version, exchange.answers[0]
        assert api is not None
        real = answer_tree(api, version, body, own)
        for position in range(len(body)):
            changed = bytearray(body)
            changed[position] ^= 1
            try:
                simulated = answer_tree(api, version, bytes(changed), own)
            except WireError:
                continue  # which is a difference
            decoded = decode(api.response, bytes(changed), version)
            if encode(decoded, version) == bytes(changed):  # else the byte is passed over
                assert [*tree_differences(real, simulated)], (exchange.key, position)


def test_an_answer_that_does_not_decode_is_found() -> None:
    recording, _ = load("produce")
    again = Recording(recording.name, list(recording.events))
    at = max(n for n, each in enumerate(again.events) if each.what is What.ANSWER)
    again.events[at] = replace(again.events[at], frame=again.events[at].frame[:-1])
    _, (difference,) = only(different(recording, again))
    assert difference.path == ("answer",)
    assert "ProduceResponse at version 24: ends in the middle of a field" in difference.simulated
    with pytest.raises(WireError, match="ends in the middle of a field"):
        different(again, recording)


def test_a_missing_answer_is_found() -> None:
    recording, _ = load("produce")
    again = with_answer(recording, 2, 3, lambda _: None)
    place, differences = only(different(recording, again))
    assert place == (2, 3, "produce")
    assert differences == [Difference(("answer",), "an answer", "nothing")]
    assert not different(again, recording), "the real client had gone before it could come"


def test_a_missing_request_is_a_missing_answer() -> None:
    recording, _ = load("produce")
    events = [each for each in recording.events if each.connection == 1]
    found = different(recording, Recording(recording.name, events))
    assert {(each.connection, each.number) for each in found} == {(2, 1), (2, 2), (2, 3)}


def test_one_answer_too_many_is_found() -> None:
    recording, _ = load("produce")
    at = next(n for n, e in enumerate(recording.events) if e.what is What.ANSWER and n > 0)
    events = [*recording.events[: at + 1], recording.events[at], *recording.events[at + 1 :]]
    place, differences = only(different(recording, Recording(recording.name, events)))
    assert place == (1, 1, "api-versions")
    assert differences == [Difference(("answers",), "1", "2")]


def test_an_answer_to_no_request_is_found() -> None:
    recording, _ = load("produce")
    last = next(each for each in reversed(recording.events) if each.what is What.ANSWER)
    stray = replace(last, frame=bytes.fromhex("00000063") + last.frame[4:])
    again = Recording(recording.name, [*recording.events, stray])
    place, differences = only(different(recording, again))
    assert place == (2, 0, "connection")
    assert differences == [Difference(("answers to no request",), "0", "1")]


def test_an_answer_to_what_a_real_cluster_does_not_answer_is_found() -> None:
    recording, _ = load("produce")
    real = with_answer(recording, 2, 3, lambda _: None)
    real.events[:] = [each for each in real.events if each.what is not What.CLIENT_FIN]
    again = Recording(
        recording.name, [each for each in recording.events if each.what is not What.CLIENT_FIN]
    )
    place, differences = only(different(real, again))
    assert place == (2, 3, "produce")
    assert differences == [Difference(("answer",), "nothing", "an answer")]


def test_a_connection_that_the_simulator_ends_is_found() -> None:
    recording, _ = load("produce")
    events = list(recording.events)
    fin = next(each for each in events if each.what is What.CLIENT_FIN)
    events.insert(events.index(fin), replace(fin, what=What.SERVER_RESET))
    place, differences = only(different(recording, Recording(recording.name, events)))
    assert place == (2, 0, "connection")
    assert differences == [Difference(("ended first by",), "'the client'", "'the server'")]


# --- objects of the SC


def listed(change: Callable[[Topics], None]) -> Callable[[Any], Any]:
    def changed(answer: Any) -> Any:
        content = answer.object.open(Topics, 19)
        change(content)
        answer.object = seal(TOPIC, content, 19)
        return answer

    return changed


def test_objects_of_other_topics_and_the_order_of_objects_are_passed_over() -> None:
    recording, _ = load("admin")

    def add_other(topics: Topics) -> None:
        topics.objects.insert(0, replace(topics.objects[0], name="of-another-session"))

    assert not different(recording, with_answer(recording, 1, 6, listed(add_other)))


def test_an_object_that_one_side_lacks_is_one_difference() -> None:
    recording, _ = load("admin")
    again = with_answer(recording, 1, 6, listed(lambda topics: topics.objects.clear()))
    place, differences = only(different(recording, again))
    assert place == (1, 6, "list")
    (difference,) = differences
    assert difference.path == ("Topic", "golden-admin-6158")
    assert (difference.real[:7], difference.simulated) == ("{name: ", "nothing")


# --- news


def news_of(recording: Recording, label: str) -> list[int]:
    """The positions of the news of a recording that are of one type."""
    found, asked = [], recording.exchanges()
    for n, event in enumerate(recording.events):
        if event.what is What.ANSWER:
            body = event.frame[RESPONSE_BYTES_MIN:]
            exchange = next(e for e in asked.values() if body in e.answers)
            is_news = exchange.api is WATCH and body != exchange.answers[0]
            if is_news and decode(WATCH.response, body, 19).object.label == label:
                found.append(n)
    return found


@pytest.mark.parametrize("label", [TOPIC, PARTITION])
def test_news_count_as_the_final_state_and_not_by_number(label: str) -> None:
    recording, _ = load("admin-watch")
    first, *_ = news_of(recording, label)
    without_first = [each for n, each in enumerate(recording.events) if n != first]
    assert not different(recording, Recording(recording.name, without_first))


def test_a_deletion_that_is_not_told_is_found() -> None:
    recording, _ = load("admin-watch")
    *_, last = news_of(recording, PARTITION)
    without_last = [each for n, each in enumerate(recording.events) if n != last]
    _, differences = only(different(recording, Recording(recording.name, without_last)))
    path = ("Partition", "golden-admin-watch-838091-1", "kind")
    assert differences == [Difference(path, "'DELETE'", "'UPDATE'")]


def test_news_beyond_those_of_the_recording_are_found_if_they_change_the_final_state() -> None:
    recording, _ = load("produce")
    watch = next(e for e in recording.exchanges().values() if e.api is WATCH and e.number == 3)
    update = decode(WATCH.response, watch.answers[0], 19).object.open(PartitionUpdate, 19)
    own = next(each for each in update.all if each.name == "golden-produce-325439-0")
    own.status.size = 99
    news = PartitionUpdate(epoch=update.epoch, all=update.all)
    event = next(
        each
        for each in recording.events
        if each.what is What.ANSWER and each.frame.endswith(watch.answers[0])
    )
    frame = event.frame[:RESPONSE_BYTES_MIN] + encode(
        WATCH.response(object=seal(PARTITION, news, 19)), 19
    )
    again = Recording(recording.name, [*recording.events, replace(event, frame=frame)])
    _, differences = only(different(recording, again))
    path = ("Partition", "golden-produce-325439-0", "status", "size")
    assert differences == [Difference(path, "0", "99")]


# --- records


def at_offset(offset: int, data: bytes) -> bytes:
    """A batch as it is stored at an offset."""
    return offset.to_bytes(BASE_OFFSET_BYTES, "big") + data[BASE_OFFSET_BYTES:]


def fetched(*record_sets: bytes) -> list[bytes]:
    """One answer for each record set."""
    return [
        encode(
            FetchResponse(
                topics=[
                    FetchedTopic(
                        name="a", partitions=[FetchedPartition(partition_index=0, records=records)]
                    )
                ]
            ),
            FETCH.max_version,
        )
        for records in record_sets
    ]


def test_pushes_of_a_stream_are_one_row_of_records_however_they_are_cut() -> None:
    version = FETCH.max_version
    one, two = batch(b"a"), at_offset(1, batch(b"b", b"c"))
    both = at_offset(0, batch(b"a", b"b", b"c", codec=Codec.GZIP))
    rows = [
        row_of_records(FETCH, version, fetched(*pushes))["records"]
        for pushes in ([one, two], [one + two], [one + two[:-1], two], [both])
    ]
    assert isinstance(rows[0], dict)
    assert len(rows[0]) == 3
    assert rows[1:] == rows[:1] * 3
    shorter = row_of_records(FETCH, version, fetched(one))["records"]
    assert isinstance(shorter, dict)
    missing = [each.path for each in tree_differences({"records": rows[0]}, {"records": shorter})]
    assert missing == [("records", "1"), ("records", "2")]


def test_a_stream_is_compared_as_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaos.conformance.compare.STREAMS", {FETCH.name})
    one, two = batch(b"a"), at_offset(1, batch(b"b"))
    sides = [streamed(*pushes) for pushes in ([one, two], [one + two], [one])]
    assert not different(sides[0], sides[1])
    _, differences = only(different(sides[0], sides[2]))
    assert ("records", "1") in [each.path for each in differences]


def streamed(*record_sets: bytes) -> Recording:
    """A session with one request, whose answers hold these record sets."""
    _, frame = ClientConnection().request(FETCH, FetchRequest(topics=[]), FETCH.max_version)
    request = RecordedEvent(0.0, 1, "spu0", What.REQUEST, frame[LENGTH_BYTES:])
    answers = [
        RecordedEvent(1.0, 1, "spu0", What.ANSWER, bytes.fromhex("00000001") + body)
        for body in fetched(*record_sets)
    ]
    return Recording("produce", [request, *answers])


@pytest.mark.parametrize(
    ("record_set", "field"),
    [
        (batch(b"a")[:-2] + b"b\0", "undecodable"),  # its CRC is wrong
        (batch(b"a") + batch(b"b")[:20], "cut_off_bytes"),
        (batch(b"a") + batch(b"b")[:-1], "cut_off_bytes"),
        (batch(b"b"), "value"),
        (batch(b"a", b"b"), "1"),
        (b"", "0"),
    ],
)
def test_other_records_in_a_single_answer_differ(record_set: bytes, field: str) -> None:
    real, simulated = (
        answer_tree(FETCH, FETCH.max_version, fetched(records)[0], lambda *_: True)
        for records in (batch(b"a"), record_set)
    )
    differences = [*tree_differences(real, simulated)]
    assert field in [each.path[-1] for each in differences]
    assert {"records", "cut_off_bytes"} & {each.path[4] for each in differences}


# --- the list


def test_an_entry_excuses_the_fields_below_it_and_no_others() -> None:
    recording, own = load("produce")

    def change(answer: Any) -> Any:
        answer.throttle_time_ms = 5
        return set_offset(answer)

    again = with_answer(recording, 2, 2, change)
    entry = MayDiffer(api="produce", field="topics.*.partitions", reason="a test")
    both = [entry, MayDiffer(api="produce", field="throttle_time_ms", reason="a test")]
    (found,) = [c for c in compared(recording, again, own, [entry]) if c.differences]
    assert found.outcome == "different"
    assert [each.path for each in found.unexcused] == [("throttle_time_ms",)]
    (found,) = [c for c in compared(recording, again, own, both) if c.differences]
    assert (found.outcome, found.frames) == ("excused", 1)
