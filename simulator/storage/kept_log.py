"""What one log hands to the store."""

from collections.abc import Sequence

from simulator.storage.entries import KeptBatches, KeptEnd, KeptStart
from simulator.storage.store import Store
from wire.batch import BASE_OFFSET_BYTES

_NO_OFFSET = bytes(BASE_OFFSET_BYTES)


class KeptLog:
    """The log of one partition in a store.

    Args:
        store: the store.
        topic: the name of the topic.
        partition: the index of the partition.
    """

    def __init__(self, store: Store, topic: str, partition: int) -> None:
        self._store = store
        self._topic = topic
        self._partition = partition

    def append(self, base_offset: int, bodies: Sequence[bytes]) -> bool:
        """Keep batches; return whether they were written.

        Args:
            base_offset: the offset of the first record.
            bodies: each batch behind its base offset.
        """
        return self._store.write(self.batches(base_offset, bodies))

    def batches(self, base_offset: int, bodies: Sequence[bytes]) -> KeptBatches:
        """Return the entry of batches."""
        return KeptBatches(
            topic=self._topic,
            partition=self._partition,
            base_offset=base_offset,
            batches=_NO_OFFSET + _NO_OFFSET.join(bodies),
        )

    def start(self, offset: int) -> KeptStart:
        """Return the entry of a start offset."""
        return KeptStart(topic=self._topic, partition=self._partition, offset=offset)

    def evicted(self, offset: int, size: int) -> None:
        """Keep that the batches before an offset, of some bytes, are gone. If that cannot be
        written they come back after a restart, and go again."""
        self._store.write(self.start(offset), size)

    def truncated(self, offset: int, size: int) -> None:
        """Keep that the batches from an offset on, of some bytes, are gone."""
        end = KeptEnd(topic=self._topic, partition=self._partition, offset=offset)
        self._store.write(end, size)
