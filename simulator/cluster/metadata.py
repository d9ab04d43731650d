"""The cluster's state as the SC's messages describe it."""

from functools import lru_cache
from math import inf

from simulator.cluster.cluster import Cluster, Partition, Spu, Topic
from wire.api import objects
from wire.api.partition import PartitionResolution, PartitionSpec, PartitionStatus, ReplicaStatus
from wire.api.spu import (
    CustomSpuSpec,
    Endpoint,
    Ingress,
    IngressEndpoint,
    SpuResolution,
    SpuSpec,
    SpuStatus,
    SpuType,
)
from wire.api.topic import TopicResolution, TopicStatus

PENDING_REASON = "waiting for live spus"
"""What a topic says of itself until it is provisioned."""

NOT_REPORTED = PartitionStatus(
    resolution=PartitionResolution.OFFLINE,
    leader=ReplicaStatus(spu=-1, high_watermark=-1, log_end_offset=-1),
    size=-2,
)
"""The status of a partition of which the SC has not heard from its leader."""


def topic_object(cluster: Cluster, topic: Topic) -> objects.Topic:
    """A topic with the SPU ids of its replicas."""
    waits = topic.resolution is TopicResolution.PENDING
    return objects.Topic(
        name=topic.name,
        spec=topic.spec,
        status=TopicStatus(
            resolution=topic.resolution,
            replica_map={p.index: _spu_ids(cluster, p) for p in topic.partitions},
            reason=PENDING_REASON if waits else "",
        ),
    )


def partition_object(cluster: Cluster, partition: Partition) -> objects.Partition:
    """A partition with its leader, and how far its log is.

    A real SC learns the end of a log from the SPU's reports; here it is read off the log whenever
    the object is sent, and no news is sent because of it.
    """
    spec, log, leader = partition.topic.spec, partition.log, cluster.spus[partition.leader]
    end = committed = log.end_offset
    if partition.followers:
        committed = log.high_watermark(inf)
    if not partition.reported:
        status = NOT_REPORTED
    else:
        status = PartitionStatus(
            resolution=(
                PartitionResolution.ONLINE
                if partition.served
                else PartitionResolution.LEADER_OFFLINE
            ),
            leader=ReplicaStatus(spu=leader.id, high_watermark=committed, log_end_offset=end),
            live_replicas=sum(follower.known == end for follower in partition.followers),
            replicas=[
                ReplicaStatus(
                    spu=cluster.spus[follower.spu].id,
                    high_watermark=min(committed, follower.known),
                    log_end_offset=follower.known,
                )
                for follower in partition.followers
            ],
            size=log.bytes,
        )
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
        status=status,
    )


def spu_object(_cluster: Cluster, spu: Spu) -> objects.Spu:
    """An SPU with the address that clients are told."""
    return _spu_object(spu.id, spu.host, spu.port, spu.online)


@lru_cache(maxsize=64)
def _spu_object(number: int, host: str, port: int, online: bool) -> objects.Spu:
    return objects.Spu(
        name=f"custom-spu-{number}",
        spec=SpuSpec(
            id=number,
            spu_type=SpuType.CUSTOM,
            public_endpoint=IngressEndpoint(port=port, ingress=[Ingress(hostname=host)]),
            private_endpoint=Endpoint(port=port, host=host),
        ),
        status=SpuStatus(resolution=SpuResolution.ONLINE if online else SpuResolution.OFFLINE),
    )


def custom_spu_object(cluster: Cluster, spu: Spu) -> objects.CustomSpu:
    """An SPU in a list of custom SPUs."""
    found = spu_object(cluster, spu)
    return objects.CustomSpu(
        name=found.name,
        spec=CustomSpuSpec(
            id=found.spec.id,
            public_endpoint=found.spec.public_endpoint,
            private_endpoint=found.spec.private_endpoint,
        ),
        status=found.status,
    )


def _spu_ids(cluster: Cluster, partition: Partition) -> list[int]:
    return [cluster.spus[replica].id for replica in partition.replicas]
