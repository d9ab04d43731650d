"""The step ``send``."""

from typing import ClassVar

from pydantic import StrictBool

from chaos.spec.step import Harness, Step, ValueSize
from simulator.documents.quantities import Count, Duration, Index
from simulator.documents.strict_model import Strict


class Send(Strict, Step):
    """Sends records one by one, as fast as the producer accepts them."""

    kind: ClassVar[str] = "send"

    count: Count = 1
    """The number of records."""
    size: ValueSize = 100
    """Bytes of each value; it starts with the record's id."""
    keys: Index = 0
    """The number of different keys, used in turn; 0 for no key."""
    pace: Duration = 0.0
    """How long to wait after each record."""
    wait: StrictBool = False
    """Whether each record is settled before the next one is sent."""

    async def perform(self, run: Harness) -> None:
        """Send the records."""
        await run.send(self.count, self.size, self.keys, wait=self.wait, pace=self.pace)
