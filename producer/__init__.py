"""A trio-native Fluvio producer that keeps both delivery semantics as documented.

>>> from producer import Fluvio
>>> async def main():
...     async with Fluvio.connect("127.0.0.1:9003") as fluvio:
...         async with fluvio.topic_producer("greetings") as producer:
...             output = await producer.send("Hello", "Fluvio!")
...             metadata = await output.wait()
...             await producer.flush()

At-least-once with Fluvio's default policy is the default. What was not delivered says so, and says
whether it may be stored all the same: ``DeliveryError.persisted``.
"""

from producer.client import Fluvio
from producer.config import Isolation, TopicProducerConfig
from producer.delivery.partitioner import Partitioner, specific
from producer.delivery.semantics import DeliverySemantic, RetryPolicy, RetryStrategy
from producer.errors import (
    ConfigError,
    ConnectError,
    ConnectionLostError,
    DeliveryError,
    FlushError,
    FluvioError,
    NotFoundError,
    OverdueError,
    Persisted,
    ProducerClosedError,
    QueueFull,
    RecordTooLargeError,
    RefusedError,
)
from producer.net.dialling import Dial
from producer.output import DeliveryReport, ProduceOutput, RecordMetadata
from producer.producer import TopicProducer
from producer.profile import load_profile
from producer.stats import Counters
from wire.compression import Codec as Compression
from wire.profile import Profile, TlsPolicy

__all__ = [
    "Compression",
    "ConfigError",
    "ConnectError",
    "ConnectionLostError",
    "Counters",
    "DeliveryError",
    "DeliveryReport",
    "DeliverySemantic",
    "Dial",
    "FlushError",
    "Fluvio",
    "FluvioError",
    "Isolation",
    "NotFoundError",
    "OverdueError",
    "Partitioner",
    "Persisted",
    "ProduceOutput",
    "ProducerClosedError",
    "Profile",
    "QueueFull",
    "RecordMetadata",
    "RecordTooLargeError",
    "RefusedError",
    "RetryPolicy",
    "RetryStrategy",
    "TlsPolicy",
    "TopicProducer",
    "TopicProducerConfig",
    "load_profile",
    "specific",
]
