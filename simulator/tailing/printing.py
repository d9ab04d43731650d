"""The output of ``tail``: records and notes, in one order, until a number of records is printed."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import trio

from simulator.tailing.lines import RememberedRecords, TailTally, record_line
from wire.batch import BatchHeader, decode_batch
from wire.codec import WireError


@dataclass(slots=True)
class RecordPrinter:
    """Prints the records of all partitions."""

    say: Callable[[list[str]], Awaitable[None]]
    """Prints lines; a stream goes on when it returns."""
    remembered: RememberedRecords
    """The records by which copies are found."""
    count: int | None
    """The number of records after which nothing more is printed; None if there is none."""
    tally: TailTally = field(default_factory=TailTally)
    finished: trio.Event = field(default_factory=lambda: trio.Event())
    """Set when ``count`` records are printed."""
    _noted: bool = False
    """Whether the limit of remembered records was told."""

    @property
    def complete(self) -> bool:
        """Whether no more records are to be printed."""
        return self.count is not None and self.tally.records >= self.count

    async def note(self, text: str) -> None:
        """Print a line that is no record.

        Raises:
            OSError: it cannot be printed.
        """
        await self.say([f"note: {text}"])

    async def batch(self, index: int, offset: int, header: BatchHeader, batch: memoryview) -> None:
        """Print the records of a batch.

        Args:
            index: the partition.
            offset: where to begin; records before it were printed already.
            header: the header of the batch.
            batch: the whole batch.

        Raises:
            OSError: they cannot be printed.
        """
        lines = list(self._lines(index, offset, header, batch))
        if lines:
            await self.say(lines)
        if self.complete:
            self.finished.set()

    def _lines(
        self, index: int, offset: int, header: BatchHeader, batch: memoryview
    ) -> Iterator[str]:
        try:
            _, records = decode_batch(batch)
        except WireError as error:
            yield f"{index}@{header.base_offset}  records that do not decode: {error}"
            return
        for record in records:
            if record.offset < offset or self.complete:
                continue
            if self.remembered.full and not self._noted:
                self._noted = True
                yield "note: the memory for records is full; copies of the oldest are not marked"
            first = self.remembered.first(index, record)
            self.tally.records += 1
            self.tally.resent += first != record.offset
            yield record_line(index, record, first)
