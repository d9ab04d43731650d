"""What a request names and brings, as far as faults and events are concerned with it."""

from typing import Any

from wire.api import FETCH, PRODUCE, Api
from wire.codec.types import Buffer

WITH_PARTITIONS = (PRODUCE, FETCH)
"""The APIs whose requests have entries for partitions."""


def partitions_of(api: Api[Any, Any], request: Any) -> tuple[tuple[str, int], ...]:
    """Topic and partition of each entry of a request, in its order."""
    if api not in WITH_PARTITIONS:
        return ()
    return tuple((t.name, p.partition_index) for t in request.topics for p in t.partitions)


def carried_by(api: Api[Any, Any], request: Any) -> tuple[tuple[str, int, Buffer], ...]:
    """What a produce request brings, entry by entry; nothing of one that did not decode."""
    if api is not PRODUCE or request is None:
        return ()
    return tuple(
        (topic.name, entry.partition_index, entry.records)
        for topic in request.topics
        for entry in topic.partitions
    )
