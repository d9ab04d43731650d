from dataclasses import replace
from itertools import chain

import pytest

from simulator.cluster.cluster import (
    NEWS_FRAMES_MAX,
    PARTITIONS_MAX,
    Cluster,
    ClusterError,
    Partition,
    Spu,
    Thing,
    Topic,
    topic_of,
)
from simulator.cluster.metadata import partition_object, topic_object
from simulator.cluster.record_set import record_set
from tests.simulator.client import batch
from wire.api.smartmodule import ElapsedTime
from wire.api.smartmodule_spec import SmartModuleMetadata, SmartModulePackage, SmartModuleSpec
from wire.api.storage import (
    Deduplication,
    DeduplicationBounds,
    DeduplicationFilter,
    SegmentCleanup,
    TopicStorage,
    Transform,
)
from wire.api.topic import (
    Assigned,
    AssignedPartition,
    Computed,
    HomeMirror,
    Mirror,
    Replicas,
    TopicSpec,
)
from wire.error_code import (
    Code,
    DeduplicationSmartModuleNameInvalid,
    ErrorCode,
    SystemSpecDeletionAttempt,
)
from wire.topic_name import SYSTEM_TOPIC

DEDUPLICATION = Deduplication(
    bounds=DeduplicationBounds(count=1, age=ElapsedTime(seconds=1, nanoseconds=0)),
    filter=DeduplicationFilter(transform=Transform(uses="some/filter@0.1.0", parameters={})),
)


def leaders(cluster: Cluster, topic: str) -> list[int]:
    return [partition.leader for partition in cluster.topics[topic].partitions]


def assigned(*partitions: tuple[int, list[int]]) -> Assigned:
    return Assigned(partitions=[AssignedPartition(id=n, replicas=spus) for n, spus in partitions])


def refusal(cluster: Cluster, name: str, spec: TopicSpec) -> ErrorCode:
    before = dict(cluster.topics)
    with pytest.raises(ClusterError) as caught:
        cluster.create_topic(name, spec)
    assert cluster.topics == before
    return caught.value.code


def text_of(name: str, spec: TopicSpec) -> str | None:
    """What the SC says of a topic that it refuses."""
    with pytest.raises(ClusterError) as caught:
        Cluster(spus=2).create_topic(name, spec)
    return caught.value.text


def test_partitions_are_spread_over_the_spus() -> None:
    cluster = Cluster(spus=3)
    cluster.create_topic("t", topic_of(7))
    assert leaders(cluster, "t") == [0, 1, 2, 0, 1, 2, 0]


def test_replicas_are_on_different_spus_with_the_leader_first() -> None:
    cluster = Cluster(spus=3)
    cluster.create_topic("t", TopicSpec(replicas=Computed(partitions=3, replication_factor=2)))
    assert [p.replicas for p in cluster.topics["t"].partitions] == [[0, 1], [1, 2], [2, 0]]


def test_an_assigned_topic_is_where_the_user_put_it() -> None:
    cluster = Cluster(spus=2)
    cluster.create_topic("t", TopicSpec(replicas=assigned((0, [5002, 5001]))))
    assert cluster.topics["t"].partitions[0].replicas == [1, 0]


def test_every_cluster_has_the_system_topic() -> None:
    spec = Cluster().topics[SYSTEM_TOPIC].spec
    assert spec.system
    assert spec.cleanup_policy == SegmentCleanup(time_in_seconds=604_800)
    assert spec.storage == TopicStorage(segment_size=512_000_000, max_partition_size=2_048_000_000)


@pytest.mark.parametrize("name", ["", "a", "0", "a-b", "x" * 63, "a--b"])
def test_a_good_name_is_taken(name: str) -> None:
    cluster = Cluster()
    cluster.create_topic(name, topic_of(1))
    assert name in cluster.topics


@pytest.mark.parametrize("name", ["-a", "a-", "A", "a_b", "a.b", "ä", "a\n"])
def test_a_bad_name_is_refused(name: str) -> None:
    assert refusal(Cluster(), name, topic_of(1)) is Code.TOPIC_INVALID_NAME
    assert text_of(name, topic_of(1)) == (
        f"Invalid topic name: '{name}'. Contain only lowercase alphanumeric characters or '-'"
    )


