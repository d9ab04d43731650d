"""One request from the moment its batches were taken until all of them are settled.

The naive way is a function that sends, awaits the answer and settles, all in one ``try``. It has
to be interrupted when the producer is torn down, and then it is not known how far it
came: whether the bytes left, whether the answer was read, whether a callback already heard of it.
So what is known of a request stands in its machine (``delivery.py``), and the task that drives it
adds nothing to that but waiting. At every checkpoint it is consistent: what its machine has open
is unsettled, all else is settled. So ``abandon`` can settle the rest at any of them, from
outside, and the task finds out when it wakes.

An attempt looks up the leader, takes a connection from the pool and puts its frame in line there.
What then happens to the frame is the connection's business, so that an attempt can turn away at any
time: a frame that was not yet begun leaves the line and is never transmitted, which is why
``abandon`` may then say that its records are not stored.

At-least-once is driven until every batch is settled. At-most-once is driven until its bytes were
handed over, and ``await_answer`` goes on from there while the next request is driven.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import trio

from producer.config import TopicProducerConfig
from producer.delivery.accumulator import Limits
from producer.delivery.batch import Batch, BatchOutcome, Failure
from producer.delivery.delivery import (
    BEGUN,
    ELAPSED,
    STARTED,
    STOPPED,
    Answered,
    Attempt,
    Delivery,
    DeliveryEvent,
    DeliveryStep,
    Done,
    Failed,
    RetryPause,
)
from producer.errors import (
    ConnectError,
    ConnectionLostError,
    FluvioError,
    NotFoundError,
    OverdueError,
    Persisted,
)
from producer.net.connection import Connection, PendingCall
from producer.net.metadata import Metadata
from producer.net.pool import Pool
from producer.output import DeliveryReport
from producer.stats import Counters, Unreported
from wire.api import PRODUCE
from wire.api.produce import PartitionRecords, PartitionResult, ProduceRequest, TopicRecords
from wire.codec import WireError, decode
from wire.error_code import Code

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
    unreported: Unreported
    spus: dict[int, None]
    """The ids of the SPUs that were sent to, in a fixed order, which a set would not have."""
    attempt_timeout_s: float
    """What the configuration says of it, which takes a while to find out."""


class _Transmission(NamedTuple):
    """An attempt whose frame stands in line on a connection, or left it."""

    attempt: Attempt
    connection: Connection
    call: PendingCall


class Request:
    """Some batches of one partition on their way.

    Args:
        shared: what the partitions of the producer share.
        partition: the index of the partition.
        machine: decides what to do next; it has one entry for each batch.
        batches: what was taken, in order.
        paused: called when there is time for others: the bytes of an attempt leave, or it failed.
        settled: called with each batch that is settled.
        done: called when everything is settled.
    """

    def __init__(
        self,
        shared: Shared,
        partition: int,
        machine: Delivery,
        batches: list[Batch],
        paused: Callable[[], None],
        settled: Callable[[Batch], None],
        done: Callable[["Request"], None],
    ) -> None:
        self.batches = batches
        self._shared = shared
        self._config = shared.config
        self._partition = partition
        self._machine = machine
        self._paused = paused
        self._settled = settled
        self._done = done
        self._taken_at = trio.current_time()
        self._begun_at = 0.0
        self._abandoned = False
        self._unreachable = ""
        """Why an earlier attempt had no connection, for the error of one that had none in time."""
        self._sent: _Transmission | None = None
        """The attempt under way, once it has a connection."""
        self._awaited: _Transmission | None = None
        """At-most-once: what was handed over, and only its answer is missing."""
        counters = shared.counters
        for batch in batches:
            counters.records += batch.count
            counters.bytes += batch.size
            counters.queued_s += self._taken_at - batch.created
        counters.batches += len(batches)

    @property
    def handed_over(self) -> bool:
        """At-most-once: whether all bytes were handed to a connection; now await the answer."""
        return self._awaited is not None

    async def drive(self) -> None:
        """Do what the machine says until it is done, or the request was handed over."""
        step = self._tell(STARTED)
        while True:
            match step.then:
                case Attempt() as attempt:
                    event: DeliveryEvent | None = await self._attempt(attempt)
                case RetryPause(until):
                    await trio.sleep_until(until)
                    event = ELAPSED
                case _:
                    return
            if event is None or self._abandoned:
                return
            step = self._tell(event)

    async def await_answer(self) -> None:
        """At-most-once: wait for the answer to what was handed over."""
        sent = self._awaited
        assert sent is not None
        event: DeliveryEvent | None = None
        with trio.move_on_at(sent.attempt.until):
            try:
                event = self._read(sent, await sent.call.answer())
            except (FluvioError, WireError) as error:
                event = self._failed(error)
        if not self._abandoned:
            self._tell(self._failed(self._overdue(OverdueError())) if event is None else event)

    def abandon(self) -> None:
        """Settle what is open; no answer is awaited, and what did not leave yet never will."""
        self._abandoned = True
        if self._sent is not None:
            sent = self._sent
            sent.connection.forget(sent.call, due=sent.attempt.until)
        self._sent = None
        self._tell(STOPPED)

    # --- attempts

    async def _attempt(self, attempt: Attempt) -> DeliveryEvent | None:
        """Make one attempt; None if what is left of it goes on by itself."""
        self._shared.counters.retries += attempt.number > 1
        error: Exception = OverdueError(f"no connection to its SPU in time{self._unreachable}")
        try:
            with trio.move_on_at(attempt.until):
                sent = await self._submit(attempt)
                if not self._config.delivery_semantic.retries:
                    await sent.call.written()
                    for batch in self.batches:
                        batch.data = b""
                    self._awaited = sent
                    return None
                return self._read(sent, await sent.call.answer())
        except (FluvioError, WireError) as failure:
            error = failure
        else:
            error = self._overdue(error)
        return self._failed(error)

    async def _submit(self, attempt: Attempt) -> _Transmission:
        """Look up, connect, and put the request in line."""
        shared = self._shared
        try:
            endpoint = shared.metadata.leader(shared.topic, self._partition)
            connection = await shared.pool.connection(endpoint, shared.attempt_timeout_s)
        except (NotFoundError, ConnectError) as error:
            self._unreachable = f"; before: {error}"
            shared.metadata.doubt()
            raise
        if self._abandoned:
            raise ConnectionLostError("the producer was closed")
        shared.spus[endpoint.spu] = None
        body = self._body_of([self.batches[entry] for entry in attempt.entries])
        call = connection.submit(PRODUCE, body, begun=self._begun)
        self._sent = _Transmission(attempt, connection, call)
        return self._sent

    def _body_of(self, batches: list[Batch]) -> ProduceRequest:
        """One entry for each batch, as the official client has it."""
        share = COMMIT_SHARE * self._shared.attempt_timeout_s / len(batches)
        entries = [
            PartitionRecords(partition_index=self._partition, records=batch.data)
            for batch in batches
        ]
        return ProduceRequest(
            acks=self._config.isolation.value,
            timeout_ms=round(min(self._config.timeout, share) * 1_000_000_000) // 1_000_000,
            topics=[TopicRecords(name=self._shared.topic, partitions=entries)],
        )

    # --- what an attempt comes to

    def _begun(self) -> None:
        """The next thing that happens is that its first byte leaves."""
        self._shared.counters.requests += 1
        self._begun_at = trio.current_time()
        self._tell(BEGUN)
        self._paused()

    def _read(self, sent: _Transmission, body: bytes) -> Answered:
        """Understand an answer."""
        counters = self._shared.counters
        counters.answers += 1
        counters.round_trip_s += trio.current_time() - self._begun_at
        try:
            results = self._results(sent, body)
        except WireError as error:
            raise sent.connection.break_off(error) from error
        codes = [result.error_code for result in results if result.error_code is not Code.NONE]
        if codes:
            counters.errors += 1
            if Code.NOT_LEADER_FOR_PARTITION in codes:
                self._shared.metadata.doubt()
        self._sent = None
        return Answered(results)

    def _results(self, sent: _Transmission, body: bytes) -> list[PartitionResult]:
        """What an answer says of each entry.

        Raises:
            WireError: it is not about what was asked, in shape or in range.
        """
        response = decode(PRODUCE.response, body, sent.call.version)
        about = [(t.name, r.partition_index) for t in response.topics for r in t.partitions]
        if about != [(self._shared.topic, self._partition)] * len(sent.attempt.entries):
            raise WireError(f"an answer with {len(about)} results that are not those asked for")
        results = [result for topic in response.topics for result in topic.partitions]
        for result in results:
            if result.error_code is Code.NONE and result.base_offset < 0:
                raise WireError(f"an answer with the offset {result.base_offset}")
        return results

    def _overdue(self, error: Exception) -> Exception:
        """The attempt's time is over: turn away, and retire the connection if that is to blame."""
        if self._sent is None:
            return error
        call, connection = self._sent.call, self._sent.connection
        what = "no answer" if call.begun else "the request could not be written"
        connection.forget(call, overdue=True)
        return OverdueError(f"{what} from {connection.name} in time")

    def _failed(self, error: Exception) -> Failed:
        """The attempt ended without an answer."""
        displaced = self._sent is not None and self._sent.call.displaced
        self._shared.counters.errors += not displaced
        self._sent = None
        self._paused()
        return Failed(error, displaced)

    # --- settling

    def _tell(self, event: DeliveryEvent) -> DeliveryStep:
        """Let the machine know, and settle what it settles."""
        step = self._machine.on(event, trio.current_time())
        for entry, outcome in step.settled:
            self._settle(self.batches[entry], outcome)
        if isinstance(step.then, Done):
            self._done(self)
        return step

    def _settle(self, batch: Batch, outcome: BatchOutcome) -> None:
        shared, config = self._shared, self._config
        batch.settle(outcome)
        self._settled(batch)
        if isinstance(outcome, Failure):
            shared.counters.failed += batch.count
            # A flush of at-most-once only speaks of what never left.
            if config.delivery_semantic.retries or outcome.persisted is Persisted.NO:
                shared.unreported.add(batch, outcome)
        else:
            shared.counters.acknowledged += batch.count
        if config.callback is not None:
            report = DeliveryReport.of(batch, outcome, self._taken_at, trio.current_time())
            try:
                config.callback(report)
            except Exception:
                logger.exception("the delivery callback failed")
