"""False responses: well formed, and not about what was asked.

A client that pairs results with its batches by position must look whether they are about those
batches. All entries that the fault concerns are forged; what is left out or repeated is the last
entry of the response.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from simulator.faults.effects import Forgery, StruckEntries
from simulator.handlers.codes import concerned

FORGED_SUFFIX = "-forged"
"""What a forged topic name ends with."""


def entries_forged(offset: str) -> Callable[[Any, StruckEntries | None, Forgery], Any]:
    """Return a function that forges responses with ``topics`` that have ``partitions``.

    Args:
        offset: the field of an entry that holds an offset.
    """

    def forged(response: Any, target: StruckEntries | None, what: Forgery) -> Any:
        topics = [*response.topics]
        if what in ("missing-entry", "extra-entry"):
            last = max(n for n, topic in enumerate(topics) if topic.partitions)
            entries = topics[last].partitions
            changed = entries[:-1] if what == "missing-entry" else [*entries, entries[-1]]
            topics[last] = replace(topics[last], partitions=changed)
            return replace(response, topics=topics)
        named = {(t.name, p.partition_index) for t in topics for p in t.partitions}
        pairs = zip(topics, concerned(topics, target), strict=True)
        topics = [_topic_forged(topic, struck, what, offset, named) for topic, struck in pairs]
        return replace(response, topics=topics)

    return forged


def _topic_forged(
    topic: Any, struck: Sequence[bool], what: Forgery, offset: str, named: set[tuple[str, int]]
) -> Any:
    """Return the results of one topic, with those of some entries forged."""
    if not any(struck):
        return topic
    if what == "topic":
        return replace(topic, name=topic.name + FORGED_SUFFIX)
    other = next(n for n in count() if (topic.name, n) not in named)
    changed = {"partition_index": other} if what == "partition" else {offset: -1}
    return replace(
        topic,
        partitions=[
            replace(entry, **changed) if concerns else entry
            for entry, concerns in zip(topic.partitions, struck, strict=True)
        ],
    )