@pytest.mark.parametrize("name", ["x" * 64, "ä" * 32, "x" * 32_767])
def test_a_long_name_is_refused(name: str) -> None:
    assert text_of(name, topic_of(1)) == (
        f"Invalid topic name: '{name[:1000]}'. Name exceeds max characters allowed 63"
    )


def test_a_name_that_exists_is_refused() -> None:
    assert refusal(Cluster(), SYSTEM_TOPIC, topic_of(1)) is Code.TOPIC_ALREADY_EXISTS


@pytest.mark.parametrize(
    ("replicas", "text"),
    [
        (Computed(partitions=0, replication_factor=0), "partition must be greater than 0"),
        (Computed(partitions=1, replication_factor=0), "replication factor must be greater than 0"),
        (
            Computed(partitions=2**32 - 1, replication_factor=1),
            "more than 10000 partitions in this simulator",
        ),
        (assigned(), "no assigned partitions found"),
        (assigned((1, [5001])), "assigned partitions must start with id 0"),
        (assigned((0, [])), "assigned replicas must have at least one spu id"),
        (
            assigned((0, [5001]), (2, [5001])),
            "assigned partition ids must be in sequence and without gaps",
        ),
        (
            assigned((0, [5001]), (1, [5001, 5002])),
            "all assigned replicas must have the same number of spu ids: 1",
        ),
        (
            assigned((0, [5001, 5001])),
            "duplicate spu ids found in assigned partition with id: 0",
        ),
        (
            assigned((0, [5001, 5002]), (1, [-1, 5002])),
            "invalid spu id: -1 in assigned partition with id: 1",
        ),
        (assigned((0, [5001]), (1, [7777])), "invalid spu id: 7777"),
        (Mirror(config=HomeMirror(partitions=[])), "this simulator has no mirror topics"),
    ],
)
def test_replicas_that_cannot_be_are_refused(replicas: Replicas, text: str) -> None:
    spec = TopicSpec(replicas=replicas)
    assert refusal(Cluster(spus=2), "t", spec) is Code.TOPIC_ERROR
    assert text_of("t", spec) == text


def test_a_topic_with_more_replicas_than_spus_exists_without_partitions() -> None:
    cluster, found = Cluster(spus=2), []
    cluster.subscribe(lambda things, gone: found.extend(_states(cluster, things)))
    topic = cluster.create_topic(
        "t", TopicSpec(replicas=Computed(partitions=1, replication_factor=3))
    )
    assert found == ["INIT", "PENDING waiting for live spus", "INSUFFICIENT_RESOURCES"]
    assert (cluster.topics["t"], topic.partitions) == (topic, [])
    assert refusal(cluster, "t", topic_of(1)) is Code.TOPIC_ALREADY_EXISTS
    with pytest.raises(ClusterError, match="too few SPUs"):
        cluster.add_partitions("t", 1)
    cluster.delete_topic("t")
    assert "t" not in cluster.topics


def _states(cluster: Cluster, things: list[Thing]) -> list[str]:
    """The states that news is of."""
    found = []
    for thing in things:
        if isinstance(thing, Topic):
            status = topic_object(cluster, thing).status
            found.append(f"{status.resolution.name} {status.reason}".strip())
        elif isinstance(thing, Partition):
            of = partition_object(cluster, thing).status
            found.append(f"{thing.index} {of.resolution.name} {of.leader.spu} {of.size}")
    return found


def test_the_creation_of_a_topic_is_told_step_by_step() -> None:
    cluster, found = Cluster(spus=2), []
    cluster.subscribe(lambda things, gone: found.append(_states(cluster, things)))
    cluster.create_topic("t", topic_of(2))
    assert found == [
        ["INIT"],
        ["PENDING waiting for live spus"],
        ["PROVISIONED"],
        ["0 OFFLINE -1 -2", "1 OFFLINE -1 -2"],
        ["PROVISIONED"],
        ["0 ONLINE 5001 0", "1 ONLINE 5002 0"],
    ]


