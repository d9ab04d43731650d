"""The driver ``producer``: our own producer, in the same process, on the network of the world."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from chaos.drivers import Broken, CallFailed, DriverSession, Recorder
from chaos.drivers.registry import PRODUCER, DriverKind, register_driver
from chaos.history import Outcome, SentRecord
from chaos.spec.scenario import ProducerOptions, Scenario
from chaos.world.world import World
from producer import (
    Compression,
    DeliveryError,
    DeliveryReport,
    DeliverySemantic,
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
            client = ProducerSession(recorder)
            config = config_of(scenario.producer, client.settled)
            async with fluvio.topic_producer(scenario.topic.name, config) as client.producer:
                connected = True
                try:
                    yield client
                finally:
                    client.producer.abandon()
    except FluvioError as error:
        if connected:
            raise
        raise CallFailed(str(error)) from error


class ProducerSession(DriverSession):
    """A session with a ``TopicProducer``.

    Args:
        recorder: receives the outcomes.
    """

    producer: TopicProducer

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._open: dict[int, tuple[SentRecord, ProduceOutput]] = {}

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

    async def wait(self) -> None:
        """Wait for every output."""
        for _, output in tuple(self._open.values()):
            try:
                await output.wait()
            except DeliveryError:
                continue  # the delivery callback has recorded the outcome
            except Exception as error:
                raise _failure("wait", error) from error

    async def close(self) -> None:
        """Close the producer."""
        try:
            await self.producer.close()
        except Exception as error:
            raise _failure("close", error) from error

    def _note(self, record: SentRecord, output: ProduceOutput) -> None:
        if output.done:
            self._tell(record, output)
        else:
            self._open[record.id] = (record, output)

    def settled(self, report: DeliveryReport) -> None:
        """Record the outcomes of one settled batch; the delivery callback. Its records are near the
        front."""
        left = report.records
        found = []
        for record, output in self._open.values():
            if output.done:
                found.append((record, output))
                left -= 1
                if not left:
                    break
        for record, output in found:
            del self._open[record.id]
            self._tell(record, output)

    def _tell(self, record: SentRecord, output: ProduceOutput) -> None:
        try:
            metadata = output.result()
        except DeliveryError as error:
            self._recorder.failed(record, _settled(error), str(error))
        else:
            self._recorder.stored(record, metadata.partition, metadata.offset)


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
            return CallFailed(str(error), _settled(error), queue_full=isinstance(error, QueueFull))
        case FluvioError():  # found before a record is accepted
            return CallFailed(str(error), "failed")
    text = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    return Broken(f"{op} raised {text}, which is not a documented error")


register_driver(
    DriverKind(
        word=PRODUCER,
        text="Our own producer, in the process of the harness.",
        open=lambda _: open_producer,
        worlds=("virtual", "tcp"),
    )
)
