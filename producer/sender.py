"""The task of one partition: takes batches, in order, and has them delivered.

At-least-once has one request in flight, so that order is kept: the next one is taken when the last
is settled. At-most-once takes the next as soon as the bytes of the last were handed over; a task
for each request in flight then waits for its answer.

Three things are waited for, each by an event of its own. The task sleeps until there is something
to take (``_wake``). Who flushes or closes sleeps until something was settled (``_moved``). And a
``send`` that found the queue full sleeps until there may be room (``_room``). The naive way says so
as soon as batches were taken. Then the ``send`` and the connection that is to write these
batches wake in the same tick, and as often as not the one that fills the queue again comes first:
the socket idles for as long as that takes, more than a millisecond for each request, a quarter of
the throughput with records of 1 KiB. So room is announced when the first byte of the request leaves
(the queue is then filled while the SPU reads), when an attempt failed, and before this task goes to
sleep. What is never announced in time costs nothing but time: a ``send`` whose patience ends looks
once more.

A batch is either in the accumulator, or in a request of ``_active``, or settled; nothing is between
these at any checkpoint. So ``abandon`` can settle everything at once, whatever any task is doing.
"""

import math

import trio

from producer.config import Isolation
from producer.delivery.accumulator import Accumulator
from producer.delivery.batch import Batch
from producer.delivery.delivery import AtLeastOnce, AtMostOnce, Delivery
from producer.request import Request, Shared
from producer.signal import Signal

__all__ = ["PartitionSender", "Shared"]

IN_FLIGHT_MAX = 1000
"""Unanswered requests of one partition under at-most-once. Each costs a task and a few kilobytes; a
server that takes so many without an answer is not going to answer."""


class PartitionSender:
    """Sends the records of one partition.

    Args:
        shared: what it shares with the other partitions.
        partition: the index of the partition.
    """

    def __init__(self, shared: Shared, partition: int) -> None:
        self._shared = shared
        self._config = shared.config
        self._retries = shared.config.delivery_semantic.retries
        self._read_committed = shared.config.isolation is Isolation.READ_COMMITTED
        self.partition = partition
        self._wake = Signal()
        self._moved = Signal()
        self._room = Signal()
        self.accumulator = Accumulator(
            shared.topic,
            partition,
            shared.limits,
            shared.now_ns,
            trio.current_time,
            self._wake.send,
        )
        self.append = self.accumulator.append
        """The accumulator's method, at hand for each record."""
        self._scope = trio.CancelScope()
        self._answers: trio.Nursery
        """At-most-once: for the tasks that await answers, each of which holds ``_in_flight``."""
        self._in_flight: trio.Semaphore
        self._dealt_with = 0
        self._closing = False
        self._abandoned = False
        self._active: list[Request] = []

    # --- what the producer asks of it

    async def room(self) -> None:
        """Wait until there may be room, or the producer was closed."""
        await self._room.wait()

    def flush_soon(self) -> int:
        """Let nothing that is there linger; returns the number of the last batch."""
        self.accumulator.close_batch()
        self._wake.send()
        return self.accumulator.last_number

    async def dealt_with(self, number: int) -> None:
        """Wait until a batch and all before it are settled; at-most-once: are handed over."""
        while self._dealt_with < number and not self._abandoned:
            await self._moved.wait()

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self._active)

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        while self._active and not self._abandoned:
            await self._moved.wait()

    def close(self) -> None:
        """Take no more records; those that are there are still sent."""
        self.accumulator.close()
        self._closing = True
        self._wake.send()
        self._room.send()  # a waiter learns at once that there will be none

    def abandon(self) -> None:
        """Settle everything at once; what is under way is given up."""
        if self._abandoned:
            return
        self.close()
        self._abandoned = True
        for request in tuple(self._active):
            request.abandon()
        while batches := self.accumulator.take():
            machine = AtMostOnce([math.inf] * len(batches), read_committed=False)
            self._begin(machine, batches).abandon()
        self._scope.cancel()
        self._moved.send()

    # --- the task

    async def run(self) -> None:
        """Send until the producer is closed and nothing is left."""
        with self._scope:
            if self._retries:
                while await self._ready():
                    await self._deliver(self.accumulator.take())
            else:
                self._in_flight = trio.Semaphore(IN_FLIGHT_MAX, max_value=IN_FLIGHT_MAX)
                async with trio.open_nursery() as self._answers:
                    while await self._ready():
                        await self._deliver_once(self.accumulator.take())

    async def _ready(self) -> bool:
        """Wait until batches can be taken; False if none will come any more."""
        accumulator = self.accumulator
        while True:
            since, now = accumulator.open_since, trio.current_time()
            due = math.inf if since is None else since + self._config.linger
            if due <= now:
                accumulator.close_batch()
            if accumulator.has_full:
                return True
            if self._closing:
                return False
            self._room.send()  # a request may have ended without an attempt
            if due == math.inf:
                await self._wake.wait()
            else:
                with trio.move_on_at(due):
                    await self._wake.wait()

    # --- delivering

    async def _deliver(self, batches: list[Batch]) -> None:
        """At-least-once: until every batch is settled."""
        policy = self._config.delivery_semantic.policy
        assert policy is not None
        machine = AtLeastOnce(
            policy,
            self._shared.attempt_timeout_s,
            len(batches),
            read_committed=self._read_committed,
        )
        await self._begin(machine, batches).drive()
        self._deal_with(batches)

    async def _deliver_once(self, batches: list[Batch]) -> None:
        """At-most-once: until the bytes were handed over, or will not be."""
        life = self._config.linger + self._config.response_timeout
        machine = AtMostOnce(
            [batch.created + life for batch in batches], read_committed=self._read_committed
        )
        request = self._begin(machine, batches)
        await self._in_flight.acquire()
        try:
            if self._abandoned:
                return
            await request.drive()
        finally:
            if not request.handed_over:
                self._in_flight.release()
        if request.handed_over:
            self._answers.start_soon(self._await_answer, request)
        self._deal_with(batches)

    async def _await_answer(self, request: Request) -> None:
        try:
            await request.await_answer()
        finally:
            self._in_flight.release()

    def _begin(self, machine: Delivery, batches: list[Batch]) -> Request:
        shared, partition = self._shared, self.partition
        request = Request(
            shared, partition, machine, batches, self._room.send, self._settled, self._done
        )
        self._active.append(request)
        return request

    def _settled(self, batch: Batch) -> None:
        """A batch is settled. At-most-once settles the batches of a request in order if it cannot
        hand them over: a flush does not wait for later ones that share the request."""
        if not self._retries and batch.number > self._dealt_with:
            self._dealt_with = batch.number
            self._moved.send()

    def _done(self, request: Request) -> None:
        self._active.remove(request)
        self._moved.send()

    def _deal_with(self, batches: list[Batch]) -> None:
        self._dealt_with = max(self._dealt_with, batches[-1].number)
        self._moved.send()
