from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.cluster.cluster import Cluster, ClusterError, topic_of
from simulator.cluster.keeping import entries_of, keep, release
from simulator.cluster.log import AppendedRecords, PartitionLog
from simulator.cluster.memory import Memory
from simulator.cluster.record_set import record_set
from simulator.cluster.smartmodules import SmartModuleKey
from simulator.storage import store as store_module
from simulator.storage.entries import Entry, KeptBatches, KeptStart
from simulator.storage.store import DATA_FILE, DataError, Store
from tests.simulator.client import batch
from tests.simulator.storage.test_store import files_limited_to
from wire.api.smartmodule_spec import (
    SmartModuleMetadata,
    SmartModulePackage,
    SmartModuleSpec,
    SmartModuleWasm,
)
from wire.api.storage import SegmentCleanup, TopicCompression, TopicStorage
from wire.api.topic import Assigned, AssignedPartition
from wire.error_code import Code
from wire.topic_name import SYSTEM_TOPIC


@contextmanager
def kept(
    directory: Path, spus: int = 1, memory: Memory | None = None, retain: int | None = None
) -> Iterator[Cluster]:
    """A cluster that keeps its state in a directory, for as long as the block lasts."""
    cluster = Cluster(spus, memory, retain_bytes=retain)
    keep(cluster, Store(directory))
    try:
        yield cluster
    finally:
        release(cluster)


def log_of(cluster: Cluster, topic: str = "t", index: int = 0) -> PartitionLog:
    partition = cluster.partition(topic, index)
    assert partition is not None
    return partition.log


def append(log: PartitionLog, *values: bytes) -> object:
    appended = log.append(record_set(b"".join(batch(value) for value in values)))
    log.evict(0.0)
    return appended


def stored(log: PartitionLog) -> list[tuple[int, bytes]]:
    return [(record.offset, record.value) for record in log]


def state(cluster: Cluster) -> list[Entry]:
    """Everything that outlives a cluster, but for how its batches are cut into entries."""
    return [each for each in entries_of(cluster) if not isinstance(each, KeptBatches)] + [
        KeptBatches(
            topic=p.topic.name, partition=p.index, base_offset=b.base_offset, batches=b.data
        )
        for p in cluster.partitions()
        for b in p.log.batches
    ]


def module(code: bytes, package: SmartModulePackage | None = None) -> SmartModuleSpec:
    meta = None if package is None else SmartModuleMetadata(package=package)
    return SmartModuleSpec(meta=meta, wasm=SmartModuleWasm(payload=code))


def test_a_new_directory_gives_a_new_cluster(tmp_path: Path) -> None:
    with kept(tmp_path) as cluster:
        assert list(cluster.topics) == [SYSTEM_TOPIC]


def test_topics_with_all_options_and_their_logs_come_back(tmp_path: Path) -> None:
    spec = replace(
        topic_of(2, compression=TopicCompression.NONE),
        storage=TopicStorage(segment_size=4096, max_partition_size=8192),
        cleanup_policy=SegmentCleanup(time_in_seconds=3600),
    )
    with kept(tmp_path) as cluster:
        cluster.create_topic("t", spec)
        cluster.create_topic("gone", topic_of(1))
        append(log_of(cluster), b"a", b"b")
        append(log_of(cluster, index=1), b"c")
        append(log_of(cluster), b"a")
        append(log_of(cluster, "gone"), b"d")
        append(log_of(cluster, SYSTEM_TOPIC), b"e")
        cluster.add_partitions("t", 2)
        append(log_of(cluster, index=3), b"f")
        cluster.delete_topic("gone")
        before, grown = state(cluster), cluster.topics["t"].spec
    with kept(tmp_path) as cluster:
        assert state(cluster) == before
        assert cluster.topics["t"].spec == grown
        log = log_of(cluster)
        assert stored(log) == [(0, b"a"), (1, b"b"), (2, b"a")]
        assert log.resent == 1
        assert log.high_watermark(0.0) == 3
        assert append(log, b"b") == AppendedRecords(3, 1)
        assert log.resent == 2
        assert stored(log_of(cluster, SYSTEM_TOPIC)) == [(0, b"e")]


def test_a_topic_that_comes_again_has_the_records_of_its_last_life(tmp_path: Path) -> None:
    with kept(tmp_path) as cluster:
        for value in (b"first", b"second"):
            cluster.create_topic("t", topic_of(1))
            append(log_of(cluster), value)
            if value == b"first":
                cluster.delete_topic("t")
    with kept(tmp_path) as cluster:
        assert stored(log_of(cluster)) == [(0, b"second")]


