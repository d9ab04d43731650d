"""``python -m benchmarks.soak [MINUTES]``: both semantics over real sockets, every fault on.

The run consists of phases. In each, a producer of either semantic sends to a topic of its own at a
steady pace, while faults strike, leaders move and SPUs restart. At its end every acknowledged
record must be in the log, at its offset; then both topics are deleted, and memory, tasks and
descriptors are counted. They must not grow from phase to phase.
"""

import gc
import os
import sys
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from time import time_ns
from typing import Any

import trio

from producer import DeliverySemantic, Fluvio, ProduceOutput, RetryPolicy, TopicProducerConfig
from producer.errors import ConnectError, FluvioError
from simulator import Simulator, open_simulator
from simulator.cluster.cluster import topic_of

MINUTES = 10.0
PHASE_S = 30.0
PACE_S = 0.005
"""Between two records of a producer: 400 records a second in all."""

PARTITIONS = 4
SPUS = 3
DISTURB_S = 2.0
"""Between two steps that change the cluster."""

CONNECTS = 20
"""How often a client tries to connect at first."""

GROWTH_BYTES_MAX = 16 * 1024 * 1024
"""How much more memory the last phase may end with than the second one."""

SEMANTICS = {
    "at-least-once": DeliverySemantic.at_least_once(
        RetryPolicy(max_retries=50, initial_delay=0.01, max_delay=0.5, timeout=60.0)
    ),
    "at-most-once": DeliverySemantic.at_most_once(),
}

FAULTS: list[dict[str, Any]] = [
    {"delay": {"probability": 0.02, "by": {"uniform": ["0ms", "300ms"]}}},
    {"drop": {"probability": 0.005}},
    {"duplicate": {"probability": 0.02}},
    {"disconnect": {"probability": 0.005, "how": "rst"}},
    {"disconnect": {"probability": 0.002, "how": "fin"}},
    {"disconnect": {"probability": 0.002, "how": "half-close"}},
    {"stall": {"probability": 0.002}},
    {"error": {"probability": 0.005, "at": "request", "code": "StorageError"}},
    {"error": {"probability": 0.005, "at": "response", "code": "UnknownServerError"}},
    {"drop": {"probability": 0.05, "match": {"api": "api-versions"}}},
    {"disconnect": {"probability": 0.02, "how": "rst", "match": {"api": "watch"}}},
]
"""Every kind at a rate that a client survives, but for ``corrupt``: the protocol has no checksum of
answers, so that a client believes an offset with a flipped bit."""


PLACES: dict[str, list[tuple[int, int, int]]] = {}
"""By topic, partition, offset and number of each acknowledged record of the phase under way."""


@dataclass(frozen=True, slots=True)
class HeldResources:
    """What the process holds at the end of a phase."""

    resident: int
    """Bytes in memory."""
    tasks: int
    descriptors: int


async def connected(stack: AsyncExitStack, address: str) -> Fluvio:
    """Return a connected client; the first connect is a single try, and a fault may strike it."""
    for _ in range(CONNECTS):
        with suppress(ConnectError):
            return await stack.enter_async_context(Fluvio.connect(address, connect_timeout=2.0))
    raise ConnectError(f"no connection in {CONNECTS} tries")


async def send(
    address: str, topic: str, semantic: DeliverySemantic, deadline: float
) -> Counter[str]:
    """Send until a deadline with a client of its own; return the outcomes and what was stored."""
    outputs: list[ProduceOutput] = []
    config = TopicProducerConfig(delivery_semantic=semantic, attempt_timeout=1.0)
    if not semantic.retries:
        config = TopicProducerConfig(delivery_semantic=semantic, response_timeout=2.0)
    found: Counter[str] = Counter()
    async with AsyncExitStack() as stack:
        fluvio = await connected(stack, address)
        producer = await stack.enter_async_context(fluvio.topic_producer(topic, config))
        while trio.current_time() < deadline:
            try:
                outputs.append(await producer.send(None, b"%08x" % len(outputs)))
            except FluvioError:
                found["refused"] += 1
            await trio.sleep(PACE_S)
        try:
            await producer.flush()
        except FluvioError:
            found["flushes that raised"] += 1
        for number, output in enumerate(outputs):
            try:
                metadata = await output.wait()
            except FluvioError as error:
                found["not delivered"] += 1
                found[f"persisted {getattr(error, 'persisted', None)}"] += 1
            else:
                found["acknowledged"] += 1
                PLACES.setdefault(topic, []).append((metadata.partition, metadata.offset, number))
    return found


