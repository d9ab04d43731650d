"""Reads a topic with a program of the client protocol, in a process of its own for each partition.

The program writes a line for each record. It is killed when the time of the step is over; what it
wrote before it was killed counts, because it may have had an offset stored that it told there.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import trio

from chaos.consumption import Consumption
from chaos.drivers import Broken, CallFailed, ConsumptionRecorder
from chaos.drivers.process import Process, open_dialogue
from chaos.drivers.questions import Answer, Questions, base64_of, whole
from chaos.spec.consume_terms import ConsumeTerms
from wire.batch import Record

RECORD_LINE_BYTES_MAX = 64 * 1024 * 1024
"""The longest line with a record; the largest record that an SPU stores has 45 MB in base64."""


class ConsumerProcesses:
    """The processes of consumers.

    Args:
        start: starts the program.
        keep: whether a process whose consumption ended well is used for another one.
    """

    def __init__(self, start: Callable[[], Process], *, keep: bool = False) -> None:
        self._start = start
        self._keep = keep
        self._idle: list[Process] = []

    @contextmanager
    def one(self) -> Iterator[Process]:
        """Use a process; an exception kills it."""
        process = self._idle.pop() if self._idle else self._start()
        if not process.alive:
            process.kill()
            process = self._start()
        kept = False
        try:
            yield process
            kept = self._keep
        finally:
            if kept:
                self._idle.append(process)
            else:
                process.kill()

    def end(self) -> None:
        """Kill those that are kept."""
        while self._idle:
            self._idle.pop().kill()


@dataclass(slots=True)
class Reading:
    """What the readers of one step share."""

    address: str
    """The address of the SC."""
    topic: str
    terms: ConsumeTerms
    recorder: ConsumptionRecorder
    processes: ConsumerProcesses
    stop: Callable[[], None] | None = None
    """Ends all readers; None if there is one, whose program ends by itself."""
    delivered: int = 0
    """How many records were delivered in all."""

    @property
    def has_enough(self) -> bool:
        """Whether as many records were delivered as were asked for."""
        return self.terms.count is not None and self.delivered >= self.terms.count


async def read_with_programs(reading: Reading, consumptions: Sequence[Consumption]) -> None:
    """Read partitions of a topic; return when all programs have ended, or together have delivered
    as many records as were asked for.

    Args:
        reading: what to read.
        consumptions: one for each partition.

    Raises:
        Broken: a program ended, or wrote an invalid line.
    """
    broken: list[Broken] = []
    async with trio.open_nursery() as nursery:
        if len(consumptions) > 1:
            reading.stop = nursery.cancel_scope.cancel

        async def read(consumption: Consumption) -> None:
            try:
                await _ProgramReader(reading, consumption).run()
            except Broken as failure:  # a nursery would wrap it into a group
                broken.append(failure)
                nursery.cancel_scope.cancel()

        for each in consumptions:
            nursery.start_soon(read, each)
    if broken:
        raise broken[0]
    if reading.has_enough:
        for each in consumptions:
            reading.recorder.ended(each, "count")


class _ProgramReader:
    """Reads one partition with a program."""

    def __init__(self, reading: Reading, consumption: Consumption) -> None:
        self._reading = reading
        self._consumption = consumption
        self._recorder = reading.recorder
        self._delivered = 0

    async def run(self) -> None:
        """Have a program connect and read."""
        with self._reading.processes.one() as process:
            async with open_dialogue(process, line_bytes_max=RECORD_LINE_BYTES_MAX) as dialogue:
                questions = Questions(process, dialogue, math.inf)  # the step has the time limit
                try:
                    await self._read(questions)
                except CallFailed as failure:
                    self._recorder.ended(self._consumption, "error", str(failure))

    async def _read(self, questions: Questions) -> None:
        it, terms = self._consumption, self._reading.terms
        await questions.ask("connect", address=self._reading.address, client_id=it.client_id)
        try:
            await questions.ask(
                "consume",
                self._take,
                topic=self._reading.topic,
                partition=it.partition,
                start=terms.start,
                offset=terms.offset,
                count=terms.count,
                consumer_id=terms.consumer_id,
                isolation=terms.isolation,
                max_bytes=terms.max_bytes,
            )
        except trio.Cancelled:
            await questions.finish("consume", self._take)
            raise
        self._recorder.ended(it, "end" if terms.count is None else "count")

    def _take(self, line: Answer) -> None:
        """Record what a line of the program tells."""
        match line:
            case {"record": dict(fields)}:
                self._deliver(_record(fields))
            case {"storing": _}:
                self._recorder.offset_sent(self._consumption, whole(line, "storing"))
            case {"stored": _}:
                self._recorder.offset_stored(self._consumption, whole(line, "stored"))
            case _:
                keys = ", ".join(map(str, line)) or "none"
                what = f"the program answered consume with a line that has the keys {keys}"
                raise Broken(f"{what}, none of which is record, storing, stored, ok or error")

    def _deliver(self, record: Record) -> None:
        reading, count = self._reading, self._reading.terms.count
        self._delivered += 1
        if count is not None and self._delivered > count:
            raise Broken(f"the program delivered more than the {count} records that it was to read")
        self._recorder.delivered(self._consumption, [record])
        reading.delivered += 1
        if reading.has_enough and reading.stop is not None:
            reading.stop()


def _record(fields: Answer) -> Record:
    """Return the record that a line tells."""
    key, timestamp = fields.get("key"), fields.get("timestamp")
    return Record(
        key=None if key is None else base64_of(fields, "key"),
        value=base64_of(fields, "value"),
        timestamp_ms=-1 if timestamp == -1 else whole(fields, "timestamp"),
        offset=whole(fields, "offset"),
    )
