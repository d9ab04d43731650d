"""The official client as a program: operations come as JSON on stdin, results leave as JSON Lines.

The naive way calls the client in the test's own process. Its calls hold the interpreter's lock
while they wait for the simulator, which lives in the same process and then never answers. So each
test starts this program, and the simulator stays with the test.

Every operation gives one line: its result, or ``{"error": text}``. One line of input:
``{"address": "127.0.0.1:9003", "operations": [{"do": "connect"}, ...]}``.
"""

import asyncio
import inspect
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any, NoReturn

from fluvio import (
    Compression,
    ConsumerConfig,
    ConsumerConfigExtBuilder,
    DeliverySemantic,
    Fluvio,
    FluvioAdmin,
    FluvioConfig,
    FluviorError,
    Isolation,
    Offset,
    OffsetManagementStrategy,
    PartitionMap,
    TopicProducerConfigBuilder,
    TopicSpec,
)

Result = dict[str, Any]

ENUMS = {
    "compression": Compression,
    "delivery_semantic": DeliverySemantic,
    "isolation": Isolation,
    "offset_strategy": OffsetManagementStrategy,
}
"""The options of producers and consumers whose values are names."""


NOTHING = "nothing"
"""What comes next on a stream that brings nothing in time."""

END = "end"
"""What comes next on a stream that is over."""


class Session:
    """One client and one admin, each connected when it is first needed.

    Args:
        address: the SC's ``host:port``.
    """

    def __init__(self, address: str) -> None:
        self._config = FluvioConfig.new(address)
        self._stream: _Stream | None = None

    @cached_property
    def client(self) -> Any:
        """The client that produces."""
        return Fluvio.connect_with_config(self._config)

    @cached_property
    def admin(self) -> Any:
        """The client that administers."""
        return FluvioAdmin.connect_with_config(self._config)

    def connect(self) -> Result:
        """Connect and nothing else."""
        return {"connected": bool(self.client)}

    def produce(
        self, topic: str, records: list[list[str | None]], options: Result, wait: str
    ) -> Result:
        """Send records and say for each of them where it is, or why it failed.

        Args:
            topic: where to.
            records: key and value of each, in hex; without a key the value must be text.
            options: those of the producer's configuration.
            wait: ``each``, before the next record is sent; ``all``, once all are sent; ``never``.
        """
        builder = TopicProducerConfigBuilder()
        for name, value in options.items():
            builder = getattr(builder, name)(_option(name, value))
        producer = self.client.topic_producer_with_config(topic, builder.build())
        sending = (_Sending(producer, key, value) for key, value in records)
        if wait == "each":
            return {"sent": [one.outcome() for one in sending]}
        sent = [*sending]
        if wait == "all":
            return {"sent": [one.outcome() for one in sent]}
        producer.flush()
        return {"flushed": len(sent)}

    def consume(
        self,
        topic: str,
        partition: int | None,
        start: list[Any],
        count: int,
        via: str = "stream",
        then_s: float | None = None,
        **options: Any,
    ) -> Result:
        """Read so many records of one partition from an offset on, and perhaps wait for one more.

        Args:
            topic: the topic.
            partition: the index of the partition; None for all, with ``consumer_with_config``.
            start: the name of a function of ``Offset``, and its arguments.
            count: how many records to read.
            via: the function that opens the stream: one of ``PartitionConsumer``, or
                ``consumer_with_config``, which alone goes on after an error.
            then_s: after ``count`` records, how long to wait for what comes next.
            options: those of ``ConsumerConfigExtBuilder``, for ``consumer_with_config``.
        """
        name, *arguments = start
        offset = getattr(Offset, name)(*arguments)
        if via == "consumer_with_config":
            builder = ConsumerConfigExtBuilder(topic)
            if partition is not None:
                builder.partition(partition)
            builder.offset_start(offset)
            for option, value in options.items():
                getattr(builder, option)(_option(option, value))
            self._stream = _Stream(self.client.consumer_with_config(builder.build()))
        else:
            consumer = self.client.partition_consumer(topic, partition)
            config = [ConsumerConfig()] if via.endswith("with_config") else []
            self._stream = _Stream(getattr(consumer, via)(offset, *config))
        return self.read(count, then_s)

    def read(self, count: int, then_s: float | None = None) -> Result:
        """Read so many further records of the stream that was opened last; see ``consume``."""
        assert self._stream is not None
        result: Result = {"read": []}
        for _ in range(count):
            read, end = self._stream.next()
            if read is None:
                return {**result, "then": end}
            result["read"].append(read)
        if then_s is not None:
            read, end = self._stream.next(then_s)
            result["then"] = read or end
        return result

    def consume_all(self, topic: str, count: int, via: str = "stream") -> Result:
        """Read so many records of all partitions of a topic, from their beginning on."""
        consumer = self.client.multi_partition_consumer(topic)
        self._stream = _Stream(getattr(consumer, via)(Offset.beginning()))
        return self.read(count)

    def store_offset(self) -> Result:
        """Store the offset of the last record that the stream gave, under its consumer's id."""
        assert self._stream is not None
        self._stream.records.offset_commit()
        self._stream.records.offset_flush()
        return {"stored": True}

    def consumer_offsets(self) -> Result:
        """The stored offsets of all consumers."""
        found = self.client.consumer_offsets()
        return {"offsets": [[o.consumer_id, o.topic, o.partition, o.offset] for o in found]}

    def forget_consumer(self, consumer: str, topic: str) -> Result:
        """Delete the stored offset of a consumer."""
        self.client.delete_consumer_offset(consumer, topic, 0)
        return {"deleted": consumer}

    def create_topic(self, name: str, **options: Any) -> Result:
        """Create a topic.

        Args:
            name: its name.
            options: what follows ``with_`` in the functions of ``TopicSpec``, and their arguments;
                ``assignment`` has the SPU ids of each partition.
        """
        spec = TopicSpec.create()
        for option, value in options.items():
            if option == "assignment":
                # Release 0.21.0 hands the maps on as they are, and its own wrapper is refused.
                value = [PartitionMap.new(*one)._inner for one in enumerate(value)]
            spec = getattr(spec, f"with_{option}")(value)
        self.admin.create_topic(name, spec.build())
        return {"created": name}

    def delete_topic(self, name: str) -> Result:
        """Delete a topic."""
        self.admin.delete_topic(name)
        return {"deleted": name}

    def create_smartmodule(self, name: str, path: str) -> Result:
        """Store the code in a file as a SmartModule."""
        self.admin.create_smartmodule(name, path, False)
        return {"created": name}

    def delete_smartmodule(self, name: str) -> Result:
        """Delete a SmartModule."""
        self.admin.delete_smartmodule(name)
        return {"deleted": name}

    def list_smartmodules(self, *names: str) -> Result:
        """The names of all SmartModules, or of those that the names are of."""
        return {"smartmodules": [m.name() for m in self.admin.list_smartmodules([*names])]}

    def watch_smartmodules(self) -> Result:
        """What the first answer to a watch holds."""
        first = next(self.admin.watch_smartmodule())
        return {"all": [module.name() for module in first.all()]}

    def list_topics(self, *names: str) -> Result:
        """The names of all topics, or of those among these that exist."""
        found = self.admin.list_topics([*names]) if names else self.admin.all_topics()
        return {"topics": [topic.name() for topic in found]}


