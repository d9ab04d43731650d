"""What an SC refuses to create, in its order and its words.

Source: ``fluvio-sc``, ``public_api/topic/create.rs``; ``fluvio-controlplane-metadata``,
``topic/spec.rs``. Different on purpose: mirror topics are refused, and so is deduplication by a
SmartModule that is stored, because the simulator runs none.
"""

from collections.abc import Container
from typing import NamedTuple

from simulator.cluster.smartmodules import SmartModuleKey
from simulator.cluster.topic_specs import SEGMENT_BYTES_DEFAULT
from wire.api.topic import Assigned, AssignedPartition, Computed, TopicSpec
from wire.error_code import Code, DeduplicationSmartModuleNameInvalid, ErrorCode
from wire.topic_name import check_topic_name

RETENTION_SECONDS_MIN = 10
SEGMENT_BYTES_MIN = 1024
PARTITION_BYTES_MIN = 2048
"""The least that a topic may ask for (``fluvio-types/src/defaults.rs``)."""


class TopicRefusal(NamedTuple):
    """Why a topic cannot be created."""

    code: ErrorCode
    text: str
    about: str | None = None
    """The object that the answer is about; None for the topic."""


def refusal_of_name(name: str) -> TopicRefusal | None:
    """Check the name of a topic; a real SC has nothing against the empty one."""
    try:
        if name:
            check_topic_name(name)
    except ValueError as error:
        return TopicRefusal(Code.TOPIC_INVALID_NAME, str(error))
    return None


def refusal_of_spec(
    spec: TopicSpec, spu_ids: set[int], smartmodules: Container[str]
) -> TopicRefusal | None:
    """Check everything but the name.

    Args:
        spec: the topic.
        spu_ids: the ids of the SPUs that there are.
        smartmodules: the names under which SmartModules are stored.
    """
    why = _limits(spec)
    if why is not None:
        return TopicRefusal(Code.TOPIC_INVALID_CONFIGURATION, why)
    if spec.deduplication is not None:
        return _deduplication(spec.deduplication.filter.transform.uses, smartmodules)
    why = _replicas(spec, spu_ids)
    return None if why is None else TopicRefusal(Code.TOPIC_ERROR, why)


def _deduplication(uses: str, smartmodules: Container[str]) -> TopicRefusal:
    try:
        key = SmartModuleKey.parse(uses)
    except ValueError as error:
        text = str(error)
        return TopicRefusal(DeduplicationSmartModuleNameInvalid(text=text), text, uses)
    if key.store_id in smartmodules:
        why = "this simulator runs no SmartModules, so it does not deduplicate"
        return TopicRefusal(Code.TOPIC_INVALID_CONFIGURATION, why)
    return TopicRefusal(
        Code.DEDUPLICATION_SMART_MODULE_NOT_LOADED,
        "Deduplication SmartModule is not loaded into the cluster\n"
        f"Hint: try `fluvio hub sm download {uses}` and repeat this operation",
        uses,
    )


def _limits(spec: TopicSpec) -> str | None:
    policy, storage = spec.cleanup_policy, spec.storage
    if policy is None and storage is None:
        return None
    found: list[str | None] = []
    if policy is not None:
        found.append(_below("retention_secs", policy.time_in_seconds, RETENTION_SECONDS_MIN))
    if storage is not None and storage.segment_size is not None:
        found.append(_below("segment_size", storage.segment_size, SEGMENT_BYTES_MIN))
    if storage is not None and storage.max_partition_size is not None:
        size, segment = storage.max_partition_size, storage.segment_size or SEGMENT_BYTES_DEFAULT
        found.append(_below("max_partition_size", size, PARTITION_BYTES_MIN))
        found.append(_below("max_partition_size", size, segment, "segment size"))
    return next((why for why in found if why is not None), None)


def _below(what: str, value: int, least: int, of: str = "minimum") -> str | None:
    return f"{what} {value} is less than {of} {least}" if value < least else None


def _replicas(spec: TopicSpec, spu_ids: set[int]) -> str | None:
    replicas = spec.replicas
    if isinstance(replicas, Assigned):
        return _assigned(replicas.partitions, spu_ids)
    if not isinstance(replicas, Computed):
        return "this simulator has no mirror topics"
    if not replicas.partitions:
        return "partition must be greater than 0"
    if not replicas.replication_factor:
        return "replication factor must be greater than 0"
    return None


def _assigned(partitions: list[AssignedPartition], spu_ids: set[int]) -> str | None:
    if not partitions:
        return "no assigned partitions found"
    if partitions[0].id:
        return "assigned partitions must start with id 0"
    factor = len(partitions[0].replicas)
    if not factor:
        return "assigned replicas must have at least one spu id"
    for index, partition in enumerate(partitions):
        if partition.id != index:
            return "assigned partition ids must be in sequence and without gaps"
        if len(partition.replicas) != factor:
            return f"all assigned replicas must have the same number of spu ids: {factor}"
        if len(set(partition.replicas)) != factor:
            return f"duplicate spu ids found in assigned partition with id: {index}"
        negative = next((spu for spu in partition.replicas if spu < 0), None)
        if negative is not None:
            return f"invalid spu id: {negative} in assigned partition with id: {index}"
    used = (spu for partition in partitions for spu in partition.replicas)
    unknown = next((spu for spu in used if spu not in spu_ids), None)
    return None if unknown is None else f"invalid spu id: {unknown}"