def test_smartmodules_and_consumer_offsets_come_back(tmp_path: Path) -> None:
    with kept(tmp_path) as cluster:
        cluster.store_smartmodule("plain", module(b"old"))
        cluster.store_smartmodule("plain", module(b"new"))
        package = SmartModulePackage(name="filter", group="acme", version="0.1.0")
        cluster.store_smartmodule("", module(b"packed", package))
        cluster.store_smartmodule("gone", module(b"gone"))
        assert cluster.delete_smartmodule(SmartModuleKey("gone"))
        offsets = cluster.consumer_offsets
        offsets.epoch_s = 1_700_000_000.0
        assert all(offsets.put("t", n, "c", 5 + n, 1.0) for n in range(2))
        assert offsets.put("t", 0, "c", 9, 2.0)
        assert offsets.delete("t", 1, "c")
        before, memory = state(cluster), cluster.memory.stored
    with kept(tmp_path) as cluster:
        assert state(cluster) == before
        assert cluster.memory.stored == memory
        assert list(cluster.smartmodules) == ["plain", "filter-acme-0.1.0"]
        found = cluster.consumer_offsets.get("t", 0, "c")
        assert found == (9, 1_700_000_002)
        assert cluster.consumer_offsets.get("t", 1, "c") is None


def test_a_deleted_system_topic_is_there_again(tmp_path: Path) -> None:
    with kept(tmp_path) as cluster:
        append(log_of(cluster, SYSTEM_TOPIC), b"x")
        cluster.delete_topic(SYSTEM_TOPIC, force=True)
    for _ in range(2):
        with kept(tmp_path) as cluster:
            assert stored(log_of(cluster, SYSTEM_TOPIC)) == []


def test_what_was_cleared_stays_so(tmp_path: Path) -> None:
    with kept(tmp_path) as cluster:
        cluster.create_topic("t", topic_of(1))
        append(log_of(cluster), b"a")
        cluster.store_smartmodule("m", module(b"code"))
        cluster.consumer_offsets.put("t", 0, "c", 1, 0.0)
        cluster.clear()
        cluster.create_topic("t", topic_of(1))
        before = state(cluster)
    with kept(tmp_path) as cluster:
        assert state(cluster) == before
        assert log_of(cluster).end_offset == 0


def test_what_was_truncated_stays_so(tmp_path: Path) -> None:
    with kept(tmp_path) as cluster:
        cluster.create_topic("t", topic_of(1))
        append(log_of(cluster), b"a", b"b", b"c")
        log_of(cluster).truncate(1)
    with kept(tmp_path) as cluster:
        assert stored(log_of(cluster)) == [(0, b"a")]
        append(log_of(cluster), b"d")
    with kept(tmp_path) as cluster:
        assert stored(log_of(cluster)) == [(0, b"a"), (1, b"d")]


def test_the_start_offset_never_moves_back(tmp_path: Path) -> None:
    size = len(batch(b"0"))
    with kept(tmp_path, retain=4 * size) as cluster:
        cluster.create_topic("t", topic_of(1))
        for n in range(9):
            append(log_of(cluster), b"%d" % n)
        start = log_of(cluster).start_offset
        assert start > 4
    with kept(tmp_path) as cluster:
        assert log_of(cluster).start_offset == start
        assert stored(log_of(cluster)) == [(n, b"%d" % n) for n in range(start, 9)]
    with kept(tmp_path, retain=size) as cluster:
        assert stored(log_of(cluster)) == [(8, b"8")]


OPERATIONS: list[Callable[[Cluster, Random], object]] = [
    lambda cluster, random: cluster.create_topic(random.choice("tu"), topic_of(2)),
    lambda cluster, random: cluster.delete_topic(random.choice("tu")),
    lambda cluster, random: cluster.add_partitions(random.choice("tu"), 1),
    *[
        lambda cluster, random: append(
            log_of(cluster, random.choice([*cluster.topics]), 0),
            *(random.randbytes(random.randrange(40)) for _ in range(random.randrange(1, 4))),
        )
    ]
    * 4,
    lambda cluster, random: cluster.store_smartmodule(random.choice("ab"), module(b"code")),
    lambda cluster, random: cluster.delete_smartmodule(SmartModuleKey(random.choice("ab"))),
    lambda cluster, random: cluster.consumer_offsets.put("t", 0, random.choice("cd"), 3, 0.0),
    lambda cluster, random: cluster.consumer_offsets.delete("t", 0, random.choice("cd")),
]


@given(st.randoms(use_true_random=False), st.booleans())
def test_whatever_happens_the_state_comes_back(random: Random, rewritten: bool) -> None:
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        if rewritten:
            patch.setattr(store_module, "GONE_BYTES_MIN", 100)
        before = None
        for _ in range(4):
            with kept(Path(directory), retain=random.choice([None, 700])) as cluster:
                after = state(cluster)
                assert before is None or cluster.retain_bytes or after == before
                for _ in range(random.randrange(20)):
                    with suppress(ClusterError):  # there is no such topic, or there is one
                        random.choice(OPERATIONS)(cluster, random)
                before = state(cluster)