def test_each_type_of_thing_has_an_epoch_of_its_own() -> None:
    cluster = Cluster()
    before = dict(cluster.epochs)
    cluster.change_address(cluster.spus[0], "localhost", 1)
    cluster.move_leader(SYSTEM_TOPIC, 0, to=0)
    assert {thing: cluster.epochs[thing] - before.get(thing, 0) for thing in cluster.epochs} == {
        Topic: 0,
        Partition: 1,
        Spu: 1,
    }


@pytest.mark.parametrize(
    ("retention", "segment", "size", "fits"),
    [
        (10, None, None, True),
        (9, None, None, False),
        (None, 1024, None, True),
        (None, 1023, None, False),
        (None, 1024, 2048, True),
        (None, 1024, 2047, False),
        (None, 4096, 4095, False),
        (None, None, 2048, False),
    ],
)
def test_limits_of_a_topic_have_a_least_value(
    retention: int | None, segment: int | None, size: int | None, fits: bool
) -> None:
    spec = topic_of(1)
    spec.cleanup_policy = None if retention is None else SegmentCleanup(time_in_seconds=retention)
    spec.storage = TopicStorage(segment_size=segment, max_partition_size=size)
    if fits:
        Cluster().create_topic("t", spec)
    else:
        assert refusal(Cluster(), "t", spec) is Code.TOPIC_INVALID_CONFIGURATION


@pytest.mark.parametrize(
    ("retention", "segment", "size", "text"),
    [
        (9, 1023, None, "retention_secs 9 is less than minimum 10"),
        (None, 1023, 2047, "segment_size 1023 is less than minimum 1024"),
        (None, 4096, 2047, "max_partition_size 2047 is less than minimum 2048"),
        (None, 4096, 2048, "max_partition_size 2048 is less than segment size 4096"),
        (None, None, 2048, "max_partition_size 2048 is less than segment size 1073741824"),
    ],
)
def test_limits_are_refused_in_the_words_of_an_sc(
    retention: int | None, segment: int | None, size: int | None, text: str
) -> None:
    spec = topic_of(1)
    spec.cleanup_policy = None if retention is None else SegmentCleanup(time_in_seconds=retention)
    spec.storage = TopicStorage(segment_size=segment, max_partition_size=size)
    assert text_of("t", spec) == text


def test_deduplication_is_refused_because_no_smartmodule_is_loaded() -> None:
    spec = topic_of(1)
    spec.deduplication = DEDUPLICATION
    assert refusal(Cluster(), "t", spec) is Code.DEDUPLICATION_SMART_MODULE_NOT_LOADED
    with pytest.raises(ClusterError) as caught:
        Cluster().create_topic("t", spec)
    assert caught.value.about == "some/filter@0.1.0"
    assert caught.value.text == (
        "Deduplication SmartModule is not loaded into the cluster\n"
        "Hint: try `fluvio hub sm download some/filter@0.1.0` and repeat this operation"
    )


def test_deduplication_is_refused_where_the_smartmodule_is_stored_too() -> None:
    cluster, spec = Cluster(), topic_of(1)
    package = SmartModulePackage(name="filter", group="some")
    meta = SmartModuleMetadata(package=package)
    cluster.store_smartmodule("ignored", SmartModuleSpec(meta=meta))
    spec.deduplication = DEDUPLICATION
    with pytest.raises(ClusterError, match="runs no SmartModules") as caught:
        cluster.create_topic("t", spec)
    assert caught.value.code is Code.TOPIC_INVALID_CONFIGURATION
    assert caught.value.about is None


def test_deduplication_by_a_name_that_cannot_exist_is_refused() -> None:
    spec = topic_of(1)
    transform = Transform(uses="some/filter@one", parameters={})
    spec.deduplication = replace(DEDUPLICATION, filter=DeduplicationFilter(transform=transform))
    text = "SmartModule version`one` is not valid"
    assert refusal(Cluster(), "t", spec) == DeduplicationSmartModuleNameInvalid(text=text)


def test_a_retention_which_is_not_applied_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    spec = replace(topic_of(1), cleanup_policy=SegmentCleanup(time_in_seconds=10))
    sized = TopicStorage(segment_size=4096, max_partition_size=4096)
    cluster = Cluster()
    cluster.create_topic("sized", replace(topic_of(1), storage=sized))
    cluster.check_topic("t", spec)
    assert caplog.messages == []
    cluster.create_topic("t", spec)
    cluster.create_topic("u", spec)
    assert caplog.messages == ["topic t: records are kept in spite of its retention"]
    assert cluster.topics["u"].spec == spec


