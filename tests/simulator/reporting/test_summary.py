import json
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from simulator.cluster.cluster import Cluster, topic_of
from simulator.cluster.record_set import record_set
from simulator.faults.armed import FaultCount
from simulator.journal import Journal
from simulator.reporting import summary as summary_module
from simulator.reporting.summary import PartitionSummary, Summary, summarize
from tests.simulator.client import batch
from wire.batch import HEADER, BatchHeader, Record, decode_batch, encode_batch, encode_record
from wire.compression import Codec

SENTENCE = "connections: 2, frames: 9, stored records whose answer was never written: 1"


def cluster_with(*batches: bytes) -> Cluster:
    cluster = Cluster()
    cluster.create_topic("t", topic_of(1))
    cluster.topics["t"].partitions[0].log.append(record_set(b"".join(batches)))
    return cluster


def at_a_time(timestamp_ms: int, *records: bytes) -> bytes:
    return encode_batch(records, first_timestamp_ms=timestamp_ms, max_timestamp_ms=timestamp_ms)


def summary_of(cluster: Cluster) -> Summary:
    journal = Journal(lambda: 0.0, [])
    journal.connections, journal.frames, journal.unanswered_records = 2, 9, 1
    return summarize(cluster, {"lost": FaultCount(fired=3, shadowed=1)}, journal)


def test_all_records_are_stored_and_those_with_another_value_are_distinct() -> None:
    summary = summary_of(cluster_with(batch(b"a", b"b"), batch(b"a")))
    assert summary.partitions == {"t/0": PartitionSummary(stored=3, distinct=2, resent=0)}


def test_the_same_value_sent_three_times_is_stored_three_times_and_nothing_is_resent() -> None:
    ticks = [at_a_time(n, encode_record(None, b"tick", 0, 0)) for n in range(3)]
    ticked = summary_of(cluster_with(*ticks)).partitions["t/0"]
    assert ticked == PartitionSummary(stored=3, distinct=1, resent=0)
    resent = summary_of(cluster_with(*ticks, ticks[1])).partitions["t/0"]
    assert resent == PartitionSummary(stored=4, distinct=1, resent=1)


def test_the_same_value_under_another_key_is_distinct() -> None:
    keys = (None, b"", b"k", b"k" * 100, b"k" * 101)
    records = [encode_record(key, b"v", n, 0) for n, key in enumerate((*keys, *keys))]
    found = summary_of(cluster_with(at_a_time(1, *records))).partitions["t/0"]
    assert found == PartitionSummary(stored=10, distinct=5, resent=0)


def test_claimed_records_are_not_looked_for_beyond_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A million batches that claim a record and hold none took eight seconds."""
    monkeypatch.setattr(summary_module, "DISTINCT_RECORDS_MAX", 2)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(summary_module, "decode_batch", refuse)
    found = summary_of(cluster_with(batch(b"a"), batch(b"b"), batch(b"c"))).partitions["t/0"]
    assert found == PartitionSummary(stored=3, distinct=None, resent=0)


def test_a_batch_that_holds_more_than_it_claims_ends_the_counting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(summary_module, "DISTINCT_RECORDS_MAX", 3)
    modest = bytearray(batch(b"a", b"b", b"c", b"d"))
    modest[23:27] = bytes(4)
    found = summary_of(cluster_with(bytes(modest))).partitions["t/0"]
    assert found == PartitionSummary(stored=1, distinct=None, resent=0)


def test_who_is_in_a_hurry_gets_what_is_known_without_looking() -> None:
    answers = iter((False, True))
    cluster = cluster_with(batch(b"a"), batch(b"b"))
    found = summarize(cluster, {}, Journal(lambda: 0.0, []), lambda: next(answers))
    assert found.partitions["t/0"] == PartitionSummary(stored=2, distinct=None, resent=0)


def test_a_name_in_a_faults_file_moves_no_cursor() -> None:
    summary = Summary({}, {"\x1b[2Jgone": FaultCount(1, 0)}, 0, 0, 0)
    console = Console(width=80, force_terminal=False)
    with console.capture() as captured:
        console.print(*summary.renderables(), sep="\n")
    assert "\x1b" not in captured.get()
    assert "x1b[2Jgone" in captured.get()


def test_json_is_one_line_with_every_figure() -> None:
    text = summary_of(cluster_with(batch(b"a"))).to_json()
    assert "\n" not in text
    assert json.loads(text) == {
        "partitions": {"t/0": {"stored": 1, "distinct": 1, "resent": 0}},
        "faults": {"lost": {"fired": 3, "shadowed": 1}},
        "connections": 2,
        "frames": 9,
        "unanswered_records": 1,
        "not_served": {},
    }


def test_a_person_sees_tables_and_a_sentence() -> None:
    console = Console(width=80, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as captured:
        console.print(*summary_of(cluster_with(batch(b"a"))).renderables(), sep="\n")
    assert [line.split() for line in captured.get().splitlines() if line.strip()] == [
        ["partition", "stored", "distinct", "resent"],
        ["t/0", "1", "1", "0"],
        ["fault", "fired", "shadowed"],
        ["lost", "3", "1"],
        SENTENCE.split(),
    ]


@pytest.mark.parametrize("limit", ["DISTINCT_RECORDS_MAX", "DISTINCT_BYTES_MAX"])
def test_too_much_to_tell_apart_is_said_and_not_waited_for(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = batch(b"a", b"b"), batch(b"c")
    cluster = cluster_with(first, second)
    enough = 3 if limit == "DISTINCT_RECORDS_MAX" else len(first) + len(second)
    monkeypatch.setattr(summary_module, limit, enough)
    assert summary_of(cluster).partitions["t/0"].distinct == 3
    monkeypatch.setattr(summary_module, limit, enough - 1)
    assert summary_of(cluster).partitions["t/0"] == PartitionSummary(
        stored=3, distinct=None, resent=0
    )


def test_a_few_bytes_that_unpack_to_many_end_the_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[bytes] = []

    def counting(data: bytes, **options: Any) -> tuple[BatchHeader, list[Record]]:
        decoded.append(data)
        return decode_batch(data, **options)

    monkeypatch.setattr(summary_module, "decode_batch", counting)
    monkeypatch.setattr(summary_module, "DISTINCT_BYTES_MAX", 100_000)
    bombs = [batch(bytes(90_000) + b"%d" % n, codec=Codec.ZSTD) for n in range(50)]
    assert sum(map(len, bombs)) < 10_000
    assert summary_of(cluster_with(*bombs)).partitions["t/0"].distinct is None
    assert len(decoded) == 2


def test_long_values_are_told_apart_too() -> None:
    long = bytes(1000)
    summary = summary_of(cluster_with(batch(long + b"1", long + b"2", long + b"1")))
    assert summary.partitions["t/0"] == PartitionSummary(stored=3, distinct=2, resent=0)


def test_records_that_do_not_decode_are_stored_all_the_same() -> None:
    broken = bytearray(batch(b"a"))
    broken[HEADER.size :] = b"\x7f" * (len(broken) - HEADER.size)
    summary = summary_of(cluster_with(bytes(broken)))
    assert summary.partitions["t/0"] == PartitionSummary(stored=1, distinct=None, resent=0)


def test_a_table_for_a_person_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary_module, "PARTITIONS_SHOWN_MAX", 2)
    partitions = {f"t/{n}": PartitionSummary(0, 0, 0) for n in range(3)}
    logs, *rest = Summary(partitions, {}, 0, 0, 0).renderables()
    assert isinstance(logs, Table)
    assert logs.row_count == 2
    assert rest[0] == "... and 1 more; the json summary has them all"
