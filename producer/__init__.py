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

``client``: a client that is connected to a cluster.
``producer``: the producer of one topic.
``config``: the options of a producer.
``output``: what a caller gets for a record and waits on.
``sender``: the task of one partition.
``request``: one request from the moment its batches are taken until all of them are settled.
``delivery``: what is sent, and what a delivery semantic does next: synchronous, no clock, no IO.
``net``: connections, who shares them, and what the SC says of the cluster.
``errors``: the errors that a caller may meet.
``stats``: counters.
``signal``: wakes the tasks that wait now.
``profile``: Fluvio's profile file.
``cli``: the options of the command ``spu-producer``.
``console``: what that command does with lines.
"""

TYPE_CHECKING = False  # typing takes a while to import, and type checkers know the name
if TYPE_CHECKING:
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

_HOMES = {
    "Compression": "wire.compression:Codec",
    "ConfigError": "producer.errors",
    "ConnectError": "producer.errors",
    "ConnectionLostError": "producer.errors",
    "Counters": "producer.stats",
    "DeliveryError": "producer.errors",
    "DeliveryReport": "producer.output",
    "DeliverySemantic": "producer.delivery.semantics",
    "Dial": "producer.net.dialling",
    "FlushError": "producer.errors",
    "Fluvio": "producer.client",
    "FluvioError": "producer.errors",
    "Isolation": "producer.config",
    "NotFoundError": "producer.errors",
    "OverdueError": "producer.errors",
    "Partitioner": "producer.delivery.partitioner",
    "Persisted": "producer.errors",
    "ProduceOutput": "producer.output",
    "ProducerClosedError": "producer.errors",
    "Profile": "wire.profile",
    "QueueFull": "producer.errors",
    "RecordMetadata": "producer.output",
    "RecordTooLargeError": "producer.errors",
    "RefusedError": "producer.errors",
    "RetryPolicy": "producer.delivery.semantics",
    "RetryStrategy": "producer.delivery.semantics",
    "TlsPolicy": "wire.profile",
    "TopicProducer": "producer.producer",
    "TopicProducerConfig": "producer.config",
    "load_profile": "producer.profile",
    "specific": "producer.delivery.partitioner",
}
"""Public name to module, and the name there if it is another one."""


if not TYPE_CHECKING:  # with it any name would do for a type checker

    def __getattr__(name: str) -> object:
        """Load a public name on first use, so that ``import producer`` costs no trio."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        module, _, original = _HOMES[name].partition(":")
        value = getattr(import_module(module), original or name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