def test_the_cluster_holds_so_many_partitions_and_not_one_more() -> None:
    cluster = Cluster()
    free = PARTITIONS_MAX - sum(1 for _ in cluster.partitions())
    assert refusal(cluster, "t", topic_of(free + 1)) is Code.TOPIC_ERROR
    cluster.create_topic("t", topic_of(free))
    assert refusal(cluster, "u", topic_of(1)) is Code.TOPIC_ERROR


def test_a_deleted_topic_is_gone_with_its_records() -> None:
    cluster = Cluster()
    cluster.create_topic("t", topic_of(1))
    cluster.topics["t"].partitions[0].log.append(record_set(batch(b"a")))
    assert cluster.memory.stored > 0
    cluster.delete_topic("t")
    assert cluster.partition("t", 0) is None
    assert cluster.memory.stored == 0


def test_a_system_topic_is_deleted_with_force_only() -> None:
    cluster = Cluster()
    with pytest.raises(ClusterError) as caught:
        cluster.delete_topic(SYSTEM_TOPIC)
    assert caught.value.code == SystemSpecDeletionAttempt(kind="topic", name=SYSTEM_TOPIC)
    cluster.delete_topic(SYSTEM_TOPIC, force=True)
    assert SYSTEM_TOPIC not in cluster.topics


def test_an_unknown_topic_cannot_be_deleted() -> None:
    with pytest.raises(ClusterError, match="not found") as caught:
        Cluster().delete_topic("nope")
    assert caught.value.code is Code.TOPIC_NOT_FOUND


def test_only_the_leader_leads_and_only_while_it_is_there() -> None:
    cluster = Cluster(spus=2)
    cluster.create_topic("t", topic_of(1))
    first, second = cluster.spus
    partition = cluster.partition("t", 0)
    assert cluster.led_by(first, "t", 0) is partition
    assert cluster.led_by(second, "t", 0) is None
    cluster.set_online(first, online=False)
    assert cluster.led_by(first, "t", 0) is None
    assert cluster.led_by(first, "t", 1) is None
    assert cluster.led_by(first, "u", 0) is None


def test_a_moved_leader_takes_the_whole_log_along() -> None:
    cluster = Cluster(spus=3)
    cluster.create_topic("t", TopicSpec(replicas=Computed(partitions=1, replication_factor=2)))
    partition = cluster.topics["t"].partitions[0]
    partition.log.append(record_set(batch(b"a")))
    cluster.move_leader("t", 0, to=1)
    assert partition.replicas == [1, 0]
    cluster.move_leader("t", 0, to=2)
    assert partition.replicas == [2, 0]
    assert cluster.led_by(cluster.spus[2], "t", 0) is partition
    assert [record.value for record in partition.log] == [b"a"]


@pytest.mark.parametrize(("topic", "index", "to"), [("t", 1, 0), ("u", 0, 0), ("t", 0, 2)])
def test_a_leader_moves_between_what_exists_only(topic: str, index: int, to: int) -> None:
    cluster = Cluster(spus=2)
    cluster.create_topic("t", topic_of(1))
    with pytest.raises(ClusterError):
        cluster.move_leader(topic, index, to)


def test_subscribers_hear_of_every_change_in_order_until_they_have_enough() -> None:
    heard: list[tuple[list[str], bool]] = []

    def name(thing: Thing) -> str:
        return f"spu {thing.index}" if isinstance(thing, Spu) else thing.name

    cluster = Cluster(spus=2)
    stop = cluster.subscribe(lambda things, gone: heard.append((list(map(name, things)), gone)))
    cluster.create_topic("t", topic_of(2))
    cluster.move_leader("t", 0, to=1)
    cluster.set_online(cluster.spus[1], online=False)
    cluster.delete_topic("t")
    stop()
    cluster.create_topic("unheard", topic_of(1))
    assert heard == [
        *((["t"], False) for _ in range(3)),
        (["t-0", "t-1"], False),
        (["t"], False),
        (["t-0", "t-1"], False),
        (["t-0"], False),
        (["spu 1"], False),
        (["t-0"], False),
        (["t-1"], False),
        (["t-0", "t-1"], True),
        (["t"], True),
    ]


