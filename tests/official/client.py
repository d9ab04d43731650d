"""Drive the official client from a test: operations in, results out, within a time."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Literal, NamedTuple

import trio

import simulator
from simulator.events import Appended, FrameRead
from simulator.proxying.proxy import Proxy

DRIVER = Path(__file__).with_name("driver.py")

SOCKET_WAIT_S = 1
"""How long the client waits for an answer, in whole seconds, the least that it takes; 60 if unsaid.
It reads the variable once, when it starts."""

WITHIN_S = 10.0
"""How long a client may take for everything. It hangs for ever where a real one would too."""

Operation = dict[str, Any]
Result = dict[str, Any]
Wait = Literal["each", "all", "never"]
"""For each record before the next is sent, for all once they are sent, or only until a flush."""


class Sent(NamedTuple):
    """What the client was told about one record."""

    partition: int | None = None
    offset: int | None = None
    error: str | None = None


async def drive(
    sim: simulator.Simulator | Proxy, *operations: Operation, within_s: float = WITHIN_S
) -> list[Result]:
    """Run operations in one client, one after the other; the result of each.

    Raises:
        trio.TooSlowError: the client took too long and was killed.
    """
    task = json.dumps({"address": sim.address, "operations": operations})
    with trio.fail_after(within_s):
        done = await trio.run_process(
            [sys.executable, str(DRIVER)],
            stdin=task.encode(),
            capture_stdout=True,
            env={**os.environ, "FLV_SOCKET_WAIT": str(SOCKET_WAIT_S)},
            # The default is a polite request first; a client that hangs does not hear it.
            deliver_cancel=_kill,
        )
    return [json.loads(line) for line in done.stdout.splitlines()]


async def _kill(process: subprocess.Popen[bytes] | trio.Process) -> None:
    process.kill()


async def produce(
    sim: simulator.Simulator,
    *records: tuple[bytes | None, bytes],
    topic: str = "greetings",
    wait: Wait = "all",
    within_s: float = WITHIN_S,
    **options: str | int,
) -> list[Sent]:
    """Produce with a new client; what it was told about each record."""
    operation = producing(*records, topic=topic, wait=wait, **options)
    (result,) = await drive(sim, operation, within_s=within_s)
    return sent(result)


def producing(
    *records: tuple[bytes | None, bytes],
    topic: str = "greetings",
    wait: Wait = "all",
    **options: str | int,
) -> Operation:
    """The operation that sends records, their keys before their values."""
    return {
        "do": "produce",
        "topic": topic,
        "records": [[key if key is None else key.hex(), value.hex()] for key, value in records],
        "options": options,
        "wait": wait,
    }


def sent(result: Result) -> list[Sent]:
    """What a producing operation says about its records."""
    assert "sent" in result, result
    return [Sent(**each) for each in result["sent"]]


class Read(NamedTuple):
    """A record that was consumed."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes


def consuming(
    count: int, *start: Any, topic: str = "greetings", partition: int | None = 0, **options: Any
) -> Operation:
    """The operation that reads so many records from an offset on, by default from the beginning.

    Args:
        count: how many records to read.
        start: the name of a function of ``Offset``, and its arguments.
        topic: the topic.
        partition: the index of the partition; None for all, with ``consumer_with_config``.
        options: ``via``, ``then_s`` and options of a consumer, as in ``driver.py``.
    """
    return {
        "do": "consume",
        "topic": topic,
        "partition": partition,
        "start": start or ["beginning"],
        "count": count,
        **options,
    }


def read(result: Result) -> list[Read]:
    """The records that a consuming operation read."""
    assert "read" in result, result
    return [
        Read(offset, timestamp, key if key is None else bytes.fromhex(key), bytes.fromhex(value))
        for offset, timestamp, key, value in result["read"]
    ]


def offsets(result: Result) -> list[int]:
    """The offsets of the records that a consuming operation read."""
    return [record.offset for record in read(result)]


# --- what the simulator says


def stored(
    sim: simulator.Simulator, topic: str = "greetings", partition: int = 0
) -> list[tuple[bytes | None, bytes]]:
    """Keys and values of one partition, in the order of offsets."""
    return [(record.key, record.value) for record in sim.log(topic, partition)]


def appends(sim: simulator.Simulator) -> list[Appended]:
    """Every append, in order."""
    return [event for event in sim.events if isinstance(event, Appended)]


def transmissions(sim: simulator.Simulator) -> list[int]:
    """The produce requests that carried records and reached the SPU's door, faults or not."""
    return [
        event.transmission
        for event in sim.events
        if isinstance(event, FrameRead) and event.api == "produce" and event.topic is not None
    ]


def fired(sim: simulator.Simulator) -> Counter[str]:
    """How often each fault struck."""
    return Counter({name: count.fired for name, count in sim.summary().faults.items()})