def test_the_file_holds_no_more_than_the_state_and_as_much_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "GONE_BYTES_MIN", 2_000)
    with kept(tmp_path, retain=1_000) as cluster:
        cluster.create_topic("t", topic_of(1))
        for n in range(500):
            append(log_of(cluster), b"%d" % n)
            cluster.store_smartmodule("m", module(b"code"))
            cluster.consumer_offsets.put("t", 0, "c", n, 0.0)
            cluster.consumer_offsets.put("t", 0, "d", n, 0.0)
            cluster.consumer_offsets.delete("t", 0, "d")
            cluster.create_topic("u", topic_of(1))
            append(log_of(cluster, "u"), b"%d" % n)
            cluster.delete_topic("u")
            assert (tmp_path / DATA_FILE).stat().st_size < 10_000
        before = state(cluster)
        assert KeptStart(topic="t", partition=0, offset=log_of(cluster).start_offset) in before
    with kept(tmp_path) as cluster:
        assert state(cluster) == before


def test_restarts_do_not_make_the_file_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "GONE_BYTES_MIN", 2_000)
    before: list[Entry] = []
    for life in range(50):
        with kept(tmp_path, retain=1_000) as cluster:
            if life == 0:
                cluster.create_topic("t", topic_of(1))
            for n in range(10):  # less than what makes one life rewrite the file
                append(log_of(cluster), b"%d" % n)
            before = state(cluster)
        assert (tmp_path / DATA_FILE).stat().st_size < 10_000
    with kept(tmp_path) as cluster:
        assert state(cluster) == before


def test_a_full_disk_refuses_every_change_and_nothing_is_changed(tmp_path: Path) -> None:
    with kept(tmp_path) as cluster:
        cluster.create_topic("t", topic_of(1))
        cluster.store_smartmodule("m", module(b"code"))
        cluster.consumer_offsets.put("t", 0, "c", 1, 0.0)
        append(log_of(cluster), b"a")
        before, memory = state(cluster), cluster.memory.stored
        with files_limited_to((tmp_path / DATA_FILE).stat().st_size):
            assert append(log_of(cluster), b"b") is Code.STORAGE_ERROR
            for change in (
                lambda: cluster.create_topic("u", topic_of(1)),
                lambda: cluster.delete_topic("t"),
                lambda: cluster.add_partitions("t", 1),
                lambda: cluster.store_smartmodule("m", module(b"other")),
                lambda: cluster.delete_smartmodule(SmartModuleKey("m")),
            ):
                with pytest.raises(ClusterError, match="directory of this simulator cannot be"):
                    change()
            assert not cluster.consumer_offsets.put("t", 0, "c", 2, 0.0)
            assert not cluster.consumer_offsets.delete("t", 0, "c")
        assert state(cluster) == before
        assert cluster.memory.stored == memory
        assert append(log_of(cluster), b"b") == AppendedRecords(1, 1)


def test_more_spus_are_used_and_fewer_than_a_topic_needs_are_refused(tmp_path: Path) -> None:
    with kept(tmp_path, spus=3) as cluster:
        cluster.create_topic("spread", topic_of(3))
        for index in range(3):
            append(log_of(cluster, "spread", index), b"%d" % index)
    with kept(tmp_path, spus=1) as cluster:
        assert [stored(p.log) for p in cluster.topics["spread"].partitions] == [
            [(0, b"0")],
            [(0, b"1")],
            [(0, b"2")],
        ]
        cluster.create_topic("waits", topic_of(1, replicas=2))
    with kept(tmp_path, spus=4) as cluster:
        assert [p.leader for p in cluster.topics["spread"].partitions] == [0, 1, 2]
        assert len(cluster.topics["waits"].partitions) == 1
        replicas = Assigned(partitions=[AssignedPartition(id=0, replicas=[5004])])
        cluster.create_topic("there", replace(topic_of(1), replicas=replicas))
        cluster.create_topic("twice", topic_of(1, replicas=2))
    for spus, topic, needed in ((3, "there", 4), (1, "there", 4)):
        why = f"topic {topic} needs {needed} SPUs; start the simulator with --spus {needed} or more"
        with pytest.raises(DataError, match=why), kept(tmp_path, spus=spus):
            pass


@pytest.mark.parametrize("what", ["batches", "smartmodule"])
def test_data_that_does_not_fit_into_the_memory_is_refused(tmp_path: Path, what: str) -> None:
    with kept(tmp_path) as cluster:
        cluster.create_topic("t", topic_of(1))
        if what == "batches":
            append(log_of(cluster), bytes(1_000_000))
        else:
            cluster.store_smartmodule("m", module(bytes(1_000_000)))
    with (
        pytest.raises(DataError, match="needs more than the 1048576 bytes of memory"),
        kept(tmp_path, memory=Memory(1024 * 1024)),
    ):
        pass
    with kept(tmp_path):  # it was not left locked
        pass


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (KeptStart(topic="u", partition=0, offset=1), "there is no partition u/0"),
        (
            KeptBatches(topic="t", partition=0, base_offset=1, batches=batch(b"x")),
            "batches at offset 1 behind offset 0",
        ),
    ],
)
def test_entries_that_contradict_each_other_are_refused(
    tmp_path: Path, entry: Entry, why: str
) -> None:
    with kept(tmp_path) as cluster:
        cluster.create_topic("t", topic_of(1))
        assert cluster.store is not None
        cluster.store.write(entry)
    with pytest.raises(DataError, match=rf"damaged: .*\({why}\)"), kept(tmp_path):
        pass
