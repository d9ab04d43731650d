"""The step ``close``."""

from typing import ClassVar

from chaos.spec.step import Harness, Step
from simulator.documents.strict_model import Strict


class Close(Strict, Step):
    """Closes the producer, which settles all its records. The next call of the client makes a new
    producer."""

    kind: ClassVar[str] = "close"

    async def perform(self, run: Harness) -> None:
        """Close."""
        await run.close()
