"""The step ``send_all``."""

from typing import ClassVar

from chaos.spec.step import Harness, Step, ValueSize
from simulator.documents.quantities import Count, Index
from simulator.documents.strict_model import Strict


class SendAll(Strict, Step):
    """Sends records with one call."""

    kind: ClassVar[str] = "send_all"

    count: Count = 1
    """The number of records."""
    size: ValueSize = 100
    """Bytes of each value; it starts with the record's id."""
    keys: Index = 0
    """The number of different keys, used in turn; 0 for no key."""

    async def perform(self, run: Harness) -> None:
        """Send the records."""
        await run.send_all(self.count, self.size, self.keys)
