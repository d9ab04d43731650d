"""The task of one partition: takes batches, drives their delivery, settles them.

At-least-once has one request in flight, so that order is kept: the next one is taken when the
machine of ``delivery.py`` says that the last is done. At-most-once takes the next as soon as the
bytes of the last were handed over; a task for each request in flight then waits for its answer.

Everything that happens between two checkpoints here is consistent: a batch is either in the
accumulator, or in ``_active`` with its machine, or settled. So ``abandon`` can settle everything
at once, at any checkpoint of any task, and the tasks find out when they wake.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import trio

from producer.accumulator import Accumulator, Limits
from producer.config import TopicProducerConfig
from producer.connection import Call, Connection
from producer.counters import Counters, Tally
from producer.delivery import (
    Answered,
    AtLeastOnce,
    AtMostOnce,
    Attempt,
    Begun,
    Delivery,
    Done,
    Elapsed,
    Event,
    Failed,
    Pause,
    Started,
    Step,
    Stopped,
)
from producer.errors import (
    ConnectError,
    ConnectionLostError,
    FluvioError,
    NotFoundError,
    OverdueError,
    Persisted,
)
from producer.metadata import Endpoint, Metadata
from producer.output import Accepted, Batch, DeliveryReport, Failure
from producer.pool import Pool
from wire.api import PRODUCE
from wire.api.produce import PartitionRecords, PartitionResult, ProduceRequest, TopicRecords
from wire.codec import WireError, decode
from wire.error_code import Code

IN_FLIGHT_MAX = 1000
"""Unanswered requests of one partition under at-most-once. Each costs a task and a few kilobytes; a
server that takes so many without an answer is not going to answer."""

COMMIT_SHARE = 0.9
"""The part of an attempt that its entries may wait for their commits, so that the answer to an
overdue commit arrives before the attempt itself is overdue."""

logger = logging.getLogger("producer")


@dataclass(slots=True)
class Shared:
    """What the partitions of one producer share."""

    topic: str
    config: TopicProducerConfig
    limits: Limits
    metadata: Metadata
    pool: Pool
    nursery: trio.Nursery
    """For the tasks of partitions."""
    now_ns: Callable[[], int]
    counters: Counters
    tallies: list[Tally]
    """The first one counts what no flush under way covers."""
    endpoints: dict[Endpoint, None]
    """The SPUs that were sent to, in a fixed order, which a set would not have."""


@dataclass(slots=True)
class _Request:
    """One request in delivery."""

    machine: Delivery
    batches: list[Batch]
    taken_at: float
    begun_at: float = 0.0
    connection: Connection | None = None
    call: Call | None = None
    handed_over: bool = False
    """At-most-once: the sender went on to the next request."""


class PartitionSender:
    """Sends the records of one partition.

    Args:
        shared: what it shares with the other partitions.
        partition: the index of the partition.
    """

    def __init__(self, shared: Shared, partition: int) -> None:
        self._shared = shared
        self._config = shared.config
        self.partition = partition
        self.accumulator = Accumulator(
            shared.topic,
            partition,
            shared.limits,
            shared.now_ns,
            trio.current_time,
            self._wake_up,
        )
        self.append = self.accumulator.append
        """The accumulator's method, at hand for each record."""
        self._wake = trio.Event()
        self._moved = trio.Event()
        self._scope = trio.CancelScope()
        self._answers: trio.Nursery | None = None
        self._dealt_with = 0
        self._closing = False
        self._abandoned = False
        self._active: list[_Request] = []
        self._in_flight = trio.Semaphore(IN_FLIGHT_MAX)

    # --- what the producer asks of it

    async def moved(self) -> None:
        """Wait until there may be room, or something was settled."""
        await self._moved.wait()

    def flush_soon(self) -> int:
        """Let nothing that is there linger; returns the number of the last batch."""
        self.accumulator.close_batch()
        self._wake.set()
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
        self._wake.set()
        self._announce()

    def abandon(self) -> None:
        """Settle everything at once; what is under way is given up."""
        if self._abandoned:
            return
        self.close()
        self._abandoned = True
        now = trio.current_time()
        for request in tuple(self._active):
            self._turn_away(request)
            self._act(request, request.machine.on(Stopped(), now))
        while batches := self.accumulator.take():
            machine = AtMostOnce([math.inf] * len(batches), read_committed=False)
            request = self._begin(machine, batches)
            self._act(request, machine.on(Stopped(), now))
        self._scope.cancel()
        self._announce()

    # --- the task

    async def run(self) -> None:
        """Send until the producer is closed and nothing is left."""
        deliver = self._deliver if self._config.delivery_semantic.retries else self._deliver_once
        with self._scope:
            async with trio.open_nursery() as self._answers:
                while await self._ready():
                    batches = self.accumulator.take()
                    self._announce()
                    await deliver(batches)

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
            self._wake = trio.Event()
            with trio.move_on_at(due):
                await self._wake.wait()

    def _wake_up(self) -> None:
        self._wake.set()

    def _announce(self) -> None:
        self._moved.set()
        self._moved = trio.Event()

    # --- delivering

    async def _deliver(self, batches: list[Batch]) -> None:
        """At-least-once: until every batch is settled."""
        policy = self._config.delivery_semantic.policy
        assert policy is not None
        machine = AtLeastOnce(
            policy,
            self._config.attempt_timeout_s,
            len(batches),
            read_committed=self._read_committed,
        )
        await self._drive(self._begin(machine, batches))
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
            await self._drive(request)
        finally:
            if not request.handed_over:
                self._in_flight.release()
        self._deal_with(batches)

    def _begin(self, machine: Delivery, batches: list[Batch]) -> _Request:
        now, counters = trio.current_time(), self._shared.counters
        for batch in batches:
            counters.records += batch.count
            counters.bytes += batch.size
            counters.queued_s += now - batch.created
        counters.batches += len(batches)
        request = _Request(machine, batches, now)
        self._active.append(request)
        return request

    async def _drive(self, request: _Request) -> None:
        """Do what the machine says until it is done, or the request was handed over."""
        step = self._tell(request, Started())
        while not self._abandoned and not request.handed_over:
            match step.then:
                case Attempt() as attempt:
                    event: Event | None = await self._attempt(request, attempt)
                case Pause(until):
                    await trio.sleep_until(until)
                    event = Elapsed()
                case _:
                    return
            if event is None or self._abandoned:
                return
            step = self._tell(request, event)

    async def _attempt(self, request: _Request, attempt: Attempt) -> Event | None:
        """Make one attempt; None if what is left of it goes on by itself."""
        counters = self._shared.counters
        counters.retries += attempt.number > 1
        error: Exception = OverdueError("no connection to its SPU in time")
        try:
            with trio.move_on_at(attempt.until):
                call, version = await self._submit(request, attempt)
                if not self._config.delivery_semantic.retries:
                    await call.written()
                    request.handed_over = True
                    for batch in request.batches:
                        batch.data = b""
                    assert self._answers is not None
                    self._answers.start_soon(self._await_answer, request, attempt, call, version)
                    return None
                return self._read(request, attempt, await call.answer(), version)
        except (FluvioError, WireError) as failure:
            error = failure
        else:
            error = self._overdue(request, error)
        return self._failed(request, error)

    async def _submit(self, request: _Request, attempt: Attempt) -> tuple[Call, int]:
        """Look up, connect, and put the request in line."""
        shared = self._shared
        try:
            endpoint = shared.metadata.leader(shared.topic, self.partition)
            connection = await shared.pool.connection(endpoint)
        except (NotFoundError, ConnectError):
            shared.metadata.doubt()
            raise
        if self._abandoned:
            raise ConnectionLostError("the producer was closed")
        shared.endpoints[endpoint] = None
        entries = [request.batches[entry] for entry in attempt.entries]
        version = connection.version_of(PRODUCE)
        call = connection.submit(
            PRODUCE, self._request_of(entries), begun=lambda: self._begun(request)
        )
        request.connection, request.call = connection, call
        return call, version

    async def _await_answer(
        self, request: _Request, attempt: Attempt, call: Call, version: int
    ) -> None:
        """At-most-once: wait for the answer to what was handed over."""
        try:
            with trio.move_on_at(attempt.until) as scope:
                try:
                    event = self._read(request, attempt, await call.answer(), version)
                except (FluvioError, WireError) as error:
                    event = self._failed(request, error)
            if scope.cancelled_caught:
                event = self._failed(request, self._overdue(request, OverdueError()))
            if not self._abandoned:
                self._tell(request, event)
        finally:
            self._in_flight.release()

    # --- what an attempt comes to

    def _read(self, request: _Request, attempt: Attempt, body: bytes, version: int) -> Event:
        """Understand an answer."""
        counters = self._shared.counters
        counters.answers += 1
        counters.round_trip_s += trio.current_time() - request.begun_at
        response = decode(PRODUCE.response, body, version)
        results: list[PartitionResult] = [r for t in response.topics for r in t.partitions]
        if [r.partition_index for r in results] != [self.partition] * len(attempt.entries):
            raise WireError(f"an answer with {len(results)} results that are not those asked for")
        counters.errors += any(result.error_code for result in results)
        if any(result.error_code is Code.NOT_LEADER_FOR_PARTITION for result in results):
            self._shared.metadata.doubt()
        self._detach(request)
        return Answered(results)

    def _overdue(self, request: _Request, error: Exception) -> Exception:
        """The attempt's time is over: turn away, and retire the connection if that is to blame."""
        if request.call is None or request.connection is None:
            return error
        what = "no answer" if request.call.begun else "the request could not be written"
        request.connection.forget(request.call, overdue=True)
        return OverdueError(f"{what} from {request.connection.name} in time")

    def _failed(self, request: _Request, error: Exception) -> Failed:
        call = request.call
        displaced = call is not None and call.displaced
        self._shared.counters.errors += not displaced
        self._detach(request)
        return Failed(error, displaced)

    def _begun(self, request: _Request) -> None:
        self._shared.counters.requests += 1
        request.begun_at = trio.current_time()
        self._tell(request, Begun())

    def _turn_away(self, request: _Request) -> None:
        """Nobody waits for the answer any more; what is not yet transmitted will not be."""
        if request.connection is not None and request.call is not None:
            request.connection.forget(request.call)
        self._detach(request)

    def _detach(self, request: _Request) -> None:
        request.connection = request.call = None

    @property
    def _read_committed(self) -> bool:
        return self._config.isolation.value < 0

    def _request_of(self, batches: list[Batch]) -> ProduceRequest:
        """One entry for each batch, as the official client has it."""
        share = COMMIT_SHARE * self._config.attempt_timeout_s / len(batches)
        entries = [
            PartitionRecords(partition_index=self.partition, records=batch.data)
            for batch in batches
        ]
        return ProduceRequest(
            acks=self._config.isolation.value,
            timeout_ms=round(min(self._config.timeout, share) * 1_000_000_000) // 1_000_000,
            topics=[TopicRecords(name=self._shared.topic, partitions=entries)],
        )

    # --- settling

    def _tell(self, request: _Request, event: Event) -> Step:
        step = request.machine.on(event, trio.current_time())
        self._act(request, step)
        return step

    def _act(self, request: _Request, step: Step) -> None:
        """Settle what a step settles."""
        for entry, outcome in step.settled:
            batch = request.batches[entry]
            batch.settle(outcome)
            if isinstance(outcome, Failure):
                self._shared.counters.failed += batch.count
                self._count_failure(batch, outcome)
            else:
                self._shared.counters.acknowledged += batch.count
            if self._config.callback is not None:
                self._report(request, batch, outcome)
        if isinstance(step.then, Done):
            self._active.remove(request)
            self._announce()

    def _count_failure(self, batch: Batch, failure: Failure) -> None:
        """What a flush has to raise for; at-most-once only speaks of what never left."""
        if self._config.delivery_semantic.retries or failure.persisted is Persisted.NO:
            tallies = self._shared.tallies
            covering = [tally for tally in tallies[1:] if tally.covers(batch)]
            for tally in covering or tallies[:1]:
                tally.add(batch, failure)

    def _report(self, request: _Request, batch: Batch, outcome: Accepted | Failure) -> None:
        assert self._config.callback is not None
        report = DeliveryReport(
            topic=batch.topic,
            partition=batch.partition,
            records=batch.count,
            size=batch.size,
            base_offset=outcome.base_offset if isinstance(outcome, Accepted) else None,
            error=None if isinstance(outcome, Accepted) else outcome.to_error(batch.where),
            queued_s=request.taken_at - batch.created,
            delivery_s=trio.current_time() - request.taken_at,
        )
        try:
            self._config.callback(report)
        except Exception:
            logger.exception("the delivery callback failed")

    def _deal_with(self, batches: list[Batch]) -> None:
        self._dealt_with = batches[-1].number
        self._announce()
