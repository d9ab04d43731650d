"""``python -m benchmarks.partitions [COUNT]``: one record for each partition, ours beside official.

All partitions are led by one SPU. Each client is a process of its own against a simulator of its
own; ours may have 64 descriptors. The clock runs from before connecting until every record is
confirmed. A key for each partition would only measure hashing, so records take turns.
"""

import resource
import subprocess
import sys
from time import perf_counter  # noqa: TID251  a benchmark measures real time
from typing import Any

import trio

PARTITIONS = 9_990
"""As many as one SPU of the simulator may lead beside the system's own."""

DESCRIPTORS = 64
"""What our client may open: the SC, the SPU, and what Python itself holds."""

RUN_S_MAX = 240.0
TOPIC = "greetings"


async def ours(address: str, partitions: int) -> None:
    """Send with our producer and its defaults, but without a retry."""
    from producer import DeliverySemantic, Fluvio, RetryPolicy, TopicProducerConfig

    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    semantic = DeliverySemantic.at_least_once(RetryPolicy(max_retries=0, timeout=RUN_S_MAX))
    config = TopicProducerConfig(delivery_semantic=semantic, attempt_timeout=RUN_S_MAX)
    async with Fluvio.connect(address) as fluvio, fluvio.topic_producer(TOPIC, config) as producer:
        outputs = [await producer.send(None, b"one") for _ in range(partitions)]
        await producer.flush()
        for output in outputs:
            await output.wait()


async def official(address: str, partitions: int) -> None:
    """Send with the official client and its defaults."""
    from fluvio import Fluvio, FluvioConfig

    client: Any = Fluvio.connect_with_config(FluvioConfig.new(address))
    producer = client.topic_producer(TOPIC)
    outputs = [producer.send(b"", b"one") for _ in range(partitions)]
    producer.flush()
    for output in outputs:
        output.wait()


def measure(name: str, partitions: int) -> float:
    """How many seconds one client takes against a simulator of its own."""
    command = [sys.executable, "-m", "simulator", "--port", "0", "--spu-port", "0", "--quiet"]
    command += ["--topic", f"{TOPIC}:{partitions}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:
        try:
            assert simulator.stdout is not None
            address = simulator.stdout.readline().split()[1].removeprefix("sc=")
            start = perf_counter()
            client = [sys.executable, "-m", "benchmarks.partitions", name, address]
            subprocess.run([*client, str(partitions)], check=True, timeout=RUN_S_MAX)
            return perf_counter() - start
        finally:
            simulator.terminate()


def main(arguments: list[str]) -> None:
    """Measure both clients, or be one of them."""
    if len(arguments) == 3:
        client = {"ours": ours, "official": official}[arguments[0]]
        trio.run(client, arguments[1], int(arguments[2]))
        return
    partitions = int(arguments[0]) if arguments else PARTITIONS
    for name in ("ours", "official"):
        try:
            seconds = f"{measure(name, partitions):.1f} s"
        except subprocess.TimeoutExpired:
            seconds = f"more than {RUN_S_MAX:g} s"
        print(f"{name}: {partitions:,} partitions, a record each: {seconds}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