def missing(simulator: Simulator, topic: str) -> int:
    """Return how many acknowledged records are not at their offset."""
    logs = [simulator.log(topic, partition) for partition in range(PARTITIONS)]
    lost = 0
    for partition, offset, number in PLACES.pop(topic, []):
        log = logs[partition]
        lost += offset >= len(log) or log[offset].value != b"%08x" % number
    return lost


async def disturb(simulator: Simulator, topics: list[str]) -> None:
    """Move leaders and restart SPUs, until cancelled."""
    turn = 0
    while True:
        await trio.sleep(DISTURB_S)
        turn += 1
        if turn % 3:
            for topic in topics:
                simulator.move_leader(topic, turn % PARTITIONS, turn % SPUS)
            continue
        spu = turn // 3 % SPUS
        try:
            await simulator.stop_spu(spu)
            await trio.sleep(DISTURB_S / 4)
        finally:
            with trio.CancelScope(shield=True):
                await simulator.start_spu(spu)


async def phase(
    simulator: Simulator, number: int
) -> tuple[dict[str, Counter[str]], int, HeldResources]:
    """Run one phase; return the outcomes by semantic, the lost records, and what is held."""
    topics = {name: f"{name}-{number}" for name in SEMANTICS}
    for topic in topics.values():
        simulator.cluster.create_topic(topic, topic_of(PARTITIONS))
    outcomes: dict[str, Counter[str]] = {}
    deadline = trio.current_time() + PHASE_S

    async def one(name: str) -> None:
        outcomes[name] = await send(simulator.address, topics[name], SEMANTICS[name], deadline)

    async with trio.open_nursery() as disturbing:
        disturbing.start_soon(disturb, simulator, list(topics.values()))
        async with trio.open_nursery() as sending:
            for name in SEMANTICS:
                sending.start_soon(one, name)
        disturbing.cancel_scope.cancel()
    await trio.sleep(1.0)  # frames that faults delayed arrive
    lost = sum(missing(simulator, topic) for topic in topics.values())
    for topic in topics.values():
        simulator.cluster.delete_topic(topic)
    await trio.sleep(0.5)  # connections end
    return outcomes, lost, held_now()


def held_now() -> HeldResources:
    """Return what the process holds now."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    tasks = trio.lowlevel.current_statistics().tasks_living
    return HeldResources(resident, tasks, len(os.listdir("/proc/self/fd")))


async def soak(minutes: float) -> bool:
    """Run all phases and print a line for each; return whether the promises were kept."""
    seed = time_ns() % 1_000_000
    samples: list[HeldResources] = []
    lost = 0
    print(f"seed {seed}", flush=True)
    async with open_simulator(
        sinks=[], port=0, spu_port=0, spus=SPUS, faults=FAULTS, seed=seed
    ) as simulator:
        for number in range(1, max(3, round(minutes * 60 / PHASE_S)) + 1):
            outcomes, gone, held = await phase(simulator, number)
            lost += gone
            samples.append(held)
            counted = "; ".join(
                f"{name}: {', '.join(f'{count:,} {what}' for what, count in counts.items())}"
                for name, counts in outcomes.items()
            )
            print(
                f"phase {number}: {counted}; acknowledged and not stored: {gone}; "
                f"{held.resident / 1e6:.1f} MB, {held.tasks} tasks, {held.descriptors} descriptors",
                flush=True,
            )
        fired = {name: count.fired for name, count in simulator.summary().faults.items()}
    print(f"fired: {fired}", flush=True)
    second, last = samples[1], samples[-1]
    grown = last.resident > second.resident + GROWTH_BYTES_MAX
    more = last.tasks > second.tasks + 8 or last.descriptors > second.descriptors + 8
    print(f"lost {lost}, memory {'grew' if grown else 'flat'}, rest {'grew' if more else 'flat'}")
    return not (lost or grown or more)


if __name__ == "__main__":
    sys.exit(not trio.run(soak, float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES))
