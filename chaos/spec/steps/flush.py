"""The step ``flush``."""

from typing import ClassVar

from chaos.spec.step import Harness, Step
from simulator.documents.strict_model import Strict


class Flush(Strict, Step):
    """Flushes the producer: until everything is settled, under at-most-once until it has left."""

    kind: ClassVar[str] = "flush"

    async def perform(self, run: Harness) -> None:
        """Flush."""
        await run.flush()