class _Sending:
    """A record on its way."""

    def __init__(self, producer: Any, key: str | None, value: str | None) -> None:
        data = bytes.fromhex(value or "")
        self._output: Any = None
        self._error: str | None = None
        try:
            if key is None:
                self._output = producer.send_string(data.decode())
            else:
                self._output = producer.send(bytes.fromhex(key), data)
        except FluviorError as error:
            self._error = str(error)

    def outcome(self) -> Result:
        """Wait for it."""
        if self._error is not None:
            return {"error": self._error}
        try:
            metadata = self._output.wait()
        except FluviorError as error:
            return {"error": str(error)}
        return {"partition": metadata.partition_id(), "offset": metadata.offset()}


class _Stream:
    """A stream of records, read one by one.

    Args:
        opened: an iterator, or an awaitable that opens an asynchronous one.
    """

    def __init__(self, opened: Any) -> None:
        self._loop = asyncio.new_event_loop()
        asynchronous = inspect.isawaitable(opened)
        self.records = self._loop.run_until_complete(_awaited(opened)) if asynchronous else opened
        self._asynchronous = asynchronous

    def next(self, within_s: float | None = None) -> tuple[list[Any] | None, str | None]:
        """Return the next record, or None and what came instead.

        Args:
            within_s: how long to wait; for ever if None.
        """
        try:
            record = self._next_async(within_s) if self._asynchronous else self._next(within_s)
        except TimeoutError:
            return None, NOTHING
        except (StopIteration, StopAsyncIteration):
            return None, END
        except BaseException as error:  # a panic of the client is no Exception
            return None, f"{type(error).__name__}: {error}"
        return _read(record), None

    def _next_async(self, within_s: float | None) -> Any:
        return self._loop.run_until_complete(asyncio.wait_for(anext(self.records), within_s))

    def _next(self, within_s: float | None) -> Any:
        """Wait as Ctrl-C would end it: the client looks at signals while it waits."""
        signal.signal(signal.SIGALRM, _late)
        signal.setitimer(signal.ITIMER_REAL, within_s or 0)
        try:
            return next(self.records)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def _option(name: str, value: Any) -> Any:
    return getattr(ENUMS[name], value) if name in ENUMS else value


async def _awaited(opening: Awaitable[Any]) -> Any:
    return await opening


def _late(number: int, frame: Any) -> NoReturn:
    raise TimeoutError


def _read(record: Any) -> list[Any]:
    """A record that was consumed: offset, timestamp, key and value."""
    key = record.key()
    return [
        record.offset(),
        record.timestamp(),
        None if key is None else bytes(key).hex(),
        bytes(record.value()).hex(),
    ]


def _run(session: Session, operation: Result) -> Result:
    arguments = dict(operation)
    call: Callable[..., Result] = getattr(session, arguments.pop("do"))
    try:
        return call(*arguments.pop("names", ()), **arguments)
    except FluviorError as error:
        return {"error": str(error)}


def main() -> None:
    """Do what stdin says."""
    task = json.load(sys.stdin)
    session = Session(task["address"])
    for operation in task["operations"]:
        print(json.dumps(_run(session, operation)), flush=True)  # noqa: T201  its way to answer
    # Threads of the client that still wait for an answer abort an interpreter that shuts down.
    os._exit(0)


if __name__ == "__main__":
    main()
