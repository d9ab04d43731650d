"""The step ``close``."""

from typing import ClassVar

from chaos.spec.step import CancelAfter, Harness, Step
from simulator.documents.strict_model import Strict


class Close(Strict, Step):
    """Closes the producer, which settles all its records. The next call of the client makes a new
    producer."""

    kind: ClassVar[str] = "close"

    cancel_after: CancelAfter = None
    """When the close is cancelled by its caller, which gives up at once what is open."""

    async def perform(self, run: Harness) -> None:
        """Close."""
        await run.close(self.cancel_after)
