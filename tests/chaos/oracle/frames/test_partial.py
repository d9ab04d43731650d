"""Requests that were read in part: which records the arrived bytes carry."""

from dataclasses import replace
from typing import Any

import pytest

from chaos.history import History
from chaos.oracle.checks import no_duplicates
from chaos.oracle.evidence import Evidence
from chaos.oracle.frames.partial import partial_transmissions
from simulator.events import FramePartlyRead, FrameRead
from tests.chaos.oracle.checks.playing import AT_MOST_ONCE, played, requests, said
from wire.api.produce import PRODUCE, PartitionRecords, ProduceRequest, TopicRecords
from wire.batch import EMPTY_BATCH_BYTES
from wire.framing import RequestHeader, request_frame

THREE = [{"send": {"count": 3}}, "wait"]


def frame_of(read: FrameRead, topic: str = "greetings") -> bytes:
    """Return the bytes of a request frame."""
    header = RequestHeader(
        api_key=PRODUCE.key,
        api_version=read.api_version,
        correlation_id=read.correlation_id,
        client_id=read.client_id,
    )
    entries = [PartitionRecords(partition_index=p, records=d) for _, p, d in read.carried]
    topics = [TopicRecords(name=topic, partitions=entries)]
    return request_frame(header, ProduceRequest(topics=topics))


def cut_after(history: History, size: int, *, instead: bool = False, **frame: Any) -> History:
    """Return the same run with a frame of its first request that was read in part."""
    read = requests(history)[0]
    data = frame_of(read, **frame)
    start = data.index(bytes(read.carried[0][2]))
    part = FramePartlyRead(
        t=9.0, connection=7, server="spu:0", size=size, api="produce", data=data[: start + size]
    )
    kept = [event for event in history.events if event is not read or not instead]
    return replace(history, events=[*kept, part])


def carried(history: History) -> set[int]:
    return {*partial_transmissions(Evidence(history))}


@pytest.mark.parametrize("instead", [False, True], ids=["sent again", "sent once"])
def test_whole_records_are_found_by_their_values(instead: bool) -> None:
    history = played(workload=THREE, producer={"linger": "1ms"})
    batch = len(bytes(requests(history)[0].carried[0][2]))
    record = (batch - EMPTY_BATCH_BYTES) // 3
    for whole in range(4):
        size = EMPTY_BATCH_BYTES + whole * record
        assert carried(cut_after(history, size, instead=instead)) == set(range(whole))


def test_a_record_in_part_is_found_if_its_batch_was_sent_again() -> None:
    history = played(workload=THREE, producer={"linger": "1ms"})
    assert carried(cut_after(history, EMPTY_BATCH_BYTES + 1)) == {0}
    assert carried(cut_after(history, EMPTY_BATCH_BYTES + 1, instead=True)) == set()


def test_compressed_records_are_found_if_their_batch_was_sent_again() -> None:
    history = played(workload=THREE, producer={"linger": "1ms", "compression": "gzip"})
    assert carried(cut_after(history, EMPTY_BATCH_BYTES + 1)) == {0, 1, 2}
    assert carried(cut_after(history, EMPTY_BATCH_BYTES)) == set()
    assert carried(cut_after(history, EMPTY_BATCH_BYTES + 20, instead=True)) == set()


def test_a_frame_cut_anywhere_before_its_records_carries_none() -> None:
    history = played(workload=THREE)
    data = frame_of(requests(history)[0])
    for size in range(len(data) - len(bytes(requests(history)[0].carried[0][2]))):
        part = FramePartlyRead(connection=7, server="spu:0", size=size, api="produce")
        part.data = data[:size]
        assert carried(replace(history, events=[*history.events, part])) == set()


def test_another_topic_is_no_concern() -> None:
    assert carried(cut_after(played(workload=THREE), 1_000_000, topic="other")) == set()


def test_a_record_sent_in_part_and_again_is_a_duplicate() -> None:
    history = played(workload=["send", "wait"], producer=AT_MOST_ONCE)
    assert said(no_duplicates, cut_after(history, 90)) == [
        "record 0 was transmitted 2 times: in part until 9.000 s on connection 7 and at 0.001 s "
        "on connection 2"
    ]
    assert said(no_duplicates, cut_after(history, 90, instead=True)) == []
