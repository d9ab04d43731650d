"""What the SC tells, taken in: plain state, no connection."""

from typing import Any

import pytest

from producer.errors import NotFoundError
from producer.net.metadata import LABELS, Metadata, SpuEndpoint
from simulator.cluster import metadata as described
from simulator.cluster.cluster import Cluster, topic_of
from wire.api import objects
from wire.api.admin import WatchResponse
from wire.api.envelope import PARTITION, SPU, TOPIC, seal
from wire.api.objects import ChangeKind
from wire.api.spu import Endpoint as LocalEndpoint
from wire.api.spu import Ingress
from wire.codec import WireError, encode

VERSION = 19


def body(label: str, update: Any) -> bytes:
    return encode(WatchResponse(object=seal(label, update, VERSION)), VERSION)


def synced(cluster: Cluster, metadata: Metadata | None = None) -> Metadata:
    if metadata is None:
        metadata = Metadata()
        metadata.want("a-b")
    for label, update in (
        (SPU, objects.SpuUpdate(epoch=1, all=[spu_of(cluster, s) for s in cluster.spus])),
        (PARTITION, partitions_of(cluster)),
        (
            TOPIC,
            objects.TopicUpdate(
                epoch=1, all=[described.topic_object(cluster, t) for t in cluster.topics.values()]
            ),
        ),
    ):
        metadata.apply(label, body(label, update), VERSION, first=True)
    return metadata


def spu_of(cluster: Cluster, spu: Any) -> objects.Spu:
    spu.host, spu.port = f"spu{spu.index}", 9010 + spu.index
    return described.spu_object(cluster, spu)


def partitions_of(cluster: Cluster) -> objects.PartitionUpdate:
    everything = [described.partition_object(cluster, p) for p in cluster.partitions()]
    return objects.PartitionUpdate(epoch=1, all=everything)


def cluster_of(spus: int = 2, partitions: int = 3) -> Cluster:
    cluster = Cluster(spus=spus)
    cluster.create_topic("a-b", topic_of(partitions))
    return cluster


def test_leaders_and_counts_are_found() -> None:
    metadata = synced(cluster_of())
    assert metadata.synced == set(LABELS)
    assert metadata.partition_count("a-b") == 3
    assert metadata.leader("a-b", 1) == SpuEndpoint(5002, "custom-spu-5002", "spu1", 9011)


def test_what_there_is_not_is_an_error_that_names_it() -> None:
    metadata = synced(cluster_of())
    with pytest.raises(NotFoundError, match="no topic 'x'"):
        metadata.partition_count("x")
    with pytest.raises(NotFoundError, match="no topic 'x'"):
        metadata.compression("x")
    with pytest.raises(NotFoundError, match="no partition a-b/3"):
        metadata.leader("a-b", 3)
    metadata.spus.clear()
    with pytest.raises(NotFoundError, match="the leader of a-b/0, SPU 5001, is unknown"):
        metadata.leader("a-b", 0)


def test_changes_amend_and_deletes_remove() -> None:
    cluster = cluster_of()
    metadata = synced(cluster)
    cluster.move_leader("a-b", 0, 1)
    moved, gone = (
        described.partition_object(cluster, cluster.topics["a-b"].partitions[i]) for i in (0, 2)
    )
    changes = [
        objects.PartitionChange(kind=ChangeKind.UPDATE, content=moved),
        objects.PartitionChange(kind=ChangeKind.DELETE, content=gone),
    ]
    update = objects.PartitionUpdate(epoch=2, changes=changes)
    metadata.apply(PARTITION, body(PARTITION, update), VERSION, first=False)
    assert metadata.leader("a-b", 0).spu == 5002
    assert metadata.partition_count("a-b") == 2


def test_a_whole_list_replaces_what_was_known() -> None:
    metadata = synced(cluster_of(partitions=3))
    synced(cluster_of(partitions=1), metadata)
    assert metadata.partition_count("a-b") == 1


def test_an_empty_update_says_nothing_unless_it_is_the_first() -> None:
    metadata = synced(cluster_of())
    empty = body(TOPIC, objects.TopicUpdate(epoch=2))
    metadata.apply(TOPIC, empty, VERSION, first=False)
    assert "a-b" in metadata.topics
    metadata.apply(TOPIC, empty, VERSION, first=True)
    assert not metadata.topics


def test_partitions_that_are_offline_are_avoided_unless_all_are() -> None:
    cluster = cluster_of(spus=3)
    cluster.set_online(cluster.spus[1], online=False)
    assert synced(cluster).available("a-b", 3) == [0, 2]
    for spu in cluster.spus:
        cluster.set_online(spu, online=False)
    assert synced(cluster).available("a-b", 3) == [0, 1, 2]


def test_an_spu_is_reached_by_name_or_address_or_locally() -> None:
    metadata = synced(cluster_of())
    spec = metadata.spus["custom-spu-5001"].spec
    spec.public_endpoint.ingress = [Ingress(ip="10.0.0.1")]
    assert metadata.leader("a-b", 0).host == "10.0.0.1"
    spec.public_endpoint_local = LocalEndpoint(port=5, host="[::5]")
    assert metadata.leader("a-b", 0).host == "10.0.0.1"
    metadata.use_spu_local_address = True
    assert metadata.leader("a-b", 0) == SpuEndpoint(5001, "custom-spu-5001", "::5", 5)


def test_those_who_want_to_know_are_told() -> None:
    metadata, told = Metadata(), []
    metadata.want("a-b")
    metadata.on_change.append(lambda: told.append(len(metadata.partitions)))
    synced(cluster_of(), metadata)
    assert told[-1] == 3


def test_an_update_that_does_not_decode_is_an_error() -> None:
    with pytest.raises(WireError):
        Metadata().apply(TOPIC, b"\0", VERSION, first=True)


def test_what_no_producer_asked_for_is_not_kept() -> None:
    cluster = cluster_of()
    cluster.create_topic("a-b-0", topic_of(2))
    metadata = synced(cluster, Metadata())
    assert (metadata.topics, metadata.partitions) == ({}, {})
    metadata.want("a-b")
    metadata.want("a-b")
    synced(cluster, metadata)
    assert list(metadata.topics) == ["a-b"]
    assert sorted(metadata.partitions) == ["a-b-0", "a-b-1", "a-b-2"]
    metadata.unwant("a-b")
    assert metadata.knows("a-b")
    metadata.unwant("a-b")
    assert (metadata.topics, metadata.partitions) == ({}, {})


def test_spus_and_partitions_are_kept_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.net.metadata.SPUS_MAX", 2)
    monkeypatch.setattr("producer.net.metadata.PARTITIONS_MAX", 2)
    metadata = synced(cluster_of(spus=3))
    assert list(metadata.spus) == ["custom-spu-5001", "custom-spu-5002"]
    assert metadata.partition_count("a-b") == 2
    synced(cluster_of(spus=2), metadata)  # those that are known are still amended
    assert len(metadata.spus) == 2
