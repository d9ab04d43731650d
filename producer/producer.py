"""The producer of one topic: what ``Fluvio.topic_producer`` gives.

``send`` does only what a record needs: the choice of a partition, and one call of its accumulator.
It reaches no checkpoint unless it has to wait for room, so that a loop of sends runs at full speed
until a queue is full; a caller that needs a checkpoint between records makes one. Everything else
is done by one task for each partition (``sender.py``) and its requests (``request.py``).
"""

import itertools
from collections.abc import Callable, Iterable, Sequence

import trio

from producer.delivery.accumulator import Pair, Text, to_bytes
from producer.delivery.partitioner import partition_of_key
from producer.errors import NotFoundError, QueueFull
from producer.output import ProduceOutput, ProduceOutputs
from producer.sender import PartitionSender, Shared
from producer.stats import Counters

QUEUE_TIMEOUT_S = 30.0
"""How long ``send`` waits for room under at-most-once; the official client's limit."""


class TopicProducer:
    """Sends records to one topic; made by ``Fluvio.topic_producer``, which also closes it.

    Any number of tasks may use it at once. An error belongs to its records: the producer stays
    usable after it, and batches behind a failed one are still sent, so that gaps are possible.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._senders: list[PartitionSender] = []
        """Of all partitions that there ever were: what was sent to one that is gone still settles.
        """
        self._count = 0
        """How many partitions there are now; their senders are the first ones."""
        self._next: Callable[[], PartitionSender]
        self._takes_turns = shared.config.partitioner is None
        self._only: PartitionSender | None = None
        """The sender of the only partition, when there is no choice to make."""
        self._all: list[int] = []
        self._available: list[int] = []
        self._refresh()
        shared.metadata.on_change.append(self._refresh)

    @property
    def topic(self) -> str:
        """The name of the topic."""
        return self._shared.topic

    @property
    def counters(self) -> Counters:
        """What was done so far, as a copy."""
        return self._shared.counters.copy()

    # --- sending

    async def send(self, key: Text | None, value: Text) -> ProduceOutput:
        """Take a record in for delivery.

        It waits only if the queue of its partition is full: up to the policy's timeout under
        at-least-once, up to 30 s under at-most-once.

        Args:
            key: decides the partition; None for no key. An empty key is a key.
            value: what the record carries. Text becomes UTF-8.

        Returns:
            The promise of the record; its ``wait`` tells where it was stored.

        Raises:
            QueueFull: there was no room in that time.
            RecordTooLargeError: the record does not fit into a request.
            ProducerClosedError: the producer is closed.
            NotFoundError: the partitioner chose a partition that there is not.
        """
        data = value if value.__class__ is bytes else to_bytes(value)
        key_data = key if key is None or key.__class__ is bytes else to_bytes(key)
        sender = self._only
        if sender is None:
            if key_data is None and self._takes_turns:
                sender = self._next()
            else:
                sender = self._sender_of(key_data, data)
        position = sender.append(key_data, data)
        if position is not None:
            return ProduceOutput(position)
        return await self._send_when_there_is_room(sender, key_data, data)

    async def send_all(self, records: Iterable[Pair]) -> Sequence[ProduceOutput]:
        """Take many records in, in order; as ``send`` of each of them, but faster.

        Args:
            records: keys and values; all are fetched before the first is sent.

        Returns:
            The promise of each record.

        Raises:
            QueueFull, RecordTooLargeError, ProducerClosedError, NotFoundError: as ``send``; the
                records before that one are sent, those behind it are not.
        """
        pairs = records if isinstance(records, list) else list(records)
        if self._only is not None:
            return await self._send_all_to_one(self._only, pairs)
        return [await self.send(key, value) for key, value in pairs]

    async def _send_all_to_one(
        self, sender: PartitionSender, pairs: list[Pair]
    ) -> Sequence[ProduceOutput]:
        """With one partition there is no choice to make: whole batches are filled at once."""
        outputs, fill = ProduceOutputs(), sender.accumulator.fill
        while (sent := len(outputs)) < len(pairs):
            taken = fill(pairs, sent)
            if taken is None:
                batch, index, timestamp = await self.send(*pairs[sent])
                taken = batch, index, 1, timestamp
            outputs.add(taken)
        return outputs

    async def _send_when_there_is_room(
        self, sender: PartitionSender, key: bytes | None, value: bytes
    ) -> ProduceOutput:
        policy = self._shared.config.delivery_semantic.policy
        limit = QUEUE_TIMEOUT_S if policy is None else policy.timeout
        with trio.move_on_after(limit):
            while True:
                await sender.room()
                position = sender.append(key, value)
                if position is not None:
                    return ProduceOutput(position)
        position = sender.append(key, value)  # there may be room that was not announced yet
        if position is not None:
            return ProduceOutput(position)
        raise QueueFull(
            f"{self.topic}/{sender.partition}: the queue stayed full for {limit:g} s; "
            "records arrive faster than they can be delivered, or nothing is delivered at all",
            seconds=limit,
        )

    # --- settling

    async def flush(self) -> None:
        """Wait until every record sent before is settled; nothing of it lingers.

        Under at-most-once, until its bytes were handed to a connection. It ends within the linger
        plus the policy's timeout for each request ahead.

        Raises:
            FlushError: records sent before were given up, and no flush before this one reported
                that. Flushes at the same time each report it; a cancelled one reports nothing, so
                that the next one will. Under at-most-once only records count that are certainly
                not stored.
        """
        through, unreported = self._flush_soon(), self._shared.unreported
        account = unreported.begin(through)
        try:
            await self._dealt_with(through)
        except BaseException:
            unreported.cancel(account)
            raise
        unreported.end(account)

    def _flush_soon(self) -> dict[int, int]:
        """Let nothing linger; returns the number of the last batch of each partition."""
        return {sender.partition: sender.flush_soon() for sender in self._senders}

    async def _dealt_with(self, through: dict[int, int]) -> None:
        """Wait until these batches and all before them are settled; at-most-once: handed over."""
        for sender in self._senders:
            await sender.dealt_with(through.get(sender.partition, 0))
        await trio.lowlevel.checkpoint()

    async def close(self) -> None:
        """Settle everything and take no more records; it may be called again.

        At-least-once flushes. At-most-once hands over what is there, sends FIN, and reads the
        answers that still come, up to ``response_timeout``. When it is cancelled, everything that
        is open is given up at once.

        Raises:
            FlushError: as ``flush``, once everything is settled.
        """
        self._stop_following()  # a partition that is added from now on would take records
        for sender in self._senders:
            sender.close()
        try:
            await self._settle_everything()
        finally:
            self.abandon()

    async def _settle_everything(self) -> None:
        await self._dealt_with(self._flush_soon())
        if any(sender.busy for sender in self._senders):  # only at-most-once is, by now
            self._shared.pool.finish(self._shared.spus)
        for sender in self._senders:
            await sender.settled()
        unreported = self._shared.unreported
        unreported.end(unreported.begin())

    def abandon(self) -> None:
        """Give up what is open, at once; for tearing down."""
        self._stop_following()
        for sender in self._senders:
            sender.abandon()

    def _stop_following(self) -> None:
        """Let the partitions be what they are now, whatever the SC says."""
        if self._refresh in self._shared.metadata.on_change:
            self._shared.metadata.on_change.remove(self._refresh)

    # --- partitions

    def _sender_of(self, key: bytes | None, value: bytes) -> PartitionSender:
        """The sender of the partition that a record belongs to."""
        partitioner = self._shared.config.partitioner
        if partitioner is None:
            assert key is not None
            return self._senders[partition_of_key(key, self._count)]
        chosen = partitioner(key, value, self._all, self._available)
        if not 0 <= chosen < self._count:
            raise NotFoundError(
                f"there is no partition {self.topic}/{chosen}; there are {self._count}"
            )
        return self._senders[chosen]

    def _refresh(self) -> None:
        """Take in what the cluster says of the topic: how many partitions, and which are online."""
        metadata, shared = self._shared.metadata, self._shared
        try:
            count = metadata.partition_count(self.topic)
        except NotFoundError:
            return  # it was deleted; what is sent to it fails, as its attempts do
        while len(self._senders) < count:
            sender = PartitionSender(shared, len(self._senders))
            self._senders.append(sender)
            shared.nursery.start_soon(sender.run)
        self._count = count
        self._only = self._senders[0] if self._takes_turns and count == 1 else None
        self._all = list(range(count))
        self._available = metadata.available(self.topic, count)
        self._next = itertools.cycle([self._senders[i] for i in self._available]).__next__
