"""The cluster's state as the SC's messages describe it."""

from simulator.cluster.cluster import Cluster, Partition, Spu, Topic
from wire.api import objects
from wire.api.partition import PartitionResolution, PartitionSpec, PartitionStatus, ReplicaStatus
from wire.api.spu import (
    Endpoint,
    Ingress,
    IngressEndpoint,
    SpuResolution,
    SpuSpec,
    SpuStatus,
    SpuType,
)
from wire.api.topic import TopicResolution, TopicStatus


def topic_object(cluster: Cluster, topic: Topic) -> objects.Topic:
    """A topic with the SPU ids of its replicas."""
    return objects.Topic(
        name=topic.name,
        spec=topic.spec,
        status=TopicStatus(
            resolution=TopicResolution.PROVISIONED,
            replica_map={p.index: _spu_ids(cluster, p) for p in topic.partitions},
        ),
    )


def partition_object(cluster: Cluster, partition: Partition) -> objects.Partition:
    """A partition with its leader, and how far its log is.

    A real SC learns the end of a log from the SPU's reports; here it is read off the log whenever
    the object is sent, and no news is sent because of it.
    """
    spec, log, leader = partition.topic.spec, partition.log, cluster.spus[partition.leader]
    end = log.end_offset
    return objects.Partition(
        name=partition.name,
        spec=PartitionSpec(
            leader=leader.id,
            replicas=_spu_ids(cluster, partition),
            cleanup_policy=spec.cleanup_policy,
            storage=spec.storage,
            compression=spec.compression,
            system=spec.system,
        ),
        status=PartitionStatus(
            resolution=PartitionResolution.ONLINE
            if partition.served
            else PartitionResolution.LEADER_OFFLINE,
            leader=ReplicaStatus(spu=leader.id, high_watermark=end, log_end_offset=end),
            size=log.bytes,
        ),
    )


def spu_object(_cluster: Cluster, spu: Spu) -> objects.Spu:
    """An SPU with the address that clients are told."""
    return objects.Spu(
        name=f"custom-spu-{spu.id}",
        spec=SpuSpec(
            id=spu.id,
            spu_type=SpuType.CUSTOM,
            public_endpoint=IngressEndpoint(port=spu.port, ingress=[Ingress(hostname=spu.host)]),
            private_endpoint=Endpoint(port=spu.port, host=spu.host),
        ),
        status=SpuStatus(resolution=SpuResolution.ONLINE if spu.online else SpuResolution.OFFLINE),
    )


def _spu_ids(cluster: Cluster, partition: Partition) -> list[int]:
    return [cluster.spus[replica].id for replica in partition.replicas]
