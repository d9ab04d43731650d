"""How far consumers have read, as they said."""

from collections.abc import Iterable
from typing import NamedTuple

CONSUMER_OFFSETS_BYTES_MAX = 32 * 1024 * 1024
"""The memory that all offsets may take, in bytes."""

OFFSET_OVERHEAD_BYTES = 400
"""The memory of an offset in addition to its names: Python's objects and places in tables."""


class ConsumerName(NamedTuple):
    """A consumer in one partition."""

    topic: str
    partition: int
    consumer_id: str


class ReadOffset(NamedTuple):
    """The offset of the last record that a consumer has read."""

    offset: int
    modified_s: int
    """When it was stored, in seconds since the epoch."""


class ConsumerOffsets:
    """The offsets of all consumers of a cluster."""

    def __init__(self) -> None:
        self.epoch_s = 0.0
        """The time of the simulator's clock at 0, in seconds since the epoch."""
        self._offsets: dict[ConsumerName, ReadOffset] = {}
        self._bytes = 0

    def get(self, topic: str, partition: int, consumer_id: str) -> ReadOffset | None:
        """Return the offset of a consumer, or None."""
        return self._offsets.get(ConsumerName(topic, partition, consumer_id))

    def put(self, topic: str, partition: int, consumer_id: str, offset: int, now: float) -> bool:
        """Store the offset of a consumer; return False if there is no memory for it.

        Args:
            topic: the topic.
            partition: the index of the partition.
            consumer_id: the id of the consumer.
            offset: the offset of the last record that it has read.
            now: the time, in seconds of the simulator's clock.
        """
        name = ConsumerName(topic, partition, consumer_id)
        if name not in self._offsets:
            if self._bytes + _charge(name) > CONSUMER_OFFSETS_BYTES_MAX:
                return False
            self._bytes += _charge(name)
        self._offsets[name] = ReadOffset(offset, int(self.epoch_s + now))
        return True

    def delete(self, topic: str, partition: int, consumer_id: str) -> None:
        """Forget the offset of a consumer, if there is one."""
        name = ConsumerName(topic, partition, consumer_id)
        if self._offsets.pop(name, None) is not None:
            self._bytes -= _charge(name)

    def clear(self) -> None:
        """Forget every offset."""
        self._offsets.clear()
        self._bytes = 0

    def items(self) -> Iterable[tuple[ConsumerName, ReadOffset]]:
        """Return every offset, in the order in which the consumers came."""
        return self._offsets.items()


def _charge(name: ConsumerName) -> int:
    """Return the bytes that an offset is charged with."""
    return OFFSET_OVERHEAD_BYTES + 4 * (len(name.topic) + len(name.consumer_id))
