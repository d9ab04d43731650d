"""One client as a process: our producer or the official one, with one task on each line of stdin.

Each line of stdin is a ``Task`` as JSON, and the process answers it with a ``Done`` as JSON. The
time counts from the first record until all are confirmed: a flush, then ``wait`` for the last one,
without which the figure of an at-most-once client would depend on the size of socket buffers.
Connecting, and a first record that opens the connection to the SPU, are not counted.
"""

import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from time import perf_counter  # noqa: TID251  a benchmark measures real time
from typing import Any

import trio

TOPIC = "greetings"
"""The topic that a simulator has by default."""

CHUNK = 1_000
"""Records between two looks at the clock, and in one call of ``send_all``."""


@dataclass(frozen=True, slots=True)
class Task:
    """The records to send; sending ends with the chunk in which the first bound is reached."""

    at_most_once: bool
    send_all: bool
    size: int
    """The size of each value in bytes; there are no keys."""
    records_max: int
    seconds_max: float


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a task; all its records are confirmed."""

    records: int
    """The number of records in the measured time."""
    seconds: float
    before: int = 1
    """The number of records that were sent before the measured time."""


def values_of(size: int) -> list[bytes]:
    """Return the values of a chunk, all different objects."""
    return [index.to_bytes(4, "big") + bytes(size - 4) for index in range(CHUNK)]


async def ours(address: str) -> None:
    """Run our producer, with defaults for everything but the semantic."""
    from producer import DeliverySemantic, Fluvio, TopicProducerConfig

    async with Fluvio.connect(address) as fluvio:

        async def run(task: Task) -> Done:
            semantic = (
                DeliverySemantic.at_most_once()
                if task.at_most_once
                else DeliverySemantic.at_least_once()
            )
            config = TopicProducerConfig(delivery_semantic=semantic)
            values = values_of(task.size)
            pairs = [(None, value) for value in values]
            sent = 0
            async with fluvio.topic_producer(TOPIC, config) as producer:
                output = await producer.send(None, values[0])
                await output.wait()
                send, send_all = producer.send, producer.send_all
                start = perf_counter()
                while sent < task.records_max and perf_counter() < start + task.seconds_max:
                    if task.send_all:
                        output = (await send_all(pairs))[-1]
                    else:
                        for value in values:
                            output = await send(None, value)
                    sent += CHUNK
                await producer.flush()
                await output.wait()
                seconds = perf_counter() - start
            return Done(sent, seconds)

        await _answer(run)


async def official(address: str) -> None:
    """Run the official client with the same defaults; its blocking calls are its fastest ones."""
    from fluvio import DeliverySemantic, Fluvio, FluvioConfig, TopicProducerConfigBuilder

    client: Any = Fluvio.connect_with_config(FluvioConfig.new(address))

    async def run(task: Task) -> Done:
        semantic = (
            DeliverySemantic.AtMostOnce if task.at_most_once else DeliverySemantic.AtLeastOnce
        )
        config = TopicProducerConfigBuilder().delivery_semantic(semantic).build()
        producer = client.topic_producer_with_config(TOPIC, config)
        values = values_of(task.size)
        pairs = [(b"", value) for value in values]
        sent = 0
        output = producer.send(b"", values[0])
        output.wait()
        send, send_all = producer.send, producer.send_all
        start = perf_counter()
        while sent < task.records_max and perf_counter() < start + task.seconds_max:
            if task.send_all:
                output = send_all(pairs)[-1]
            else:
                for value in values:
                    output = send(b"", value)
            sent += CHUNK
        producer.flush()
        output.wait()
        seconds = perf_counter() - start
        return Done(sent, seconds)

    await _answer(run)


async def _answer(run: Callable[[Task], Awaitable[Done]]) -> None:
    while line := await trio.to_thread.run_sync(sys.stdin.readline):
        print(json.dumps(asdict(await run(Task(**json.loads(line))))), flush=True)


if __name__ == "__main__":
    trio.run({"ours": ours, "official": official}[sys.argv[1]], sys.argv[2])
