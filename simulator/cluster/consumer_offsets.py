"""How far consumers have read, as they said."""

from collections.abc import Iterable
from typing import NamedTuple

from simulator.storage.entries import KeptOffset, KeptOffsetDeletion
from simulator.storage.store import Store

CONSUMER_OFFSETS_BYTES_MAX = 32 * 1024 * 1024
"""The memory that all offsets may take, in bytes."""

OFFSET_OVERHEAD_BYTES = 400
"""The memory of an offset in addition to its names: Python's objects and places in tables."""


KEPT_BYTES = 80
"""About the bytes of an entry about an offset in a store."""


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
        self.store: Store | None = None
        """What keeps the offsets across restarts, if anything does."""
        self._offsets: dict[ConsumerName, ReadOffset] = {}
        self._bytes = 0

    def get(self, topic: str, partition: int, consumer_id: str) -> ReadOffset | None:
        """Return the offset of a consumer, or None."""
        return self._offsets.get(ConsumerName(topic, partition, consumer_id))

    def put(self, topic: str, partition: int, consumer_id: str, offset: int, now: float) -> bool:
        """Store the offset of a consumer; return False if there is no room for it.

        Args:
            topic: the topic.
            partition: the index of the partition.
            consumer_id: the id of the consumer.
            offset: the offset of the last record that it has read.
            now: the time, in seconds of the simulator's clock.
        """
        name = ConsumerName(topic, partition, consumer_id)
        if name not in self._offsets and self._bytes + _charge(name) > CONSUMER_OFFSETS_BYTES_MAX:
            return False
        modified_s = int(self.epoch_s + now)
        kept = KeptOffset(**name._asdict(), offset=offset, modified_s=modified_s)
        if self.store is not None and not self.store.write(
            kept, KEPT_BYTES if name in self._offsets else 0
        ):
            return False
        self.restore(name, ReadOffset(offset, modified_s))
        return True

    def delete(self, topic: str, partition: int, consumer_id: str) -> bool:
        """Forget the offset of a consumer, if there is one; return False if that is not kept."""
        name = ConsumerName(topic, partition, consumer_id)
        if name in self._offsets:
            kept = KeptOffsetDeletion(**name._asdict())
            if self.store is not None and not self.store.write(kept, 2 * KEPT_BYTES):
                return False
            self.remove(name)
        return True

    def restore(self, name: ConsumerName, read: ReadOffset) -> None:
        """Store an offset again as it was kept."""
        if name not in self._offsets:
            self._bytes += _charge(name)
        self._offsets[name] = read

    def remove(self, name: ConsumerName) -> None:
        """Forget an offset, if there is one."""
        if self._offsets.pop(name, None) is not None:
            self._bytes -= _charge(name)

    def clear(self) -> bool:
        """Forget every offset; return False if that is not kept."""
        return all(self.delete(*name) for name in tuple(self._offsets))

    def items(self) -> Iterable[tuple[ConsumerName, ReadOffset]]:
        """Return every offset, in the order in which the consumers came."""
        return self._offsets.items()


def _charge(name: ConsumerName) -> int:
    """Return the bytes that an offset is charged with."""
    return OFFSET_OVERHEAD_BYTES + 4 * (len(name.topic) + len(name.consumer_id))
