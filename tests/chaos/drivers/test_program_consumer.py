"""A consumer behind two pipes: its questions, and the effect of each kind of line."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio

from chaos.consumption import Consumption, ConsumptionEnd
from chaos.drivers import Broken, ConsumptionRecorder
from chaos.drivers.process import LINE_BYTES_MAX, Process
from chaos.drivers.program_consumer import ConsumerProcesses, Reading, read_with_programs
from chaos.spec.consume_terms import ConsumeTerms
from tests.chaos.drivers.programs import program
from wire.batch import Record

PROGRAM = """
import json, os, sys
from base64 import b64encode
def say(**fields):
    os.write(1, (json.dumps({"n": n, **fields}) + "\\n").encode())
def record(offset, value=b"v", key=None):
    return {"offset": offset, "timestamp": 9, "key": key, "value": b64encode(value).decode()}
for line in sys.stdin:
    question = json.loads(line)
    n = question["n"]
    if question["op"] == "consume":
        exec(SCRIPT)
    else:
        connected = line
        say(ok=True)
"""


class Told(ConsumptionRecorder):
    """Keeps what it is told, and calls back for each record."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []
        self.ends: list[tuple[int, str, str | None]] = []
        self.on_record: Callable[[], None] = lambda: None

    def dialled(self, consumption: Consumption, port: int) -> None:
        raise AssertionError("a program dials by itself")

    def delivered(self, consumption: Consumption, records: Sequence[Record]) -> None:
        self.lines += [(r.offset, r.timestamp_ms, r.key, r.value) for r in records]
        self.on_record()

    def offset_sent(self, consumption: Consumption, offset: int) -> None:
        self.lines.append(("storing", offset))

    def offset_stored(self, consumption: Consumption, offset: int) -> None:
        self.lines.append(("stored", offset))

    def ended(
        self, consumption: Consumption, end: ConsumptionEnd, error: str | None = None
    ) -> None:
        self.ends.append((consumption.partition, end, error))


class Consumer:
    """Consumes with a program that does what a script says."""

    def __init__(self, tmp_path: Path, script: str, *, keep: bool = False) -> None:
        command = program(tmp_path, PROGRAM.replace("SCRIPT", repr(script)))
        self.started: list[Process] = []

        def start() -> Process:
            self.started.append(Process(command))
            return self.started[-1]

        self.processes = ConsumerProcesses(start, keep=keep)
        self.told = Told()

    async def read(self, *partitions: int, **terms: Any) -> None:
        reading = Reading(
            "127.0.0.1:1", "greetings", ConsumeTerms(**terms), self.told, self.processes
        )
        parts = partitions or (0,)
        consumptions = [Consumption(n, 0, "a", part, 0.0) for n, part in enumerate(parts)]
        await read_with_programs(reading, consumptions)


async def test_it_is_asked_with_every_key_of_the_step_and_a_client_id(tmp_path: Path) -> None:
    consumer = Consumer(tmp_path, "say(error=connected + line)")
    await consumer.read(3, start="end", offset=7, consumer_id="payments", max_bytes=500)
    ((partition, end, error),) = consumer.told.ends
    assert (partition, end) == (3, "error")
    assert error == (
        '{"op": "connect", "n": 1, "address": "127.0.0.1:1", "client_id": "consumer-a"} '
        '{"op": "consume", "n": 2, "topic": "greetings", "partition": 3, "start": "end", '
        '"offset": 7, "count": null, "consumer_id": "payments", '
        '"isolation": "read-uncommitted", "max_bytes": 500}'
    )


@pytest.mark.parametrize(("terms", "end"), [({}, "end"), ({"count": 2}, "count")])
async def test_each_line_is_recorded_in_its_order(tmp_path: Path, terms: Any, end: str) -> None:
    script = """
say(record=record(5, b"\\xff", key=""))
say(storing=5)
say(stored=5)
say(record={**record(6, b""), "timestamp": -1})
say(ok=True)
"""
    consumer = Consumer(tmp_path, script)
    await consumer.read(**terms)
    assert consumer.told.lines == [
        (5, 9, b"", b"\xff"),
        ("storing", 5),
        ("stored", 5),
        (6, -1, None, b""),
    ]
    assert consumer.told.ends[0] == (0, end, None)
    assert not consumer.started[0].alive


async def test_a_record_may_be_longer_than_an_answer(tmp_path: Path) -> None:
    size = LINE_BYTES_MAX + 1
    script = f"""
print(json.dumps({{"n": n, "record": record(0, bytes({size}))}}), flush=True)
say(ok=True)
"""
    consumer = Consumer(tmp_path, script)
    await consumer.read()
    assert [len(value) for *_, value in consumer.told.lines] == [size]


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("say(record=5)", "a line that has the keys n, record, none of which is"),
        ("say(record=record(-1))", "with offset -1, which is not a whole number"),
        ("say(record={**record(0), 'timestamp': None})", "with timestamp nothing, which is not a"),
        ("say(record={**record(0), 'value': '?'})", r"with value '\?', which is not base64"),
        ("say(record={**record(0), 'key': 5})", "with key 5, which is not base64"),
        ("say(storing='5')", "with storing '5', which is not a whole number"),
        ("say(record=record(0)); say(record=record(1))", "more than the 1 records that it was"),
        ("say(ok=False)", "which is neither"),
        ("n = 1; say(record=record(0))", "answered question 1 twice"),
        ("sys.exit(3)", "the program ended with status 3"),
    ],
)
async def test_an_invalid_line_is_a_failure_of_the_program(
    tmp_path: Path, script: str, text: str
) -> None:
    consumer = Consumer(tmp_path, script, keep=True)
    with pytest.raises(Broken, match=text):
        await consumer.read(count=1)
    assert not consumer.started[0].alive


async def test_what_a_program_wrote_before_it_was_ended_counts(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"""
say(record=record(0))
say(storing=0)
open({str(fifo)!r}, "w").close()
sys.stdin.read()
"""
    consumer = Consumer(tmp_path, script, keep=True)
    with trio.CancelScope() as scope:

        def end() -> None:
            fifo.read_bytes()  # the program has written its second line
            scope.cancel()

        consumer.told.on_record = end
        await consumer.read()
    assert consumer.told.lines == [(0, 9, None, b"v"), ("storing", 0)]
    assert not consumer.started[0].alive


async def test_the_readers_of_several_partitions_end_with_enough_records(tmp_path: Path) -> None:
    script = """
if question["partition"]:
    for offset in range(3):
        say(record=record(offset))
sys.stdin.read()
"""
    consumer = Consumer(tmp_path, script)
    await consumer.read(0, 1, count=3)
    assert [offset for offset, *_ in consumer.told.lines] == [0, 1, 2]
    assert consumer.told.ends == [(0, "count", None), (1, "count", None)]
    assert not any(process.alive for process in consumer.started)


async def test_a_process_whose_consumption_ended_well_is_used_again(tmp_path: Path) -> None:
    consumer = Consumer(tmp_path, "say(record=record(n)); say(ok=True)", keep=True)
    await consumer.read()
    await consumer.read()
    assert [offset for offset, *_ in consumer.told.lines] == [2, 4]
    assert len(consumer.started) == 1
    consumer.processes.end()
    assert not consumer.started[0].alive
    await consumer.read()
    assert len(consumer.started) == 2
    consumer.processes.end()


async def test_a_kept_process_that_has_ended_is_replaced(tmp_path: Path) -> None:
    consumer = Consumer(tmp_path, "say(ok=True)", keep=True)
    await consumer.read()
    consumer.started[0].kill()
    await consumer.read()
    assert len(consumer.started) == 2
    consumer.processes.end()
