"""The driver ``producer``: our own producer, in the same process, on the network of the world."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from chaos.consumption import Consumption
from chaos.drivers import (
    ApplicationError,
    Broken,
    CallFailed,
    ConsumptionRecorder,
    DriverSession,
    Recorder,
)
from chaos.drivers.consumer import consume
from chaos.drivers.registry import PRODUCER, DriverKind, register_driver
from chaos.history import COUNTERS, DeliveryReported, Outcome, SentRecord
from chaos.spec.consume_terms import ConsumeTerms
from chaos.spec.scenario import ProducerOptions, Scenario
from chaos.world.world import World
from producer import (
    Compression,
    DeliveryError,
    DeliveryReport,
    DeliverySemantic,
    FlushError,
    Fluvio,
    FluvioError,
    Isolation,
    Persisted,
    ProduceOutput,
    QueueFull,
    RetryPolicy,
    RetryStrategy,
    TopicProducer,
    TopicProducerConfig,
)

_STRATEGIES = {
    "fixed-delay": RetryStrategy.FIXED_DELAY,
    "fibonacci-backoff": RetryStrategy.FIBONACCI_BACKOFF,
    "exponential-backoff": RetryStrategy.EXPONENTIAL_BACKOFF,
}

_ISOLATIONS = {
    "read-uncommitted": Isolation.READ_UNCOMMITTED,
    "read-committed": Isolation.READ_COMMITTED,
}


@asynccontextmanager
async def open_producer(
    address: str, scenario: Scenario, world: World, recorder: Recorder
) -> AsyncIterator[DriverSession]:
    """Connect our producer; an ``OpenSession``."""
    connected = False
    try:
        async with Fluvio.connect(address, dial=world.dial, now_ns=world.now_ns) as fluvio:
            client = ProducerSession(recorder, fluvio, scenario, 0, address)
            topic, config = scenario.topic.name, client.config()
            async with fluvio.topic_producer(topic, config) as client.producer:
                connected = True
                try:
                    yield client
                finally:
                    client.producer.abandon()
                    del client.producer  # whose callback refers to the session
    except FluvioError as error:
        if not connected:
            raise CallFailed(str(error)) from error
        if not isinstance(error, DeliveryError):  # else leaving reports what was abandoned
            raise


class ProducerSession(DriverSession):
    """A session with a ``TopicProducer``.

    Args:
        recorder: receives the outcomes.
        fluvio: the client, which makes the producer and others beside it.
        scenario: gives the topic and the options.
        number: of the producer.
        address: the address of the SC.
    """

    producer: TopicProducer

    def __init__(
        self, recorder: Recorder, fluvio: Fluvio, scenario: Scenario, number: int, address: str
    ) -> None:
        self._address = address
        self._recorder = recorder
        self._fluvio = fluvio
        self._scenario = scenario
        self._number = number
        self._outputs: dict[int, ProduceOutput] = {}
        """By record id, the output of each accepted record."""
        self._open: dict[int, SentRecord] = {}
        """The accepted records whose outcome was not recorded yet."""
        self._told = recorder.producer(number)

    def config(self) -> TopicProducerConfig:
        """Return the configuration of the producer."""
        return config_of(self._scenario.producer, self.settled)

    async def send(self, record: SentRecord) -> None:
        """Send one record."""
        try:
            output = await self.producer.send(record.key, record.value)
        except Exception as error:
            raise _failure("send", error) from error
        self._note(record, output)

    async def send_all(self, records: Sequence[SentRecord]) -> None:
        """Send several records with one call."""
        try:
            outputs = await self.producer.send_all([(r.key, r.value) for r in records])
        except Exception as error:
            raise _failure("send_all", error) from error
        for record, output in zip(records, outputs, strict=True):
            self._note(record, output)

    async def flush(self) -> None:
        """Flush the producer."""
        try:
            await self.producer.flush()
        except Exception as error:
            raise _failure("flush", error) from error
        finally:
            self._look()

    async def wait(self) -> None:
        """Wait for every output that is open."""
        for record in tuple(self._open.values()):
            await self.wait_for(record)

    async def wait_for(self, record: SentRecord) -> None:
        """Wait for the output of a record."""
        try:
            metadata = await self._outputs[record.id].wait()
        except DeliveryError as error:
            self._recorder.failed(record, _settled(error), str(error))
        except Exception as error:
            raise _failure("wait", error) from error
        else:
            self._recorder.stored(record, metadata.partition, metadata.offset, metadata.timestamp)
        self._open.pop(record.id, None)

    async def close(self) -> None:
        """Close the producer."""
        try:
            await self.producer.close()
        except Exception as error:
            raise _failure("close", error) from error
        finally:
            self.look_back()

    async def consume(
        self,
        terms: ConsumeTerms,
        consumptions: Sequence[Consumption],
        world: World,
        recorder: ConsumptionRecorder,
    ) -> None:
        """Read the topic with the consumer of the harness: our producer has none."""
        topic = self._scenario.topic.name
        await consume(self._address, topic, terms, consumptions, world, recorder)

    @asynccontextmanager
    async def another(self, number: int) -> AsyncIterator[DriverSession]:
        """Make another producer of the client; leaving the context leaves its block."""
        client = ProducerSession(
            self._recorder, self._fluvio, self._scenario, number, self._address
        )
        topic, leaving = self._scenario.topic.name, False
        try:
            async with self._fluvio.topic_producer(topic, client.config()) as client.producer:
                try:
                    yield client
                finally:
                    leaving = True
        except ApplicationError:
            raise
        except Exception as error:
            raise _failure("leaving the block", error) from error
        finally:
            if leaving:
                client.look_back()

    # --- outcomes

    def _note(self, record: SentRecord, output: ProduceOutput) -> None:
        self._outputs[record.id] = output
        if output.done:
            self._tell(record, output)
        else:
            self._open[record.id] = record

    def settled(self, report: DeliveryReport) -> None:
        """Record the report on one settled batch, and the outcomes of its records, which are near
        the front; the delivery callback."""
        error = report.error
        self._recorder.reported(
            DeliveryReported(
                self._recorder.now(),
                self._number,
                report.partition,
                report.records,
                "ok" if error is None else _settled(error),
                report.base_offset,
            )
        )
        left, outputs = report.records, self._outputs
        found = []
        for number, record in self._open.items():
            if (output := outputs[number]).done:
                found.append((record, output))
                left -= 1
                if not left:
                    break
        for record, output in found:
            del self._open[record.id]
            self._tell(record, output)

    def _look(self) -> None:
        """Record the outcomes of all settled records that the callback did not report."""
        for record in tuple(self._open.values()):
            if (output := self._outputs[record.id]).done:
                del self._open[record.id]
                self._tell(record, output)

    def _tell(self, record: SentRecord, output: ProduceOutput) -> None:
        """Record the outcome of a record whose output is settled."""
        try:
            metadata = output.result()
        except DeliveryError as error:
            self._recorder.failed(record, _settled(error), str(error), "output")
        else:
            self._recorder.stored(
                record, metadata.partition, metadata.offset, metadata.timestamp, "output"
            )

    def look_back(self) -> None:
        """Note, once, what a producer that was closed tells beside its calls."""
        counters, told = self.producer.counters, self._told
        if told.closed_at is not None:
            return
        self._look()
        told.calls_back, told.closed_at = True, self._recorder.now()
        told.counters = {name: getattr(counters, name) for name in COUNTERS}


def config_of(
    options: ProducerOptions, callback: Callable[[DeliveryReport], None] | None = None
) -> TopicProducerConfig:
    """Return the configuration of our producer for the options of a scenario."""
    if options.retries:
        retry = options.retry
        policy = RetryPolicy(
            max_retries=retry.max_retries,
            initial_delay=retry.initial_delay,
            max_delay=retry.max_delay,
            timeout=retry.timeout,
            strategy=_STRATEGIES[retry.strategy],
        )
        semantic = DeliverySemantic.at_least_once(policy)
    else:
        semantic = DeliverySemantic.at_most_once()
    return TopicProducerConfig(
        batch_size=options.batch_size,
        max_request_size=options.max_request_size,
        batch_queue_size=options.batch_queue_size,
        linger=options.linger,
        compression=Compression[options.compression.upper()],
        timeout=options.timeout,
        isolation=_ISOLATIONS[options.isolation],
        delivery_semantic=semantic,
        callback=callback,
        attempt_timeout=options.attempt_timeout,
        response_timeout=options.response_timeout,
    )


def _settled(error: DeliveryError) -> Outcome:
    return "failed" if error.persisted is Persisted.NO else "unknown"


def _failure(op: str, error: Exception) -> CallFailed | Broken:
    """Return how a call ended: a documented error is an outcome, any other is a defect."""
    match error:
        case DeliveryError():
            return CallFailed(
                str(error),
                _settled(error),
                queue_full=isinstance(error, QueueFull),
                records=error.records if isinstance(error, FlushError) else None,
            )
        case FluvioError():  # found before a record is accepted
            return CallFailed(str(error), "failed")
    text = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    return Broken(f"{op} raised {text}, which is not a documented error")


register_driver(
    DriverKind(
        word=PRODUCER,
        text="Our own producer, in the process of the harness.",
        open=lambda _: open_producer,
        worlds=("virtual", "tcp", "cluster"),
    )
)
