"""The step ``flush``."""

from typing import ClassVar

from chaos.spec.step import CancelAfter, Harness, Step
from simulator.documents.strict_model import Strict


class Flush(Strict, Step):
    """Flushes the producer: at-least-once until all records are settled, at-most-once until all are
    sent."""

    kind: ClassVar[str] = "flush"

    cancel_after: CancelAfter = None
    """When the flush is cancelled by its caller."""

    async def perform(self, run: Harness) -> None:
        """Flush."""
        await run.flush(self.cancel_after)