def test_an_spu_that_comes_back_can_store_again() -> None:
    cluster = Cluster()
    cluster.create_topic("t", topic_of(1))
    log = cluster.topics["t"].partitions[0].log
    empty = bytearray(batch(b"x"))
    empty[23:27] = b"\xff\xff\xff\xff"
    log.append(record_set(batch(b"a") + bytes(empty)))
    assert log.append(record_set(batch(b"a"))) is Code.PARTITION_SHORT_CIRCUITED
    (spu,) = cluster.spus
    cluster.set_online(spu, online=False)
    cluster.set_online(spu, online=True)
    cluster.serve(cluster.led(spu))
    assert log.append(record_set(batch(b"a"))) == (1, 1)


def test_an_spu_that_is_back_serves_nothing_before_it_is_said() -> None:
    cluster = Cluster(spus=2)
    cluster.create_topic("t", topic_of(4))
    first, _ = cluster.spus
    served = cluster.partition("t", 0)
    assert served is not None
    cluster.set_online(first, online=False)
    cluster.set_online(first, online=True)
    cluster.serve([served])
    assert [cluster.led_by(first, "t", index) is not None for index in (0, 2)] == [True, False]
    assert cluster.led_by(cluster.spus[1], "t", 1) is not None


def test_a_partition_that_is_created_or_moved_is_served_if_its_leader_is_online() -> None:
    cluster = Cluster(spus=2)
    cluster.set_online(cluster.spus[0], online=False)
    cluster.create_topic("t", topic_of(2))
    assert [partition.served for partition in cluster.topics["t"].partitions] == [False, True]
    cluster.move_leader("t", 0, to=1)
    cluster.move_leader("t", 1, to=0)
    assert [partition.served for partition in cluster.topics["t"].partitions] == [True, False]


@pytest.mark.parametrize(("partitions", "frames"), [(3, 3), (64, 64), (65, 33), (1000, 63)])
def test_the_news_of_many_partitions_come_in_so_many_frames_at_most(
    partitions: int, frames: int
) -> None:
    cluster = Cluster(spus=2)
    cluster.create_topic("t", topic_of(2 * partitions))
    heard: list[list[Thing]] = []
    cluster.subscribe(lambda things, _: heard.append(things))
    spu = cluster.spus[1]
    cluster.set_online(spu, online=False)
    assert heard[0] == [spu]
    assert [*chain.from_iterable(heard[1:])] == cluster.led(spu)
    assert len(heard) - 1 == frames <= NEWS_FRAMES_MAX


def test_spus_have_the_ids_of_a_local_cluster() -> None:
    assert [Spu(index).id for index in range(3)] == [5001, 5002, 5003]


def test_added_partitions_are_spread_on_and_told_before_their_topic() -> None:
    cluster, told = Cluster(spus=3), []
    cluster.create_topic("t", topic_of(2))
    cluster.subscribe(lambda things, gone: told.append([type(thing) for thing in things]))
    cluster.add_partitions("t", 3)
    assert leaders(cluster, "t") == [0, 1, 2, 0, 1]
    assert told == [[Partition] * 3, [Topic], [Partition] * 3]
    assert cluster.topics["t"].spec.replicas == Computed(partitions=5, replication_factor=1)


def test_partitions_are_not_added_where_they_cannot_be() -> None:
    cluster = Cluster()
    cluster.create_topic("t", topic_of(1))
    cluster.create_topic("by-hand", TopicSpec(replicas=assigned((0, [5001]))))
    for name, count, code in (
        ("unknown", 1, Code.TOPIC_NOT_FOUND),
        ("by-hand", 1, Code.TOPIC_INVALID_REPLICA_TYPE),
        ("t", PARTITIONS_MAX, Code.TOPIC_ERROR),
    ):
        with pytest.raises(ClusterError) as caught:
            cluster.add_partitions(name, count)
        assert caught.value.code is code
    assert len(cluster.topics["t"].partitions) == 1
