import json

import pytest
from rich.console import Console

from simulator import summary as summary_module
from simulator.cluster.cluster import Cluster, topic_of
from simulator.cluster.record_set import record_set
from simulator.events import Journal
from simulator.faults.plan import FaultCount
from simulator.summary import PartitionSummary, Summary, summarize
from tests.simulator.client import batch
from wire.batch import HEADER, decode_values
from wire.compression import Codec

SENTENCE = "connections: 2, frames: 9, stored records whose answer was never written: 1"


def cluster_with(*batches: bytes) -> Cluster:
    cluster = Cluster()
    cluster.create_topic("t", topic_of(1))
    cluster.topics["t"].partitions[0].log.append(record_set(b"".join(batches)))
    return cluster


def summary_of(cluster: Cluster) -> Summary:
    journal = Journal(lambda: 0.0, [])
    journal.connections, journal.frames, journal.unanswered_records = 2, 9, 1
    return summarize(cluster, {"lost": FaultCount(fired=3, shadowed=1)}, journal)


def test_records_are_distinct_values_and_copies_are_all() -> None:
    summary = summary_of(cluster_with(batch(b"a", b"b"), batch(b"a")))
    assert summary.partitions == {"t/0": PartitionSummary(records=2, copies=3)}


def test_json_is_one_line_with_every_figure() -> None:
    text = summary_of(cluster_with(batch(b"a"))).to_json()
    assert "\n" not in text
    assert json.loads(text) == {
        "partitions": {"t/0": {"records": 1, "copies": 1}},
        "faults": {"lost": {"fired": 3, "shadowed": 1}},
        "connections": 2,
        "frames": 9,
        "unanswered_records": 1,
    }


def test_a_person_sees_tables_and_a_sentence() -> None:
    console = Console(width=80, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as captured:
        console.print(*summary_of(cluster_with(batch(b"a"))).renderables(), sep="\n")
    assert [line.split() for line in captured.get().splitlines() if line.strip()] == [
        ["partition", "records", "copies"],
        ["t/0", "1", "1"],
        ["fault", "fired", "shadowed"],
        ["lost", "3", "1"],
        SENTENCE.split(),
    ]


@pytest.mark.parametrize("limit", ["DISTINCT_RECORDS_MAX", "DISTINCT_BYTES_MAX"])
def test_too_much_to_tell_apart_is_said_and_not_waited_for(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = cluster_with(batch(b"a", b"b"), batch(b"c"))
    monkeypatch.setattr(summary_module, limit, 3)
    assert summary_of(cluster).partitions["t/0"].records == 3
    monkeypatch.setattr(summary_module, limit, 2)
    assert summary_of(cluster).partitions["t/0"] == PartitionSummary(records=None, copies=3)


def test_a_few_bytes_that_unpack_to_many_end_the_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[bytes] = []

    def counting(data: bytes, *, check_crc: bool) -> list[bytes]:
        decoded.append(data)
        return decode_values(data, check_crc=check_crc)

    monkeypatch.setattr(summary_module, "decode_values", counting)
    monkeypatch.setattr(summary_module, "DISTINCT_BYTES_MAX", 100_000)
    bombs = [batch(bytes(90_000) + b"%d" % n, codec=Codec.ZSTD) for n in range(50)]
    assert sum(map(len, bombs)) < 10_000
    assert summary_of(cluster_with(*bombs)).partitions["t/0"].records is None
    assert len(decoded) == 2


def test_long_values_are_told_apart_too() -> None:
    long = bytes(1000)
    summary = summary_of(cluster_with(batch(long + b"1", long + b"2", long + b"1")))
    assert summary.partitions["t/0"] == PartitionSummary(records=2, copies=3)


def test_records_that_do_not_decode_are_copies_all_the_same() -> None:
    broken = bytearray(batch(b"a"))
    broken[HEADER.size :] = b"\x7f" * (len(broken) - HEADER.size)
    summary = summary_of(cluster_with(bytes(broken)))
    assert summary.partitions["t/0"] == PartitionSummary(records=None, copies=1)
