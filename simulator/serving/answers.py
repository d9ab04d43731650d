"""Answers that a fault gives instead of the server: a code in place of a result.

An ``error`` fault concerns one partition of a produce or fetch request. The other entries are
applied as ever, and the answer still mirrors the request entry by entry, since clients pair results
by position. An API without partitions is answered as a whole.
"""

from dataclasses import replace
from typing import Any

from wire.api.admin import CreateRequest, CreateTopic, DeleteRequest, DeleteTopic, Status
from wire.api.envelope import TOPIC
from wire.api.fetch import FetchedPartition
from wire.api.produce import PartitionResult, ProduceRequest
from wire.error_code import Code, ErrorCode, Other, PartitionFull, RequestTimedOut

PartitionName = tuple[str, int]


def code_of(name: str, request: Any, target: PartitionName | None) -> ErrorCode:
    """The error code of that name, its fields filled in from the request that it answers."""
    match name:
        case "Other":
            return Other(text="injected by a fault")
        case "RequestTimedOut":
            timeout_ms = request.timeout_ms if isinstance(request, ProduceRequest) else 0
            return RequestTimedOut(timeout_ms=timeout_ms)
        case "PartitionFull":
            topic, partition = target or ("", 0)
            return PartitionFull(topic=topic, partition=partition)
        case _:
            words = "".join("_" + c if c.isupper() else c.upper() for c in name)
            return Code[words.lstrip("_")]


def without_partition(request: Any, target: PartitionName) -> Any:
    """The same produce or fetch request less the entries of one partition."""
    topics = [
        replace(
            topic,
            partitions=[p for p in topic.partitions if (topic.name, p.partition_index) != target],
        )
        for topic in request.topics
    ]
    return replace(request, topics=topics)


def with_refused(request: Any, response: Any, target: PartitionName, code: ErrorCode) -> Any:
    """The answer to ``without_partition(request)``, with the left out entries refused.

    Args:
        request: the whole request.
        response: the answer to what remained of it.
        target: the partition that was left out.
        code: what its entries are answered.
    """
    entry = PartitionResult if isinstance(request, ProduceRequest) else FetchedPartition
    topics = []
    for asked, answered in zip(request.topics, response.topics, strict=True):
        applied = iter(answered.partitions)
        partitions = [
            entry(partition_index=p.partition_index, error_code=code)
            if (asked.name, p.partition_index) == target
            else next(applied)
            for p in asked.partitions
        ]
        topics.append(replace(answered, partitions=partitions))
    return replace(response, topics=topics)


def with_code(response: Any, target: PartitionName | None, code: ErrorCode) -> Any:
    """An answer changed to say ``code``: for one partition, or as a whole without ``target``."""
    if target is None:
        return replace(response, error_code=code)
    # A timeout means that the records are stored, so it alone comes with their offset.
    hidden = {} if isinstance(code, RequestTimedOut) else {"base_offset": 0}
    topics = []
    for topic in response.topics:
        partitions = []
        for p in topic.partitions:
            if (topic.name, p.partition_index) == target:
                fields = hidden if isinstance(p, PartitionResult) else {}
                partitions.append(replace(p, error_code=code, **fields))
            else:
                partitions.append(p)
        topics.append(replace(topic, partitions=partitions))
    return replace(response, topics=topics)


def refused_status(request: CreateRequest | DeleteRequest, version: int, code: ErrorCode) -> Status:
    """The answer to a Create or Delete that is not applied.

    Raises:
        WireError: the body of the envelope is not what its label says.
    """
    body: type[CreateTopic | DeleteTopic] = (
        CreateTopic if isinstance(request, CreateRequest) else DeleteTopic
    )
    known = request.object.label == TOPIC
    name = request.object.open(body, version).name if known else ""
    return Status(name=name, error_code=code, error_message="injected by a fault")
